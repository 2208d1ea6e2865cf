//! As much of SIP as MESSAGEs need, in both directions: one message read, its answer and a request of our own written.
//!
//! Source: RFC 3261, sections 7 (form), 8.1.1 and 17.1.2 (our own requests), 8.2.6 and 18.2.2 (answers), 18.3 (length);
//! RFC 3428 (MESSAGE).

use std::net::SocketAddr;

use rand::Rng as _;

/// The longest head that is read, in bytes.
pub(crate) const LONGEST_HEAD: usize = 16 * 1024;
/// The longest body that is taken off a stream, in bytes. What is longer than an alarm unit may send is answered so.
pub(crate) const LONGEST_BODY: usize = 64 * 1024;

/// A message, as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) start: Start,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What its first line says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// Somebody asks.
    Request {
        /// What for.
        method: String,
    },
    /// Somebody answers, with this status.
    Response {
        /// 100 to 699; from 200 on it is final.
        status: u16,
    },
}

/// What the bytes of a stream hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Framed {
    /// A message, in so many bytes.
    Whole(Message, usize),
    /// So many bytes mean nothing: the line ends with which peers keep a connection open.
    Skip(usize),
    /// It goes on.
    More,
    /// No message can begin like that.
    Broken,
}

/// The short forms of headers. Source: RFC 3261, section 7.3.3.
const SHORT: [(&str, &str); 7] = [
    ("v", "via"),
    ("f", "from"),
    ("t", "to"),
    ("i", "call-id"),
    ("m", "contact"),
    ("l", "content-length"),
    ("c", "content-type"),
];

impl Message {
    /// Reads one datagram. `None`: it is no message.
    pub(crate) fn of_datagram(bytes: &[u8]) -> Option<Self> {
        let (head, body) = split(bytes)?;
        let message = Self::of_head(head)?;
        let length = message.length().unwrap_or(body.len());
        // A body shorter than it says was cut: it is read all the same, as it may be an alarm.
        Some(Self { body: body[..length.min(body.len())].to_vec(), ..message })
    }

    /// Reads the first message of a stream.
    pub(crate) fn of_stream(bytes: &[u8]) -> Framed {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            return Framed::Skip(blank);
        }
        let Some((head, rest)) = split(bytes) else {
            return if bytes.len() > LONGEST_HEAD { Framed::Broken } else { Framed::More };
        };
        // Without a length nobody knows where a message of a stream ends.
        let Some((message, length)) =
            Self::of_head(head).and_then(|message| Some((message.length()?, message)).map(|(l, m)| (m, l)))
        else {
            return Framed::Broken;
        };
        if length > LONGEST_BODY {
            return Framed::Broken;
        }
        match rest.get(..length) {
            Some(body) => {
                let taken = bytes.len() - rest.len() + length;
                Framed::Whole(Self { body: body.to_vec(), ..message }, taken)
            }
            None => Framed::More,
        }
    }

    fn of_head(head: &[u8]) -> Option<Self> {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let start = start(lines.next()?)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match (line.starts_with([' ', '\t']), headers.last_mut()) {
                (true, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                _ => {
                    let (name, value) = line.split_once(':')?;
                    let name = name.trim().to_ascii_lowercase();
                    let name = SHORT
                        .iter()
                        .find(|(short, _)| *short == name)
                        .map_or(name.clone(), |(_, long)| (*long).to_owned());
                    headers.push((name, value.trim().to_owned()));
                }
            }
        }
        Some(Self { start, headers, body: Vec::new() })
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    /// The first header of that name.
    pub(crate) fn header(&self, name: &'static str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of that name.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Which of our own requests a response is to: the branch of its first Via.
    pub(crate) fn branch(&self) -> Option<&str> {
        parameter(self.header("via")?, "branch")
    }

    /// Where an answer over UDP goes. Source: RFC 3261, section 18.2.2; RFC 3581.
    pub(crate) fn answer_to(&self, source: SocketAddr) -> SocketAddr {
        let Some(via) = self.header("via") else { return source };
        if has_parameter(via, "rport") {
            return source;
        }
        let sent_by = via.split([';', ',']).next().and_then(|via| via.split_whitespace().nth(1)).unwrap_or_default();
        let port = sent_by.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(DEFAULT_PORT);
        SocketAddr::new(source.ip(), port)
    }

    /// The answer to a request, with what its Vias, dialogue and turn were.
    pub(crate) fn answer(&self, status: &str, source: SocketAddr, body: Option<&str>) -> Vec<u8> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (place, via) in self.all("via").enumerate() {
            let seen = if place == 0 { seen_at(via, source) } else { via.to_owned() };
            text.push_str(&format!("Via: {seen}\r\n"));
        }
        for (name, written) in [("from", "From"), ("to", "To"), ("call-id", "Call-ID"), ("cseq", "CSeq")] {
            if let Some(value) = self.header(name) {
                let tag = if name == "to" && !has_parameter(value, "tag") {
                    format!(";tag={}", token())
                } else {
                    String::new()
                };
                text.push_str(&format!("{written}: {value}{tag}\r\n"));
            }
        }
        text.push_str("Allow: MESSAGE, OPTIONS\r\n");
        end(text, body)
    }

    /// A MESSAGE of our own to whoever sent this one, and the branch by which its responses are known.
    pub(crate) fn reply(&self, body: &str, transport: &str, local: SocketAddr) -> Option<(String, Vec<u8>)> {
        let (them, us) = (address(self.header("from")?), address(self.header("to")?));
        let target = self.header("contact").map_or(them, address);
        let call = token();
        let ours = Outgoing {
            method: "MESSAGE",
            target,
            us,
            them,
            call: &call,
            sequence: 1,
            transport,
            local,
            contact: None,
            more: &[],
            body: Some(body),
        };
        Some(ours.write())
    }
}

/// A request of our own.
pub(crate) struct Outgoing<'a> {
    /// What for.
    pub(crate) method: &'a str,
    /// Whom: the address in the first line.
    pub(crate) target: &'a str,
    /// Who asks.
    pub(crate) us: &'a str,
    /// Who is asked.
    pub(crate) them: &'a str,
    /// The call it belongs to, which is our side's tag in it too.
    pub(crate) call: &'a str,
    /// The how-manieth of its call.
    pub(crate) sequence: u32,
    /// UDP, TCP or TLS.
    pub(crate) transport: &'a str,
    /// Where answers come to.
    pub(crate) local: SocketAddr,
    /// Where requests of the other side come to.
    pub(crate) contact: Option<&'a str>,
    /// More headers.
    pub(crate) more: &'a [(&'a str, String)],
    /// What is said.
    pub(crate) body: Option<&'a str>,
}

impl Outgoing<'_> {
    /// The branch by which its responses are known, and the bytes.
    pub(crate) fn write(&self) -> (String, Vec<u8>) {
        let Self { method, target, us, them, call, sequence, transport, local, contact, more, body } = self;
        let branch = format!("z9hG4bK{}", token());
        let mut text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: <{us}>;tag={call}\r\nTo: <{them}>\r\nCall-ID: {call}\r\nCSeq: {sequence} {method}\r\n",
        );
        if let Some(contact) = contact {
            text.push_str(&format!("Contact: <{contact}>\r\n"));
        }
        for (name, value) in *more {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        (branch, end(text, *body))
    }
}

/// The port of SIP without TLS.
pub(crate) const DEFAULT_PORT: u16 = 5060;

fn end(mut text: String, body: Option<&str>) -> Vec<u8> {
    if body.is_some() {
        text.push_str(&format!("Content-Type: {}\r\n", hempuls_protocol::scaip::MEDIA_TYPE));
    }
    let body = body.unwrap_or_default();
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

fn start(line: &str) -> Option<Start> {
    let mut words = line.split_whitespace();
    let (first, second, third) = (words.next()?, words.next()?, words.next());
    if first == "SIP/2.0" {
        return Some(Start::Response { status: second.parse().ok()? });
    }
    (third? == "SIP/2.0").then(|| Start::Request { method: first.to_owned() })
}

/// Head and body, which an empty line parts.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    Some((&bytes[..end], &bytes[end + 4..]))
}

/// A Via with where it was really seen to come from.
fn seen_at(via: &str, source: SocketAddr) -> String {
    let ported: Vec<String> = via
        .split(';')
        .map(|part| if part.trim() == "rport" { format!("rport={}", source.port()) } else { part.to_owned() })
        .collect();
    format!("{};received={}", ported.join(";"), source.ip())
}

fn has_parameter(value: &str, name: &str) -> bool {
    after_address(value)
        .split(';')
        .skip(1)
        .any(|part| part.split('=').next().is_some_and(|known| known.trim().eq_ignore_ascii_case(name)))
}

fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let parts = after_address(value).split(';').skip(1);
    parts
        .filter_map(|part| part.split_once('='))
        .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// What follows the address in `"Name" <sip:…;transport=tcp>;tag=…`: parameters within it are the address's own.
fn after_address(value: &str) -> &str {
    value.rfind('>').map_or(value, |end| &value[end..])
}

/// The bare address of a From, To or Contact.
fn address(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((within, _)) => within,
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// 64 random bits.
pub(crate) fn token() -> String {
    hex::encode(rand::rng().random::<[u8; 8]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "MESSAGE sip:arc@192.0.2.1 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bK77;rport\r\n\
                        Via: SIP/2.0/UDP 10.0.0.8\r\nFrom: \"Ada\" <sip:unit@10.0.0.7;transport=udp>;tag=1\r\n\
                        t: sip:arc@192.0.2.1\r\nCall-ID: abc\r\nCSeq: 1\r\n MESSAGE\r\nl: 4\r\n\r\n";

    #[test]
    fn a_message_is_read_with_short_and_folded_headers_and_answered_to_where_it_came_from() {
        let message = Message::of_datagram(format!("{HEAD}<mrq").as_bytes()).expect("a message");
        assert_eq!(message.start, Start::Request { method: "MESSAGE".into() });
        assert_eq!((message.body.as_slice(), message.header("cseq")), (&b"<mrq"[..], Some("1 MESSAGE")));
        assert_eq!(message.answer_to(source()), source(), "it asked for its own port");
        let answer = String::from_utf8(message.answer("200 OK", source(), Some("<mrs/>"))).unwrap();
        assert!(
            answer.starts_with(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bK77;rport=40000;received=203.0.113.5\r\n\
                                    Via: SIP/2.0/UDP 10.0.0.8\r\nFrom: \"Ada\""
            ),
            "{answer}"
        );
        assert!(
            answer.contains("\r\nTo: sip:arc@192.0.2.1;tag=") && answer.ends_with("Content-Length: 6\r\n\r\n<mrs/>")
        );
        let without = Message::of_datagram(HEAD.replace(";rport", "").as_bytes()).expect("a message");
        assert_eq!(without.answer_to(source()), "203.0.113.5:5062".parse().unwrap());
    }

    #[test]
    fn our_own_message_goes_to_whoever_asked_and_its_response_is_known() {
        let message = Message::of_datagram(HEAD.as_bytes()).expect("a message");
        let (branch, bytes) =
            message.reply("<mrs/>", "UDP", "192.0.2.1:5060".parse().unwrap()).expect("it has both names");
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("MESSAGE sip:unit@10.0.0.7;transport=udp SIP/2.0\r\n"), "{text}");
        assert!(
            text.contains("\r\nFrom: <sip:arc@192.0.2.1>;tag=")
                && text.contains("\r\nTo: <sip:unit@10.0.0.7;transport=udp>\r\n")
        );
        let ours = Message::of_datagram(&bytes).expect("a message");
        let response = Message::of_datagram(&ours.answer("200 OK", source(), None)).expect("a response");
        assert_eq!(response.header("content-length"), Some("0"));
        assert_eq!(response.branch(), Some(branch.as_str()));
        assert_eq!(response.start, Start::Response { status: 200 });
    }

    #[test]
    fn a_stream_is_cut_into_its_messages_wherever_it_is_torn() {
        let stream = format!("\r\n\r\n{HEAD}<mrq{HEAD}<mrs");
        let (mut bytes, mut bodies) = (Vec::new(), Vec::new());
        for byte in stream.bytes() {
            bytes.push(byte);
            match Message::of_stream(&bytes) {
                Framed::Whole(message, taken) => {
                    bytes.drain(..taken);
                    bodies.push(message.body);
                }
                Framed::Skip(blank) => drop(bytes.drain(..blank)),
                Framed::More => {}
                Framed::Broken => panic!("broken at {}", bytes.len()),
            }
        }
        assert_eq!(bodies, [b"<mrq".to_vec(), b"<mrs".to_vec()]);
        assert_eq!(Message::of_stream(b"GET / HTTP/1.1\r\n\r\n"), Framed::Broken);
        assert_eq!(Message::of_stream(HEAD.replace("l: 4", "l: 99999999").as_bytes()), Framed::Broken);
        assert_eq!(Message::of_stream(&vec![b'x'; LONGEST_HEAD + 1]), Framed::Broken);
    }

    #[test]
    fn a_damaged_message_is_read_or_not_and_never_more() {
        let whole = format!("{HEAD}<mrq");
        for place in 0..whole.len() {
            for byte in [0, b' ', b':', b';', b'<', b'\r', 0xff] {
                let mut bytes = whole.clone().into_bytes();
                bytes[place] = byte;
                if let Some(message) = Message::of_datagram(&bytes) {
                    message.answer("200 OK", message.answer_to(source()), None);
                    message.reply("", "UDP", source());
                }
                Message::of_stream(&bytes[..place]);
            }
        }
    }

    fn source() -> SocketAddr {
        "203.0.113.5:40000".parse().expect("an address")
    }
}

//! One message to one receiver, until it has answered or has had its time. No sockets and no clock in here: times are
//! counted from the talk's beginning.
//!
//! SIP's own answer ends a transaction and no more. Without an `mrs` the message is sent once more, as a new
//! transaction with the same reference; where the centre finds it faulty, a minimal one is sent in its place, once.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use hempuls_protocol::scaip::{Answer, Request, Status};

use super::flow::Sending;
use crate::scaip::digest::Account;
use crate::scaip::sip::{Message, Outgoing, Start, token};

/// T1 and T2 of SIP. Source: RFC 3261, section 17.1.2.2.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const LONGEST_REPEAT: Duration = Duration::from_secs(4);

/// So often we show who we are: a server that asks again does not like what it sees.
const MOST_CHALLENGES: u32 = 2;

/// Both ends of the talk.
pub(super) struct Side {
    pub(super) target: String,
    pub(super) us: String,
    pub(super) contact: String,
    pub(super) local: SocketAddr,
    pub(super) transport: &'static str,
    pub(super) is_lossy: bool,
    pub(super) account: Option<Account>,
    pub(super) registers: bool,
}

pub(super) enum Input<'a> {
    /// A message came from there.
    Came(&'a Message, SocketAddr),
    Tick,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Send(Sending),
    End(Heard),
}

/// What a receiver had to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// It is the centre's own answer.
    Answer(Answer),
    /// A SIP server on the way says no.
    Refused { status: u16 },
    /// Nothing in time. `is_taken`: SIP took the message.
    Silence { is_taken: bool },
    /// It could not be asked.
    NoWay(String),
}

impl Heard {
    /// Whether the receiver is there: whatever it answers.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_))
    }
}

impl fmt::Display for Heard {
    /// What the receiver did, without its address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => match answer.status {
                Status::OK => f.write_str("has taken it (mrs 0)"),
                Status::HOLD => f.write_str("says hold (mrs 4)"),
                Status::NOT_TREATED => f.write_str("does not treat it (mrs 5)"),
                Status::BUSY => f.write_str("is busy (mrs 6)"),
                status => write!(f, "finds the message faulty (mrs {status})"),
            },
            Self::Refused { status } => write!(f, "refused it (SIP {status})"),
            Self::Silence { is_taken: true } => f.write_str("gave no answer in time, only SIP's 200"),
            Self::Silence { is_taken: false } => f.write_str("gave no answer in time"),
            Self::NoWay(why) => f.write_str(why),
        }
    }
}

pub(super) struct Talk {
    side: Side,
    whole: Request,
    minimal: Option<Request>,
    said: &'static str,
    call: String,
    sequence: u32,
    challenges: u32,
    authorization: Vec<(&'static str, String)>,
    transaction: Option<Transaction>,
    is_taken: bool,
    again_at: Option<Duration>,
    until: Duration,
}

/// What waits for SIP's own answer.
struct Transaction {
    branch: String,
    bytes: Vec<u8>,
    repeat_at: Option<Duration>,
    pause: Duration,
}

impl Talk {
    /// One with so much time for all.
    pub(super) fn new(side: Side, request: &Request, patience: Duration) -> Self {
        let minimal = Request { caller: None, ..request.clone() };
        Self {
            said: if side.registers { "REGISTER" } else { "MESSAGE" },
            side,
            whole: request.clone(),
            minimal: Some(minimal),
            call: token(),
            sequence: 0,
            challenges: 0,
            authorization: Vec::new(),
            transaction: None,
            is_taken: false,
            again_at: Some(patience / 2),
            until: patience,
        }
    }

    /// What is sent first.
    pub(super) fn begin(&mut self) -> Vec<Effect> {
        vec![self.ask(Duration::ZERO)]
    }

    pub(super) fn handle(&mut self, input: Input<'_>, at: Duration) -> Vec<Effect> {
        match input {
            Input::Came(message, source) => match &message.start {
                Start::Request { method } => self.asked(message, method, source, at),
                Start::Response { status } => self.answered(message, *status, at),
            },
            Input::Tick => self.tick(at),
        }
    }

    /// When to call again with [`Input::Tick`] if nothing comes before.
    pub(super) fn next_wake(&self) -> Duration {
        let repeat = self.transaction.as_ref().and_then(|transaction| transaction.repeat_at);
        [repeat, self.again_at].into_iter().flatten().fold(self.until, Duration::min)
    }

    fn tick(&mut self, at: Duration) -> Vec<Effect> {
        if at >= self.until {
            return vec![Effect::End(Heard::Silence { is_taken: self.is_taken })];
        }
        if self.again_at.is_some_and(|again| at >= again) {
            self.again_at = None;
            return vec![self.ask(at)];
        }
        match &mut self.transaction {
            Some(transaction) if transaction.repeat_at.is_some_and(|repeat| at >= repeat) => {
                transaction.pause = (transaction.pause * 2).min(LONGEST_REPEAT);
                transaction.repeat_at = Some(at + transaction.pause);
                vec![Effect::Send(Sending { bytes: transaction.bytes.clone(), to: None })]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// A request of the other side: its answer may be in it.
    fn asked(&mut self, message: &Message, method: &str, source: SocketAddr, at: Duration) -> Vec<Effect> {
        let status = match method {
            "ACK" => return Vec::new(),
            "MESSAGE" | "OPTIONS" => "200 OK",
            _ => "405 Method Not Allowed",
        };
        let bytes = message.answer(status, source, None);
        let mut effects = vec![Effect::Send(Sending { bytes, to: Some(message.answer_to(source)) })];
        if method == "MESSAGE"
            && let Some(answer) = self.ours(message)
        {
            effects.extend(self.conclude(answer, at));
        }
        effects
    }

    fn answered(&mut self, message: &Message, status: u16, at: Duration) -> Vec<Effect> {
        let is_ours = self.transaction.as_ref().is_some_and(|own| message.branch() == Some(own.branch.as_str()));
        if !is_ours {
            return Vec::new();
        }
        match status {
            // Something is under way: not so many repeats.
            100..=199 => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.pause = LONGEST_REPEAT;
                }
                Vec::new()
            }
            200..=299 => {
                self.transaction = None;
                if self.said == "REGISTER" {
                    self.said = "MESSAGE";
                    self.challenges = 0;
                    return vec![self.ask(at)];
                }
                self.is_taken = true;
                self.ours(message).map_or_else(Vec::new, |answer| self.conclude(answer, at))
            }
            401 | 407 if self.challenges < MOST_CHALLENGES => {
                let account = self.side.account.as_ref();
                match account.and_then(|account| account.answer(message, self.said, &self.target())) {
                    Some(header) => {
                        self.challenges += 1;
                        self.authorization.retain(|(name, _)| *name != header.0);
                        self.authorization.push(header);
                        vec![self.ask(at)]
                    }
                    None => vec![Effect::End(Heard::Refused { status })],
                }
            }
            _ => vec![Effect::End(Heard::Refused { status })],
        }
    }

    fn ours(&self, message: &Message) -> Option<Answer> {
        let answer = Answer::read(&message.body).ok()?;
        (answer.reference.as_ref() == Some(&self.whole.reference)).then_some(answer)
    }

    fn conclude(&mut self, answer: Answer, at: Duration) -> Vec<Effect> {
        let is_faulty = [Status::TOO_LONG, Status::INVALID_FORMAT, Status::WRONG_DATA, Status::TAG_MISSING]
            .contains(&answer.status);
        match self.minimal.take() {
            Some(minimal) if is_faulty => {
                self.whole = minimal;
                vec![self.ask(at)]
            }
            minimal => {
                self.minimal = minimal;
                vec![Effect::End(Heard::Answer(answer))]
            }
        }
    }

    /// Whom the next request asks: whoever registers asks the domain.
    fn target(&self) -> String {
        let target = &self.side.target;
        match (self.said, target.split_once(':'), target.rsplit_once('@')) {
            ("REGISTER", Some((scheme, _)), Some((_, domain))) => format!("{scheme}:{domain}"),
            (_, _, _) => target.clone(),
        }
    }

    /// A new transaction.
    fn ask(&mut self, at: Duration) -> Effect {
        self.sequence += 1;
        let mut more = std::mem::take(&mut self.authorization);
        let (body, them) = if self.said == "REGISTER" {
            more.push(("Expires", "60".to_owned()));
            (None, self.side.us.clone())
        } else {
            (Some(self.whole.write()), self.side.target.clone())
        };
        let (branch, bytes) = Outgoing {
            method: self.said,
            target: &self.target(),
            us: &self.side.us,
            them: &them,
            call: &self.call,
            sequence: self.sequence,
            transport: self.side.transport,
            local: self.side.local,
            contact: Some(&self.side.contact),
            more: &more,
            body: body.as_deref(),
        }
        .write();
        let repeat_at = self.side.is_lossy.then_some(at + FIRST_REPEAT);
        self.transaction = Some(Transaction { branch, bytes: bytes.clone(), repeat_at, pause: FIRST_REPEAT });
        Effect::Send(Sending { bytes, to: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hempuls_protocol::scaip::MessageType;

    const PATIENCE: Duration = Duration::from_secs(9);

    #[test]
    fn sips_own_200_is_no_answer_and_the_message_is_sent_once_more_under_the_same_reference() {
        let (mut talk, first) = begun(true, None);
        assert_eq!(at(&mut talk, 500), [Effect::Send(first.clone())], "a datagram may have been lost");
        assert_eq!(at(&mut talk, 1_500), [Effect::Send(first.clone())]);
        assert_eq!(come(&mut talk, &response(&first, "200 OK", None), 1_600), []);
        assert_eq!(talk.next_wake(), PATIENCE / 2);
        let [Effect::Send(again)] = &at(&mut talk, 4_500)[..] else { panic!("it is sent again") };
        assert_ne!(branch(again), branch(&first), "in a transaction of its own");
        assert_eq!(body(again), body(&first));
        come(&mut talk, &response(again, "202 Accepted", None), 4_600);
        assert_eq!(at(&mut talk, 9_000), [Effect::End(Heard::Silence { is_taken: true })]);
    }

    #[test]
    fn the_centres_answer_counts_wherever_it_comes_and_none_but_that_to_this_message() {
        for status in [0, 4, 5, 6] {
            let mrs = format!("<mrs><ref>a1</ref><snu>{status}</snu></mrs>");
            let answer = Answer::read(mrs.as_bytes()).unwrap();
            let (mut talk, first) = begun(true, None);
            let within = come(&mut talk, &response(&first, "200 OK", Some(&mrs)), 10);
            assert_eq!(within, [Effect::End(Heard::Answer(answer.clone()))]);

            let (mut talk, _) = begun(true, None);
            let other = mrs.replace("a1", "a2");
            assert_eq!(come(&mut talk, &request(&other), 10).len(), 1, "it is heard, and is to something else");
            let own = come(&mut talk, &request(&mrs), 20);
            let [Effect::Send(heard), Effect::End(Heard::Answer(said))] = &own[..] else { panic!("{own:?}") };
            assert!(heard.bytes.starts_with(b"SIP/2.0 200 OK") && *said == answer);
        }
    }

    #[test]
    fn a_message_that_is_called_faulty_is_sent_once_more_in_its_smallest_form() {
        let (mut talk, first) = begun(false, None);
        assert!(body(&first).contains("<crd>"));
        let no = "<mrs><ref>a1</ref><snu>2</snu></mrs>";
        let [Effect::Send(small)] = &come(&mut talk, &response(&first, "200 OK", Some(no)), 10)[..] else { panic!() };
        assert_eq!(body(small), "<mrq><ref>a1</ref><mty>ME</mty><cid>4711</cid><dty>0003</dty><stc>0010</stc></mrq>");
        let end = come(&mut talk, &response(small, "200 OK", Some(no)), 20);
        assert!(matches!(&end[..], [Effect::End(Heard::Answer(_))]), "{end:?}");
    }

    #[test]
    fn a_server_that_asks_who_is_there_is_shown_and_one_that_does_not_believe_it_is_left() {
        let account = Some(Account { user: "hempuls".into(), password: "secret".into() });
        let (mut talk, mut sent) = begun(false, account);
        for _ in 0..MOST_CHALLENGES {
            let [Effect::Send(shown)] = &come(&mut talk, &challenge(&sent), 10)[..] else { panic!("it is shown") };
            let text = String::from_utf8(shown.bytes.clone()).unwrap();
            assert!(
                text.contains("\r\nAuthorization: Digest username=\"hempuls\"") && !text.contains("secret"),
                "{text}"
            );
            sent = shown.clone();
        }
        assert_eq!(come(&mut talk, &challenge(&sent), 20), [Effect::End(Heard::Refused { status: 401 })]);

        let (mut talk, first) = begun(false, None);
        assert_eq!(come(&mut talk, &challenge(&first), 10), [Effect::End(Heard::Refused { status: 401 })]);
    }

    #[test]
    fn whoever_must_register_does_so_before_the_message() {
        let mut talk = Talk::new(Side { registers: true, ..side(false, None) }, &press(), PATIENCE);
        let [Effect::Send(first)] = &talk.begin()[..] else { panic!() };
        assert!(first.bytes.starts_with(b"REGISTER sip:192.0.2.1 SIP/2.0\r\n"));
        let [Effect::Send(next)] = &come(&mut talk, &response(first, "200 OK", None), 10)[..] else { panic!() };
        assert!(next.bytes.starts_with(b"MESSAGE sip:arc@192.0.2.1 SIP/2.0\r\n"));
        assert_eq!(come(&mut talk, &response(first, "200 OK", None), 20), [], "that was answered");
        assert_eq!(at(&mut talk, 9_000), [Effect::End(Heard::Silence { is_taken: false })]);
    }

    fn press() -> Request {
        let caller = "no-voice:".parse().ok();
        Request {
            caller,
            ..super::super::request(MessageType::Alarm, "4711".parse().unwrap(), "a1".parse().unwrap(), 3, 10)
        }
    }

    fn side(is_lossy: bool, account: Option<Account>) -> Side {
        Side {
            target: "sip:arc@192.0.2.1".into(),
            us: "sip:hempuls@care.example".into(),
            contact: "sip:hempuls@10.0.0.7:5070".into(),
            local: "10.0.0.7:5070".parse().unwrap(),
            transport: if is_lossy { "UDP" } else { "TCP" },
            is_lossy,
            account,
            registers: false,
        }
    }

    fn begun(is_lossy: bool, account: Option<Account>) -> (Talk, Sending) {
        let mut talk = Talk::new(side(is_lossy, account), &press(), PATIENCE);
        let [Effect::Send(first)] = &talk.begin()[..] else { panic!("it begins with the message") };
        (talk, first.clone())
    }

    fn at(talk: &mut Talk, ms: u64) -> Vec<Effect> {
        talk.handle(Input::Tick, Duration::from_millis(ms))
    }

    fn come(talk: &mut Talk, bytes: &[u8], ms: u64) -> Vec<Effect> {
        let message = Message::of_datagram(bytes).expect("a message");
        talk.handle(Input::Came(&message, peer()), Duration::from_millis(ms))
    }

    fn response(to: &Sending, status: &str, body: Option<&str>) -> Vec<u8> {
        Message::of_datagram(&to.bytes).expect("a message").answer(status, peer(), body)
    }

    fn challenge(to: &Sending) -> Vec<u8> {
        let response = String::from_utf8(response(to, "401 Unauthorized", None)).unwrap();
        let asks = "\r\nWWW-Authenticate: Digest realm=\"centre\", nonce=\"n\", qop=\"auth\"\r\nAllow:";
        response.replace("\r\nAllow:", asks).into_bytes()
    }

    fn request(body: &str) -> Vec<u8> {
        format!(
            "MESSAGE sip:hempuls@10.0.0.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n\
             From: <sip:arc@192.0.2.1>;tag=1\r\nTo: <sip:hempuls@care.example>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    fn branch(sent: &Sending) -> String {
        Message::of_datagram(&sent.bytes).unwrap().branch().unwrap().to_owned()
    }

    fn body(sent: &Sending) -> String {
        String::from_utf8(Message::of_datagram(&sent.bytes).unwrap().body).unwrap()
    }

    fn peer() -> SocketAddr {
        "192.0.2.1:5060".parse().unwrap()
    }
}

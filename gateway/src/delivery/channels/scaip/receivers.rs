//! The centre's receivers: where each is, and in which order they are asked.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::scaip::sip::DEFAULT_PORT;

/// The port of SIP over TLS.
const TLS_PORT: u16 = 5061;

/// Where a receiver is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receiver {
    uri: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
}

/// How it is reached.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// It is no address of a receiver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no receiver such as sip:arc@192.0.2.1, sip:arc@192.0.2.1;transport=tcp or sips:arc@centre.example")]
pub struct Misformed(String);

impl Receiver {
    /// Its SIP address.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }
}

impl FromStr for Receiver {
    type Err = Misformed;

    fn from_str(text: &str) -> Result<Self, Misformed> {
        let wrong = || Misformed(text.to_owned());
        let (is_secure, rest) = match (text.strip_prefix("sip:"), text.strip_prefix("sips:")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(wrong()),
        };
        let mut parts = rest.split(';');
        let place = parts.next().unwrap_or_default();
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let mut transport = if is_secure { Transport::Tls } else { Transport::Udp };
        for parameter in parts {
            transport = match (parameter, is_secure) {
                ("transport=udp", false) => Transport::Udp,
                ("transport=tcp", false) => Transport::Tcp,
                ("transport=tls", _) | ("transport=tcp", true) => Transport::Tls,
                (_, _) => return Err(wrong()),
            };
        }
        // The brackets of an IPv6 address hold colons of their own.
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().map_err(|_| wrong())?)),
            Some(_) | None => (place, None),
        };
        let host = host.trim_matches(['[', ']']);
        if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c)) {
            return Err(wrong());
        }
        let usual = match transport {
            Transport::Udp | Transport::Tcp => DEFAULT_PORT,
            Transport::Tls => TLS_PORT,
        };
        Ok(Self { uri: text.to_owned(), host: host.to_owned(), port: port.unwrap_or(usual), transport })
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl<'de> Deserialize<'de> for Receiver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Which receivers answered when they were last asked.
#[derive(Debug)]
pub(super) struct Standings(Vec<bool>);

impl Standings {
    /// So many, of which nobody knows anything bad.
    pub(super) fn new(receivers: usize) -> Self {
        Self(vec![true; receivers])
    }

    /// One was asked.
    pub(super) fn heard(&mut self, place: usize, is_answer: bool) {
        self.0[place] = is_answer;
    }

    /// In which order they are asked: those that did not answer last come last, and none is left out.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by_key(|place| !self.0[*place]);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_found_by_its_address() {
        let at = |text: &str| {
            let receiver: Receiver = text.parse().unwrap();
            (receiver.host, receiver.port, receiver.transport)
        };
        assert_eq!(at("sip:arc@192.0.2.1"), ("192.0.2.1".into(), 5060, Transport::Udp));
        assert_eq!(at("sip:192.0.2.1:5070;transport=tcp"), ("192.0.2.1".into(), 5070, Transport::Tcp));
        assert_eq!(at("sips:arc@centre.example"), ("centre.example".into(), 5061, Transport::Tls));
        assert_eq!(at("sip:arc@[2001:db8::1]:5062;transport=tls"), ("2001:db8::1".into(), 5062, Transport::Tls));
        assert_eq!(at("sip:arc@[2001:db8::1]"), ("2001:db8::1".into(), 5060, Transport::Udp));
        for wrong in ["", "sip:", "sip:a:b", "http://a", "sips:a;transport=udp", "sip:a b", "sip:a;x=y", "sip:a\r\nb"] {
            assert!(wrong.parse::<Receiver>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_receiver_that_does_not_answer_is_asked_last_until_it_answers_again() {
        let mut standings = Standings::new(2);
        assert_eq!(standings.order(), [0, 1]);
        standings.heard(0, false);
        assert_eq!(standings.order(), [1, 0]);
        standings.heard(1, false);
        assert_eq!(standings.order(), [0, 1], "with none left, as they stand");
        standings.heard(1, true);
        standings.heard(0, true);
        assert_eq!(standings.order(), [0, 1], "the first is the first again");
    }
}

//! How an agent gets its certificate: a code that the installer types, and one request over TLS; and how it gets the
//! next one, with the one it has.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

/// The code an installer types: 60 random bits and 60 bits of the CA key's SHA-256, as 4 groups of 6 base32 characters.
///
/// The pin lets the agent check whom it speaks to before it gives the secret away.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode {
    secret: [u8; 12],
    pin: [u8; 12],
}

impl EnrolmentCode {
    /// A code for the gateway whose CA has this public key, from 64 random bits, of which 60 are used.
    #[must_use]
    pub fn new(random: [u8; 8], ca_public_key: &[u8]) -> Self {
        Self { secret: twelve(&random), pin: pin_of(ca_public_key) }
    }

    /// The secret half, for the request: 12 characters.
    #[must_use]
    pub fn secret(&self) -> &str {
        std::str::from_utf8(&self.secret).expect("base32 is ASCII")
    }

    /// Whether the code was made for the CA with this public key (SubjectPublicKeyInfo, DER).
    #[must_use]
    pub fn pins(&self, ca_public_key: &[u8]) -> bool {
        self.pin == pin_of(ca_public_key)
    }
}

/// A code that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MistypedCode {
    /// Too few or too many characters.
    #[error("the code has {0} characters; it should have 24, in 4 groups of 6")]
    Length(usize),
    /// A character that no code has.
    #[error("group {0} has a character that no code has (a code has the letters A to Z and the digits 2 to 7)")]
    Group(usize),
}

impl FromStr for EnrolmentCode {
    type Err = MistypedCode;

    /// Accepts lower case, spaces and missing dashes, and the digits 0, 1 and 8 for the letters O, I and B, as people type.
    ///
    /// # Errors
    /// [`MistypedCode`], with the group that looks wrong.
    fn from_str(typed: &str) -> Result<Self, MistypedCode> {
        let letters: Vec<char> =
            typed.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
        let mut code = [0; 24];
        if letters.len() != code.len() {
            return Err(MistypedCode::Length(letters.len()));
        }
        for (place, letter) in letters.into_iter().enumerate() {
            code[place] = match letter {
                'A'..='Z' | '2'..='7' => letter as u8,
                '0' => b'O',
                '1' => b'I',
                '8' => b'B',
                _ => return Err(MistypedCode::Group(place / 6 + 1)),
            };
        }
        let (mut secret, mut pin) = ([0; 12], [0; 12]);
        secret.copy_from_slice(&code[..12]);
        pin.copy_from_slice(&code[12..]);
        Ok(Self { secret, pin })
    }
}

impl fmt::Display for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |half: &[u8; 12]| String::from_utf8_lossy(half).into_owned();
        let (secret, pin) = (text(&self.secret), text(&self.pin));
        write!(f, "{}-{}-{}-{}", &secret[..6], &secret[6..], &pin[..6], &pin[6..])
    }
}

impl fmt::Debug for EnrolmentCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentCode(…)")
    }
}

fn pin_of(ca_public_key: &[u8]) -> [u8; 12] {
    twelve(&Sha256::digest(ca_public_key))
}

/// The first 60 bits as 12 base32 characters.
fn twelve(bits: &[u8]) -> [u8; 12] {
    let mut characters = [0; 12];
    characters.copy_from_slice(&BASE32_NOPAD.encode(&bits[..8]).as_bytes()[..12]);
    characters
}

/// What the agent asks for: `POST /enrol`, JSON, only after the pin matched.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The secret half of the code.
    pub secret: String,
    /// A certificate signing request (PEM). Only its public key is used; the key itself never leaves the agent.
    pub csr: String,
}

/// What an enrolled agent asks for, again and again for as long as it lives: `POST /renew`, JSON, over TLS with the
/// certificate it has. That may have expired: the handshake proves that the agent still has its key.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// A certificate signing request (PEM) for the next key. Only its public key is used.
    pub csr: String,
}

/// What it gets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The agent's id, and its certificate's common name.
    pub agent: String,
    /// Its certificate (PEM).
    pub certificate: String,
    /// The certificates (PEM) of whom to trust, to check the brokers with: the gateway's CA first.
    pub ca: String,
    /// Where the first broker is: host.
    pub broker_host: String,
    /// Where the first broker is: port.
    pub broker_port: u16,
    /// More brokers, in the order in which they are to be tried when the ones before fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_brokers: Vec<Broker>,
}

impl Granted {
    /// All brokers, in the order in which they are to be tried.
    #[must_use]
    pub fn brokers(&self) -> Vec<Broker> {
        let first = Broker { host: self.broker_host.clone(), port: self.broker_port };
        std::iter::once(first).chain(self.further_brokers.iter().cloned()).collect()
    }
}

/// Where a broker is.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// Host: a name or an address, which stands in the broker's certificate.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A text that says no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not host:port, such as \"gateway.example.org:8883\"")]
pub struct NotAPlace;

impl FromStr for Broker {
    type Err = NotAPlace;

    /// Reads `host:port`, or `[address]:port`.
    ///
    /// # Errors
    /// [`NotAPlace`].
    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAPlace)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(NotAPlace);
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| NotAPlace)? })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why it got nothing, in words for the installer.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Denied {
    /// What happened and what to do.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = EnrolmentCode::new([0x5A; 8], b"the key of the CA");
        let shown = code.to_string();
        assert_eq!(shown.len(), 27);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), shown.replace('-', "")] {
            assert_eq!(typed.parse(), Ok(code.clone()));
        }
        assert!(code.pins(b"the key of the CA") && !code.pins(b"another key"));
    }

    #[test]
    fn a_mistyped_code_names_the_group() {
        assert_eq!("ABC".parse::<EnrolmentCode>(), Err(MistypedCode::Length(3)));
        let typed = "AAAAAA-AAAA9A-AAAAAA-AAAAAA";
        assert_eq!(typed.parse::<EnrolmentCode>(), Err(MistypedCode::Group(2)));
    }

    #[test]
    fn a_grant_with_one_broker_is_read_and_written_as_it_always_was() {
        let old = r#"{"agent":"a","certificate":"c","ca":"k","broker_host":"h","broker_port":8883}"#;
        let granted: Granted = serde_json::from_str(old).unwrap();
        assert_eq!(granted.brokers(), ["h:8883".parse().unwrap()]);
        assert_eq!(serde_json::to_string(&granted).unwrap(), old);
        let more = Granted { further_brokers: vec!["[2001:db8::1]:1".parse().unwrap()], ..granted };
        let more: Granted = serde_json::from_str(&serde_json::to_string(&more).unwrap()).unwrap();
        assert_eq!(more.brokers().iter().map(ToString::to_string).collect::<Vec<_>>(), ["h:8883", "[2001:db8::1]:1"]);
    }

    #[test]
    fn a_place_without_a_host_or_with_a_port_that_is_none_is_refused() {
        for text in ["", "host", ":8883", "host:", "host:99999", "[]:1"] {
            assert_eq!(text.parse::<Broker>(), Err(NotAPlace), "{text}");
        }
    }
}

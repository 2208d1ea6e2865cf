//! How an agent gets its certificate: a code that the installer types, and one request over TLS.

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

/// What it gets.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The agent's id, and its certificate's common name.
    pub agent: String,
    /// Its certificate (PEM).
    pub certificate: String,
    /// The CA's certificate (PEM), to check the broker with.
    pub ca: String,
    /// Where the broker is: host.
    pub broker_host: String,
    /// Where the broker is: port.
    pub broker_port: u16,
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
}

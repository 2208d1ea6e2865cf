//! The answer to a SIP server that asks who is there.
//!
//! Source: RFC 3261, section 22.4; RFC 2617, section 3.2.2; RFC 8760 (SHA-256).

use md5::{Digest as _, Md5};
use sha2::{Digest as _, Sha256};

use super::sip::{Message, token};

/// Who we are to the server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Account {
    /// The header that answers a response with status 401 or 407. `None`: it asks for what nobody here can do.
    pub(crate) fn answer(&self, asked: &Message, method: &str, target: &str) -> Option<(&'static str, String)> {
        let named = [("www-authenticate", "Authorization"), ("proxy-authenticate", "Proxy-Authorization")];
        let challenges = named.into_iter().flat_map(|(asks, answers)| {
            asked.all(asks).filter_map(Challenge::read).map(move |challenge| (challenge, answers))
        });
        // The stronger of several.
        let (challenge, name) = challenges.max_by_key(|(challenge, _)| challenge.algorithm)?;
        Some((name, challenge.answer(self, method, target, &token())))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    is_auth: bool,
}

impl Challenge {
    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let found = parameters(rest);
        let value = |name: &str| found.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let algorithm = match value("algorithm").map(|name| name.to_ascii_uppercase()).as_deref() {
            None | Some("MD5") => Algorithm::Md5,
            Some("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        let qop = value("qop");
        let is_auth = qop.as_ref().is_some_and(|qop| qop.split(',').any(|kind| kind.trim() == "auth"));
        // One that asks for nothing but auth-int asks for what nobody does.
        if qop.is_some() && !is_auth {
            return None;
        }
        Some(Self { realm: value("realm")?, nonce: value("nonce")?, opaque: value("opaque"), algorithm, is_auth })
    }

    fn answer(&self, account: &Account, method: &str, target: &str, ours: &str) -> String {
        let Self { realm, nonce, opaque, algorithm, is_auth } = self;
        let Account { user, password } = account;
        let hash = |text: String| match algorithm {
            Algorithm::Md5 => hex::encode(Md5::digest(text)),
            Algorithm::Sha256 => hex::encode(Sha256::digest(text)),
        };
        let (who, what) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{target}")));
        let (response, quality) = if *is_auth {
            let quality = format!(", qop=auth, nc=00000001, cnonce=\"{ours}\"");
            (hash(format!("{who}:{nonce}:00000001:{ours}:auth:{what}")), quality)
        } else {
            (hash(format!("{who}:{nonce}:{what}")), String::new())
        };
        let opaque = opaque.as_ref().map_or(String::new(), |opaque| format!(", opaque=\"{opaque}\""));
        let name = match algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        };
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
             response=\"{response}\", algorithm={name}{quality}{opaque}"
        )
    }
}

/// `realm="a, b", algorithm=MD5`, by lower-case names.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_at(after.find(',').unwrap_or(after.len())),
        };
        found.push((name.trim_matches([',', ' ', '\t']).to_ascii_lowercase(), value.trim().to_owned()));
        rest = left;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of RFC 2617, section 3.5.
    #[test]
    fn a_challenge_is_answered_as_the_standard_has_it() {
        let challenge = Challenge::read(
            "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        )
        .expect("it can be answered");
        let account = Account { user: "Mufasa".into(), password: "Circle Of Life".into() };
        let answer = challenge.answer(&account, "GET", "/dir/index.html", "0a4f113b");
        assert!(answer.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{answer}");
        assert!(answer.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{answer}");
    }

    /// The values of RFC 7616, section 3.9.1.
    #[test]
    fn the_stronger_of_two_challenges_is_answered_and_none_that_nobody_can() {
        let text = "Digest realm=\"http-auth@example.org\", qop=auth, algorithm=SHA-256, \
                    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"F\"";
        let challenge = Challenge::read(text).expect("it can be answered");
        let account = Account { user: "Mufasa".into(), password: "Circle of Life".into() };
        let ours = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = challenge.answer(&account, "GET", "/dir/index.html", ours);
        assert!(
            answer.contains("response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""),
            "{answer}"
        );
        let asked = format!(
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\
             WWW-Authenticate: {text}\r\nWWW-Authenticate: Basic realm=\"r\"\r\n\r\n"
        );
        let asked = Message::of_datagram(asked.as_bytes()).expect("a response");
        let (name, answer) = account.answer(&asked, "MESSAGE", "sip:arc@192.0.2.1").expect("it can be answered");
        assert!(name == "Authorization" && answer.contains("SHA-256"), "{name}: {answer}");
        assert!(Challenge::read("Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"").is_none());
        assert!(Challenge::read("Basic realm=\"r\"").is_none());
    }
}

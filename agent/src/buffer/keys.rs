//! What the buffer is encrypted with: XChaCha20-Poly1305, under the newest of the keys that the agent has.
//!
//! A key comes from a file that `agent.toml` names, or from a systemd credential called `buffer.key`: 64 hexadecimal
//! digits a line, the newest first. An older one stays below it until the buffer has been written anew. Without either,
//! the agent makes one and puts it into the state folder, where it protects nothing but says when bytes have changed.
//!
//! Each record has a random nonce of 192 bits: nothing that a restored flash has forgotten is needed to choose it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hempuls_protocol::identity::content_digest;
use zeroize::Zeroizing;

use crate::files::{self, Readers};

/// One key. Its bytes are wiped when it goes.
#[derive(Clone)]
pub(super) struct Key {
    cipher: XChaCha20Poly1305,
    name: KeyName,
    /// For names that only whoever has the key can tell.
    blinding: Zeroizing<[u8; 32]>,
}

/// What a buffer calls its key: nothing follows from it about the key.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct KeyName(pub(super) [u8; 8]);

/// What was sealed with another key, or has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not as it was sealed")]
pub(super) struct Broken;

const NONCE: usize = 24;

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let derived = |what: &[u8]| Zeroizing::new(content_digest(&Zeroizing::new([what, bytes].concat())));
        Self {
            cipher: XChaCha20Poly1305::new(bytes.into()),
            name: KeyName(short(&derived(b"hempuls buffer: name of the key"))),
            blinding: derived(b"hempuls buffer: names of buttons"),
        }
    }

    pub(super) fn name(&self) -> KeyName {
        self.name
    }

    /// Something that stands for a name and does not give it away.
    pub(super) fn blind(&self, name: &[u8]) -> [u8; 8] {
        short(&content_digest(&Zeroizing::new([self.blinding.as_slice(), name].concat())))
    }

    /// Nonce, ciphertext and tag. `place` must be said again to open it.
    pub(super) fn seal(&self, place: &[u8], content: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload { msg: content, aad: place };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).expect("a record is far smaller than 256 GiB");
        [&nonce, sealed.as_slice()].concat()
    }

    /// What was sealed for this place.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(Broken)?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: place }).map_err(|_| Broken)
    }
}

fn short(digest: &[u8; 32]) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

/// The keys that the agent has, the newest first.
#[derive(Clone)]
pub(super) struct Keyring {
    keys: Vec<Key>,
    /// The newest does not lie beside what it protects.
    pub(super) protects: bool,
}

/// Where systemd puts what `LoadCredential=buffer.key:…` or `LoadCredentialEncrypted=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
const CREDENTIAL: &str = "buffer.key";

impl Keyring {
    /// Reads the keys there are. One that is in the state folder is always among them: it may have been used before.
    ///
    /// # Errors
    /// When the state folder refuses. A key from elsewhere that cannot be read is none: it is said, and made do without.
    pub(super) fn find(state: &Path, key_file: Option<&Path>) -> io::Result<Self> {
        let credential =
            || Some(PathBuf::from(std::env::var_os(CREDENTIALS)?).join(CREDENTIAL)).filter(|path| path.exists());
        let mut keys = Vec::new();
        if let Some(path) = key_file.map(Path::to_owned).or_else(credential) {
            match read(&path) {
                Ok(found) => keys = found,
                Err(why) => tracing::error!(
                    path = %path.display(), %why,
                    "the key of the buffer cannot be read; the buffer begins anew with a key of its own beside it. \
                     Restore the file: what was encrypted with it is taken again at the next start"
                ),
            }
        }
        let protects = !keys.is_empty();
        let own = state.join("buffer.key");
        if own.exists() {
            match read(&own) {
                Ok(found) => keys.extend(found),
                Err(why) => tracing::error!(path = %own.display(), %why, "the buffer's own key cannot be read"),
            }
        }
        if keys.is_empty() {
            let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
            files::replace(&own, Zeroizing::new(hex::encode(*bytes)).as_bytes(), Readers::Owner)?;
            keys.push(Key::new(&bytes));
        }
        Ok(Self { keys, protects })
    }

    /// What a new buffer is encrypted with.
    pub(super) fn newest(&self) -> &Key {
        &self.keys[0]
    }

    pub(super) fn named(&self, name: KeyName) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The one that opens something, if any does.
    pub(super) fn that_opens(&self, opens: impl Fn(&Key) -> bool) -> Option<&Key> {
        self.keys.iter().find(|key| opens(key))
    }
}

/// Why a file holds no keys.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("line {0} is not 64 hexadecimal digits")]
    Malformed(usize),
    #[error("there is none in it")]
    Empty,
}

/// One key a line, the newest first. Empty lines and those that begin with # are for people.
fn read(path: &Path) -> Result<Vec<Key>, NoKeys> {
    let text = Zeroizing::new(fs::read_to_string(path)?);
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(line, &mut *bytes).map_err(|_| NoKeys::Malformed(number))?;
        keys.push(Key::new(&bytes));
    }
    if keys.is_empty() { Err(NoKeys::Empty) } else { Ok(keys) }
}

#[cfg(test)]
impl Key {
    pub(super) fn of(byte: u8) -> Self {
        Self::new(&[byte; 32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_in_its_place_and_with_its_key() {
        let sealed = Key::of(1).seal(b"reading 7", b"120/80");
        assert_eq!(Key::of(1).open(b"reading 7", &sealed), Ok(b"120/80".to_vec()));
        assert_eq!(Key::of(1).open(b"reading 8", &sealed), Err(Broken));
        assert_eq!(Key::of(2).open(b"reading 7", &sealed), Err(Broken));
        assert!(!sealed.windows(6).any(|bytes| bytes == b"120/80"));
    }

    #[test]
    fn no_nonce_comes_twice() {
        let key = Key::of(1);
        assert_ne!(key.seal(b"", b"the same")[..NONCE], key.seal(b"", b"the same")[..NONCE]);
    }

    #[test]
    fn the_newest_key_comes_first_and_the_one_in_the_state_folder_last() {
        let state = tempfile::tempdir().unwrap();
        let own = Keyring::find(state.path(), None).unwrap();
        assert!(!own.protects);
        let file = state.path().join("keys");
        fs::write(&file, format!("# since May\n{}\n\n{}\n", "02".repeat(32), "01".repeat(32))).unwrap();
        let ring = Keyring::find(state.path(), Some(&file)).unwrap();
        assert!(ring.protects);
        let names: Vec<KeyName> = ring.keys.iter().map(Key::name).collect();
        assert_eq!(names, [Key::of(2).name(), Key::of(1).name(), own.newest().name()]);
    }

    #[test]
    fn a_file_that_is_gone_or_wrong_costs_its_keys_and_not_the_buffer() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("keys");
        for wrong in [None, Some(""), Some("0102"), Some("not hexadecimal"), Some("# nothing but words")] {
            let _ = wrong.map(|text| fs::write(&file, text).unwrap());
            let ring = Keyring::find(state.path(), Some(&file)).unwrap();
            assert!(!ring.protects, "{wrong:?}");
        }
        let own = Keyring::find(state.path(), None).unwrap().newest().name();
        assert_eq!(Keyring::find(state.path(), None).unwrap().newest().name(), own, "it is made once");
    }
}

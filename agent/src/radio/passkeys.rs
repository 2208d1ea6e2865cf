//! Numbers that devices show while they pair, and the person who types them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::sessions::Address;

/// The number that a device shows: six digits.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Passkey(u32);

impl Passkey {
    /// The number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// A text that is no passkey.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a passkey: six digits, as the device shows them")]
pub struct NotAPasskey;

impl FromStr for Passkey {
    type Err = NotAPasskey;

    /// Six digits; spaces and dashes between them do not matter.
    ///
    /// # Errors
    /// [`NotAPasskey`] for anything else.
    fn from_str(typed: &str) -> Result<Self, NotAPasskey> {
        let digits: String = typed.chars().filter(|each| !matches!(each, ' ' | '-')).collect();
        let is_passkey = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| is_passkey);
        number.map(Self).ok_or(NotAPasskey)
    }
}

/// With its leading zeros.
impl fmt::Display for Passkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

/// Which devices ask for their passkey at this moment. Clones speak of the same devices.
#[derive(Clone, Default)]
pub struct Passkeys(Arc<Mutex<BTreeMap<Address, oneshot::Sender<Passkey>>>>);

impl Passkeys {
    /// The devices that wait for somebody to type what they show.
    #[must_use]
    pub fn asked_for(&self) -> Vec<Address> {
        let mut waiting = self.waiting();
        waiting.retain(|_, answer| !answer.is_closed());
        waiting.keys().copied().collect()
    }

    /// Types what a device shows. Whether it still waits for that.
    pub fn type_in(&self, device: &Address, passkey: Passkey) -> bool {
        let answer = self.waiting().remove(device);
        answer.is_some_and(|answer| answer.send(passkey).is_ok())
    }

    /// Asks for a device's passkey. Whoever asks stops asking by dropping the receiver.
    pub(crate) fn ask(&self, device: Address) -> oneshot::Receiver<Passkey> {
        let (answer, answered) = oneshot::channel();
        self.waiting().insert(device, answer);
        answered
    }

    /// Nobody is asked any more.
    pub(super) fn stop_asking(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Address, oneshot::Sender<Passkey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUFF: Address = [1; 6];
    const OTHER: Address = [2; 6];

    #[test]
    fn what_is_typed_reaches_the_device_that_asked() {
        let passkeys = Passkeys::default();
        let mut cuffs = passkeys.ask(CUFF);
        let others = passkeys.ask(OTHER);
        assert_eq!(passkeys.asked_for(), [CUFF, OTHER]);
        let typed = "042 137".parse().unwrap();
        assert!(passkeys.type_in(&CUFF, typed));
        assert_eq!(cuffs.try_recv(), Ok(typed));
        assert_eq!(passkeys.asked_for(), [OTHER]);
        drop(others);
        assert!(passkeys.asked_for().is_empty());
    }

    #[test]
    fn typing_too_late_or_for_another_device_is_said_to_be_so() {
        let passkeys = Passkeys::default();
        let passkey = "123456".parse().unwrap();
        assert!(!passkeys.type_in(&CUFF, passkey), "nobody asked");
        drop(passkeys.ask(CUFF));
        assert!(!passkeys.type_in(&CUFF, passkey), "it has given up");
    }

    #[test]
    fn a_passkey_is_read_as_people_type_it() {
        for (typed, number) in [("000042", Some(42)), (" 123 456 ", Some(123_456)), ("123-456", Some(123_456))] {
            assert_eq!(typed.parse().ok().map(Passkey::number), number, "{typed}");
        }
        for typed in ["", "12345", "1234567", "12345a", "+12345", "１２３４５６"] {
            assert_eq!(typed.parse::<Passkey>(), Err(NotAPasskey), "{typed}");
        }
        assert_eq!("000042".parse::<Passkey>().unwrap().to_string(), "000042");
    }
}

//! Keeps the settings on flash, and tells everybody who acts on them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::heartbeat::ConfigState;
use hempuls_protocol::wire::home_config as wire;
use tokio::sync::{Mutex, watch};

use super::{Denied, Home, Kept, Named, Settings, Told};
use crate::config::Device;
use crate::files::{self, Readers};
use crate::proof::Wish;

/// Where settings are changed. Clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    settings: Arc<Mutex<Settings>>,
    file: PathBuf,
    home: Arc<watch::Sender<Home>>,
    named: Arc<watch::Sender<Vec<Named>>>,
    state: Arc<watch::Sender<ConfigState>>,
    prove: Arc<watch::Sender<Wish>>,
}

/// Why a device is not adopted or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It must not be.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// It could not be kept.
    #[error(
        "{file} cannot be written: {error}. Nothing was changed, as it would be forgotten at the next start; \
         `hempuls-agent doctor` looks at the disk"
    )]
    NotKept {
        /// Where.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl Desk {
    /// Opens the settings in the state folder. What cannot be read there is set aside: the agent starts all the same,
    /// with the devices of `agent.toml`, and the gateway tells it the rest again.
    #[must_use]
    pub fn open(state: &Path, own: Vec<Device>) -> Self {
        let file = state.join("settings");
        let kept = match read(&file) {
            Ok(kept) => kept,
            Err(error) => {
                let aside = file.with_extension("bad");
                tracing::error!(
                    file = %file.display(), %error,
                    "the devices that were adopted here cannot be read; adopt them again. \
                     Those of agent.toml and of the gateway are served"
                );
                if let Err(error) = std::fs::rename(&file, aside) {
                    tracing::debug!(%error, "the unreadable file stays where it is");
                }
                Kept::default()
            }
        };
        let settings = Settings::new(own, kept);
        Self {
            file,
            home: Arc::new(watch::Sender::new(settings.home())),
            named: Arc::new(watch::Sender::new(settings.named())),
            state: Arc::new(watch::Sender::new(settings.state())),
            prove: Arc::new(watch::Sender::new(settings.prove())),
            settings: Arc::new(Mutex::new(settings)),
        }
    }

    /// The home, as it is and as it changes.
    #[must_use]
    pub fn home(&self) -> watch::Receiver<Home> {
        self.home.subscribe()
    }

    /// How often the gateway asks for a silent test, as it is and as it changes.
    #[must_use]
    pub fn prove(&self) -> watch::Receiver<Wish> {
        self.prove.subscribe()
    }

    /// Which configuration of the gateway's is used.
    #[must_use]
    pub fn state(&self) -> ConfigState {
        self.state.borrow().clone()
    }

    /// The devices, and who named each of them first.
    #[must_use]
    pub fn named(&self) -> Vec<Named> {
        self.named.borrow().clone()
    }

    /// The gateway sent a configuration.
    pub async fn told(&self, home: wire::Home) {
        let revision = home.revision;
        let mut settings = self.settings.lock().await;
        match settings.told(home) {
            Told::Adopted => {
                if let Err(error) = self.keep(&settings).await {
                    tracing::warn!(%error, "the gateway's configuration is used, but could not be kept on flash");
                }
                tracing::info!(
                    revision,
                    devices = settings.home().devices.len(),
                    "the gateway's configuration is used"
                );
            }
            Told::Nothing => {}
            Told::Refused(why) => tracing::warn!(revision, why, "the gateway's configuration cannot be used"),
        }
        self.publish(&settings);
    }

    /// The gateway sent a configuration of this revision that cannot be read.
    pub async fn refuse(&self, revision: u64, why: String) {
        let mut settings = self.settings.lock().await;
        if let Told::Refused(why) = settings.refuse(revision, why) {
            tracing::warn!(revision, why, "the gateway's configuration cannot be used");
        }
        self.publish(&settings);
    }

    /// An installer adopts a device.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub async fn adopt(&self, device: wire::Device) -> Result<(), ChangeError> {
        self.change(|settings| settings.adopt(device)).await
    }

    /// An installer takes back an adoption.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing is changed then.
    pub async fn forget(&self, device: &DeviceId) -> Result<(), ChangeError> {
        self.change(|settings| settings.forget(device)).await
    }

    async fn change(&self, change: impl FnOnce(&mut Settings) -> Result<(), Denied>) -> Result<(), ChangeError> {
        let mut settings = self.settings.lock().await;
        let mut changed = settings.clone();
        change(&mut changed)?;
        self.keep(&changed).await.map_err(|error| ChangeError::NotKept { file: self.file.clone(), error })?;
        *settings = changed;
        self.publish(&settings);
        Ok(())
    }

    fn publish(&self, settings: &Settings) {
        self.state.send_replace(settings.state());
        self.named.send_replace(settings.named());
        self.prove.send_replace(settings.prove());
        self.home.send_if_modified(|home| {
            let next = settings.home();
            let is_new = !next.is_served_like(home);
            *home = next;
            is_new
        });
    }

    /// Off the thread that listens: flash may take its time.
    async fn keep(&self, settings: &Settings) -> io::Result<()> {
        let (file, bytes) = (self.file.clone(), to_bytes(&settings.kept));
        let kept = tokio::task::spawn_blocking(move || files::replace(&file, &bytes, Readers::Owner)).await;
        kept.unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }
}

/// The version of the file. A later one may be read by later programs only.
const VERSION: u8 = 1;

/// CRC-32 of the rest, big-endian; the version; the settings as CBOR. Flash forgets, and a wrong address is no address.
fn to_bytes(kept: &Kept) -> Vec<u8> {
    let mut body = vec![VERSION];
    minicbor::encode(kept, &mut body).expect("writing to memory cannot fail");
    let mut bytes = crc32fast::hash(&body).to_be_bytes().to_vec();
    bytes.extend(body);
    bytes
}

fn read(file: &Path) -> io::Result<Kept> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error),
    };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    let (sum, body) = bytes.split_first_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
        return Err(damaged());
    }
    match body.split_first() {
        Some((&VERSION, kept)) => hempuls_protocol::wire::decode_whole(kept)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
        Some(_) | None => Err(io::Error::new(io::ErrorKind::InvalidData, "it is of a later version of this program")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hempuls_protocol::devices::DeviceKind;

    use super::*;
    use crate::settings::wish;

    const CUFF: [u8; 6] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5];
    const BUTTON: [u8; 6] = [0x38, 0x39, 0x8F, 0x70, 0xB2, 0x4E];

    fn told(revision: u64) -> wire::Home {
        let devices = vec![wish(BUTTON, DeviceKind::AlarmButton, Some([7; 16]), None)];
        wire::Home { revision, devices, time_zone: None, retired: false, prove_every_s: None }
    }

    #[tokio::test]
    async fn what_was_adopted_and_what_the_gateway_said_hold_after_a_restart_without_network() {
        let state = tempfile::tempdir().unwrap();
        let desk = Desk::open(state.path(), Vec::new());
        desk.adopt(wish(CUFF, DeviceKind::BloodPressure, None, None)).await.unwrap();
        desk.told(told(7)).await;
        let before = desk.home().borrow().clone();
        assert_eq!(before.devices.len(), 2);
        let desk = Desk::open(state.path(), Vec::new());
        assert_eq!((desk.home().borrow().clone(), desk.state().revision), (before, 7));
    }

    #[tokio::test]
    async fn the_radio_is_told_of_a_change_once() {
        let state = tempfile::tempdir().unwrap();
        let desk = Desk::open(state.path(), Vec::new());
        let mut home = desk.home();
        desk.told(told(1)).await;
        assert!(home.has_changed().unwrap());
        home.mark_unchanged();
        desk.told(told(1)).await;
        desk.told(told(2)).await;
        assert!(!home.has_changed().unwrap(), "the same devices under another revision");
        assert_eq!(desk.state().revision, 2);
    }

    #[tokio::test]
    async fn silent_tests_are_made_as_often_as_the_gateway_last_said_also_after_a_restart_and_not_by_a_retired_box() {
        let state = tempfile::tempdir().unwrap();
        let desk = Desk::open(state.path(), Vec::new());
        let wish = |desk: &Desk| *desk.prove().borrow();
        assert_eq!(wish(&desk), Wish { every: None, revision: 0 });
        desk.told(wire::Home { prove_every_s: Some(60), ..told(7) }).await;
        let minute = Wish { every: Some(Duration::from_secs(60)), revision: 7 };
        assert_eq!(wish(&desk), minute);
        let desk = Desk::open(state.path(), Vec::new());
        assert_eq!(wish(&desk), minute);
        desk.told(wire::Home { prove_every_s: Some(60), retired: true, ..told(8) }).await;
        assert_eq!(wish(&desk).every, None);
    }

    #[tokio::test]
    async fn a_file_that_flash_has_changed_is_set_aside_and_the_agent_starts() {
        let state = tempfile::tempdir().unwrap();
        let desk = Desk::open(state.path(), Vec::new());
        desk.adopt(wish(CUFF, DeviceKind::BloodPressure, None, None)).await.unwrap();
        let whole = std::fs::read(state.path().join("settings")).unwrap();
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            std::fs::write(state.path().join("settings"), damaged).unwrap();
            let desk = Desk::open(state.path(), Vec::new());
            assert!(desk.home().borrow().devices.is_empty(), "byte {byte}");
            assert!(state.path().join("settings.bad").exists());
        }
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_not_adopted() {
        let state = tempfile::tempdir().unwrap();
        let desk = Desk::open(&state.path().join("gone"), Vec::new());
        let refused = desk.adopt(wish(CUFF, DeviceKind::BloodPressure, None, None)).await.unwrap_err();
        assert!(refused.to_string().contains("Nothing was changed"), "{refused}");
        assert!(desk.home().borrow().devices.is_empty());
        // The gateway says it again when the agent has forgotten it.
        desk.told(told(1)).await;
        assert_eq!((desk.home().borrow().devices.len(), desk.state().revision), (1, 1));
    }
}

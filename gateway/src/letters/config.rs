//! Which configuration an agent should have, and whether to send it.

use hempuls_protocol::wire::heartbeat::ConfigState;
use hempuls_protocol::wire::home_config::{Home, HomeConfig};
use sha2::{Digest as _, Sha256};

/// Numbers a configuration after what it says: 63 bits of its SHA-256, and never 0, which is none.
///
/// A count would have to be kept, and would go back when the store does; this is right wherever the store comes from.
#[must_use]
pub fn numbered(home: Home) -> Home {
    let unnumbered = Home { revision: 0, ..home };
    let digest = Sha256::digest(HomeConfig::new(unnumbered.clone()).to_bytes());
    let first: [u8; 8] = digest[..8].try_into().expect("a SHA-256 has 32 bytes");
    Home { revision: (u64::from_be_bytes(first) >> 1).max(1), ..unnumbered }
}

/// Whether an agent that says this of itself is to be sent the configuration of this revision. One that it refused is
/// not sent again and again; one that says nothing of its configuration may know of none.
#[must_use]
pub fn is_wanted(state: Option<&ConfigState>, revision: u64) -> bool {
    state.is_none_or(|state| {
        let has_refused = state.refused.as_ref().is_some_and(|refused| refused.revision == revision);
        state.revision != revision && !has_refused
    })
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::DeviceKind;
    use hempuls_protocol::wire::heartbeat::RefusedConfig;
    use hempuls_protocol::wire::home_config::{Counted, Device};

    use super::*;

    #[test]
    fn any_two_different_configurations_have_different_numbers_and_equal_ones_the_same() {
        let button = Device {
            device: "F0:F1:F2:F3:F4:F5".parse().unwrap(),
            kind: DeviceKind::AlarmButton,
            dialect: None,
            key: Some(vec![7; 16].into()),
            beacon_s: Some(900),
            counted: Some(Counted { battery: 0, highest: 4 }),
        };
        let empty = Home { revision: 0, devices: Vec::new(), time_zone: None, retired: false, prove_every_s: None };
        let with = |device: Device| Home { devices: vec![device], ..empty.clone() };
        let all = [
            empty.clone(),
            Home { retired: true, ..empty.clone() },
            Home { prove_every_s: Some(86_400), ..empty.clone() },
            Home { time_zone: Some("Europe/Stockholm".into()), ..empty.clone() },
            with(button.clone()),
            with(Device { key: Some(vec![8; 16].into()), ..button.clone() }),
            with(Device { beacon_s: None, ..button.clone() }),
            with(Device { counted: Some(Counted { battery: 1, highest: 4 }), ..button.clone() }),
            with(Device { counted: Some(Counted { battery: 0, highest: 5 }), ..button }),
        ];
        let numbers: std::collections::BTreeSet<u64> = all.iter().map(|home| numbered(home.clone()).revision).collect();
        assert_eq!(numbers.len(), all.len());
        assert!(!numbers.contains(&0));
        for home in all {
            let once = numbered(home);
            assert_eq!(numbered(once.clone()), once);
        }
    }

    #[test]
    fn it_is_sent_to_who_has_another_but_not_again_to_who_refused_it() {
        let state = |revision, refused: Option<u64>| ConfigState {
            revision,
            refused: refused.map(|revision| RefusedConfig { revision, why: "no room".into() }),
        };
        assert!(is_wanted(None, 5));
        assert!(is_wanted(Some(&state(0, None)), 5));
        assert!(is_wanted(Some(&state(4, Some(3))), 5));
        assert!(!is_wanted(Some(&state(4, Some(5))), 5));
        assert!(!is_wanted(Some(&state(5, None)), 5));
    }
}

//! Whether a configuration makes sense: whole, or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::devices::alarm_button::BindKey;
use hempuls_protocol::ids::DeviceId;
use hempuls_protocol::wire::home_config as wire;
use jiff::tz::TimeZone;

use crate::config::Device;

/// The most devices that an agent serves. A home has a handful.
pub(super) const MOST: usize = 64;
/// A sign of life is sent at least this often, or says nothing about the device.
const LONGEST_BEACON: Duration = Duration::from_secs(7 * 86_400);

/// Whether the gateway's configuration can be used beside the devices that `agent.toml` names.
///
/// # Errors
/// What is wrong, for an operator.
pub(super) fn check(home: &wire::Home, own: &[Device]) -> Result<(), String> {
    if home.revision == 0 {
        return Err("its revision is 0, which stands for none".into());
    }
    if home.devices.len() > MOST {
        return Err(format!("it names {} devices; an agent serves at most {MOST}", home.devices.len()));
    }
    if home.prove_every_s == Some(0) {
        return Err("it asks for silent tests all the time".into());
    }
    let mut addresses = BTreeSet::new();
    for named in &home.devices {
        let device = device(named)?;
        if !addresses.insert(device.address) {
            return Err(format!("it names the device {} twice", named.device));
        }
        if let Some(known) = own.iter().find(|own| own.address == device.address)
            && known.kind != device.kind
        {
            let (theirs, ours) = (device.kind.as_str(), known.kind.as_str());
            return Err(format!(
                "it says that {} is a {theirs}, and this agent's own agent.toml says that it is a {ours}; correct one",
                named.device
            ));
        }
    }
    match &home.time_zone {
        Some(zone) if TimeZone::get(zone).is_err() => Err(format!("there is no time zone {zone:?}")),
        Some(_) | None => Ok(()),
    }
}

/// A device as the radio needs it.
///
/// # Errors
/// What is wrong, for whoever named it.
pub(super) fn device(named: &wire::Device) -> Result<Device, String> {
    let wire::Device { device, kind, dialect, key, beacon_s, counted } = named;
    let DeviceId::Address(address) = device else {
        return Err(format!("{device} is named by model and serial number; this agent needs its Bluetooth address"));
    };
    let is_button = *kind == DeviceKind::AlarmButton;
    let is_a = format!("{device} is a {}", kind.as_str());
    if !is_button && (key.is_some() || beacon_s.is_some() || counted.is_some()) {
        return Err(format!("{is_a}, and only an alarm_button has a key, a sign of life and a counter"));
    }
    if let Some(dialect) = dialect.filter(|dialect| !dialect.suits(*kind)) {
        return Err(format!("{is_a}, and none of these speaks the dialect {dialect}"));
    }
    let key = match key.as_ref().map(|key| <[u8; 16]>::try_from(key.as_slice())) {
        Some(Ok(key)) => Some(BindKey::new(key)),
        Some(Err(_)) => return Err(format!("the key of {device} does not have 16 bytes")),
        None => None,
    };
    let beacon = beacon_s.map(|seconds| Duration::from_secs(seconds.into()));
    if beacon.is_some_and(|beacon| beacon.is_zero() || beacon > LONGEST_BEACON) {
        return Err(format!("the sign of life of {device} must come at least once a week, and not all the time"));
    }
    Ok(Device { address: *address, kind: *kind, dialect: *dialect, key, beacon, counted: *counted })
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::Dialect;
    use hempuls_protocol::wire::home_config::Counted;

    use super::*;
    use crate::settings::wish;

    const CUFF: [u8; 6] = [0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5];
    const BUTTON: [u8; 6] = [0x38, 0x39, 0x8F, 0x70, 0xB2, 0x4E];

    fn home(devices: Vec<wire::Device>) -> wire::Home {
        wire::Home { revision: 1, devices, time_zone: None, retired: false, prove_every_s: None }
    }

    #[test]
    fn every_mistake_is_named() {
        let cuff = wish(CUFF, DeviceKind::BloodPressure, None, None);
        let button = wish(BUTTON, DeviceKind::AlarmButton, None, None);
        let serial = "RIG-BP/SN1".parse().unwrap();
        let many = (0..=u8::try_from(MOST).unwrap()).map(|n| wish([n; 6], DeviceKind::Thermometer, None, None));
        for (home, named) in [
            (wire::Home { revision: 0, ..home(Vec::new()) }, "revision"),
            (wire::Home { prove_every_s: Some(0), ..home(Vec::new()) }, "silent tests"),
            (wire::Home { time_zone: Some("Europe/Atlantis".into()), ..home(Vec::new()) }, "Europe/Atlantis"),
            (home(many.collect()), "65 devices"),
            (home(vec![cuff.clone(), cuff.clone()]), "F0:F1:F2:F3:F4:F5 twice"),
            (home(vec![wire::Device { device: serial, ..cuff.clone() }]), "Bluetooth address"),
            (home(vec![wire::Device { key: Some(vec![1; 16].into()), ..cuff.clone() }]), "only an alarm_button"),
            (home(vec![wire::Device { beacon_s: Some(60), ..cuff.clone() }]), "only an alarm_button"),
            (
                home(vec![wire::Device { counted: Some(Counted { battery: 1, highest: 1 }), ..cuff }]),
                "only an alarm_button",
            ),
            (home(vec![wire::Device { dialect: Some(Dialect::Beurer), ..button.clone() }]), "dialect"),
            (home(vec![wire::Device { key: Some(vec![1; 15].into()), ..button.clone() }]), "16 bytes"),
            (home(vec![wire::Device { beacon_s: Some(0), ..button.clone() }]), "sign of life"),
            (home(vec![wire::Device { beacon_s: Some(u32::MAX), ..button }]), "sign of life"),
        ] {
            let why = check(&home, &[]).unwrap_err();
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn a_key_is_never_in_the_reason() {
        let button = wish(BUTTON, DeviceKind::AlarmButton, None, None);
        let why = check(&home(vec![wire::Device { key: Some(vec![0xAB; 15].into()), ..button }]), &[]).unwrap_err();
        assert!(!why.to_lowercase().contains("abab") && !why.contains("171"), "{why}");
    }
}

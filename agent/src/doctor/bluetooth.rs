//! The message bus, the Bluetooth service, its adapter, and whether anybody answers a device that wants to pair.

use std::collections::HashMap;
use std::fs;
use std::path::Path as FilePath;
use std::time::Duration;

use dbus::Path;
use dbus::arg::{PropMap, prop_cast};
use dbus::blocking::Connection;

use super::Finding;
use crate::control::status::Status;

/// What there is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Facts {
    /// Why the message bus does not answer.
    bus: Option<String>,
    /// Why the Bluetooth service does not answer.
    service: Option<String>,
    adapters: Vec<Adapter>,
    /// Adapters that the kernel knows.
    kernel: Vec<String>,
    blocks: Vec<Block>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Adapter {
    name: String,
    powered: bool,
}

/// A switch that keeps a radio silent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Block {
    name: String,
    /// A switch or key on the machine, which no program can turn.
    hard: bool,
}

const ABOUT: &str = "Bluetooth";
const CALL_LIMIT: Duration = Duration::from_secs(5);

pub(super) fn look() -> Facts {
    let mut facts = Facts {
        kernel: names(FilePath::new("/sys/class/bluetooth")),
        blocks: blocks(FilePath::new("/sys/class/rfkill")),
        ..Facts::default()
    };
    match Connection::new_system() {
        Err(error) => facts.bus = Some(error.to_string()),
        Ok(bus) => match adapters(&bus) {
            Ok(adapters) => facts.adapters = adapters,
            Err(error) => facts.service = Some(error.to_string()),
        },
    }
    facts
}

type Objects = HashMap<Path<'static>, HashMap<String, PropMap>>;

fn adapters(bus: &Connection) -> Result<Vec<Adapter>, dbus::Error> {
    let bluez = bus.with_proxy("org.bluez", "/", CALL_LIMIT);
    let (objects,): (Objects,) = bluez.method_call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ())?;
    let adapter = |(path, interfaces): (&Path<'static>, &HashMap<String, PropMap>)| {
        let properties = interfaces.get("org.bluez.Adapter1")?;
        let powered = prop_cast::<bool>(properties, "Powered").copied().unwrap_or(false);
        Some(Adapter { name: path.rsplit('/').next()?.to_owned(), powered })
    };
    let mut adapters: Vec<Adapter> = objects.iter().filter_map(adapter).collect();
    adapters.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(adapters)
}

/// The adapters in a folder of the kernel's; connections, `hci0:64`, are none.
fn names(folder: &FilePath) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = named.filter(|name| !name.contains(':')).collect();
    names.sort();
    names
}

fn blocks(folder: &FilePath) -> Vec<Block> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let block = |entry: fs::DirEntry| {
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default().trim().to_owned();
        let (hard, soft) = (read("hard") == "1", read("soft") == "1");
        (read("type") == "bluetooth" && (hard || soft)).then(|| Block { name: read("name"), hard })
    };
    entries.filter_map(block).collect()
}

/// What the facts mean, where `wanted` is the adapter that the configuration names.
pub(super) fn judge(facts: &Facts, wanted: Option<&str>, status: Option<&Status>) -> Vec<Finding> {
    let mut findings = vec![judge_service(facts)];
    if facts.bus.is_none() && facts.service.is_none() {
        findings.push(judge_adapter(facts, wanted));
    }
    findings.push(judge_pairing(status));
    findings.extend(status.and_then(judge_hearing));
    findings
}

fn judge_service(facts: &Facts) -> Finding {
    if let Some(error) = &facts.bus {
        let said = format!("the message bus does not answer ({error}), so nothing can be heard");
        return Finding::bad(ABOUT, said, "install and start it: apt-get install dbus; systemctl start dbus");
    }
    match &facts.service {
        Some(error) => Finding::bad(
            ABOUT,
            format!("the Bluetooth service does not answer ({error}), so nothing is heard"),
            "install and start it: apt-get install bluez; systemctl enable --now bluetooth",
        ),
        None => Finding::good(ABOUT, "the service answers"),
    }
}

fn judge_adapter(facts: &Facts, wanted: Option<&str>) -> Finding {
    const ABOUT: &str = "Adapter";
    let unblock = "rfkill unblock bluetooth";
    if let Some(block) = facts.blocks.iter().find(|block| block.hard) {
        let said = format!("{} is blocked by a switch or key on the machine", block.name);
        return Finding::bad(ABOUT, said, "turn that switch; no program can");
    }
    let mut chosen = facts.adapters.iter().filter(|adapter| wanted.is_none_or(|wanted| adapter.name == wanted));
    match (chosen.next(), wanted) {
        (Some(adapter), _) if adapter.powered => {
            Finding::good(ABOUT, format!("{} is there and switched on", adapter.name))
        }
        (Some(adapter), _) if !facts.blocks.is_empty() => {
            let said = format!("{} is switched off, and blocked by software", adapter.name);
            Finding::bad(ABOUT, said, format!("{unblock}; the agent switches it on then"))
        }
        (Some(adapter), _) => Finding::bad(
            ABOUT,
            format!("{} is switched off, so nothing is heard", adapter.name),
            "bluetoothctl power on; and AutoEnable=true in /etc/bluetooth/main.conf, so that it stays on",
        ),
        (None, Some(wanted)) if !facts.adapters.is_empty() => {
            let there: Vec<&str> = facts.adapters.iter().map(|adapter| &*adapter.name).collect();
            let said = format!("the configuration names {wanted}, and there is only {}", there.join(", "));
            Finding::bad(ABOUT, said, "correct `adapter` in agent.toml, or take it out")
        }
        (None, _) if !facts.kernel.is_empty() => Finding::bad(
            ABOUT,
            format!("the kernel has {}, but the service does not show it", facts.kernel.join(", ")),
            format!(
                "{unblock}; systemctl restart bluetooth; if that does not help, its driver lacks firmware: see dmesg"
            ),
        ),
        (None, _) => Finding::bad(
            ABOUT,
            "there is none, so nothing is heard",
            "plug one in; one that is built in may need its driver or firmware: see dmesg",
        ),
    }
}

fn judge_pairing(status: Option<&Status>) -> Finding {
    const ABOUT: &str = "Pairing";
    match status.map(|status| status.radio.pairs) {
        Some(true) => Finding::good(ABOUT, "the agent answers devices of this home that want to pair"),
        Some(false) => Finding::bad(
            ABOUT,
            "nobody answers a device that wants to pair: the agent is not registered with the Bluetooth service",
            "it is when both work; see what stands above about Bluetooth",
        ),
        None => Finding::unknown(ABOUT, "the agent answers devices that want to pair, while it runs"),
    }
}

fn judge_hearing(status: &Status) -> Option<Finding> {
    const ABOUT: &str = "Radio";
    match status.radio.hearing.as_deref()? {
        "alive" => Some(Finding::good(ABOUT, "hears devices nearby")),
        "dead" => Some(Finding::bad(
            ABOUT,
            "hears nothing, though a device of this home should be heard or the adapter says that it does not work",
            "take the adapter out and put it in again, or switch the box off and on; then another adapter",
        )),
        _ => Some(Finding::odd(
            ABOUT,
            "has heard nothing for a while, which may be because nothing is there",
            "use a device of this home, or hold a phone beside the box, and look again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn adapter(name: &str, powered: bool) -> Adapter {
        Adapter { name: name.into(), powered }
    }

    fn said(facts: &Facts, wanted: Option<&str>) -> (Verdict, String) {
        let findings = judge(facts, wanted, None);
        let worst = findings.into_iter().max_by_key(|finding| finding.verdict).unwrap();
        (worst.verdict, format!("{} {}", worst.said, worst.advice.unwrap_or_default()))
    }

    #[test]
    fn each_thing_that_keeps_a_radio_silent_is_told_from_the_others() {
        let block = |hard| vec![Block { name: "hci0".into(), hard }];
        let off = vec![adapter("hci0", false)];
        for (facts, wanted, named) in [
            (Facts { bus: Some("no socket".into()), ..Facts::default() }, None, "systemctl start dbus"),
            (Facts { service: Some("NameHasNoOwner".into()), ..Facts::default() }, None, "enable --now bluetooth"),
            (Facts::default(), None, "plug one in"),
            (Facts { kernel: vec!["hci0".into()], ..Facts::default() }, None, "restart bluetooth"),
            (Facts { adapters: off.clone(), ..Facts::default() }, None, "bluetoothctl power on"),
            (Facts { adapters: off.clone(), blocks: block(false), ..Facts::default() }, None, "rfkill unblock"),
            (Facts { adapters: off, blocks: block(true), ..Facts::default() }, None, "turn that switch"),
            (
                Facts { adapters: vec![adapter("hci0", true)], ..Facts::default() },
                Some("hci1"),
                "`adapter` in agent.toml",
            ),
        ] {
            let (verdict, said) = said(&facts, wanted);
            assert!(verdict == Verdict::Bad && said.contains(named), "{named}: {said}");
        }
    }

    #[test]
    fn an_adapter_that_is_there_and_on_is_good() {
        let facts = Facts { adapters: vec![adapter("hci0", false), adapter("hci1", true)], ..Facts::default() };
        assert!(said(&facts, Some("hci1")).0 < Verdict::Bad);
    }

    #[test]
    fn a_switch_of_another_radio_is_none_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        for (name, kind, soft, hard) in
            [("rfkill0", "wlan", "1", "1"), ("rfkill1", "bluetooth", "1", "0"), ("rfkill2", "bluetooth", "0", "0")]
        {
            let switch = folder.path().join(name);
            fs::create_dir(&switch).unwrap();
            for (file, content) in [("type", kind), ("soft", soft), ("hard", hard), ("name", name)] {
                fs::write(switch.join(file), format!("{content}\n")).unwrap();
            }
        }
        assert_eq!(blocks(folder.path()), [Block { name: "rfkill1".into(), hard: false }]);
    }
}

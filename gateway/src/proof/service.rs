//! Whether a home is in service (P10). It is computed from what has really happened, and never ticked: where something of it is
//! no longer so, the home is no longer in service, and what is missing is said.

use super::homes::{Stop, wording};
use crate::wording::{Lang, device_kind};

/// What has happened in a home.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Whether it has a box, new or in service.
    pub has_box: bool,
    /// How many boxes are in service.
    pub in_service: u32,
    /// How many of them are silent, or have said nothing yet.
    pub silent: u32,
    /// How many people live there.
    pub people: u32,
    /// How many of them have no plan.
    pub without_plan: u32,
    /// Its devices.
    pub devices: Vec<Device>,
    /// The silent tests of its boxes in service: the worst of them.
    pub chain: Chain,
}

/// A device of the home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its address, or model and serial number.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// How far its proof has come.
    pub proof: Proof,
}

/// How far the proof of a device has come since it was given to the home.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Proof {
    /// It is nobody's.
    NobodysDevice,
    /// Nothing real has come from it.
    Nothing,
    /// Its reading is stored, or its press; no member has been shown that, or has closed its alert.
    Stored,
    /// A member has been shown its reading, or has closed the alert of its press.
    Seen,
}

/// How far the silent tests have come, the worst first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Chain {
    /// None has come all the way yet.
    #[default]
    Never,
    /// The latest stopped on its way.
    Stopped(Stop),
    /// The last that came all the way is too old.
    TooOld,
    /// One has.
    Proven,
    /// No home is asked to make any.
    NotAsked,
}

/// What is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// A box.
    Box,
    /// A box that is enrolled.
    Enrolment,
    /// Word from its box.
    Heartbeat,
    /// Somebody who lives there.
    Person,
    /// A plan for somebody who lives there.
    Plan,
    /// A device.
    Device,
    /// A person whose device it is.
    Assignment(Which),
    /// A first real reading.
    Reading(Which),
    /// A member who has been shown it.
    Look(Which),
    /// A real press.
    Press(Which),
    /// A member who has closed its alert.
    Close(Which),
    /// A silent test that came all the way.
    Test,
    /// One that is not too old.
    FreshTest,
    /// What the latest stopped at.
    Way(Stop),
}

/// A device, and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Which {
    /// Its address, or model and serial number.
    pub id: String,
    /// What it is.
    pub kind: String,
}

/// What is missing for a home to be in service; nothing where it is.
#[must_use]
pub fn missing(facts: &Facts) -> Vec<Missing> {
    let mut missing = Vec::new();
    match (facts.has_box, facts.in_service, facts.silent) {
        (false, _, _) => missing.push(Missing::Box),
        (true, 0, _) => missing.push(Missing::Enrolment),
        (true, _, 1..) => missing.push(Missing::Heartbeat),
        (true, _, 0) => {}
    }
    match (facts.people, facts.without_plan) {
        (0, _) => missing.push(Missing::Person),
        (_, 1..) => missing.push(Missing::Plan),
        (_, 0) => {}
    }
    if facts.devices.is_empty() {
        missing.push(Missing::Device);
    }
    missing.extend(facts.devices.iter().filter_map(of_device));
    match &facts.chain {
        Chain::Never => missing.push(Missing::Test),
        Chain::Stopped(stop) => missing.push(Missing::Way(stop.clone())),
        Chain::TooOld => missing.push(Missing::FreshTest),
        Chain::Proven | Chain::NotAsked => {}
    }
    missing
}

fn of_device(device: &Device) -> Option<Missing> {
    let which = Which { id: device.id.clone(), kind: device.kind.clone() };
    let is_button = device.kind == "alarm_button";
    match device.proof {
        Proof::NobodysDevice => Some(Missing::Assignment(which)),
        Proof::Nothing if is_button => Some(Missing::Press(which)),
        Proof::Nothing => Some(Missing::Reading(which)),
        Proof::Stored if is_button => Some(Missing::Close(which)),
        Proof::Stored => Some(Missing::Look(which)),
        Proof::Seen => None,
    }
}

impl Missing {
    /// Its word in JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Box => "box",
            Self::Enrolment => "enrolment",
            Self::Heartbeat => "heartbeat",
            Self::Person => "person",
            Self::Plan => "plan",
            Self::Device => "device",
            Self::Assignment(_) => "assignment",
            Self::Reading(_) => "reading",
            Self::Look(_) => "look",
            Self::Press(_) => "press",
            Self::Close(_) => "close",
            Self::Test => "test",
            Self::FreshTest => "fresh_test",
            Self::Way(Stop::Rules { .. }) => "rules",
            Self::Way(Stop::Nobody) => "recipient",
            Self::Way(Stop::Way { .. }) => "way",
        }
    }

    /// Which device it is about.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::Assignment(which)
            | Self::Reading(which)
            | Self::Look(which)
            | Self::Press(which)
            | Self::Close(which) => Some(&which.id),
            Self::Box
            | Self::Enrolment
            | Self::Heartbeat
            | Self::Person
            | Self::Plan
            | Self::Device
            | Self::Test
            | Self::FreshTest
            | Self::Way(_) => None,
        }
    }

    /// In words: what is missing, and what to do.
    #[must_use]
    pub fn say(&self, lang: Lang) -> String {
        let named = |which: &Which| format!("{} {}", device_kind(Some(&which.kind), lang), which.id);
        match self {
            Self::Box => lang.pick("En box.", "A box.").to_owned(),
            Self::Enrolment => lang.pick("Boxen är inte inskriven.", "The box is not enrolled.").to_owned(),
            Self::Heartbeat => lang.pick("Boxen hörs inte.", "The box is not heard.").to_owned(),
            Self::Person => lang.pick("Någon som bor här.", "Somebody who lives here.").to_owned(),
            Self::Plan => lang.pick("En plan för den som bor här.", "A plan for whoever lives here.").to_owned(),
            Self::Device => lang.pick("En apparat.", "A device.").to_owned(),
            Self::Assignment(which) => {
                lang.pick(format!("{}: vems den är.", named(which)), format!("{}: whose it is.", named(which)))
            }
            Self::Reading(which) => lang.pick(
                format!("{}: en första riktig mätning.", named(which)),
                format!("{}: a first real reading.", named(which)),
            ),
            Self::Look(which) => lang.pick(
                format!("{}: att någon ser mätningen. Öppna personens sida.", named(which)),
                format!("{}: somebody who sees the reading. Open the person's page.", named(which)),
            ),
            Self::Press(which) => lang.pick(
                format!("{}: ett riktigt tryck på knappen.", named(which)),
                format!("{}: a real press of the button.", named(which)),
            ),
            Self::Close(which) => lang.pick(
                format!("{}: att någon tar hand om larmet och avslutar det.", named(which)),
                format!("{}: somebody who takes care of the alarm and closes it.", named(which)),
            ),
            Self::Test => lang
                .pick(
                    "Ett tyst prov som kommit hela vägen. Boxen gör ett strax efter att den kopplats in.",
                    "A silent test that came all the way. The box makes one soon after it is enrolled.",
                )
                .to_owned(),
            Self::FreshTest => lang
                .pick("Ett nytt tyst prov: det senaste är för gammalt.", "A new silent test: the last is too old.")
                .to_owned(),
            Self::Way(stop) => wording::stopped_at(stop, lang),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_in_service_once_everything_has_really_happened_and_everything_else_is_named() {
        let device = |kind: &str, proof| Device { id: "B0".into(), kind: kind.into(), proof };
        let (cuff, button) = ("blood_pressure", "alarm_button");
        let well = || Facts {
            has_box: true,
            in_service: 1,
            silent: 0,
            people: 1,
            without_plan: 0,
            devices: vec![device(cuff, Proof::Seen), device(button, Proof::Seen)],
            chain: Chain::Proven,
        };
        assert_eq!(missing(&well()), []);
        assert_eq!(missing(&Facts { chain: Chain::NotAsked, ..well() }), [], "nobody wants tests");
        let stopped = |stop| Facts { chain: Chain::Stopped(stop), ..well() };
        let with = |device| Facts { devices: vec![device], ..well() };
        let table = [
            (Facts { has_box: false, in_service: 0, ..well() }, "box"),
            (Facts { in_service: 0, ..well() }, "enrolment"),
            (Facts { silent: 1, ..well() }, "heartbeat"),
            (Facts { people: 0, ..well() }, "person"),
            (Facts { without_plan: 1, ..well() }, "plan"),
            (Facts { devices: vec![], ..well() }, "device"),
            (with(device(cuff, Proof::NobodysDevice)), "assignment"),
            (with(device(cuff, Proof::Nothing)), "reading"),
            (with(device(cuff, Proof::Stored)), "look"),
            (with(device(button, Proof::Nothing)), "press"),
            (with(device(button, Proof::Stored)), "close"),
            (Facts { chain: Chain::Never, ..well() }, "test"),
            (Facts { chain: Chain::TooOld, ..well() }, "fresh_test"),
            (stopped(Stop::Nobody), "recipient"),
            (stopped(Stop::Rules { because: "one panicked".into() }), "rules"),
            (stopped(Stop::Way { channel: "sms".into(), because: "HTTP 500".into() }), "way"),
        ];
        for (facts, word) in table {
            let missing = missing(&facts);
            assert_eq!(missing.iter().map(Missing::as_str).collect::<Vec<_>>(), [word]);
            assert_ne!(missing[0].say(Lang::Sv), missing[0].say(Lang::En));
        }
        let nothing: Vec<&str> = missing(&Facts::default()).iter().map(Missing::as_str).collect();
        assert_eq!(nothing, ["box", "person", "device", "test"]);
    }
}

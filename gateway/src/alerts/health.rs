//! Findings about the boxes themselves: a buffer that was wiped or went back, something lost, something unreadable.

use hempuls_protocol::event::{Damage, Refusal, Trouble};
use hempuls_protocol::ids::Lane;
use serde::{Deserialize, Serialize};

use super::{About, Concern, Finding, Line, Severity, Weight};
use crate::ingest::accept::Oddity;

/// A buffer began a new life, went back in time, or the store was restored.
pub const BUFFER: &str = "agent_buffer";
/// An alarm could not be read.
pub const UNREADABLE_ALARM: &str = "alarm_unreadable";
/// Something else could not be read or stored.
pub const UNREADABLE: &str = "unreadable";
/// Signals could not be kept in the home.
pub const REFUSED: &str = "refused";
/// A device behaves in a way that a person should know of.
pub const DEVICE: &str = "device_trouble";

/// What stands in the story.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Found {
    /// The buffer began a new life although it had one before.
    NewEpoch {
        /// In which lane.
        lane: String,
        /// Numbers taken again.
        moved: u64,
        /// Numbers gone.
        lost: u64,
    },
    /// The flash went back in time, or two boxes share one identity.
    WentBack {
        /// In which lane.
        lane: String,
        /// From which number.
        from: u64,
    },
    /// The store was restored, and the box no longer keeps this many.
    LostRestoring {
        /// In which lane.
        lane: String,
        /// How many.
        lost: u64,
    },
    /// The buffer could not be used as it was, and another has taken its place.
    Damaged {
        /// What was wrong with it.
        damage: Harm,
        /// How many of its records were taken again.
        taken_again: u64,
    },
    /// Events could not be read or stored.
    Quarantined {
        /// In which lane.
        lane: String,
        /// How many.
        count: u64,
    },
    /// A message could not be read at all.
    UnreadableMessage,
    /// Signals were heard in the home and could not be kept.
    Refused {
        /// How many.
        count: u64,
        /// Why.
        why: Refused,
    },
    /// A device behaves in a way that a person should know of.
    Device {
        /// Which.
        device: String,
        /// What it does.
        trouble: Misbehaviour,
    },
}

/// [`Refusal`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The flash could not take it.
    Flash,
    /// As much waits as may wait.
    Full,
    /// A button frame that was forged, damaged, or unencrypted where a key is set.
    NotAuthentic,
    /// A button's counter went back again within a minute.
    Replayed,
    /// A button that does not stop.
    Stuck,
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Flash => Self::Flash,
            Refusal::Full => Self::Full,
            Refusal::NotAuthentic => Self::NotAuthentic,
            Refusal::Replayed => Self::Replayed,
            Refusal::Stuck => Self::Stuck,
        }
    }
}

/// [`Trouble`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misbehaviour {
    /// A payload could not be read; it was kept raw.
    Unreadable,
    /// It refuses or fails pairing.
    Pairing,
    /// It lacks the service it should have.
    NoService,
    /// It has lost its keys, or the box has.
    LostBond,
    /// It was paired with something else.
    PairedElsewhere,
    /// It is heard but takes no connection.
    Unreachable,
    /// It asks for the number that it shows.
    NeedsPasskey,
    /// Its button is pressed over and over.
    StuckButton,
    /// Its sign of life has not come.
    Silent,
    /// Its clock is wrong and cannot be set.
    ClockWrong,
}

impl From<Trouble> for Misbehaviour {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreadable => Self::Unreadable,
            Trouble::Pairing => Self::Pairing,
            Trouble::NoService => Self::NoService,
            Trouble::LostBond => Self::LostBond,
            Trouble::PairedElsewhere => Self::PairedElsewhere,
            Trouble::Unreachable => Self::Unreachable,
            Trouble::NeedsPasskey => Self::NeedsPasskey,
            Trouble::StuckButton => Self::StuckButton,
            Trouble::Silent => Self::Silent,
            Trouble::ClockWrong => Self::ClockWrong,
        }
    }
}

/// [`Damage`], as it is stored.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// Bytes on flash are not what was written there.
    Unreadable,
    /// The key that it was encrypted with is not the one the agent has.
    KeyLost,
    /// It is gone.
    Gone,
}

impl From<Damage> for Harm {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Unreadable => Self::Unreadable,
            Damage::KeyLost => Self::KeyLost,
            Damage::Gone => Self::Gone,
        }
    }
}

/// A concern about an agent.
#[must_use]
pub fn concern(agent: &str, home: &str, found: Found) -> Concern {
    let (case, severity) = match &found {
        Found::NewEpoch { lost: 0, .. } => (BUFFER, Severity::Low),
        Found::NewEpoch { lane, .. } | Found::LostRestoring { lane, .. } | Found::WentBack { lane, .. }
            if lane == Lane::Alarm.as_str() =>
        {
            (BUFFER, Severity::High)
        }
        Found::NewEpoch { .. } | Found::LostRestoring { .. } | Found::WentBack { .. } => (BUFFER, Severity::Medium),
        Found::Damaged { .. } => (BUFFER, Severity::Medium),
        Found::Quarantined { lane, .. } if lane == Lane::Alarm.as_str() => (UNREADABLE_ALARM, Severity::High),
        Found::Quarantined { .. } | Found::UnreadableMessage => (UNREADABLE, Severity::Medium),
        Found::Refused { why: Refused::Flash | Refused::Full, .. } => (REFUSED, Severity::Medium),
        Found::Refused { why: Refused::NotAuthentic | Refused::Replayed | Refused::Stuck, .. } => {
            (REFUSED, Severity::Low)
        }
        Found::Device { .. } => (DEVICE, Severity::Low),
    };
    // An alarm that cannot be read may be a person who asks again.
    let weight = if case == UNREADABLE_ALARM { Weight::AskedAgain } else { Weight::More };
    Concern {
        finding: Finding { case, severity, confirmed: true, weight, line: Line::Health(found) },
        about: About::Agent(agent.to_owned()),
        person: None,
        home: home.to_owned(),
        record: None,
    }
}

/// What an oddity of a lane's books is called in the story.
#[must_use]
pub fn found(lane: Lane, oddity: &Oddity) -> Found {
    let lane = lane.as_str().to_owned();
    match oddity {
        Oddity::NewEpoch { closed, .. } => Found::NewEpoch { lane, moved: closed.moved, lost: closed.lost },
        Oddity::WentBack { from } => Found::WentBack { lane, from: from.0 },
        Oddity::LostRestoring { lost } => Found::LostRestoring { lane, lost: *lost },
    }
}

/// The words.
pub mod wording {
    use super::{BUFFER, DEVICE, Found, Harm, Misbehaviour, REFUSED, Refused, UNREADABLE_ALARM};
    use crate::alerts::line::Reader;
    use crate::wording::Lang;

    /// The line in the reader's words.
    #[must_use]
    pub fn say(found: &Found, reader: &Reader) -> String {
        let lang = reader.lang;
        match found {
            Found::NewEpoch { lane, moved, lost: 0 } => lang.pick(
                format!("Boxens minne ({}) började om. Inget gick förlorat; {moved} togs på nytt.", name(lane, lang)),
                format!("The box's memory ({}) began anew. Nothing was lost; {moved} were taken again.", name(lane, lang)),
            ),
            Found::NewEpoch { lane, moved, lost } => lang.pick(
                format!("Boxens minne ({}) började om. {lost} gick förlorade; {moved} togs på nytt.", name(lane, lang)),
                format!("The box's memory ({}) began anew. {lost} were lost; {moved} were taken again.", name(lane, lang)),
            ),
            Found::WentBack { lane, from } => lang.pick(
                format!(
                    "Boxens minne ({}) gick tillbaka i tiden, från nummer {from}: återställd kopia, trasigt minneskort, eller två \
                     boxar med samma identitet.",
                    name(lane, lang)
                ),
                format!(
                    "The box's memory ({}) went back in time, from number {from}: a restored copy, a broken card, or two boxes \
                     with one identity.",
                    name(lane, lang)
                ),
            ),
            Found::LostRestoring { lane, lost } => lang.pick(
                format!("Databasen återställdes, och boxen har inte kvar {lost} som saknas ({}).", name(lane, lang)),
                format!("The store was restored, and the box no longer keeps {lost} that are missing ({}).", name(lane, lang)),
            ),
            Found::Damaged { damage, taken_again } => {
                let what = match damage {
                    Harm::Unreadable => lang.pick("var skadat", "was damaged"),
                    Harm::KeyLost => lang.pick(
                        "kunde inte läsas: nyckeln som det krypterades med saknas",
                        "could not be read: the key it was encrypted with is missing",
                    ),
                    Harm::Gone => lang.pick("var borta", "was gone"),
                };
                lang.pick(
                    format!("Boxens minne {what}. Ett nytt har tagit dess plats; {taken_again} händelser kunde räddas."),
                    format!("The box's memory {what}. Another has taken its place; {taken_again} events could be saved."),
                )
            }
            Found::Quarantined { lane, .. } if lane == "alarm" => lang
                .pick("Ett larm från det här hemmet kunde inte läsas.", "An alarm from this home could not be read.")
                .to_owned(),
            Found::Quarantined { count, .. } => lang.pick(
                format!("{count} mätningar kunde inte läsas. De är sparade som de kom."),
                format!("{count} readings could not be read. They are kept as they came."),
            ),
            Found::UnreadableMessage => lang
                .pick(
                    "Ett meddelande från boxen kunde inte läsas. Det är sparat som det kom.",
                    "A message from the box could not be read. It is kept as it came.",
                )
                .to_owned(),
            Found::Refused { count, why } => {
                let why = match why {
                    Refused::Flash => lang.pick("minnet tog inte emot dem", "the flash did not take them"),
                    Refused::Full => lang.pick("minnet är fullt", "the flash is full"),
                    Refused::NotAuthentic => {
                        lang.pick("de kom inte bevisligen från knappen", "they were not proved to come from the button")
                    }
                    Refused::Replayed => lang.pick("de såg ut som gamla tryck", "they looked like old presses played again"),
                    Refused::Stuck => lang.pick("knappen har hakat upp sig", "the button is stuck"),
                };
                lang.pick(
                    format!("{count} signaler hördes i hemmet och togs inte emot: {why}."),
                    format!("{count} signals were heard in the home and not taken: {why}."),
                )
            }
            Found::Device { device, trouble } => {
                let what = match trouble {
                    Misbehaviour::Unreadable => lang.pick("sände något oläsligt", "sent something unreadable"),
                    Misbehaviour::Pairing => lang.pick("går inte att para ihop", "cannot be paired"),
                    Misbehaviour::NoService => lang.pick("saknar den tjänst den ska ha", "lacks the service it should have"),
                    Misbehaviour::LostBond => lang.pick(
                        "har tappat sin ihopparning; para ihop den på nytt",
                        "has lost its pairing; pair it again",
                    ),
                    Misbehaviour::PairedElsewhere => lang.pick(
                        "har parats ihop med något annat; para ihop den med boxen på nytt",
                        "was paired with something else; pair it with the box again",
                    ),
                    Misbehaviour::Unreachable => lang.pick(
                        "hörs men svarar inte: för långt bort, eller upptagen med en annan telefon eller box",
                        "is heard but takes no connection: too far away, or busy with another phone or box",
                    ),
                    Misbehaviour::NeedsPasskey => lang.pick(
                        "visar en kod som någon måste skriva in vid boxen",
                        "shows a number that somebody must type at the box",
                    ),
                    Misbehaviour::StuckButton => lang.pick("trycker om och om igen; knappen kan ha fastnat", "presses over and over; its button may be stuck"),
                    Misbehaviour::Silent => lang.pick("har inte gett livstecken i tid", "has not given its sign of life in time"),
                    Misbehaviour::ClockWrong => lang.pick("har en klocka som går fel och inte kan ställas", "has a clock that is wrong and cannot be set"),
                };
                format!("{device} {what}.")
            }
        }
    }

    /// What a case about a box is called.
    #[must_use]
    pub fn title(case: &str, lang: Lang) -> String {
        match case {
            BUFFER => lang.pick("Boxens minne", "The box's memory"),
            UNREADABLE_ALARM => lang.pick("Ett larm kunde inte läsas", "An alarm could not be read"),
            REFUSED => lang.pick("Signaler som inte togs emot", "Signals that were not taken"),
            DEVICE => lang.pick("En enhet krånglar", "A device has trouble"),
            _ => lang.pick("Något kunde inte läsas", "Something could not be read"),
        }
        .to_owned()
    }

    fn name(lane: &str, lang: Lang) -> &'static str {
        if lane == "alarm" { lang.pick("larm", "alarms") } else { lang.pick("mätningar", "readings") }
    }
}

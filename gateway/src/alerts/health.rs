//! Findings about the boxes themselves: a buffer that was wiped or went back, something lost, something unreadable.

use hempuls_protocol::event::{Refusal, Trouble};
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
}

impl From<Refusal> for Refused {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::Flash => Self::Flash,
            Refusal::Full => Self::Full,
            Refusal::NotAuthentic => Self::NotAuthentic,
            Refusal::Replayed => Self::Replayed,
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
}

impl From<Trouble> for Misbehaviour {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unreadable => Self::Unreadable,
            Trouble::Pairing => Self::Pairing,
            Trouble::NoService => Self::NoService,
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
        Found::Quarantined { lane, .. } if lane == Lane::Alarm.as_str() => (UNREADABLE_ALARM, Severity::High),
        Found::Quarantined { .. } | Found::UnreadableMessage => (UNREADABLE, Severity::Medium),
        Found::Refused { why: Refused::Flash | Refused::Full, .. } => (REFUSED, Severity::Medium),
        Found::Refused { why: Refused::NotAuthentic | Refused::Replayed, .. } => (REFUSED, Severity::Low),
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
    use super::{BUFFER, DEVICE, Found, Misbehaviour, REFUSED, Refused, UNREADABLE_ALARM};
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

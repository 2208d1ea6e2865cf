//! The lines of an alert's story: stored without words, said in the reader's language.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::health;
use super::rules::{above_limit, alarm_pressed};
use crate::wording::Lang;

/// One line of an alert's story.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// A reading above a limit.
    AboveLimit(above_limit::Found),
    /// A press of an alarm button.
    AlarmPressed(alarm_pressed::Found),
    /// Something about a box.
    Health(health::Found),
    /// A rule failed at a record that is stored.
    NotJudged {
        /// Which rule.
        rule: String,
    },
    /// Somebody takes care of it.
    Claimed {
        /// Who.
        by: String,
    },
    /// Who takes care of it says that somebody is on the way.
    OnTheWay {
        /// Who says so.
        by: String,
    },
    /// A button's battery was changed: its counter rightly began anew.
    BatteryChanged {
        /// Who says so.
        by: String,
        /// Which button.
        device: String,
    },
    /// A claim was too old when the person asked again.
    Reopened {
        /// Who had claimed it.
        claimed_by: String,
        /// When.
        claimed_ms: i64,
    },
    /// It is dealt with.
    Closed {
        /// Who closed it.
        by: String,
        /// What was done, in her words.
        note: String,
    },
}

/// For whom words are made.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Her language.
    pub lang: Lang,
    /// Her time zone.
    pub zone: TimeZone,
}

impl Reader {
    /// A moment as people write it: `2026-11-22 02:14`.
    #[must_use]
    pub fn moment(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// A time of day: `02:14`.
    #[must_use]
    pub fn time(&self, at_ms: i64) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()
    }

    /// A length of time: `3 h 10 min`.
    #[must_use]
    pub fn span(&self, ms: i64) -> String {
        let seconds = ms.max(0) / 1000;
        match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
            (0, 0, 0, seconds) => format!("{seconds} s"),
            (0, 0, minutes, _) => format!("{minutes} min"),
            (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
            (days, hours, _, _) => format!("{days} d {hours} h"),
        }
    }
}

impl Line {
    /// The line's word in the store.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AboveLimit(_) => "above_limit",
            Self::AlarmPressed(_) => "alarm_pressed",
            Self::Health(_) => "health",
            Self::NotJudged { .. } => "not_judged",
            Self::Claimed { .. } => "claimed",
            Self::OnTheWay { .. } => "on_the_way",
            Self::BatteryChanged { .. } => "battery_changed",
            Self::Reopened { .. } => "reopened",
            Self::Closed { .. } => "closed",
        }
    }

    /// Whether it is about the matter itself, and not about what somebody does about it.
    #[must_use]
    pub fn is_about_the_matter(&self) -> bool {
        match self {
            Self::AboveLimit(_) | Self::AlarmPressed(_) | Self::Health(_) | Self::NotJudged { .. } => true,
            Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::Closed { .. } => false,
        }
    }

    fn is_from_no_button(&self) -> bool {
        matches!(self, Self::AlarmPressed(found) if found.press.local.is_some())
    }

    /// The rule that noticed it, in which version.
    #[must_use]
    pub fn rule_version(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::AboveLimit(found) => Some((above_limit::NAME, found.version)),
            Self::AlarmPressed(found) => Some((alarm_pressed::NAME, found.version)),
            Self::Health(_)
            | Self::NotJudged { .. }
            | Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::Closed { .. } => None,
        }
    }

    /// Whether both tell of one thing that goes on, however often.
    #[must_use]
    pub fn is_of_one_trouble_with(&self, other: &Self) -> bool {
        self == other || self.with(other).is_some()
    }

    /// The two as one line, where an earlier and a later tell of one thing that goes on.
    #[must_use]
    pub fn with(&self, earlier: &Self) -> Option<Self> {
        match (self, earlier) {
            (Self::AboveLimit(later), Self::AboveLimit(earlier)) => later.with(earlier).map(Self::AboveLimit),
            (Self::Health(later), Self::Health(earlier)) => later.with(earlier).map(Self::Health),
            (_, _) => None,
        }
    }

    /// What the story says once this is over; none for what does not go on by itself.
    #[must_use]
    pub fn over(&self) -> Option<Self> {
        match self {
            Self::Health(found) => found.over().map(Self::Health),
            Self::AboveLimit(_)
            | Self::AlarmPressed(_)
            | Self::NotJudged { .. }
            | Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::Closed { .. } => None,
        }
    }

    /// The line in the reader's words.
    #[must_use]
    pub fn say(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        match self {
            Self::AboveLimit(found) => above_limit::wording::say(found, reader),
            Self::AlarmPressed(found) => alarm_pressed::wording::say(found, reader),
            Self::Health(found) => health::wording::say(found, reader),
            Self::NotJudged { rule } => lang.pick(
                format!("Ett värde kunde inte bedömas: regeln {rule} gick sönder. Värdet är sparat. Bedöm det själv."),
                format!("A record could not be judged: the rule {rule} failed. It is stored. Judge it yourself."),
            ),
            Self::Claimed { by } => lang.pick(format!("{by} tar hand om det."), format!("{by} takes care of it.")),
            Self::OnTheWay { by } => {
                lang.pick(format!("Någon är på väg, säger {by}."), format!("Someone is on the way, says {by}."))
            }
            Self::BatteryChanged { by, device } => lang.pick(
                format!("Batteriet i knappen {device} är bytt, säger {by}. Räknaren börjar om därifrån."),
                format!("The battery of the button {device} was changed, says {by}. It counts anew from there."),
            ),
            Self::Reopened { claimed_by, claimed_ms } => {
                let since = reader.moment(*claimed_ms);
                lang.pick(
                    format!("Åter öppet för hela teamet: {claimed_by} tog hand om det {since}."),
                    format!("Before the whole team again: {claimed_by} had taken care of it since {since}."),
                )
            }
            Self::Closed { by, note } if note.is_empty() => {
                lang.pick(format!("Avslutat av {by}."), format!("Closed by {by}."))
            }
            Self::Closed { by, note } => {
                lang.pick(format!("Avslutat av {by}: {note}"), format!("Closed by {by}: {note}"))
            }
        }
    }
}

/// What an alert is called: the words for its `rule`, whether it is confirmed, and the newest line about its matter.
#[must_use]
pub fn title(rule: &str, confirmed: bool, newest: Option<&Line>, lang: Lang) -> String {
    let title = match rule {
        alarm_pressed::NAME if newest.is_some_and(Line::is_from_no_button) => {
            lang.pick("Larm i hemmet", "Alarm in the home")
        }
        alarm_pressed::NAME => lang.pick("Larmknappen trycktes", "The alarm button was pressed"),
        above_limit::NAME if confirmed => lang.pick("Blodtryck över gränsen", "Blood pressure above the limit"),
        above_limit::NAME => {
            lang.pick("Blodtryck över gränsen, obekräftat", "Blood pressure above the limit, unconfirmed")
        }
        above_limit::REVIEW => {
            lang.pick("Äldre värden över gränsen: granska", "Older readings above the limit: review")
        }
        NOT_JUDGED => lang.pick("Ett värde kunde inte bedömas", "A record could not be judged"),
        _ => return health::wording::title(rule, lang),
    };
    title.to_owned()
}

/// The case of a record that a rule failed at.
pub const NOT_JUDGED: &str = "not_judged";

#[cfg(test)]
mod tests {
    use hempuls_protocol::event::Trouble;

    use super::*;
    use crate::alerts::health::Found;
    use crate::alerts::health::ailments::Ailment;

    #[test]
    fn what_is_stored_of_a_line_is_read_again_and_has_words() {
        let device = || "F0:F1:F2:F3:F4:F5".to_owned();
        let device_kind = Some("alarm_button".to_owned());
        let low = || Ailment::LowBattery { device: device(), device_kind: device_kind.clone() };
        let press = alarm_pressed::Press { local: Some("kitchen".into()), ..alarm_pressed::Press::at(1, 2) };
        let found = [
            Found::Device { device: device(), device_kind: device_kind.clone(), trouble: Trouble::Silent.into() },
            Found::Ails(low()),
            Found::Over(low()),
            Found::Ails(Ailment::RefusedConfig { why: "no such zone".into() }),
            Found::Ails(Ailment::DeadRadio),
            Found::Damaged { damage: hempuls_protocol::event::Damage::KeyLost.into(), taken_again: 3 },
        ];
        let acts = [
            Line::OnTheWay { by: "Anna".into() },
            Line::BatteryChanged { by: "Anna".into(), device: device() },
            alarm_pressed::finding(press).line,
        ];
        for line in found.into_iter().map(Line::Health).chain(acts) {
            let stored = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&stored).unwrap(), line, "{stored}");
            for lang in [Lang::Sv, Lang::En] {
                assert!(!line.say(&Reader { lang, zone: TimeZone::UTC }).is_empty());
            }
        }
    }
}

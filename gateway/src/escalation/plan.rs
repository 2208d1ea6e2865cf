//! A team's escalation plan: its rungs, whom each tells, and how long each is waited for.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use serde::{Deserialize, Serialize};

use crate::alerts::Severity;
use crate::config::duration;
use crate::delivery::Channel;
use crate::wording::Lang;

/// What is done, rung by rung, while nobody takes an alert. The last rung repeats.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The rungs, the first to be told first.
    pub rungs: Vec<Step>,
}

/// One rung as it is planned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Whom it tells.
    pub whom: Vec<Whom>,
    /// How long an answer of theirs is waited for.
    #[serde(default)]
    pub waits: Waits,
}

/// Somebody to be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// Whoever is on duty in the plan's team.
    OnDuty,
    /// All of the plan's team.
    Team,
    /// All of the team that takes what nobody else is responsible for.
    Fallback,
    /// Whoever is on duty in another team, by its id.
    OnDutyOf(String),
    /// All of another team, by its id.
    TeamOf(String),
    /// A member, by the name she signs in with.
    Member(String),
    /// An alarm centre.
    Centre(Centre),
}

/// An alarm centre: an address on a channel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    /// What it is called, on pages: letters and digits.
    pub name: String,
    /// Over which channel.
    pub channel: Channel,
    /// To which address.
    pub address: String,
    /// In which language.
    #[serde(default)]
    pub language: Lang,
}

/// How long an answer is waited for.
///
/// Source: clinical-rules §11, "first human answer".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Waits {
    /// To an alarm.
    #[serde(serialize_with = "duration::write", deserialize_with = "duration::read")]
    pub alarm: Duration,
    /// To what someone must act on now.
    #[serde(serialize_with = "duration::write", deserialize_with = "duration::read")]
    pub high: Duration,
    /// To what someone must act on today.
    #[serde(serialize_with = "duration::write", deserialize_with = "duration::read")]
    pub medium: Duration,
    /// To the same, from 8 to 17 on a weekday.
    #[serde(serialize_with = "duration::write", deserialize_with = "duration::read")]
    pub medium_in_working_hours: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self { alarm: MINUTE, high: 5 * MINUTE, medium: 240 * MINUTE, medium_in_working_hours: 60 * MINUTE }
    }
}

/// How soon an answer is needed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Haste {
    /// A person asks for help.
    Alarm,
    /// A rule found something so urgent.
    Found(Severity),
}

/// When working hours begin and end, and when a reminder comes on the next working day.
const WORK_BEGINS: Time = Time::constant(8, 0, 0, 0);
const WORK_ENDS: Time = Time::constant(17, 0, 0, 0);

/// No rung is waited for less long: nobody could have answered.
const SHORTEST: Duration = Duration::from_secs(10);

/// So many rungs at most.
const MOST: usize = 20;

impl Plan {
    /// What holds where a team has written none: who is on duty, all of the team, and the team that takes what nobody else is
    /// responsible for.
    #[must_use]
    pub fn usual(is_fallback: bool) -> Self {
        let rung = |whom| Step { whom: vec![whom], waits: Waits::default() };
        let mut rungs = vec![rung(Whom::OnDuty), rung(Whom::Team)];
        if !is_fallback {
            rungs.push(rung(Whom::Fallback));
        }
        Self { rungs }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.rungs.is_empty() || self.rungs.len() > MOST {
            return Err(format!("an escalation has between 1 and {MOST} rungs"));
        }
        for (place, Step { whom, waits }) in (1..).zip(&self.rungs) {
            if whom.is_empty() {
                return Err(format!("rung {place} tells nobody: name somebody in whom, as [\"on_duty\"]"));
            }
            let Waits { alarm, high, medium, medium_in_working_hours } = *waits;
            if [alarm, high, medium, medium_in_working_hours].into_iter().any(|wait| wait < SHORTEST) {
                return Err(format!("rung {place} waits less than 10 seconds: nobody could have answered"));
            }
            for centre in whom.iter().filter_map(Whom::centre) {
                let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == ' ';
                if centre.name.is_empty() || !centre.name.chars().all(is_plain) {
                    return Err(format!("rung {place}: a centre's name is of letters and digits"));
                }
                centre.channel.check(&centre.address).map_err(|looks| format!("rung {place}: {looks}"))?;
            }
        }
        Ok(())
    }
}

impl Whom {
    fn centre(&self) -> Option<&Centre> {
        match self {
            Self::Centre(centre) => Some(centre),
            Self::OnDuty | Self::Team | Self::Fallback | Self::OnDutyOf(_) | Self::TeamOf(_) | Self::Member(_) => None,
        }
    }
}

impl Waits {
    /// Until when an answer is waited for by who is told now.
    #[must_use]
    pub fn until_ms(&self, haste: Haste, now_ms: i64, zone: &TimeZone) -> i64 {
        let now = Timestamp::from_millisecond(now_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone());
        let wait = match haste {
            Haste::Alarm => self.alarm,
            Haste::Found(Severity::High) => self.high,
            Haste::Found(Severity::Medium) if is_working_time(&now) => self.medium_in_working_hours,
            Haste::Found(Severity::Medium) => self.medium,
            Haste::Found(Severity::Low) => return next_working_day(&now).unwrap_or(now_ms + DAY_MS),
        };
        now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(DAY_MS))
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn is_weekday(at: &Zoned) -> bool {
    !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_working_time(at: &Zoned) -> bool {
    is_weekday(at) && at.time() >= WORK_BEGINS && at.time() < WORK_ENDS
}

/// When work begins next.
fn next_working_day(now: &Zoned) -> Option<i64> {
    let begins = |days: i64| -> Option<Zoned> {
        now.date().checked_add(days.days()).ok()?.to_datetime(WORK_BEGINS).to_zoned(now.time_zone().clone()).ok()
    };
    let next = (0..=7).filter_map(begins).find(|begins| begins > now && is_weekday(begins))?;
    Some(next.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_waited_for_as_long_as_the_matter_allows() {
        let zone = TimeZone::get("Europe/Stockholm").unwrap();
        let waits = |haste, now: &str| {
            let now: Timestamp = now.parse().unwrap();
            let until = Waits::default().until_ms(haste, now.as_millisecond(), &zone);
            Timestamp::from_millisecond(until).unwrap().to_string()
        };
        let found = Haste::Found;
        // A Friday in November; Stockholm is an hour ahead.
        assert_eq!(waits(Haste::Alarm, "2026-11-27T10:00:00Z"), "2026-11-27T10:01:00Z");
        assert_eq!(waits(found(Severity::High), "2026-11-27T10:00:00Z"), "2026-11-27T10:05:00Z");
        assert_eq!(waits(found(Severity::Medium), "2026-11-27T10:00:00Z"), "2026-11-27T11:00:00Z");
        assert_eq!(waits(found(Severity::Medium), "2026-11-27T16:00:00Z"), "2026-11-27T20:00:00Z");
        assert_eq!(waits(found(Severity::Medium), "2026-11-28T10:00:00Z"), "2026-11-28T14:00:00Z");
        assert_eq!(waits(found(Severity::Low), "2026-11-27T10:00:00Z"), "2026-11-30T07:00:00Z");
        assert_eq!(waits(found(Severity::Low), "2026-11-27T02:00:00Z"), "2026-11-27T07:00:00Z");
        // The clocks change in the night to Sunday.
        assert_eq!(waits(found(Severity::Low), "2026-10-24T10:00:00Z"), "2026-10-26T07:00:00Z");
    }

    #[test]
    fn a_plan_is_written_as_it_is_read() {
        let text = r#"{"rungs":[{"whom":["on_duty",{"member":"Berit"}],"waits":{"alarm":"90s"}},
            {"whom":[{"centre":{"name":"Larmcentralen","channel":"sms","address":"+46700000000"}},"fallback"]}]}"#;
        let plan: Plan = serde_json::from_str(text).unwrap();
        assert_eq!(plan.check(), Ok(()));
        assert_eq!(plan.rungs[0].waits.alarm, Duration::from_secs(90));
        assert_eq!(plan.rungs[1].waits, Waits::default());
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&written).unwrap(), plan, "{written}");
        assert_eq!(Plan::usual(false).check(), Ok(()));
    }

    #[test]
    fn a_plan_that_would_tell_nobody_is_refused() {
        for (text, complaint) in [
            (r#"{"rungs":[]}"#, "between 1 and 20"),
            (r#"{"rungs":[{"whom":[]}]}"#, "tells nobody"),
            (r#"{"rungs":[{"whom":["team"],"waits":{"high":"1s"}}]}"#, "10 seconds"),
            (r#"{"rungs":[{"whom":[{"centre":{"name":"C","channel":"sms","address":"070"}}]}]}"#, "rung 1"),
        ] {
            let said = serde_json::from_str::<Plan>(text).unwrap().check().unwrap_err();
            assert!(said.contains(complaint), "{said}");
        }
        assert!(serde_json::from_str::<Plan>(r#"{"rungs":[{"whom":["everybody"]}]}"#).is_err());
    }
}

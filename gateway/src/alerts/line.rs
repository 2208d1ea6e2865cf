//! The lines of an alert's story: stored without words, said in the reader's language.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::rules::{
    self, PLAN_MISSING, alarm_pressed, blood_pressure_average, irregular_pulse, late, limits, missed_reading,
    silent_home, weight_gain, worsening_trend,
};
use super::{flood, health, keeping, units};
use crate::duty::cover;
use crate::proof::found as unproven;
use crate::proof::{homes, schedule};
use crate::wording::Lang;

/// One line of an alert's story.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// A reading beyond a limit.
    #[serde(alias = "above_limit")]
    BeyondLimit(limits::Found),
    /// Readings beyond limits that reached us late.
    Late(late::Found),
    /// A week's mean blood pressure over its limit.
    BloodPressureAverage(blood_pressure_average::Found),
    /// A blood pressure that rises.
    WorseningTrend(worsening_trend::Found),
    /// A pulse that is irregular again and again.
    IrregularPulse(irregular_pulse::Found),
    /// A weight that changes fast.
    WeightGain(weight_gain::Found),
    /// Planned measurements that are missing.
    MissedReading(missed_reading::Found),
    /// A child for whom nobody has set limits.
    PlanMissing,
    /// Too many cases about one person.
    TooMany {
        /// How many were held back.
        held_back: u32,
    },
    /// A press of an alarm button.
    AlarmPressed(alarm_pressed::Found),
    /// A home that is silent, or heard again.
    SilentHome {
        /// The version of the rule.
        version: u32,
        /// What was found.
        found: silent_home::Found,
    },
    /// Something about a box.
    Health(health::Found),
    /// What an alarm unit of another make said.
    AlarmUnit(units::Found),
    /// How the gateway's data is kept.
    Keeping(keeping::Found),
    /// Nobody who can be reached is on duty, or somebody is again.
    SomebodyThere(cover::Found),
    /// What carries alarms is not proven, or is again.
    Unproven(unproven::Found),
    /// The last silent test from a home that came all the way is too old, or one has again.
    HomeProof(homes::Found),
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
    /// Its owner gave it to somebody else.
    HandedOver {
        /// Who gave it.
        by: String,
        /// Whose it is.
        to: String,
    },
    /// Its owner gave it back to the team.
    GivenBack {
        /// Who had claimed it.
        by: String,
        /// Why, in her words.
        why: String,
    },
    /// Its owner said nothing of it for too long.
    ClaimLapsed {
        /// Who had claimed it.
        claimed_by: String,
        /// When she last said something.
        said_ms: i64,
    },
    /// It got worse again before its owner had seen that it had.
    WorseUnseen {
        /// Who had claimed it.
        claimed_by: String,
    },
    /// Somebody opened it again.
    OpenedAgain {
        /// Who.
        by: String,
        /// Why, in her words.
        why: String,
    },
    /// Somebody wrote something about it.
    Noted {
        /// Who.
        by: String,
        /// What.
        note: String,
    },
    /// Nobody has taken it yet, and a rung of its escalation was told.
    Climbed {
        /// Which, from 0.
        rung: u32,
        /// Whom it told.
        to: Vec<String>,
    },
    /// A rung of its escalation was passed: nobody on it can be reached.
    RungPassed {
        /// Which, from 0.
        rung: u32,
    },
    /// All rungs of its escalation are through, and nobody has answered.
    NobodyAnswered {
        /// How often.
        times: u32,
        /// Since when.
        since_ms: i64,
        /// Whether anybody could be told at all.
        has_told: bool,
    },
    /// It is dealt with.
    Closed {
        /// Who closed it.
        by: String,
        /// What came of it; cases that were closed before that was asked have none.
        #[serde(default)]
        outcome: Option<Outcome>,
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
            Self::BeyondLimit(_) => "beyond_limit",
            Self::Late(_) => "late",
            Self::BloodPressureAverage(_) => "blood_pressure_average",
            Self::WorseningTrend(_) => "worsening_trend",
            Self::IrregularPulse(_) => "irregular_pulse",
            Self::WeightGain(_) => "weight_gain",
            Self::MissedReading(_) => "missed_reading",
            Self::PlanMissing => "plan_missing",
            Self::TooMany { .. } => "too_many",
            Self::AlarmPressed(_) => "alarm_pressed",
            Self::SilentHome { .. } => "silent_home",
            Self::Health(_) => "health",
            Self::AlarmUnit(_) => "alarm_unit",
            Self::Keeping(_) => "keeping",
            Self::SomebodyThere(_) => "somebody_there",
            Self::Unproven(_) => "unproven",
            Self::HomeProof(_) => "home_proof",
            Self::NotJudged { .. } => "not_judged",
            Self::Claimed { .. } => "claimed",
            Self::OnTheWay { .. } => "on_the_way",
            Self::BatteryChanged { .. } => "battery_changed",
            Self::Reopened { .. } => "reopened",
            Self::HandedOver { .. } => "handed_over",
            Self::GivenBack { .. } => "given_back",
            Self::ClaimLapsed { .. } => "claim_lapsed",
            Self::WorseUnseen { .. } => "worse_unseen",
            Self::OpenedAgain { .. } => "opened_again",
            Self::Noted { .. } => "noted",
            Self::Climbed { .. } => "climbed",
            Self::RungPassed { .. } => "rung_passed",
            Self::NobodyAnswered { .. } => "nobody_answered",
            Self::Closed { .. } => "closed",
        }
    }

    /// The words of the lines that are not about the matter itself, as [`Line::is_about_the_matter`] has it.
    pub const OF_ACTS: [&str; 14] = [
        "claimed",
        "on_the_way",
        "battery_changed",
        "reopened",
        "handed_over",
        "given_back",
        "claim_lapsed",
        "worse_unseen",
        "opened_again",
        "noted",
        "climbed",
        "rung_passed",
        "nobody_answered",
        "closed",
    ];

    /// The words of the lines that say how it climbs while nobody takes it.
    pub const OF_CLIMBING: [&str; 3] = ["climbed", "rung_passed", "nobody_answered"];

    /// Whether it is about the matter itself, and not about what somebody does about it.
    #[must_use]
    pub fn is_about_the_matter(&self) -> bool {
        match self {
            Self::BeyondLimit(_)
            | Self::Late(_)
            | Self::BloodPressureAverage(_)
            | Self::WorseningTrend(_)
            | Self::IrregularPulse(_)
            | Self::WeightGain(_)
            | Self::MissedReading(_)
            | Self::PlanMissing
            | Self::TooMany { .. }
            | Self::AlarmPressed(_)
            | Self::SilentHome { .. }
            | Self::Health(_)
            | Self::AlarmUnit(_)
            | Self::Keeping(_)
            | Self::SomebodyThere(_)
            | Self::Unproven(_)
            | Self::HomeProof(_)
            | Self::NotJudged { .. } => true,
            Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::HandedOver { .. }
            | Self::GivenBack { .. }
            | Self::ClaimLapsed { .. }
            | Self::WorseUnseen { .. }
            | Self::OpenedAgain { .. }
            | Self::Noted { .. }
            | Self::Climbed { .. }
            | Self::RungPassed { .. }
            | Self::NobodyAnswered { .. }
            | Self::Closed { .. } => false,
        }
    }

    fn is_from_no_button(&self) -> bool {
        matches!(self, Self::AlarmPressed(found) if found.press.local.is_some()) || matches!(self, Self::AlarmUnit(_))
    }

    /// The rule that noticed it, in which version.
    #[must_use]
    pub fn rule_version(&self) -> Option<(&'static str, u32)> {
        match self {
            Self::BeyondLimit(found) => Some((rules::name_of(found.side, found.vital)?, found.version)),
            Self::Late(found) => Some((late::REVIEW, found.version)),
            Self::BloodPressureAverage(found) => Some((blood_pressure_average::NAME, found.version)),
            Self::WorseningTrend(found) => Some((worsening_trend::NAME, found.version)),
            Self::IrregularPulse(found) => Some((irregular_pulse::NAME, found.version)),
            Self::WeightGain(found) => Some((weight_gain::NAME, found.version)),
            Self::MissedReading(found) => Some((missed_reading::NAME, found.version)),
            Self::AlarmPressed(found) => Some((alarm_pressed::NAME, found.version)),
            Self::SilentHome { version, .. } => Some((silent_home::NAME, *version)),
            Self::Health(found) => found.rule_version(),
            Self::PlanMissing
            | Self::TooMany { .. }
            | Self::AlarmUnit(_)
            | Self::Keeping(_)
            | Self::SomebodyThere(_)
            | Self::Unproven(_)
            | Self::HomeProof(_)
            | Self::NotJudged { .. }
            | Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::HandedOver { .. }
            | Self::GivenBack { .. }
            | Self::ClaimLapsed { .. }
            | Self::WorseUnseen { .. }
            | Self::OpenedAgain { .. }
            | Self::Noted { .. }
            | Self::Climbed { .. }
            | Self::RungPassed { .. }
            | Self::NobodyAnswered { .. }
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
            (Self::Late(later), Self::Late(earlier)) => Some(Self::Late(later.with(earlier))),
            // What is missing now takes the place of what was.
            (Self::MissedReading(_), Self::MissedReading(_)) => Some(self.clone()),
            (Self::TooMany { held_back }, Self::TooMany { held_back: more }) => {
                Some(Self::TooMany { held_back: held_back + more })
            }
            (
                Self::NobodyAnswered { times, has_told, .. },
                Self::NobodyAnswered { times: before, since_ms, has_told: had_told },
            ) if has_told == had_told => {
                Some(Self::NobodyAnswered { times: times + before, since_ms: *since_ms, has_told: *has_told })
            }
            (Self::Health(later), Self::Health(earlier)) => later.with(earlier).map(Self::Health),
            (Self::Keeping(later), Self::Keeping(earlier)) => later.with(earlier).map(Self::Keeping),
            (Self::HomeProof(later), Self::HomeProof(earlier)) => later.with(earlier).map(Self::HomeProof),
            (Self::SomebodyThere(later), Self::SomebodyThere(earlier)) => later.with(earlier).map(Self::SomebodyThere),
            (Self::Unproven(later), Self::Unproven(earlier)) => later.with(earlier).map(Self::Unproven),
            (Self::SilentHome { version, found: later }, Self::SilentHome { found: earlier, .. }) => {
                later.with(earlier).map(|found| Self::SilentHome { version: *version, found })
            }
            (_, _) => None,
        }
    }

    /// What the story says once this is over; none for what does not go on by itself.
    #[must_use]
    pub fn over(&self) -> Option<Self> {
        match self {
            Self::Health(found) => found.over().map(Self::Health),
            Self::BeyondLimit(_)
            | Self::Late(_)
            | Self::BloodPressureAverage(_)
            | Self::WorseningTrend(_)
            | Self::IrregularPulse(_)
            | Self::WeightGain(_)
            | Self::MissedReading(_)
            | Self::PlanMissing
            | Self::TooMany { .. }
            | Self::AlarmPressed(_)
            | Self::AlarmUnit(_)
            | Self::Keeping(_)
            | Self::SomebodyThere(_)
            | Self::Unproven(_)
            | Self::HomeProof(_)
            | Self::SilentHome { .. }
            | Self::NotJudged { .. }
            | Self::Claimed { .. }
            | Self::OnTheWay { .. }
            | Self::BatteryChanged { .. }
            | Self::Reopened { .. }
            | Self::HandedOver { .. }
            | Self::GivenBack { .. }
            | Self::ClaimLapsed { .. }
            | Self::WorseUnseen { .. }
            | Self::OpenedAgain { .. }
            | Self::Noted { .. }
            | Self::Climbed { .. }
            | Self::RungPassed { .. }
            | Self::NobodyAnswered { .. }
            | Self::Closed { .. } => None,
        }
    }

    /// The line in the reader's words.
    #[must_use]
    pub fn say(&self, reader: &Reader) -> String {
        let lang = reader.lang;
        match self {
            Self::BeyondLimit(found) => limits::wording::say(found, reader),
            Self::Late(found) => found.say(reader),
            Self::BloodPressureAverage(found) => blood_pressure_average::wording::say(found, reader),
            Self::WorseningTrend(found) => worsening_trend::wording::say(found, reader),
            Self::IrregularPulse(found) => irregular_pulse::wording::say(found, reader),
            Self::WeightGain(found) => weight_gain::wording::say(found, reader),
            Self::MissedReading(found) => missed_reading::wording::say(found, reader),
            Self::PlanMissing => lang
                .pick(
                    "Mätvärden från ett barn bedöms inte: vuxnas gränser används inte, och planen har inga egna. Skriv gränser för \
                     barnet i planen.",
                    "A child's values are not judged: the limits of adults are not used, and the plan has none of its own. Write \
                     limits for the child in the plan.",
                )
                .to_owned(),
            Self::TooMany { held_back } => {
                let most = flood::MOST;
                lang.pick(
                format!("Fler än {most} ärenden på ett dygn; {held_back} till hölls tillbaka. Se över gränserna i planen."),
                format!("More than {most} cases within a day; {held_back} more were held back. Review the limits in the plan."),
            )
            }
            Self::AlarmPressed(found) => alarm_pressed::wording::say(found, reader),
            Self::SilentHome { found, .. } => silent_home::wording::say(found, reader),
            Self::Health(found) => health::wording::say(found, reader),
            Self::AlarmUnit(found) => units::wording::say(found, reader),
            Self::Keeping(found) => keeping::wording::say(found, reader),
            Self::HomeProof(found) => homes::wording::say(found, reader),
            Self::SomebodyThere(found) => cover::wording::say(found, reader),
            Self::Unproven(found) => found.say(reader),
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
            Self::HandedOver { by, to } => {
                lang.pick(format!("{by} lämnade över till {to}."), format!("{by} handed it over to {to}."))
            }
            Self::GivenBack { by, why } => lang.pick(
                format!("Åter öppet för hela teamet: {by} lämnade tillbaka det. {why}"),
                format!("Before the whole team again: {by} gave it back. {why}"),
            ),
            Self::ClaimLapsed { claimed_by, said_ms } => {
                let since = reader.moment(*said_ms);
                lang.pick(
                    format!("Åter öppet för hela teamet: {claimed_by} har inte hörts av om det sedan {since}."),
                    format!("Before the whole team again: {claimed_by} has said nothing of it since {since}."),
                )
            }
            Self::WorseUnseen { claimed_by } => lang.pick(
                format!("Åter öppet för hela teamet: det blev värre igen, och {claimed_by} har inte sett det."),
                format!("Before the whole team again: it got worse again, and {claimed_by} has not seen it."),
            ),
            Self::OpenedAgain { by, why } => {
                lang.pick(format!("Öppnat igen av {by}: {why}"), format!("Opened again by {by}: {why}"))
            }
            Self::Noted { by, note } => lang.pick(format!("{by} skrev: {note}"), format!("{by} wrote: {note}")),
            Self::Climbed { rung, to } => {
                let (step, to) = (rung + 1, to.join(", "));
                lang.pick(format!("Steg {step}: {to} får veta."), format!("Rung {step}: {to} is to be told."))
            }
            Self::RungPassed { rung } => {
                let step = rung + 1;
                lang.pick(
                    format!("Steg {step} hoppades över: ingen där går att nå."),
                    format!("Rung {step} was passed: nobody on it can be reached."),
                )
            }
            Self::NobodyAnswered { times, since_ms, has_told } => {
                let since = reader.moment(*since_ms);
                let what = match has_told {
                    true => lang.pick("INGEN HAR SVARAT", "NOBODY HAS ANSWERED"),
                    false => lang.pick(
                        "INGEN KUNDE NÅS: det finns ingen i tjänst med en adress som går att använda",
                        "NOBODY COULD BE TOLD: no one on duty has an address that works",
                    ),
                };
                match times {
                    1 => lang.pick(
                        format!("{what}. Alla steg är prövade."),
                        format!("{what}. All rungs have been tried."),
                    ),
                    _ => lang.pick(
                        format!("{what}. Alla steg är prövade; det sista {times} gånger sedan {since}."),
                        format!("{what}. All rungs have been tried; the last {times} times since {since}."),
                    ),
                }
            }
            Self::Closed { by, outcome, note } => {
                let closed = lang.pick(format!("Avslutat av {by}"), format!("Closed by {by}"));
                let came = outcome.map(|outcome| outcome.say(lang)).unwrap_or_default();
                match (came.is_empty(), note.is_empty()) {
                    (true, true) => format!("{closed}."),
                    (true, false) => format!("{closed}: {note}"),
                    (false, true) => format!("{closed}: {came}."),
                    (false, false) => format!("{closed}: {came}. {note}"),
                }
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
        late::REVIEW => lang.pick("Äldre värden utanför gränserna: granska", "Older values beyond the limits: review"),
        PLAN_MISSING => lang.pick("Gränser saknas för ett barn", "Limits are missing for a child"),
        flood::REVIEW_PLAN => lang.pick("Se över planen", "Review the plan"),
        blood_pressure_average::NAME => blood_pressure_average::wording::title(lang),
        worsening_trend::NAME => worsening_trend::wording::title(lang),
        irregular_pulse::NAME => irregular_pulse::wording::title(lang),
        missed_reading::NAME => missed_reading::wording::title(lang),
        weight_gain::NAME => return unconfirmed(weight_gain::wording::title(lang), confirmed, lang),
        silent_home::NAME => silent_home::wording::title(lang),
        silent_home::STORM => silent_home::wording::storm_title(lang),
        keeping::BACKUP => keeping::wording::backup_title(lang),
        keeping::DISK => keeping::wording::disk_title(lang),
        keeping::CLOCK => keeping::wording::clock_title(lang),
        keeping::RESTORED => keeping::wording::restored_title(lang),
        homes::HOME => homes::wording::title(lang),
        homes::HOMES => homes::wording::many_title(lang),
        cover::NOW => cover::wording::title(lang),
        cover::NEXT => cover::wording::next_title(lang),
        schedule::WAY => unproven::way_title(lang),
        NOT_JUDGED => lang.pick("Ett värde kunde inte bedömas", "A record could not be judged"),
        _ => {
            return match rules::limited_by(rule) {
                Some((side, vital)) => unconfirmed(limits::wording::title(side, vital, lang), confirmed, lang),
                None => health::wording::title(rule, lang),
            };
        }
    };
    title.to_owned()
}

fn unconfirmed(title: &str, confirmed: bool, lang: Lang) -> String {
    let words = lang.pick(", obekräftat", ", unconfirmed");
    format!("{title}{}", if confirmed { "" } else { words })
}

/// The case of a record that a rule failed at.
pub const NOT_JUDGED: &str = "not_judged";

#[cfg(test)]
mod tests {
    use hempuls_protocol::event::Trouble;

    use super::*;
    use crate::alerts::health::Found;
    use crate::alerts::health::ailments::Ailment;
    use crate::alerts::rules::{books_do_not_balance, certificate_expiring, clock_wrong};

    #[test]
    fn what_is_stored_of_a_line_is_read_again_and_has_words() {
        let device = || "F0:F1:F2:F3:F4:F5".to_owned();
        let device_kind = Some("alarm_button".to_owned());
        let low = || Ailment::LowBattery { device: device(), device_kind: device_kind.clone() };
        let press = alarm_pressed::Press { local: Some("kitchen".into()), ..alarm_pressed::Press::at(1, 2) };
        let expiring = certificate_expiring::Expiring { version: 1, expires_ms: 3, is_urgent: true };
        let line = hempuls_protocol::books::Line { taken: 5, stored: 3, ..Default::default() };
        let (lane, epoch) = ("reading".into(), "0000000000000001".into());
        let difference = books_do_not_balance::Difference { version: 1, lane, epoch, line };
        let found = [
            Found::Device { device: device(), device_kind: device_kind.clone(), trouble: Trouble::Silent.into() },
            Found::Ails(low()),
            Found::Over(low()),
            Found::Ails(Ailment::RefusedConfig { why: "no such zone".into() }),
            Found::Ails(Ailment::DeadRadio),
            Found::Damaged { damage: hempuls_protocol::event::Damage::KeyLost.into(), taken_again: 3 },
            Found::Device { device: device(), device_kind: device_kind.clone(), trouble: Trouble::ClockWrong.into() },
            Found::Over(Ailment::WrongDeviceClock { device: device(), device_kind: device_kind.clone() }),
            Found::Ails(Ailment::WrongClock(clock_wrong::Wrong::Off { version: 1, minutes: -61 })),
            Found::Ails(Ailment::WrongClock(clock_wrong::Wrong::Unknown { version: 1, minutes: 30 })),
            Found::Ails(Ailment::CertificateExpiring(expiring)),
            Found::Over(Ailment::CertificateExpiring(expiring)),
            Found::Books(difference.clone()),
            Found::BooksBalance(difference),
        ];
        let way = |whose: &[&str]| unproven::Found::Way {
            channel: "email".into(),
            whose: whose.iter().map(|name| (*name).to_owned()).collect(),
            proven_ms: None,
            because: Some("550".into()),
        };
        let unproven = [
            way(&[]),
            way(&["Anna"]),
            unproven::Found::WayProven { channel: "sms".into() },
            unproven::Found::WayGone { channel: "webhook".into() },
        ];
        let acts = [
            Line::OnTheWay { by: "Anna".into() },
            Line::BatteryChanged { by: "Anna".into(), device: device() },
            Line::Reopened { claimed_by: "Anna".into(), claimed_ms: 1 },
            Line::HandedOver { by: "Anna".into(), to: "Bengt".into() },
            Line::GivenBack { by: "Anna".into(), why: "must go".into() },
            Line::ClaimLapsed { claimed_by: "Anna".into(), said_ms: 1 },
            Line::WorseUnseen { claimed_by: "Anna".into() },
            Line::OpenedAgain { by: "Anna".into(), why: "it was not over".into() },
            Line::Noted { by: "Anna".into(), note: "she has a cold".into() },
            Line::Climbed { rung: 0, to: vec!["Anna".into()] },
            Line::RungPassed { rung: 1 },
            Line::NobodyAnswered { times: 2, since_ms: 1, has_told: true },
            Line::Closed { by: "Anna".into(), outcome: Some(Outcome::Test), note: String::new() },
            Line::Claimed { by: "Anna".into() },
        ];
        assert_eq!(acts.len(), Line::OF_ACTS.len());
        for line in &acts {
            assert!(Line::OF_ACTS.contains(&line.kind()) && !line.is_about_the_matter(), "{line:?}");
        }
        let pressed = [alarm_pressed::finding(press).line];
        let missing = missed_reading::Missing { what: crate::plan::Measurement::Weight, slots: 2, last_ms: None };
        let limits = [Some(crate::plan::Tenths::whole(135)), None];
        let judged = [
            Line::BloodPressureAverage(blood_pressure_average::Found {
                version: 1,
                limits,
                sessions: 12,
                mean: (1412, 865),
                spread: (63, 41),
                morning: (1430, 870),
                evening: (1394, 860),
            }),
            Line::WorseningTrend(worsening_trend::Found {
                version: 1,
                baseline: 1300,
                week: 1372,
                slope: 31,
                days: 27,
            }),
            Line::IrregularPulse(irregular_pulse::Found { version: 1, sessions: 14, irregular: 6, days: 3 }),
            Line::MissedReading(missed_reading::Found { version: 1, missing: vec![missing] }),
            Line::PlanMissing,
            Line::TooMany { held_back: 2 },
        ];
        for line in found
            .into_iter()
            .map(Line::Health)
            .chain(unproven.map(Line::Unproven))
            .chain(acts)
            .chain(pressed)
            .chain(judged)
        {
            let stored = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&stored).unwrap(), line, "{stored}");
            for lang in [Lang::Sv, Lang::En] {
                assert!(!line.say(&Reader { lang, zone: TimeZone::UTC }).is_empty());
            }
        }
        let before: Line = serde_json::from_str(r#"{"kind":"closed","by":"Anna","note":"was there"}"#).unwrap();
        assert_eq!(before, Line::Closed { by: "Anna".into(), outcome: None, note: "was there".into() });
    }
}

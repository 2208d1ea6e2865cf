//! What follows from a stored record: the rules' verdicts, turned into what has to be written.
//!
//! Promised: an alarm opens its alert whatever becomes of the rules; a rule that fails leads to an alert that says so.

use std::collections::HashMap;

use super::line::NOT_JUDGED;
use super::rules::{self, Doubt, Facts, Rules, Verdict, Waiting, What, alarm_pressed};
use super::{About, Concern, Finding, Line, Severity, Weight, ease, raise, remind};
use crate::store::alerts::{self as cases, Waits};
use crate::store::records::NewRecord;
use crate::store::{Connection, StoreError, timers};

/// Something that has to be written because of a verdict.
#[derive(Clone, PartialEq, Debug)]
pub enum Consequence {
    /// Someone must act.
    Raise(Concern),
    /// Someone must act, unless she has closed the very same lately: its box says it again and again.
    Remind(Concern),
    /// Something goes on, as each heartbeat says: as [`Consequence::Remind`], and not counted when it is kept quiet.
    GoesOn(Concern),
    /// Something that someone had to act on is over by itself.
    Ease(Concern),
    /// A rule waits, until its timer.
    Wait(Waits),
    /// It waits no longer.
    StopWaiting {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
    },
    /// It kept quiet although it had noticed something.
    KeptQuiet {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// Because of which record.
        record: String,
    },
}

/// What rules wait for, by rule and person.
pub type Patience = HashMap<(String, String), Waiting>;

/// What follows from one record. `patience` is brought up to date, so that the next record of the batch finds it so.
#[must_use]
pub fn consequences(rules: &Rules, record: &NewRecord, patience: &mut Patience, now_ms: i64) -> Vec<Consequence> {
    let mut follows = Vec::new();
    let mut is_heard = false;
    for rule in rules {
        let name = rule.name();
        let key = record.person.clone().map(|person| (name.to_owned(), person));
        let waiting = key.as_ref().and_then(|key| patience.get(key)).cloned();
        let is_over = waiting
            .as_ref()
            .zip(record.measured)
            .is_some_and(|(waiting, measured)| rule.is_over(waiting, measured.at_ms));
        let waiting = match (waiting, &record.person) {
            (Some(waiting), Some(person)) if is_over => {
                follows.extend(when_overdue(rule.as_ref(), &waiting, person, &record.home));
                key.as_ref().and_then(|key| patience.remove(key));
                None
            }
            (waiting, _) => waiting,
        };
        let verdict = rules::judge(rule.as_ref(), &facts(record, waiting.as_ref(), now_ms));
        let is_settled = match &verdict {
            Ok(Verdict::Fine) => true,
            Ok(Verdict::Concern(finding)) => finding.case == name,
            Ok(Verdict::Unsure(_)) | Err(_) => false,
        };
        if let (true, Some(_), Some(person)) = (is_settled, &waiting, &record.person) {
            follows.push(Consequence::StopWaiting { rule: name, person: person.clone() });
            key.as_ref().and_then(|key| patience.remove(key));
        }
        match verdict {
            Ok(Verdict::Fine) => {
                if let (Some(_), Some(person)) = (waiting, &record.person) {
                    follows.push(Consequence::KeptQuiet {
                        rule: name,
                        person: person.clone(),
                        record: record.id.clone(),
                    });
                }
            }
            Ok(Verdict::Unsure(Doubt::NotMine)) => {}
            Ok(Verdict::Unsure(Doubt::Waiting(waiting))) => {
                if let Some(key) = key {
                    follows.push(Consequence::Wait(Waits {
                        rule: name.to_owned(),
                        person: key.1.clone(),
                        home: record.home.clone(),
                        waiting: waiting.clone(),
                    }));
                    patience.insert(key, waiting);
                }
            }
            Ok(Verdict::Concern(finding)) => {
                is_heard |= finding.case == alarm_pressed::NAME;
                follows.push(Consequence::Raise(about(record, finding)));
            }
            Err(rules::Failed) => {
                tracing::error!(
                    record.id,
                    rule = name,
                    "a rule panicked at a record; it is stored, and an alert says so"
                );
                follows.push(Consequence::Raise(about(record, not_judged(name))));
            }
        }
    }
    if let (Some(press), false) = (alarm_pressed::Press::of(record, now_ms), is_heard) {
        follows.push(Consequence::Raise(about(record, alarm_pressed::finding(press))));
    }
    follows
}

/// What follows from that what a rule waited for did not come in time.
#[must_use]
pub fn when_overdue(rule: &dyn rules::Rule, waiting: &Waiting, person: &str, home: &str) -> Vec<Consequence> {
    let finding = match rules::overdue(rule, waiting) {
        Ok(finding) => finding,
        Err(rules::Failed) => Some(not_judged(rule.name())),
    };
    let raised = finding.map(|finding| {
        Consequence::Raise(Concern {
            finding,
            about: About::Person(person.to_owned()),
            person: Some(person.to_owned()),
            home: home.to_owned(),
            record: None,
        })
    });
    let stop = Consequence::StopWaiting { rule: rule.name(), person: person.to_owned() };
    std::iter::once(stop).chain(raised).collect()
}

/// Writes what follows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn carry_out(work: &mut Connection, follows: &[Consequence], now_ms: i64) -> Result<(), StoreError> {
    for consequence in follows {
        match consequence {
            Consequence::Raise(concern) => raise(work, concern, now_ms).await?,
            Consequence::Remind(concern) => {
                if remind(work, concern, now_ms).await? {
                    let (case, about) = (concern.finding.case, concern.about.to_string());
                    let why = "somebody has closed this very trouble within a day";
                    cases::note_suppression(work, case, &about, concern.record.as_deref(), why, now_ms).await?;
                }
            }
            Consequence::GoesOn(concern) => drop(remind(work, concern, now_ms).await?),
            Consequence::Ease(concern) => ease(work, concern, now_ms).await?,
            Consequence::Wait(waits) => {
                cases::wait(work, waits).await?;
                timers::set(work, &waits.rule, &waits.person, waits.waiting.due_ms).await?;
            }
            Consequence::StopWaiting { rule, person } => {
                cases::stop_waiting(work, rule, person).await?;
                timers::clear(work, rule, person).await?;
            }
            Consequence::KeptQuiet { rule, person, record } => {
                let why = "the repeats are below the limit";
                cases::note_suppression(
                    work,
                    rule,
                    &About::Person(person.clone()).to_string(),
                    Some(record),
                    why,
                    now_ms,
                )
                .await?;
            }
        }
    }
    Ok(())
}

fn facts<'a>(record: &'a NewRecord, waiting: Option<&'a Waiting>, now_ms: i64) -> Facts<'a> {
    Facts {
        what: alarm_pressed::Press::of(record, now_ms).map_or(What::Reading(&record.observations), What::Alarm),
        has_person: record.person.is_some(),
        measured_ms: record.measured.map(|measured| measured.at_ms),
        waiting,
        now_ms,
    }
}

/// A finding about a record: about its person, or, where none is known, about its device, so that it is before
/// somebody.
fn about(record: &NewRecord, finding: Finding) -> Concern {
    Concern {
        finding,
        about: match &record.person {
            Some(person) => About::Person(person.clone()),
            None => About::Device { home: record.home.clone(), device: record.device.clone() },
        },
        person: record.person.clone(),
        home: record.home.clone(),
        record: Some(record.id.clone()),
    }
}

fn not_judged(rule: &str) -> Finding {
    Finding {
        case: NOT_JUDGED,
        severity: Severity::Medium,
        confirmed: true,
        weight: Weight::More,
        line: Line::NotJudged { rule: rule.to_owned() },
    }
}

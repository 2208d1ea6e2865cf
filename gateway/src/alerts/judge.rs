//! What follows from a stored record: the rules' verdicts, turned into what has to be written.
//!
//! Promised: an alarm opens its alert whatever becomes of the rules and plans; a rule that fails leads to an alert that says
//! so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::health::ailments::Limits;
use super::line::NOT_JUDGED;
use super::rules::late::LATE_MS;
use super::rules::{self, Doubt, Facts, Lookback, PLAN_MISSING, Rule, Rules, Verdict, Waiting, What, alarm_pressed};
use super::{About, Concern, Finding, Line, Severity, Weight, ease, flood, remind, reviews};
use crate::clock;
use crate::plan::{self, AtMoment};
use crate::store::alerts::{self as cases, Waits};
use crate::store::records::NewRecord;
use crate::store::{Connection, StoreError, plans, rule_memory, savepoint, timers};

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
    /// What a rule's open case is about is over: a line in it, without a ring.
    Over {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// What is said.
        line: Line,
        /// The record that shows it.
        record: Option<String>,
    },
    /// A rule waits, until its timer.
    Wait(Waits),
    /// It waits no longer.
    StopWaiting {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
    },
    /// A rule remembers something.
    Remember {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// What, in its own form.
        memory: String,
    },
    /// It kept quiet although it had noticed something.
    KeptQuiet {
        /// Which rule.
        rule: &'static str,
        /// About whom.
        person: String,
        /// Because of which record.
        record: Option<String>,
        /// Why.
        why: &'static str,
    },
}

/// A rule's name and a person's id.
pub type RuleAndPerson = (String, String);

/// What is known of the people of a batch.
#[derive(Default)]
pub struct Known {
    /// What rules wait for.
    pub waiting: HashMap<RuleAndPerson, Waiting>,
    /// What rules remember.
    pub memory: HashMap<RuleAndPerson, String>,
    /// Which rules have a confirmed case that is open.
    pub confirmed: HashSet<RuleAndPerson>,
    /// The versions of people's plans.
    pub plans: HashMap<String, Vec<plan::Version>>,
}

impl Known {
    /// What the store knows of these people.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn of(work: &mut Connection, people: &[&str]) -> Result<Self, StoreError> {
        if people.is_empty() {
            return Ok(Self::default());
        }
        let waiting = cases::waiting_for(work, people).await?;
        let memory = rule_memory::of_people(work, people).await?;
        Ok(Self {
            waiting: waiting.into_iter().map(|waits| ((waits.rule, waits.person), waits.waiting)).collect(),
            memory: memory.into_iter().map(|known| ((known.rule, known.person), known.memory)).collect(),
            confirmed: cases::confirmed_about(work, people).await?.into_iter().collect(),
            plans: plans::of_people(work, people).await?,
        })
    }
}

/// What is judged of a record.
#[derive(Clone, Debug)]
pub struct Judged<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub person: Option<&'a str>,
    /// In which home.
    pub home: &'a str,
    /// Which device.
    pub device: &'a str,
    /// When it was measured or pressed, where that is known.
    pub measured_ms: Option<i64>,
    /// What it is.
    pub what: What<'a>,
}

impl<'a> Judged<'a> {
    /// A record that is being stored.
    #[must_use]
    pub fn of(record: &'a NewRecord, now_ms: i64) -> Self {
        Self {
            id: &record.id,
            person: record.person.as_deref(),
            home: &record.home,
            device: &record.device,
            measured_ms: record.measured.map(|measured| measured.at_ms),
            what: alarm_pressed::Press::of(record, now_ms).map_or(What::Reading(&record.observations), What::Alarm),
        }
    }
}

/// By what everything is judged.
#[derive(Clone)]
pub struct Settings {
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// The zone that devices' clocks are set to, and people live by.
    pub zone: TimeZone,
    /// How long after a reading the rules that look back judge.
    pub review_after: Duration,
    /// By what boxes' heartbeats are judged.
    pub boxes: Limits,
}

impl Settings {
    /// These rules, as they are configured, where a box's certificate lives so long.
    #[must_use]
    pub fn new(rules: Rules, config: &rules::Config, certificate_life: Duration, zone: TimeZone) -> Self {
        let boxes = config.of_boxes(certificate_life);
        Self { rules: Arc::new(rules), zone, review_after: config.review_after, boxes }
    }

    /// Lets the rules judge records that are being stored, and writes what follows, after what follows already. Nothing that
    /// goes wrong here costs a record its place. Says whether anything followed.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn judge(
        &self,
        work: &mut Connection,
        records: &[NewRecord],
        follows: Vec<Consequence>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let records: Vec<Judged<'_>> = records.iter().map(|record| Judged::of(record, now_ms)).collect();
        self.judge_these(work, &records, follows, now_ms).await
    }

    /// As [`Settings::judge`], for records however they came to be judged.
    ///
    /// # Errors
    /// As there.
    pub async fn judge_these(
        &self,
        work: &mut Connection,
        records: &[Judged<'_>],
        mut follows: Vec<Consequence>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let people: BTreeSet<&str> = records.iter().filter_map(|record| record.person).collect();
        let people: Vec<&str> = people.into_iter().collect();
        let mut known = Known::of(work, &people).await?;
        for record in records {
            follows.extend(consequences(&self.rules, record, &mut known, &self.zone, now_ms));
        }
        let measured: BTreeSet<&str> = records.iter().filter_map(|record| self.is_for_review(record, now_ms)).collect();
        if !measured.is_empty() {
            let people: Vec<&str> = measured.into_iter().collect();
            timers::set_at_the_latest(work, reviews::TIMER, &people, self.review_due_ms(now_ms)).await?;
        }
        for consequence in &follows {
            let mut part = savepoint(work).await?;
            match carry_out(&mut part, std::slice::from_ref(consequence), now_ms).await {
                Ok(()) => part.commit().await?,
                Err(error) if error.is_refused() => {
                    part.rollback().await?;
                    tracing::error!(%error, "what follows from a record cannot be written; the record is stored");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(!follows.is_empty())
    }

    /// For whom the rules that look back judge, once the session of this record is over.
    pub(crate) fn is_for_review<'r>(&self, record: &Judged<'r>, now_ms: i64) -> Option<&'r str> {
        let looks_back = self.rules.iter().any(|rule| rule.looks_back_days().is_some());
        let is_reading = matches!(record.what, What::Reading(_));
        let is_fresh = record.measured_ms.is_some_and(|at_ms| now_ms - at_ms <= LATE_MS);
        record.person.filter(|_| looks_back && is_reading && is_fresh)
    }

    /// When they do.
    pub(crate) fn review_due_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(clock::millis(self.review_after))
    }
}

/// What follows from one record. `known` is brought up to date, so that the next record of the batch finds it so.
#[must_use]
pub fn consequences(
    rules: &Rules,
    record: &Judged<'_>,
    known: &mut Known,
    zone: &TimeZone,
    now_ms: i64,
) -> Vec<Consequence> {
    let at_ms = record.measured_ms.unwrap_or(now_ms);
    let versions = record.person.and_then(|person| known.plans.get(person));
    let plan = versions.map(|versions| plan::in_force(versions, at_ms)).unwrap_or_default();
    let plan = plan.at(at_ms, zone);
    if let (true, What::Reading(_), Some(person)) = (plan.is_paused, &record.what, record.person) {
        let (person, record) = (person.to_owned(), Some(record.id.to_owned()));
        return vec![Consequence::KeptQuiet { rule: "pause", person, record, why: "her plan is paused" }];
    }
    let mut follows = Vec::new();
    let mut is_heard = false;
    for rule in rules {
        let judging = Judging { rule: rule.as_ref(), record, plan, now_ms };
        is_heard |= judging.follow(known, &mut follows);
    }
    if let (What::Alarm(press), false) = (&record.what, is_heard) {
        follows.push(Consequence::Raise(about(record, alarm_pressed::finding(press.clone()))));
    }
    follows
}

/// One rule before one record.
struct Judging<'a> {
    rule: &'a dyn Rule,
    record: &'a Judged<'a>,
    plan: AtMoment<'a>,
    now_ms: i64,
}

impl Judging<'_> {
    /// Adds what follows. Says whether it is the alert of a press.
    fn follow(&self, known: &mut Known, follows: &mut Vec<Consequence>) -> bool {
        let (name, record) = (self.rule.name(), self.record);
        let key = record.person.map(|person| (name.to_owned(), person.to_owned()));
        let waiting = self.still_waiting(key.as_ref(), known, follows);
        let facts = Facts {
            what: record.what.clone(),
            has_person: record.person.is_some(),
            measured_ms: record.measured_ms,
            plan: self.plan,
            waiting: waiting.as_ref(),
            memory: key.as_ref().and_then(|key| known.memory.get(key)).map(String::as_str),
            has_confirmed_case: key.as_ref().is_some_and(|key| known.confirmed.contains(key)),
            now_ms: self.now_ms,
        };
        let Ok((verdict, remembers)) = rules::judge(self.rule, &facts) else {
            tracing::error!(record.id, rule = name, "a rule panicked at a record; it is stored, and an alert says so");
            follows.push(Consequence::Raise(about(record, not_judged(name))));
            return false;
        };
        if let (Some(memory), Some(key)) = (remembers, &key)
            && known.memory.insert(key.clone(), memory.clone()).as_ref() != Some(&memory)
        {
            follows.push(Consequence::Remember { rule: name, person: key.1.clone(), memory });
        }
        let is_settled = match &verdict {
            Verdict::Fine | Verdict::Over(_) => true,
            Verdict::Concern(finding) => finding.case == name,
            Verdict::Unsure(_) => false,
        };
        if let (true, Some(_), Some(key)) = (is_settled, &waiting, &key) {
            follows.push(Consequence::StopWaiting { rule: name, person: key.1.clone() });
            known.waiting.remove(key);
        }
        let is_press = matches!(&verdict, Verdict::Concern(finding) if finding.case == alarm_pressed::NAME);
        self.write_down(verdict, waiting.is_some(), key, known, follows);
        is_press
    }

    /// What the rule waits for, if this record can still be it.
    fn still_waiting(
        &self,
        key: Option<&RuleAndPerson>,
        known: &mut Known,
        follows: &mut Vec<Consequence>,
    ) -> Option<Waiting> {
        let key = key?;
        let waiting = known.waiting.get(key)?.clone();
        if self.record.measured_ms.is_some_and(|measured_ms| self.rule.is_over(&waiting, measured_ms)) {
            follows.extend(when_overdue(self.rule, &waiting, &key.1, self.record.home));
            known.waiting.remove(key);
            return None;
        }
        Some(waiting)
    }

    fn write_down(
        &self,
        verdict: Verdict,
        was_waiting: bool,
        key: Option<RuleAndPerson>,
        known: &mut Known,
        follows: &mut Vec<Consequence>,
    ) {
        let record = self.record;
        match (verdict, key) {
            (Verdict::Concern(finding), key) => {
                if let (Some(key), true) = (key, finding.confirmed && finding.case == self.rule.name()) {
                    known.confirmed.insert(key);
                }
                follows.push(Consequence::Raise(about(record, finding)));
            }
            (Verdict::Unsure(Doubt::Waiting(waiting)), Some(key)) => {
                let (rule, person) = key.clone();
                follows.push(Consequence::Wait(Waits {
                    rule,
                    person,
                    home: record.home.to_owned(),
                    waiting: waiting.clone(),
                }));
                known.waiting.insert(key, waiting);
            }
            (verdict, Some((_, person))) => {
                // Each rule says it that limits are missing for a child.
                if let Some(new) = quiet(self.rule, verdict, was_waiting, &person, record.home, Some(record.id))
                    && !follows.contains(&new)
                {
                    follows.push(new);
                }
            }
            (_, None) => {}
        }
    }
}

/// What follows from a verdict that is no alert and no wait.
fn quiet(
    rule: &dyn Rule,
    verdict: Verdict,
    was_waiting: bool,
    person: &str,
    home: &str,
    record: Option<&str>,
) -> Option<Consequence> {
    let (rule, person, record) = (rule.name(), person.to_owned(), record.map(str::to_owned));
    let kept = |why, person| Some(Consequence::KeptQuiet { rule, person, record: record.clone(), why });
    match verdict {
        Verdict::Fine if was_waiting => kept("the repeats are within the limit", person),
        Verdict::Over(line) => Some(Consequence::Over { rule, person, line, record }),
        Verdict::Unsure(Doubt::NoLimitsForChild) => {
            let (severity, weight, line) = (Severity::Low, Weight::More, Line::PlanMissing);
            let finding = Finding { case: PLAN_MISSING, severity, confirmed: true, weight, line };
            Some(Consequence::Remind(about_person(finding, &person, home)))
        }
        Verdict::Unsure(Doubt::HomeSilent) => kept("her home has not been heard since", person),
        Verdict::Unsure(Doubt::Reminded) => kept("one is missing: the person is reminded first", person),
        Verdict::Fine | Verdict::Concern(_) | Verdict::Unsure(Doubt::NotMine | Doubt::Waiting(_)) => None,
    }
}

/// What follows from what one rule makes of what came before.
#[must_use]
pub fn when_reviewed(rule: &dyn Rule, facts: &Lookback<'_>, person: &str, home: &str) -> Vec<Consequence> {
    let (verdict, memory) =
        rules::review(rule, facts).unwrap_or_else(|rules::Failed| (Verdict::Concern(not_judged(rule.name())), None));
    let remember = memory.filter(|memory| facts.memory != Some(memory.as_str())).map(|memory| Consequence::Remember {
        rule: rule.name(),
        person: person.to_owned(),
        memory,
    });
    let follows = match verdict {
        Verdict::Concern(finding) => {
            let concern = about_person(finding, person, home);
            let is_repeated = concern.finding.weight == Weight::Summary;
            Some(if is_repeated { Consequence::Remind(concern) } else { Consequence::Raise(concern) })
        }
        Verdict::Fine | Verdict::Over(_) | Verdict::Unsure(_) => quiet(rule, verdict, false, person, home, None),
    };
    remember.into_iter().chain(follows).collect()
}

/// What follows from that what a rule waited for did not come in time.
#[must_use]
pub fn when_overdue(rule: &dyn Rule, waiting: &Waiting, person: &str, home: &str) -> Vec<Consequence> {
    let stop = Consequence::StopWaiting { rule: rule.name(), person: person.to_owned() };
    let then = match rules::overdue(rule, waiting) {
        Ok(Some(finding)) => Consequence::Raise(about_person(finding, person, home)),
        Ok(None) => Consequence::KeptQuiet {
            rule: rule.name(),
            person: person.to_owned(),
            record: None,
            why: "the device doubted the value, and no repeat came",
        },
        Err(rules::Failed) => Consequence::Raise(about_person(not_judged(rule.name()), person, home)),
    };
    vec![stop, then]
}

/// Writes what follows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn carry_out(work: &mut Connection, follows: &[Consequence], now_ms: i64) -> Result<(), StoreError> {
    for consequence in follows {
        match consequence {
            Consequence::Raise(concern) => flood::raise(work, concern, now_ms).await?,
            Consequence::Remind(concern) => {
                if remind(work, concern, now_ms).await? {
                    let (case, about) = (concern.finding.case, concern.about.to_string());
                    let why = "somebody has closed this very trouble within a day";
                    cases::note_suppression(work, case, &about, concern.record.as_deref(), why, now_ms).await?;
                }
            }
            Consequence::GoesOn(concern) => drop(remind(work, concern, now_ms).await?),
            Consequence::Ease(concern) => ease(work, concern, now_ms).await?,
            Consequence::Over { rule, person, line, record } => {
                if let Some((id, _)) = cases::open_case(work, rule, &About::Person(person.clone())).await? {
                    cases::add_line(work, &id, line, record.as_deref(), now_ms).await?;
                }
            }
            Consequence::Wait(waits) => {
                cases::wait(work, waits).await?;
                timers::set(work, &waits.rule, &waits.person, waits.waiting.due_ms).await?;
            }
            Consequence::StopWaiting { rule, person } => {
                cases::stop_waiting(work, rule, person).await?;
                timers::clear(work, rule, person).await?;
            }
            Consequence::Remember { rule, person, memory } => {
                rule_memory::write(work, rule, person, memory, now_ms).await?;
            }
            Consequence::KeptQuiet { rule, person, record, why } => {
                let about = About::Person(person.clone()).to_string();
                cases::note_suppression(work, rule, &about, record.as_deref(), why, now_ms).await?;
            }
        }
    }
    Ok(())
}

fn about_person(finding: Finding, person: &str, home: &str) -> Concern {
    Concern {
        finding,
        about: About::Person(person.to_owned()),
        person: Some(person.to_owned()),
        home: home.to_owned(),
        record: None,
    }
}

/// A finding about a record: about its person, or, where none is known, about its device, so that it is before
/// somebody.
fn about(record: &Judged<'_>, finding: Finding) -> Concern {
    Concern {
        finding,
        about: match record.person {
            Some(person) => About::Person(person.to_owned()),
            None => About::Device { home: record.home.to_owned(), device: record.device.to_owned() },
        },
        person: record.person.map(str::to_owned),
        home: record.home.to_owned(),
        record: Some(record.id.to_owned()),
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

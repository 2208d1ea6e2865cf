//! Someone must act: alerts, the rules that open them, and the timers that open them when something did not happen.
//!
//! Rules judge and know of no store; [`alert`] decides what becomes of a case and knows of no rule; [`raise`] is the
//! way from one to the other, always inside the work that stored what gave rise to it.

pub mod alert;
pub mod attribution;
pub mod flood;
pub mod health;
pub mod judge;
pub mod keeping;
pub mod line;
#[cfg(test)]
mod nights;
pub mod outcome;
pub mod patience;
pub mod reviews;
pub mod rules;
pub mod timers;
pub mod units;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::alert::State;
use self::outcome::Outcome;
use crate::delivery;
use crate::escalation;
use crate::store::{Connection, StoreError, accounts, alerts as cases, patience as settings, timers as rows};
pub use line::Line;

/// The kinds of case in which a person asks for help, or may.
pub const ALARMS: [&str; 2] = [rules::alarm_pressed::NAME, health::UNREADABLE_ALARM];

/// How soon someone must act.
///
/// Source: clinical-rules §8 and §10 (after IEC 60601-1-8).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Some day soon.
    Low,
    /// Today.
    Medium,
    /// Now.
    High,
}

impl Severity {
    /// Its word in the store and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The severity of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|severity| severity.as_str() == word)
    }

    /// One step less urgent, but never less than low.
    #[must_use]
    pub fn lowered(self) -> Self {
        match self {
            Self::High => Self::Medium,
            Self::Medium | Self::Low => Self::Low,
        }
    }
}

/// Whom or what a case is about. There is never a second open case of one rule about the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum About {
    /// A person.
    Person(String),
    /// A device: what it is called in one home may be another one in another home.
    Device {
        /// In which home.
        home: String,
        /// Which.
        device: String,
    },
    /// A box.
    Agent(String),
    /// A way to reach people.
    Channel(String),
    /// Many homes at once.
    ManyHomes,
    /// The gateway itself.
    Gateway,
    /// A care team.
    Team(String),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Device { home, device } => write!(f, "device:{home}/{device}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Channel(channel) => write!(f, "channel:{channel}"),
            Self::ManyHomes => write!(f, "homes"),
            Self::Gateway => write!(f, "gateway"),
            Self::Team(id) => write!(f, "team:{id}"),
        }
    }
}

/// A rule noticed something that someone must act on.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The case it belongs to: the rule's name, or that of one of its kinds of case.
    pub case: &'static str,
    /// How soon someone must act.
    pub severity: Severity,
    /// Whether the rule is as sure as it can be.
    pub confirmed: bool,
    /// How an open case takes it up.
    pub weight: Weight,
    /// What it says in the case's story.
    pub line: Line,
}

/// How an open case takes up one more finding.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Weight {
    /// A person asks again: it rings whatever else was known.
    AskedAgain,
    /// More of the same: it rings only if it is worse than what is known, or long after.
    More,
    /// One item that sums up many: its latest line takes this one's place, and nothing rings.
    Summary,
}

/// A finding, and what it is about.
#[derive(Clone, PartialEq, Debug)]
pub struct Concern {
    /// What was noticed.
    pub finding: Finding,
    /// About whom or what.
    pub about: About,
    /// The person it concerns, if one is known.
    pub person: Option<String>,
    /// In which home.
    pub home: String,
    /// The record that shows it.
    pub record: Option<String>,
}

/// Opens a case, or takes the finding up in the one that is open. What its story says already, word for word, and shows
/// in no other record, is not said again: a box repeats its trouble with each heartbeat.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn raise(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<(), StoreError> {
    let Concern { finding, about, .. } = concern;
    let Some((id, mut alert)) = cases::open_case(work, finding.case, about).await? else {
        let id = cases::open(work, concern, now_ms).await?;
        return tell_team(work, &id, finding.case, finding.severity, now_ms, now_ms).await;
    };
    let (was_rung_ms, had_owner) = (alert.rung_ms, owner(&alert).is_some());
    let line = alert.take_up(finding, &settings::get(work).await?, now_ms);
    let is_quiet = alert.rung_ms == was_rung_ms && concern.record.is_none() && finding.weight != Weight::Summary;
    if is_quiet && stands(&cases::lines(work, &id).await?, &finding.line) {
        return Ok(());
    }
    save(work, &id, &alert, now_ms).await?;
    let is_summary = match finding.weight {
        Weight::Summary | Weight::More => {
            cases::sum_up(work, &id, &finding.line, concern.record.as_deref(), now_ms).await?
        }
        Weight::AskedAgain => false,
    };
    if !is_summary {
        cases::add_line(work, &id, &finding.line, concern.record.as_deref(), now_ms).await?;
    }
    if let Some(line) = line {
        cases::add_line(work, &id, &line, None, now_ms).await?;
    }
    if had_owner && owner(&alert).is_none() {
        delivery::withdraw(work, &id, now_ms).await?;
    }
    if alert.rung_ms != was_rung_ms {
        tell(work, &id, finding.case, &alert, now_ms).await?;
    }
    if alert.rung_ms == was_rung_ms && finding.weight == Weight::More {
        let why = "the case is open already, and this is no worse";
        cases::note_suppression(work, finding.case, &about.to_string(), concern.record.as_deref(), why, now_ms).await?;
    }
    Ok(())
}

/// What a person has closed is not opened again by the same trouble for so long, while it goes on.
pub(crate) const REST_MS: i64 = 24 * 60 * 60 * 1000;

/// As [`raise`], for what is said again and again while it goes on: it opens no case after case. Says whether it was kept
/// quiet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remind(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<bool, StoreError> {
    let Concern { finding, about, .. } = concern;
    if cases::open_case(work, finding.case, about).await?.is_none() {
        let closed = cases::lines_closed_since(work, finding.case, about, now_ms - REST_MS).await?;
        if closed.iter().any(|line| line.is_of_one_trouble_with(&finding.line)) {
            return Ok(true);
        }
    }
    raise(work, concern, now_ms).await?;
    Ok(false)
}

/// Writes into a case that is open, without a ring, that the trouble it tells of is over. Where it does not tell of it,
/// nothing is written.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn ease(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<(), StoreError> {
    let Concern { finding, about, .. } = concern;
    let Some((id, _)) = cases::open_case(work, finding.case, about).await? else { return Ok(()) };
    let story = cases::lines(work, &id).await?;
    // The numbers of what goes on may be others by now than in the line that tells of it.
    let said = story.iter().rev().find(|line| line.is_of_one_trouble_with(&finding.line));
    if let Some((said, over)) = said.and_then(|said| Some((said, said.over()?)))
        && stands(&story, said)
    {
        cases::add_line(work, &id, &over, None, now_ms).await?;
    }
    Ok(())
}

/// Says in a case that is not closed that what is wrong is over, where its story tells of it last; one that nobody has claimed
/// ends with that.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn settle(
    work: &mut Connection,
    case: &str,
    about: &About,
    is_wrong: impl Fn(&Line) -> bool,
    over: Line,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some((id, _)) = cases::open_case(work, case, about).await? else { return Ok(()) };
    let story = cases::lines(work, &id).await?;
    if story.iter().rev().find(|line| line.is_about_the_matter()).is_some_and(is_wrong) {
        cases::add_line(work, &id, &over, None, now_ms).await?;
    }
    fold(work, case, about, now_ms).await
}

/// A case that nobody has claimed is told of in another one from here on, and ends.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn fold(work: &mut Connection, case: &str, about: &About, now_ms: i64) -> Result<(), StoreError> {
    let Some((id, mut alert)) = cases::open_case(work, case, about).await? else { return Ok(()) };
    if alert.fold(now_ms) {
        save(work, &id, &alert, now_ms).await?;
        delivery::withdraw(work, &id, now_ms).await?;
    }
    Ok(())
}

/// Whether a story says this, and not since then that it is over.
fn stands(story: &[Line], said: &Line) -> bool {
    let said_last = story.iter().rposition(|line| line == said);
    let over_last = said.over().and_then(|over| story.iter().rposition(|line| *line == over));
    said_last > over_last
}

/// What a named human does about an alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// "I take care of it."
    Claim,
    /// "Somebody is on the way."
    SayOnTheWay,
    /// It is open before her eyes.
    See,
    /// "You take it from here."
    HandOver {
        /// The member whose it is from then on.
        to: String,
    },
    /// "I cannot take care of it after all."
    GiveBack {
        /// Why.
        why: String,
    },
    /// She writes something about it.
    Note {
        /// What.
        note: String,
    },
    /// "It is dealt with."
    Close {
        /// What came of it.
        outcome: Outcome,
        /// What was done, in her words.
        note: String,
    },
    /// "It was not dealt with."
    Reopen {
        /// Why.
        why: String,
    },
}

/// Does what a named human does about an alert.
///
/// # Errors
/// [`ActError`], where it cannot be done.
pub async fn act(work: &mut Connection, id: &str, act: &Act, who: &str, now_ms: i64) -> Result<(), ActError> {
    let (rule, mut alert) = cases::find_with_rule(work, id).await?.ok_or(ActError::NoSuchAlert)?;
    let before = alert.clone();
    let patience = settings::get(work).await?;
    let line = match act {
        Act::Claim => Some(alert.claim(who, &patience, now_ms)?),
        Act::SayOnTheWay => Some(alert.say_on_the_way(who, &patience, now_ms)?),
        Act::See => {
            alert.see(who, &patience, now_ms);
            None
        }
        Act::HandOver { to } => {
            let to = accounts::find(&mut *work, to).await?.ok_or(ActError::NoSuchMember)?;
            Some(alert.hand_over(who, &to.name, &patience, now_ms)?)
        }
        Act::GiveBack { why } => Some(alert.give_back(who, why, now_ms)?),
        Act::Note { note } => Some(alert.note(who, note, &patience, now_ms)?),
        Act::Close { outcome, note } => Some(alert.close(who, *outcome, note, now_ms)?),
        Act::Reopen { why } => {
            let line = alert.reopen(who, why, &patience, now_ms)?;
            if let Some(other) = cases::open_besides(work, id).await? {
                return Err(ActError::AnotherCase(other));
            }
            Some(line)
        }
    };
    if alert != before {
        save(work, id, &alert, now_ms).await?;
    }
    if let Some(line) = line {
        cases::add_line(work, id, &line, None, now_ms).await?;
    }
    if before.is_unseen() && !alert.is_unseen() || owner(&before) != owner(&alert) || is_closed(&alert) {
        delivery::withdraw(work, id, now_ms).await?;
    }
    if alert.rung_ms != before.rung_ms {
        tell(work, id, &rule, &alert, now_ms).await?;
    }
    Ok(())
}

/// Hands over all that somebody has claimed, as at the end of her shift. Returns which cases, with the person each is about.
///
/// # Errors
/// [`ActError`], where it cannot be done; then none is handed over, once the work is given up.
pub async fn hand_over_all(
    work: &mut Connection,
    who: &str,
    to: &str,
    now_ms: i64,
) -> Result<Vec<(String, Option<String>)>, ActError> {
    let cases = cases::claimed_by(work, who).await?;
    for (id, _) in &cases {
        act(work, id, &Act::HandOver { to: to.to_owned() }, who, now_ms).await?;
    }
    Ok(cases)
}

/// The timer of a claim: when it fires, a silent owner's case is before the whole team again.
pub const CLAIM_TIMER: &str = "claim";

/// A claim's time may be over. Says whether the case is before the whole team again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn tick(work: &mut Connection, id: &str, now_ms: i64) -> Result<bool, StoreError> {
    let Some((rule, mut alert)) = cases::find_with_rule(work, id).await? else { return Ok(false) };
    let line = alert.tick(now_ms);
    save(work, id, &alert, now_ms).await?;
    let Some(line) = line else { return Ok(false) };
    cases::add_line(work, id, &line, None, now_ms).await?;
    delivery::withdraw(work, id, now_ms).await?;
    tell(work, id, &rule, &alert, now_ms).await?;
    Ok(true)
}

/// Writes where a case stands, and when its claim is over if nothing happens. It climbs only while nobody has it.
async fn save(work: &mut Connection, id: &str, alert: &alert::Alert, now_ms: i64) -> Result<(), StoreError> {
    cases::save(work, id, alert).await?;
    if alert.state != State::Open {
        escalation::stop(work, id, now_ms).await?;
    }
    match alert.next_wake() {
        Some(due_ms) => rows::set(work, CLAIM_TIMER, id, due_ms).await,
        None => rows::clear(work, CLAIM_TIMER, id).await,
    }
}

/// It rings: whoever is to be told of it is, and with an owner she alone.
async fn tell(
    work: &mut Connection,
    id: &str,
    rule: &str,
    alert: &alert::Alert,
    now_ms: i64,
) -> Result<(), StoreError> {
    match owner(alert) {
        Some(owner) => delivery::tell_owner(work, id, owner, alert.severity, alert.rung_ms, now_ms).await,
        None => tell_team(work, id, rule, alert.severity, alert.rung_ms, now_ms).await,
    }
}

/// It rings for the team: whoever is always told is to be told, and it climbs until somebody takes it.
async fn tell_team(
    work: &mut Connection,
    id: &str,
    rule: &str,
    severity: Severity,
    rung_ms: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    delivery::tell_always(work, id, rule, severity, &rung_ms.to_string(), now_ms).await?;
    escalation::ring(work, id, rung_ms, now_ms).await
}

fn owner(alert: &alert::Alert) -> Option<&str> {
    match &alert.state {
        State::Claimed(claim) => Some(&claim.by),
        State::Open | State::Closed { .. } => None,
    }
}

fn is_closed(alert: &alert::Alert) -> bool {
    matches!(alert.state, State::Closed { .. })
}

/// Why something could not be done about an alert.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is none of that id.
    #[error("there is no such alert")]
    NoSuchAlert,
    /// Whoever it was to be given to has no account.
    #[error("nobody of that name has an account; it stays with its owner")]
    NoSuchMember,
    /// A newer case about the same is open: what is new stands there.
    #[error("another case about the same is open: {0}")]
    AnotherCase(String),
    /// Its state does not allow it.
    #[error(transparent)]
    NotNow(#[from] alert::NotNow),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

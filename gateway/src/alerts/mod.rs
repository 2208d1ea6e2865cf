//! Someone must act: alerts, the rules that open them, and the timers that open them when something did not happen.
//!
//! Rules judge and know of no store; [`alert`] decides what becomes of a case and knows of no rule; [`raise`] is the
//! way from one to the other, always inside the work that stored what gave rise to it.

pub mod alert;
pub mod flood;
pub mod health;
pub mod judge;
pub mod line;
pub mod reviews;
pub mod rules;
pub mod timers;
pub mod units;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::alert::State;
use crate::delivery;
use crate::store::alerts as cases;
use crate::store::{Connection, StoreError};
pub use line::Line;

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
    /// The store's clock.
    Clock,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person:{id}"),
            Self::Device { home, device } => write!(f, "device:{home}/{device}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
            Self::Channel(channel) => write!(f, "channel:{channel}"),
            Self::ManyHomes => write!(f, "homes"),
            Self::Clock => write!(f, "clock"),
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
        return delivery::tell_always(work, &id, finding.case, finding.severity, now_ms, now_ms).await;
    };
    let was_rung_ms = alert.rung_ms;
    let lines = alert.take_up(finding, now_ms);
    let is_quiet = alert.rung_ms == was_rung_ms && concern.record.is_none() && finding.weight != Weight::Summary;
    if is_quiet && stands(&cases::lines(work, &id).await?, &finding.line) {
        return Ok(());
    }
    cases::save(work, &id, &alert).await?;
    let is_summary = match finding.weight {
        Weight::Summary | Weight::More => {
            cases::sum_up(work, &id, &finding.line, concern.record.as_deref(), now_ms).await?
        }
        Weight::AskedAgain => false,
    };
    if !is_summary {
        cases::add_line(work, &id, &finding.line, concern.record.as_deref(), now_ms).await?;
    }
    for line in lines {
        cases::add_line(work, &id, &line, None, now_ms).await?;
    }
    if alert.rung_ms != was_rung_ms && alert.state == State::Open {
        delivery::tell_always(work, &id, finding.case, alert.severity, alert.rung_ms, now_ms).await?;
    }
    if alert.rung_ms == was_rung_ms && finding.weight == Weight::More {
        let why = "the case is open already, and this is no worse";
        cases::note_suppression(work, finding.case, &about.to_string(), concern.record.as_deref(), why, now_ms).await?;
    }
    Ok(())
}

/// What a person has closed is not opened again by the same trouble for so long, while it goes on.
const REST_MS: i64 = 24 * 60 * 60 * 1000;

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
    let Some(over) = finding.line.over() else { return Ok(()) };
    let Some((id, _)) = cases::open_case(work, finding.case, about).await? else { return Ok(()) };
    if stands(&cases::lines(work, &id).await?, &finding.line) {
        cases::add_line(work, &id, &over, None, now_ms).await?;
    }
    Ok(())
}

/// A case that nobody has claimed is told of in another one from here on, and ends.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn fold(work: &mut Connection, case: &str, about: &About, now_ms: i64) -> Result<(), StoreError> {
    let Some((id, mut alert)) = cases::open_case(work, case, about).await? else { return Ok(()) };
    if alert.fold(now_ms) {
        cases::save(work, &id, &alert).await?;
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
    /// "It is dealt with."
    Close {
        /// What was done, in her words.
        note: String,
    },
}

/// Does what a named human does about an alert.
///
/// # Errors
/// [`ActError`], where it cannot be done.
pub async fn act(work: &mut Connection, id: &str, act: &Act, who: &str, now_ms: i64) -> Result<(), ActError> {
    let mut alert = cases::find(work, id).await?.ok_or(ActError::NoSuchAlert)?;
    let before = alert.clone();
    let line = match act {
        Act::Claim => Some(alert.claim(who, now_ms)?),
        Act::SayOnTheWay => Some(alert.say_on_the_way(who, now_ms)?),
        Act::See => {
            alert.see(who, now_ms);
            None
        }
        Act::Close { note } => Some(alert.close(who, note, now_ms)?),
    };
    if alert != before {
        cases::save(work, id, &alert).await?;
    }
    if let Some(line) = line {
        cases::add_line(work, id, &line, None, now_ms).await?;
    }
    match act {
        Act::Claim | Act::Close { .. } => delivery::withdraw(work, id, now_ms).await?,
        Act::SayOnTheWay | Act::See => {}
    }
    Ok(())
}

/// Why something could not be done about an alert.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// There is none of that id.
    #[error("there is no such alert")]
    NoSuchAlert,
    /// Its state does not allow it.
    #[error(transparent)]
    NotNow(#[from] alert::NotNow),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

//! Looks each minute whether somebody is there. What is open is read from the store, so that a restart leaves no case open
//! that is over; what was wrong a minute ago is remembered only to tell what begins from what goes on. Of several gateways one
//! looks for all; another that takes over begins as after a restart.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Config, Facts, Found, NEXT, NOW, Trouble, concern};
use crate::alerts::{About, Concern, Line, raise, remind, settle};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::delivery::Channel;
use crate::store::cover::{self, Depends};
use crate::store::duties::Duty;
use crate::store::teams::{self, Team};
use crate::store::{Store, StoreError, contacts, rosters};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The one that looks.
pub struct Watch {
    /// Where all is kept.
    pub store: Store,
    /// The settings.
    pub config: Config,
    /// The channels that are set up.
    pub channels: Vec<Channel>,
    /// Where changes are told.
    pub changes: Changes,
}

/// What was wrong at a look: teams by their ids, and the names of their cases.
pub type Known = HashSet<(String, &'static str)>;

/// A team, and whether somebody is there.
struct Verdict {
    team: Team,
    depends: Depends,
    has_roster: bool,
    trouble: Option<Trouble>,
}

impl Watch {
    /// Looks for ever, for the first time after a minute. Where no channel is set up nobody can be reached, whoever is on duty:
    /// the log says so once, and the teams' pages.
    pub async fn run(self) {
        if self.channels.is_empty() {
            tracing::warn!(
                "no channel is set up ([delivery]): only who looks at the console hears of alerts, and nothing can say whether somebody does"
            );
            return std::future::pending().await;
        }
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let (mut known, mut is_failing) = (Known::new(), false);
        let duty = Duty::new("somebody_there", LOOK_EVERY * 2 + LOOK_EVERY / 2);
        loop {
            looks.tick().await;
            let looked = match duty.is_mine_in(&self.store).await {
                Ok(true) => self.look(&mut known, clock::now_ms()).await,
                Ok(false) => {
                    known.clear();
                    Ok(false)
                }
                Err(error) => Err(error),
            };
            match looked {
                Ok(true) => self.changes.tell([Change::WorkList]),
                Ok(false) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "it cannot be seen whether somebody is there; it will be as soon as the store works");
                    }
                    is_failing = true;
                    continue;
                }
            }
            is_failing = false;
        }
    }

    /// Looks once. `known` is what was wrong at the look before. Says whether a case may have changed.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails. Then nothing was changed.
    pub async fn look(&self, known: &mut Known, now_ms: i64) -> Result<bool, StoreError> {
        let verdicts = self.verdicts(now_ms).await?;
        let is_open = cover::is_any_open(self.store.reader(), &[NOW, NEXT]).await?;
        let is_wrong = verdicts.iter().any(|verdict| verdict.trouble.is_some());
        if !is_wrong && !is_open {
            known.clear();
            return Ok(false);
        }
        let mut work = self.store.work().await?;
        let mut wrong = Known::new();
        for verdict in &verdicts {
            let Some(trouble) = verdict.trouble else { continue };
            let concern = self.concern(verdict, trouble);
            let key = (verdict.team.id.clone(), concern.finding.case);
            if known.contains(&key) {
                remind(&mut work, &concern, now_ms).await?;
            } else {
                tracing::warn!(team.id = %verdict.team.id, case = key.1, "nobody who can be reached is there");
                raise(&mut work, &concern, now_ms).await?;
            }
            wrong.insert(key);
        }
        for verdict in &verdicts {
            for case in [NOW, NEXT] {
                let is_wrong = wrong.contains(&(verdict.team.id.clone(), case));
                if !is_wrong {
                    let team = verdict.team.name.clone();
                    let began = case == NEXT && wrong.contains(&(verdict.team.id.clone(), NOW));
                    let found = if began { Found::Began { team } } else { Found::There { team } };
                    let about = About::Team(verdict.team.id.clone());
                    let is_missing = |line: &Line| matches!(line, Line::SomebodyThere(Found::Missing { .. }));
                    settle(&mut work, case, &about, is_missing, Line::SomebodyThere(found), now_ms).await?;
                }
            }
        }
        work.commit().await?;
        *known = wrong;
        Ok(true)
    }

    fn concern(&self, verdict: &Verdict, trouble: Trouble) -> Concern {
        let found = Found::Missing {
            team: verdict.team.name.clone(),
            people: verdict.depends.people,
            why: trouble.why,
            by_roster: verdict.has_roster,
            from_ms: trouble.from_ms,
            within_ms: i64::try_from(self.config.proven_within.as_millis()).unwrap_or(i64::MAX),
        };
        concern(&verdict.team.id, &verdict.depends.home, found)
    }

    /// Every team, with what is wrong there. One on which nobody depends has no trouble.
    async fn verdicts(&self, now_ms: i64) -> Result<Vec<Verdict>, StoreError> {
        let within_ms = i64::try_from(self.config.proven_within.as_millis()).unwrap_or(i64::MAX);
        let reached = self.reached().await?;
        let mut reading = self.store.reader().acquire().await?;
        let depends = cover::depends(&mut *reading, now_ms).await?;
        let mut verdicts = Vec::new();
        for team in teams::all(&mut *reading).await? {
            let on_it = |one: &&Depends| match &one.team {
                Some(id) => *id == team.id,
                None => team.is_fallback,
            };
            let mut all = depends.iter().filter(on_it);
            let first = all.next().cloned();
            let Some(first) = first else {
                let depends = Depends { team: None, people: 0, home: String::new() };
                verdicts.push(Verdict { team, depends, has_roster: false, trouble: None });
                continue;
            };
            let people = first.people + all.map(|one| one.people).sum::<i64>();
            let roster = rosters::at(&mut *reading, &team.id, now_ms).await?;
            let has_roster = roster.is_some();
            let commissions = teams::care_commissions(&mut *reading, &team.id).await?;
            let facts = Facts { roster, zone: team.zone(), commissions, reached: reached.clone() };
            let trouble = facts.judge(within_ms, now_ms);
            verdicts.push(Verdict { team, depends: Depends { people, ..first }, has_roster, trouble });
        }
        Ok(verdicts)
    }

    /// Who has an address on a channel that is set up, and when something last got through to her.
    async fn reached(&self) -> Result<BTreeMap<String, Option<i64>>, StoreError> {
        let mut reached: BTreeMap<String, Option<i64>> = BTreeMap::new();
        for contact in contacts::list(self.store.reader(), None).await? {
            if self.channels.contains(&contact.channel) {
                let best = reached.entry(contact.member).or_default();
                *best = (*best).max(contact.proven_ms);
            }
        }
        Ok(reached)
    }
}

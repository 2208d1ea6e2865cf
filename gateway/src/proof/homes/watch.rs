//! Looks each minute of which homes the last proof is too old. What is open is read from the store, so that a restart leaves no
//! case open that is over; what was wrong a minute ago is remembered only to tell what begins from what goes on. Of several
//! gateways one looks for all.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Config, Found, case_of, concern, judge, too_old_ms};
use crate::alerts::rules::silent_home::{self, Listening};
use crate::alerts::{About, Line, fold, raise, remind};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::store::duties::Duty;
use crate::store::{Connection, Store, StoreError, alerts as cases, home_proofs, silence};

/// How often it looks, at most.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The one that looks.
pub struct Watch {
    /// Where all is kept.
    pub store: Store,
    /// How old a proof may be.
    pub config: Config,
    /// How many homes at once are one case.
    pub storms: silent_home::Config,
    /// Where changes are told.
    pub changes: Changes,
}

impl Watch {
    /// Looks for ever; not at all where no home makes tests.
    pub async fn run(self) {
        if self.config.every_s().is_none() {
            return std::future::pending().await;
        }
        let every = LOOK_EVERY.min(self.config.every);
        let duty = Duty::new("homes_proven", every * 2 + every / 2);
        let mut looks = tokio::time::interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.tick().await;
        let (mut known, mut is_failing) = (HashSet::new(), false);
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
                        tracing::error!(%error, "it cannot be seen which homes are proven; it will be as soon as the store works");
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
    pub async fn look(&self, known: &mut HashSet<About>, now_ms: i64) -> Result<bool, StoreError> {
        let reader = self.store.reader();
        let too_old_ms = too_old_ms(&self.config);
        let open = home_proofs::open(reader).await?;
        let mut old = home_proofs::old(reader, now_ms - too_old_ms).await?;
        if old.is_empty() && open.is_empty() {
            known.clear();
            return Ok(false);
        }
        let listening = Listening::new(silence::listening_since(reader, now_ms - too_old_ms).await?);
        old.retain(|old| old.is_too_old(&listening, too_old_ms, now_ms));
        let is_storm = open.iter().any(|(about, _)| *about == About::ManyHomes);
        let in_service = home_proofs::in_service(reader).await?;
        let wrong = judge(&old, in_service, is_storm, &self.storms, too_old_ms);
        if wrong.is_empty() && open.is_empty() {
            known.clear();
            return Ok(false);
        }
        let mut work = self.store.work().await?;
        for (about, (home, found)) in &wrong {
            let concern = concern(about, home, found.clone());
            if known.contains(about) {
                remind(&mut work, &concern, now_ms).await?;
            } else {
                tracing::warn!(case = concern.finding.case, %about, "no silent test has come all the way for too long");
                raise(&mut work, &concern, now_ms).await?;
            }
        }
        for (about, is_proven) in open.iter().filter(|(about, _)| !wrong.contains_key(about)) {
            settle(&mut work, about, over(about, *is_proven, &wrong), now_ms).await?;
        }
        work.commit().await?;
        *known = wrong.into_keys().collect();
        Ok(true)
    }
}

/// Why a case is over.
fn over(about: &About, is_proven: bool, wrong: &BTreeMap<About, (String, Found)>) -> Found {
    match (about, is_proven) {
        (About::ManyHomes, _) => Found::Calm,
        (_, true) => Found::Proven,
        (_, false) if wrong.contains_key(&About::ManyHomes) => Found::Joined,
        (_, false) => Found::NotExpected,
    }
}

/// Says in a case that is not closed that it is over; one that nobody has claimed ends with that.
async fn settle(work: &mut Connection, about: &About, found: Found, now_ms: i64) -> Result<(), StoreError> {
    let case = case_of(about);
    let Some((id, _)) = cases::open_case(work, case, about).await? else { return Ok(()) };
    let story = cases::lines(work, &id).await?;
    let latest = story.iter().rev().find(|line| line.is_about_the_matter());
    if matches!(latest, Some(Line::HomeProof(found)) if found.is_wrong()) {
        cases::add_line(work, &id, &Line::HomeProof(found), None, now_ms).await?;
    }
    fold(work, case, about, now_ms).await
}

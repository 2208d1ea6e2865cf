//! Looks every other second for homes that have fallen silent or are heard again, and keeps when the gateway listened.
//!
//! All it knows it reads from the store, so that a restart forgets nothing. Of several gateways each keeps when it listened,
//! and one looks for all. A look costs one pass over the boxes, and a heartbeat costs nothing here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::{Config, Effect, Found, Limits, Listening, NAME, Over, STORM, Silent, concern, judge, storm};
use crate::alerts::{About, Concern, fold, raise, remind};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::http::Health;
use crate::store::duties::Duty;
use crate::store::{Connection, Store, StoreError, alerts as cases, new_id, silence};

/// How often it looks. A silence is noticed so much later than it could be; time is counted as listened to in these steps.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// After a longer time without a look the gateway did not listen: it stood still, its store did, or its clock was set.
const LONGEST_STEP_MS: i64 = 10_000;

/// The gateway that looks does so for all until it has not for so long.
const TERM: Duration = Duration::from_secs(10);

/// What is silent still is said again after so long, as everything that goes on.
const AGAIN_MS: i64 = 24 * 60 * 60 * 1000;

/// The one that looks.
pub struct Watch {
    /// Where all is kept.
    pub store: Store,
    /// The rule's settings.
    pub config: Config,
    /// Whether the gateway takes in what homes say.
    pub health: Arc<Health>,
    /// Where changes are told.
    pub changes: Changes,
}

/// One time of listening that goes on.
#[derive(Debug)]
struct Listens {
    id: String,
    looked_ms: i64,
}

impl Watch {
    /// Looks for ever.
    pub async fn run(self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut listens, mut is_failing) = (None, false);
        let duty = Duty::new(NAME, TERM);
        loop {
            looks.tick().await;
            if !self.health.takes_in() {
                listens = None;
                // Pages say so.
                self.changes.tell([Change::WorkList]);
                continue;
            }
            match self.look(&duty, &mut listens).await {
                Ok(changed) => {
                    is_failing = false;
                    self.changes.tell(changed);
                }
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "silent homes cannot be looked for; they will as soon as the store can be written");
                    }
                    is_failing = true;
                }
            }
        }
    }

    async fn look(&self, duty: &Duty, listens: &mut Option<Listens>) -> Result<Vec<Change>, StoreError> {
        let (now, is_on_duty) = self.listen(duty, listens.take()).await?;
        *listens = Some(now);
        let mut changed = Vec::new();
        if is_on_duty {
            while self.look_at_some(duty, &mut changed).await? {}
            self.say_again(duty, &mut changed).await?;
        }
        Ok(changed)
    }

    /// Keeps that the gateway has listened since the last look, or that it begins to. Says whether it is the one that looks.
    async fn listen(&self, duty: &Duty, last: Option<Listens>) -> Result<(Listens, bool), StoreError> {
        let mut work = self.store.work().await?;
        let looked_ms = clock::now_ms();
        let goes_on = last.filter(|last| (0..=LONGEST_STEP_MS).contains(&(looked_ms - last.looked_ms)));
        let id = match goes_on {
            Some(last) => {
                silence::listened(&mut work, &last.id, looked_ms).await?;
                last.id
            }
            None => {
                let id = new_id(looked_ms);
                silence::begin_to_listen(&mut work, &id, looked_ms).await?;
                id
            }
        };
        let is_on_duty = duty.is_mine(&mut work).await?;
        work.commit().await?;
        Ok((Listens { id, looked_ms }, is_on_duty))
    }

    /// Says whether there is more.
    async fn look_at_some(&self, duty: &Duty, changed: &mut Vec<Change>) -> Result<bool, StoreError> {
        let (reader, now_ms) = (self.store.reader(), clock::now_ms());
        let listening = Listening::new(silence::listening(reader).await?);
        let limits = Limits::new(&self.config, &listening, now_ms);
        let scene = silence::scene(reader, &limits).await?;
        let effects = judge(&scene, &limits, &self.config, now_ms);
        if effects.is_empty() {
            return Ok(false);
        }
        let mut work = self.store.work().await?;
        // Whoever stood still since it looked has been relieved, and all of this may be said or over already.
        if !duty.is_mine(&mut work).await? {
            return Ok(false);
        }
        for effect in &effects {
            self.carry_out(&mut work, effect, now_ms).await?;
        }
        work.commit().await?;
        changed.extend(effects.iter().filter_map(Effect::home).map(|home| Change::Home(home.to_owned())));
        changed.push(Change::WorkList);
        Ok(scene.is_partial)
    }

    async fn say_again(&self, duty: &Duty, changed: &mut Vec<Change>) -> Result<(), StoreError> {
        let now_ms = clock::now_ms();
        let again = silence::to_say_again(self.store.reader(), now_ms - AGAIN_MS).await?;
        if again.is_empty() {
            return Ok(());
        }
        let mut work = self.store.work().await?;
        if !duty.is_mine(&mut work).await? {
            return Ok(());
        }
        for silent in &again {
            self.say(&mut work, silent, true, now_ms).await?;
            silence::was_said(&mut work, &silent.agent, now_ms).await?;
        }
        changed.push(Change::WorkList);
        Ok(work.commit().await?)
    }

    async fn carry_out(&self, work: &mut Connection, effect: &Effect, now_ms: i64) -> Result<(), StoreError> {
        match effect {
            Effect::Begin { quiet, in_storm } => {
                tracing::warn!(agent.id = %quiet.agent, in_storm, "a home is silent");
                let silent = Silent {
                    agent: quiet.agent.clone(),
                    home: quiet.home.clone(),
                    heard_ms: quiet.heard_ms,
                    noticed_ms: now_ms,
                    has_alarm: quiet.has_alarm,
                    was_heard: quiet.was_heard,
                    in_storm: *in_storm,
                    over: None,
                };
                let is_new = silence::begin(work, &silent).await?;
                if *in_storm || !is_new { Ok(()) } else { self.say(work, &silent, false, now_ms).await }
            }
            Effect::End { silent, over } => {
                if !silence::end(work, &silent.agent, now_ms).await? || silent.in_storm {
                    return Ok(());
                }
                let found = match over {
                    Over::Heard { at_ms } => Found::Heard { silent_since_ms: silent.heard_ms, at_ms: *at_ms },
                    Over::OutOfService => Found::OutOfService,
                };
                tracing::info!(agent.id = %silent.agent, ?over, "a home is silent no longer");
                tell(
                    work,
                    NAME,
                    &About::Agent(silent.agent.clone()),
                    concern(&silent.agent, &silent.home, found),
                    now_ms,
                )
                .await
            }
            Effect::Join(silent) => {
                silence::set_in_storm(work, &silent.agent, true).await?;
                let about = About::Agent(silent.agent.clone());
                tell(work, NAME, &about, concern(&silent.agent, &silent.home, Found::Joined), now_ms).await?;
                fold(work, NAME, &about, now_ms).await
            }
            Effect::Leave(silent) => {
                silence::set_in_storm(work, &silent.agent, false).await?;
                self.say(work, silent, false, now_ms).await
            }
            Effect::Storm { home, found: found @ Found::Calm { .. }, .. } => {
                tell(work, STORM, &About::ManyHomes, storm(home, found.clone()), now_ms).await
            }
            Effect::Storm { home, found, has_grown: true } => raise(work, &storm(home, found.clone()), now_ms).await,
            Effect::Storm { home, found, has_grown: false } => {
                remind(work, &storm(home, found.clone()), now_ms).await.map(drop)
            }
        }
    }

    /// Says in a case of its own that a home is silent; `again`, where that was said a day ago.
    async fn say(&self, work: &mut Connection, silent: &Silent, again: bool, now_ms: i64) -> Result<(), StoreError> {
        let found = Found::Silent {
            heard_ms: silent.heard_ms,
            was_heard: silent.was_heard,
            limit_ms: self.config.limit_ms(silent.has_alarm),
            has_alarm: silent.has_alarm,
        };
        let concern = concern(&silent.agent, &silent.home, found);
        if again { remind(work, &concern, now_ms).await.map(drop) } else { raise(work, &concern, now_ms).await }
    }
}

/// Writes into a case that is not closed, without a ring.
async fn tell(work: &mut Connection, case: &str, about: &About, says: Concern, now_ms: i64) -> Result<(), StoreError> {
    match cases::open_case(work, case, about).await? {
        Some((id, _)) => cases::add_line(work, &id, &says.finding.line, None, now_ms).await,
        None => Ok(()),
    }
}

//! A press is rehearsed: for each silent test that came from a home, the rules judge a press from there as they would a real one,
//! its alert rings and climbs by the very code of a real one, and whom that tells is noted. Then all of it is given up, and
//! nobody was told of anything. One of the ways to those people is asked to prove itself; it goes behind everything else.
//!
//! Each home has a piece of work of its own, outside of ingest's, so that a press waits for one of them at most.

use std::time::Duration;

use super::super::fixed;
use super::Stop;
use crate::alerts::judge::{self, Consequence, Judged, Known, Settings};
use crate::alerts::rules::What;
use crate::alerts::rules::alarm_pressed::{self, Press};
use crate::alerts::{About, Concern, Finding};
use crate::clock;
use crate::duty::Area;
use crate::escalation;
use crate::store::home_proofs::{self, Due, Way};
use crate::store::{
    Connection, Store, StoreError, alerts as cases, escalations, new_id, outbox, savepoint, silent_tests, teams,
};

/// How often it is looked for homes whose test has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Between two homes others write.
const PAUSE: Duration = Duration::from_millis(10);

/// What took something within this time need not be asked again.
const FRESH_MS: i64 = 60 * 60 * 1000;

/// How often homes are looked at again of which all ways have failed.
const AGAIN_MS: i64 = 60 * 60 * 1000;

/// What is called where no button is: a press of the box's own wire, which is nobody's.
const NO_BUTTON: &str = "silent-test";

/// Rehearses for ever.
pub async fn run(store: Store, judging: Settings) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        looks.tick().await;
        loop {
            match next(&store, &judging, clock::now_ms()).await {
                Ok(true) => {
                    is_failing = false;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(false) => break,
                Err(error) => {
                    if !is_failing {
                        tracing::error!(%error, "silent tests from homes are not judged; they will be as soon as the store works");
                    }
                    is_failing = true;
                    break;
                }
            }
        }
    }
}

/// Rehearses for the home that has waited longest. Says whether one waited.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn next(store: &Store, judging: &Settings, now_ms: i64) -> Result<bool, StoreError> {
    let Some(due) = home_proofs::due(store.reader(), now_ms).await? else { return Ok(false) };
    let mut work = store.work().await?;
    if !home_proofs::take(&mut work, &due).await? {
        return Ok(true);
    }
    let outcome = match fixed::judge(&judging.rules, now_ms) {
        Err(because) => Err(Stop::Rules { because }),
        Ok(()) => rehearse(&mut work, judging, &due, now_ms).await?,
    };
    match outcome {
        Err(stop) => {
            tracing::debug!(agent.id = due.agent, ?stop, "a home's silent test stopped");
            home_proofs::stopped(&mut work, &due.agent, &stop, now_ms + AGAIN_MS).await?;
        }
        Ok(told) => prove(&mut work, &due, &told, now_ms).await?,
    }
    work.commit().await?;
    Ok(true)
}

/// Whom a home would have told: of all that may happen there, where the fewest are. Nobody only where no channel is set up, and
/// the alert would be before a team in the console.
async fn rehearse(
    work: &mut Connection,
    judging: &Settings,
    due: &Due,
    now_ms: i64,
) -> Result<Result<Vec<Way>, Stop>, StoreError> {
    let mut fewest: Option<Vec<Way>> = None;
    for (button, person) in home_proofs::scenes(work, &due.home, now_ms).await? {
        let mut part = savepoint(work).await?;
        let told = match concern(&mut part, judging, &due.home, button.as_deref(), person, now_ms).await? {
            Ok(concern) => ring(&mut part, &concern, now_ms).await,
            Err(stop) => Ok(Err(stop)),
        };
        part.rollback().await?;
        let told = match told? {
            Ok(told) => told,
            Err(stop) => return Ok(Err(stop)),
        };
        if fewest.as_ref().is_none_or(|fewest| told.len() < fewest.len()) {
            fewest = Some(told);
        }
    }
    Ok(Ok(fewest.unwrap_or_default()))
}

/// What is found: a press of the button, or, of a person who has none, a reading beyond every limit.
async fn concern(
    work: &mut Connection,
    judging: &Settings,
    home: &str,
    button: Option<&str>,
    person: Option<String>,
    now_ms: i64,
) -> Result<Result<Concern, Stop>, StoreError> {
    if let (None, Some(person)) = (button, &person) {
        let found = fixed::finding(&judging.rules, now_ms).map_err(|because| Stop::Rules { because });
        return Ok(found.map(|finding| Concern {
            finding,
            about: About::Person(person.clone()),
            person: Some(person.clone()),
            home: home.to_owned(),
            record: None,
        }));
    }
    let people: Vec<&str> = person.as_deref().into_iter().collect();
    let mut known = Known::of(work, &people).await?;
    let pressed = Judged {
        id: "",
        person: person.as_deref(),
        home,
        device: button.unwrap_or(NO_BUTTON),
        measured_ms: Some(now_ms),
        what: What::Alarm(Press::at(now_ms, now_ms)),
    };
    let follows = judge::consequences(&judging.rules, &pressed, &mut known, &judging.zone, now_ms);
    let raised = follows.into_iter().find_map(|follows| match follows {
        Consequence::Raise(concern) if concern.finding.case == alarm_pressed::NAME => Some(concern),
        _ => None,
    });
    let because = || "no rule makes an alert of a press from this home".to_owned();
    // There is no record of what nobody pressed.
    Ok(raised.map(|concern| Concern { record: None, ..concern }).ok_or_else(|| Stop::Rules { because: because() }))
}

/// Lets its alert ring and climb, in work that is given up afterwards, and says whom that tells.
async fn ring(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<Result<Vec<Way>, Stop>, StoreError> {
    let Concern { finding: Finding { case, .. }, about, person, .. } = concern;
    // A case that is open already has an owner perhaps, who alone would be told.
    home_proofs::set_aside(work, case, about, now_ms).await?;
    judge::carry_out(work, &[Consequence::Raise(concern.clone())], now_ms).await?;
    let Some((alert, _)) = cases::open_case(work, case, about).await? else {
        let because = "what is found in this home makes no alert".to_owned();
        return Ok(Err(Stop::Rules { because }));
    };
    escalation::climb(work, &alert, now_ms).await?;
    let told = home_proofs::told(work, &alert).await?;
    let is_before_nobody = told.is_empty() && !is_in_console(work, case, person.as_deref(), now_ms).await?;
    Ok(if is_before_nobody { Err(Stop::Nobody) } else { Ok(told) })
}

/// Whether no channel is set up at all, so that the console is the way, and a team that has members looks there.
async fn is_in_console(
    work: &mut Connection,
    case: &str,
    person: Option<&str>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    if !escalations::open_channels(&mut *work).await?.is_empty() {
        return Ok(false);
    }
    for team in teams::responsible(work, person, Area::of_case(case), now_ms).await? {
        if !teams::members(&mut *work, &team.id, now_ms).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has one of these ways prove itself, unless it just did.
async fn prove(work: &mut Connection, due: &Due, told: &[Way], now_ms: i64) -> Result<(), StoreError> {
    let is_fresh = |way: &Way| way.proven_ms.is_some_and(|at_ms| (0..FRESH_MS).contains(&(now_ms - at_ms)));
    let count = u32::try_from(told.len()).unwrap_or(u32::MAX);
    let Some(way) = told.get(due.tried as usize % told.len().max(1)) else {
        return home_proofs::proven(work, &due.agent, count, now_ms).await;
    };
    if is_fresh(way) {
        return home_proofs::proven(work, &due.agent, count, now_ms).await;
    }
    let test = match outbox::waiting_test(work, way.channel, &way.to).await? {
        Some(test) => test,
        None => {
            let test = new_id(now_ms);
            silent_tests::add_of_ways(work, &test, now_ms).await?;
            outbox::add_test(work, &test, way.channel, &way.to, now_ms).await?;
            test
        }
    };
    home_proofs::waits_for(work, &due.agent, count, &test).await
}

/// How the attempt ended that homes wait for: they are proven, or the next of their ways is asked.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn ended(work: &mut Connection, test: &str, failed: Option<Stop>, now_ms: i64) -> Result<(), StoreError> {
    match failed {
        Some(stop) => home_proofs::way_failed(work, test, &stop, now_ms, now_ms + AGAIN_MS).await,
        None => home_proofs::way_proven(work, test, now_ms).await,
    }
}

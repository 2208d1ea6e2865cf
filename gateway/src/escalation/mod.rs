//! Who is told, and who next, while nobody takes an alert.
//!
//! [`ladder`] decides how an alert climbs and [`plan`] is what a team wants done; here both meet the store: the teams that
//! are responsible, whoever is on duty, and how they are reached at this moment. All of it is rows, the next rung a timer,
//! so that no restart forgets an alert and none tells a rung twice.

pub mod ladder;
#[cfg(test)]
mod nights;
pub mod plan;

use jiff::tz::TimeZone;

use self::ladder::{Effect, Input, Ladder, Reach, Rung};
use self::plan::{Centre, Haste, Plan, Step, Whom};
use crate::alerts::alert::State;
use crate::alerts::{ALARMS, Line};
use crate::delivery::{self, Channel, Notification, Recipient};
use crate::duty::Area;
use crate::store::alerts::{self as cases, Case};
use crate::store::sight::{self, Before};
use crate::store::teams::{self, Team};
use crate::store::{Connection, StoreError, accounts, contacts, escalations, outbox};

/// The timer of an alert's next rung.
pub const TIMER: &str = "escalation";

/// An alert is before the team, and rings: it climbs from here on, in the work that lets it ring.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn ring(work: &mut Connection, alert: &str, ring_ms: i64, now_ms: i64) -> Result<(), StoreError> {
    hear(work, alert, &Input::Rang { ring_ms }, now_ms).await
}

/// Somebody has taken an alert, or it is closed: it climbs no longer.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn stop(work: &mut Connection, alert: &str, now_ms: i64) -> Result<(), StoreError> {
    hear(work, alert, &Input::Stopped, now_ms).await
}

async fn hear(work: &mut Connection, alert: &str, input: &Input<'_>, now_ms: i64) -> Result<(), StoreError> {
    let before = escalations::ladder(&mut *work, alert).await?.unwrap_or_default();
    let mut ladder = before.clone();
    ladder.handle(input, now_ms);
    if ladder == before { Ok(()) } else { escalations::save(work, alert, &ladder).await }
}

/// An alert's time on its rung may be over: whoever is next is told.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn climb(work: &mut Connection, alert: &str, now_ms: i64) -> Result<(), StoreError> {
    let Some(case) = cases::case(work, alert).await? else { return Ok(()) };
    if case.alert.state != State::Open {
        return stop(work, alert, now_ms).await;
    }
    let Some(mut ladder) = escalations::ladder(&mut *work, alert).await? else { return Ok(()) };
    let planned = planned(work, &case, now_ms).await?;
    let rungs = rungs(work, &case, &planned, now_ms).await?;
    let ring_ms = ladder.ring_ms;
    for effect in ladder.handle(&Input::Tick { rungs: &rungs }, now_ms) {
        // Whoever is on a rung sees the alert in the console, also where no message reaches her.
        if let Effect::Tell { rung, .. } | Effect::Pass { rung } = &effect {
            let before = before(work, planned.get(*rung as usize).map_or(&[], Vec::as_slice), now_ms).await?;
            sight::bring(work, alert, &before, now_ms).await?;
        }
        match effect {
            Effect::Tell { rung, round, to } => {
                for reach in &to {
                    tell(work, &case, &format!("{alert}/{ring_ms}/{rung}/{round}"), reach, now_ms).await?;
                }
                if round == 0 {
                    let mut names: Vec<String> = to.into_iter().map(|reach| reach.name).collect();
                    names.dedup();
                    cases::add_line(work, alert, &Line::Climbed { rung, to: names }, None, now_ms).await?;
                }
            }
            Effect::Pass { rung } => {
                cases::add_line(work, alert, &Line::RungPassed { rung }, None, now_ms).await?;
            }
            Effect::NobodyAnswered { round, has_told } => {
                let line = Line::NobodyAnswered { times: 1, since_ms: now_ms, has_told };
                if !cases::sum_up(work, alert, &line, None, now_ms).await? {
                    cases::add_line(work, alert, &line, None, now_ms).await?;
                }
                // Where nobody could be told, all rungs are through at the ring itself, of which they are told already.
                if has_told || round > 1 {
                    let ring = format!("{ring_ms}/nobody/{round}");
                    delivery::tell_always(work, alert, &case.rule, case.alert.severity, &ring, now_ms).await?;
                }
            }
        }
    }
    escalations::save(work, alert, &ladder).await
}

/// Somebody is to be told. Who waits to be told of this alert over that channel already is tried until it works, and not told
/// twice when it does.
async fn tell(work: &mut Connection, case: &Case, rung: &str, reach: &Reach, now_ms: i64) -> Result<(), StoreError> {
    let Reach { name, to, channel, lang } = reach;
    if outbox::is_waiting(work, &case.id, to, *channel).await? {
        return Ok(());
    }
    let notification = Notification {
        alert: case.id.clone(),
        to: to.clone(),
        channel: *channel,
        urgency: case.alert.severity,
        lang: *lang,
        key: format!("{rung}/{channel}/{name}"),
    };
    delivery::enqueue(work, &notification, now_ms).await
}

/// What a plan names and nobody knows; none where all is known.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn unknown(work: &mut Connection, plan: &Plan) -> Result<Option<String>, StoreError> {
    for whom in plan.rungs.iter().flat_map(|step| &step.whom) {
        let unknown = match whom {
            Whom::OnDutyOf(team) | Whom::TeamOf(team) => {
                teams::find(&mut *work, team).await?.is_none().then(|| format!("there is no team {team}"))
            }
            Whom::Member(name) => {
                accounts::find(&mut *work, name).await?.is_none().then(|| format!("nobody signs in as {name}"))
            }
            Whom::OnDuty | Whom::Team | Whom::Fallback | Whom::Centre(_) => None,
        };
        if unknown.is_some() {
            return Ok(unknown);
        }
    }
    Ok(None)
}

/// How an alert that nobody has taken climbs, as it would now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// How far it has come.
    pub ladder: Ladder,
    /// Its rungs as they are now.
    pub rungs: Vec<Rung>,
}

/// How an alert climbs; none where it does not.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn view(work: &mut Connection, alert: &str, now_ms: i64) -> Result<Option<View>, StoreError> {
    let Some(case) = cases::case(work, alert).await? else { return Ok(None) };
    let ladder = escalations::ladder(&mut *work, alert).await?;
    let Some(ladder) = ladder.filter(|ladder| ladder.due_ms.is_some()) else { return Ok(None) };
    let planned = planned(work, &case, now_ms).await?;
    let rungs = rungs(work, &case, &planned, now_ms).await?;
    Ok(Some(View { ladder, rungs }))
}

/// What is planned on each rung of an alert: by all teams that are responsible, side by side.
async fn planned(work: &mut Connection, case: &Case, now_ms: i64) -> Result<Vec<Vec<(Team, Step)>>, StoreError> {
    let responsible = teams::responsible(work, case.person.as_deref(), Area::of_case(&case.rule), now_ms).await?;
    let mut planned: Vec<Vec<(Team, Step)>> = Vec::new();
    for team in responsible {
        let written = escalations::plan(&mut *work, &team.id).await?.map(|(plan, _, _)| plan);
        let plan = written.unwrap_or_else(|| Plan::usual(team.is_fallback));
        planned.resize_with(planned.len().max(plan.rungs.len()), Vec::new);
        for (side_by_side, step) in planned.iter_mut().zip(plan.rungs) {
            side_by_side.push((team.clone(), step));
        }
    }
    Ok(planned)
}

/// The rungs as they are at this moment.
async fn rungs(
    work: &mut Connection,
    case: &Case,
    planned: &[Vec<(Team, Step)>],
    now_ms: i64,
) -> Result<Vec<Rung>, StoreError> {
    let haste = if ALARMS.contains(&case.rule.as_str()) { Haste::Alarm } else { Haste::Found(case.alert.severity) };
    let open = escalations::open_channels(&mut *work).await?;
    let mut rungs = Vec::with_capacity(planned.len());
    for side_by_side in planned {
        rungs.push(rung(work, side_by_side, haste, &open, now_ms).await?);
    }
    Ok(rungs)
}

/// Before whom a rung brings an alert.
async fn before(work: &mut Connection, planned: &[(Team, Step)], now_ms: i64) -> Result<Vec<Before>, StoreError> {
    let mut before = Vec::new();
    for (team, step) in planned {
        for whom in &step.whom {
            before.extend(match whom {
                Whom::OnDuty | Whom::Team => Some(Before::Team(team.id.clone())),
                Whom::Fallback => Some(Before::Team(teams::fallback(work, now_ms).await?.id)),
                Whom::OnDutyOf(other) | Whom::TeamOf(other) => Some(Before::Team(other.clone())),
                Whom::Member(name) => Some(Before::Member(name.clone())),
                Whom::Centre(_) => None,
            });
        }
    }
    before.sort();
    before.dedup();
    Ok(before)
}

async fn rung(
    work: &mut Connection,
    planned: &[(Team, Step)],
    haste: Haste,
    open: &[Channel],
    now_ms: i64,
) -> Result<Rung, StoreError> {
    let mut members: Vec<String> = Vec::new();
    let mut reach: Vec<Reach> = Vec::new();
    let mut waits_until_ms: Option<i64> = None;
    for (team, Step { whom, waits }) in planned {
        let zone = TimeZone::get(&team.time_zone).unwrap_or(TimeZone::UTC);
        let until_ms = waits.until_ms(haste, now_ms, &zone);
        waits_until_ms = Some(waits_until_ms.map_or(until_ms, |other| other.min(until_ms)));
        for whom in whom {
            match whom {
                Whom::OnDuty => members.extend(teams::on_duty(work, &team.id, now_ms).await?),
                Whom::Team => members.extend(teams::members(&mut *work, &team.id, now_ms).await?),
                Whom::Fallback => {
                    let fallback = teams::fallback(work, now_ms).await?;
                    members.extend(teams::members(&mut *work, &fallback.id, now_ms).await?);
                }
                Whom::OnDutyOf(other) => members.extend(teams::on_duty(work, other, now_ms).await?),
                Whom::TeamOf(other) => members.extend(teams::members(&mut *work, other, now_ms).await?),
                Whom::Member(name) => {
                    members.extend(accounts::find(&mut *work, name).await?.map(|account| account.name))
                }
                Whom::Centre(Centre { name, channel, address, language }) => reach.push(Reach {
                    name: name.clone(),
                    to: Recipient::Address(address.clone()),
                    channel: *channel,
                    lang: *language,
                }),
            }
        }
    }
    members.sort();
    members.dedup();
    for member in members {
        for contact in contacts::list(&mut *work, Some(&member)).await? {
            let to = Recipient::Member(member.clone());
            reach.push(Reach { name: member.clone(), to, channel: contact.channel, lang: contact.lang });
        }
    }
    reach.retain(|reach| open.contains(&reach.channel));
    reach.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Rung { reach, waits_until_ms: waits_until_ms.unwrap_or(now_ms) })
}

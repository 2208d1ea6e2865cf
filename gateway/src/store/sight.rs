//! What it is decided from who may see whom: one query for each kind of fact, whatever the number of people.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::ledger::unexpected;
use super::{Connection, Reader, Row, StoreError, query, query_as, query_scalar};
use crate::duty::Area;
use crate::duty::sight::{Held, Member, Span, Whom, Works};

/// What a member works for. Of an account that nobody has, she works for nothing.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn member(reader: &Reader, name: &str) -> Result<Member, StoreError> {
    let rows = query(
        "SELECT team.id, team.name, is_fallback, purpose, from_ms, until_ms
         FROM commission JOIN team ON team.id = commission.team WHERE member = $1 ORDER BY team.name, from_ms",
    )
    .bind(name)
    .fetch_all(reader)
    .await?;
    let works = rows.iter().map(|row| {
        let purpose: String = row.try_get("purpose")?;
        Ok::<_, StoreError>(Works {
            team: row.try_get("id")?,
            team_name: row.try_get("name")?,
            is_fallback: row.try_get::<i64, _>("is_fallback")? == 1,
            purpose: purpose.parse().map_err(|_| unexpected("purpose"))?,
            when: Span { from_ms: row.try_get("from_ms")?, until_ms: row.try_get("until_ms")? },
        })
    });
    let works = works.collect::<Result<Vec<_>, _>>()?;
    let only_team = if works.is_empty() { only_team(reader, name).await? } else { None };
    Ok(Member::new(name, works, only_team))
}

async fn only_team(reader: &Reader, name: &str) -> Result<Option<(String, String)>, StoreError> {
    Ok(query_as(
        "SELECT id, name FROM team
         WHERE is_fallback = 1 AND NOT EXISTS (SELECT 1 FROM team WHERE is_fallback = 0)
             AND EXISTS (SELECT 1 FROM account WHERE name = $1 AND disabled_ms IS NULL)",
    )
    .bind(name)
    .fetch_optional(reader)
    .await?)
}

/// Whether any team is or will be responsible for anybody: else everybody is the fallback team's.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_anybody_held(reader: &Reader, now_ms: i64) -> Result<bool, StoreError> {
    let held: Option<String> =
        query_scalar("SELECT id FROM responsibility WHERE until_ms IS NULL OR until_ms > $1 LIMIT 1")
            .bind(now_ms)
            .fetch_optional(reader)
            .await?;
    Ok(held.is_some())
}

/// These people as far as it follows whether a member may see them. Nobody is left out.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn people(
    reader: &Reader,
    member: &str,
    ids: &[&str],
    now_ms: i64,
) -> Result<HashMap<String, Whom>, StoreError> {
    let mut people: HashMap<String, Whom> = ids.iter().map(|id| ((*id).to_owned(), Whom::default())).collect();
    let wanted = json!(ids).to_string();
    let held = query(
        "SELECT person, team, area, from_ms, until_ms FROM responsibility JOIN team ON team.id = responsibility.team
         WHERE person IN (SELECT value FROM json_each($1)) AND (until_ms IS NULL OR until_ms > $2)",
    )
    .bind(&wanted)
    .bind(now_ms)
    .fetch_all(reader)
    .await?;
    for row in &held {
        people.entry(row.try_get("person")?).or_default().held.push(held_of(row)?);
    }
    let taken: Vec<(String, String)> = query_as(
        "SELECT person, rule FROM alert
         WHERE state = 'claimed' AND claimed_by = $2 AND person IN (SELECT value FROM json_each($1))",
    )
    .bind(&wanted)
    .bind(member)
    .fetch_all(reader)
    .await?;
    for (person, rule) in taken {
        people.entry(person).or_default().taken.push(Area::of_case(&rule));
    }
    let opened: Vec<(String, i64)> = query_as(
        "SELECT person, max(until_ms) FROM emergency
         WHERE member = $2 AND until_ms > $3 AND person IN (SELECT value FROM json_each($1)) GROUP BY person",
    )
    .bind(&wanted)
    .bind(member)
    .bind(now_ms)
    .fetch_all(reader)
    .await?;
    for (person, until_ms) in opened {
        people.entry(person).or_default().opened_until_ms = Some(until_ms);
    }
    Ok(people)
}

/// Who lives in these homes, as far as it follows whether a member is responsible for them: emergencies are left out. No home is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn households(
    reader: &Reader,
    member: &str,
    homes: &[&str],
    now_ms: i64,
) -> Result<HashMap<String, Vec<Whom>>, StoreError> {
    let mut households: HashMap<String, Vec<Whom>> = homes.iter().map(|id| ((*id).to_owned(), Vec::new())).collect();
    let rows = query(
        "SELECT person.home, person.id, held.team, held.area, held.from_ms, held.until_ms
         FROM person LEFT JOIN (
             SELECT person, team, area, from_ms, until_ms FROM responsibility JOIN team ON team.id = responsibility.team
             WHERE until_ms IS NULL OR until_ms > $1) AS held ON held.person = person.id
         WHERE person.home IN (SELECT value FROM json_each($2))
         ORDER BY person.home, person.id",
    )
    .bind(now_ms)
    .bind(json!(homes).to_string())
    .fetch_all(reader)
    .await?;
    let taken: Vec<(String, String)> =
        query_as("SELECT person, rule FROM alert WHERE state = 'claimed' AND claimed_by = $1 AND person IS NOT NULL")
            .bind(member)
            .fetch_all(reader)
            .await?;
    let mut before = "";
    for row in &rows {
        let (home, person): (&str, &str) = (row.try_get("home")?, row.try_get("id")?);
        let Some(household) = households.get_mut(home) else { continue };
        if person != before {
            let taken = taken.iter().filter(|(whose, _)| whose == person).map(|(_, rule)| Area::of_case(rule));
            household.push(Whom { taken: taken.collect(), ..Whom::default() });
            before = person;
        }
        if let (Some(whom), Some(_)) = (household.last_mut(), row.try_get::<Option<&str>, _>("team")?) {
            whom.held.push(held_of(row)?);
        }
    }
    Ok(households)
}

fn held_of(row: &Row) -> Result<Held, StoreError> {
    Ok(Held {
        team: row.try_get("team")?,
        area: row.try_get::<&str, _>("area")?.parse().map_err(|_| unexpected("area"))?,
        when: Span { from_ms: row.try_get("from_ms")?, until_ms: row.try_get("until_ms")? },
    })
}

/// Of these homes, those where a member has taken an alert that is not closed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn taken_in(reader: &Reader, member: &str, homes: &[&str]) -> Result<HashSet<String>, StoreError> {
    let taken: Vec<String> = query_scalar(
        "SELECT DISTINCT home FROM alert
         WHERE state = 'claimed' AND claimed_by = $2 AND home IN (SELECT value FROM json_each($1))",
    )
    .bind(json!(homes).to_string())
    .bind(member)
    .fetch_all(reader)
    .await?;
    Ok(taken.into_iter().collect())
}

/// Somebody before whom an alert is brought.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Before {
    /// All of a team, by its id.
    Team(String),
    /// A member.
    Member(String),
}

impl Before {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Team(team) => ("team", team),
            Self::Member(member) => ("member", member),
        }
    }
}

/// An alert is brought before somebody. Doing it again changes nothing.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn bring(work: &mut Connection, alert: &str, before: &[Before], now_ms: i64) -> Result<(), StoreError> {
    for before in before {
        let (kind, whom) = before.parts();
        query(
            "INSERT INTO brought_before (alert, kind, whom, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (alert, kind, whom) DO NOTHING",
        )
        .bind(alert)
        .bind(kind)
        .bind(whom)
        .bind(now_ms)
        .execute(&mut *work)
        .await?;
    }
    Ok(())
}

/// The alerts that are not closed and were brought before one of these teams, or before a member.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn brought(reader: &Reader, member: &str, teams: &[&str]) -> Result<HashSet<String>, StoreError> {
    let brought: Vec<String> = query_scalar(
        "SELECT DISTINCT brought_before.alert FROM brought_before JOIN alert ON alert.id = brought_before.alert
         WHERE state <> 'closed'
             AND (kind = 'member' AND whom = $1 OR kind = 'team' AND whom IN (SELECT value FROM json_each($2)))",
    )
    .bind(member)
    .bind(json!(teams).to_string())
    .fetch_all(reader)
    .await?;
    Ok(brought.into_iter().collect())
}

//! Alerts and their stories, what rules wait for, and what they kept quiet about.

use serde_json::json;

use super::ledger::unexpected;
use super::{Connection, Executor, Reader, Row, StoreError, query, query_as, query_scalar};
use crate::alerts::alert::{Alert, Claim, State};
use crate::alerts::outcome::Outcome;
use crate::alerts::rules::Waiting;
use crate::alerts::{About, Concern, Line, Severity};

/// An alert as people see it.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// Its id.
    pub id: String,
    /// The rule, or the kind of case.
    pub rule: String,
    /// The person it concerns, if one is known.
    pub person: Option<String>,
    /// In which home.
    pub home: String,
    /// When it opened.
    pub opened_ms: i64,
    /// Where it stands.
    pub alert: Alert,
    /// Since when its escalation has been through all rungs in vain.
    pub unanswered: Option<Unanswered>,
}

/// All rungs of an escalation are through, and nobody has taken the alert.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Unanswered {
    /// Since when.
    pub since_ms: i64,
    /// Whether anybody was told at all: where nobody on any rung can be reached, nobody was.
    pub has_told: bool,
}

/// One line of a story.
#[derive(Clone, PartialEq, Debug)]
pub struct Told {
    /// When it was written.
    pub at_ms: i64,
    /// What it says.
    pub line: Line,
    /// The record that shows it.
    pub record: Option<String>,
}

/// What a rule waits for, about whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waits {
    /// Which rule.
    pub rule: String,
    /// Whose readings.
    pub person: String,
    /// In which home.
    pub home: String,
    /// What for.
    pub waiting: Waiting,
}

/// Which alerts to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which<'a> {
    /// Those that are not closed.
    NotClosed,
    /// All that ever were.
    All,
    /// One person's.
    Of(&'a str),
    /// One.
    One(&'a str),
}

/// Reads alerts. The more urgent are first; among them those that nobody has answered, and then what rang last. How long
/// something has waited in vain never puts it before what is more urgent: a fresh press stands above all that is not one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn read(reader: &Reader, which: Which<'_>, limit: u32) -> Result<Vec<Case>, StoreError> {
    let (person, id, not_closed) = match which {
        Which::NotClosed => (None, None, true),
        Which::All => (None, None, false),
        Which::Of(person) => (Some(person), None, false),
        Which::One(id) => (None, Some(id), false),
    };
    let rows = query(
        "SELECT alert.*, unanswered_ms, has_told FROM alert LEFT JOIN escalation ON escalation.alert = alert.id
         WHERE (CAST($1 AS TEXT) IS NULL OR person = $1) AND (CAST($2 AS TEXT) IS NULL OR id = $2)
           AND ($3 = 0 OR state <> 'closed')
         ORDER BY state = 'closed',
                  state = 'claimed' AND coalesce(seen_ms, 0) >= rung_ms,
                  CASE severity WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END,
                  CASE WHEN unanswered_ms IS NULL THEN 1 ELSE 0 END,
                  rung_ms DESC, id DESC
         LIMIT $4",
    )
    .bind(person)
    .bind(id)
    .bind(not_closed)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    rows.iter().map(shown_of).collect()
}

/// The story of an alert, from its beginning.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn story(reader: &Reader, id: &str) -> Result<Vec<Told>, StoreError> {
    let rows = query("SELECT at_ms, line, record FROM alert_line WHERE alert = $1 ORDER BY place")
        .bind(id)
        .fetch_all(reader)
        .await?;
    rows.iter().map(told_of).collect()
}

/// The latest line about the matter itself of each of these alerts, by the alert's id: what the work list shows.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn headlines(reader: &Reader, ids: &[&str]) -> Result<Vec<(String, Told)>, StoreError> {
    let rows = query(
        "SELECT alert, at_ms, line, record FROM json_each($1) CROSS JOIN alert_line
         WHERE alert = value AND place = (SELECT max(place) FROM alert_line AS latest WHERE latest.alert = value
                          AND latest.kind NOT IN (SELECT value FROM json_each($2)))",
    )
    .bind(json!(ids).to_string())
    .bind(json!(Line::OF_ACTS).to_string())
    .fetch_all(reader)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("alert")?, told_of(row)?))).collect()
}

/// What rules wait for, the oldest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn all_waiting(reader: &Reader) -> Result<Vec<Waits>, StoreError> {
    let rows = query("SELECT * FROM waiting ORDER BY since_ms").fetch_all(reader).await?;
    rows.iter().map(waits_of).collect()
}

/// The case of this kind about this that is not closed, if there is one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn open_case(
    work: &mut Connection,
    rule: &str,
    about: &About,
) -> Result<Option<(String, Alert)>, StoreError> {
    let row = query("SELECT * FROM alert WHERE rule = $1 AND about = $2 AND state <> 'closed'")
        .bind(rule)
        .bind(about.to_string())
        .fetch_optional(work)
        .await?;
    row.map(|row| case_of(&row).map(|case| (case.id, case.alert))).transpose()
}

/// What the cases of a rule that are not closed are about.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn open_abouts(store: impl Executor<'_>, rule: &str) -> Result<Vec<String>, StoreError> {
    Ok(query_scalar("SELECT about FROM alert WHERE rule = $1 AND state <> 'closed'")
        .bind(rule)
        .fetch_all(store)
        .await?)
}

/// The rules that have a confirmed case that is open about one of these people, with the person.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn confirmed_about(work: &mut Connection, people: &[&str]) -> Result<Vec<(String, String)>, StoreError> {
    Ok(query_as(
        "SELECT rule, person FROM alert
         WHERE person IN (SELECT value FROM json_each($1)) AND state <> 'closed' AND confirmed = 1",
    )
    .bind(json!(people).to_string())
    .fetch_all(work)
    .await?)
}

/// How many cases about this were opened since a moment, besides those of these kinds.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn count_opened(
    work: &mut Connection,
    about: &About,
    since_ms: i64,
    besides: &[&str],
) -> Result<i64, StoreError> {
    Ok(query_scalar(
        "SELECT count(*) FROM alert
         WHERE about = $1 AND opened_ms >= $2 AND rule NOT IN (SELECT value FROM json_each($3))",
    )
    .bind(about.to_string())
    .bind(since_ms)
    .bind(json!(besides).to_string())
    .fetch_one(work)
    .await?)
}

/// One alert.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find(work: &mut Connection, id: &str) -> Result<Option<Alert>, StoreError> {
    let row = query("SELECT * FROM alert WHERE id = $1").bind(id).fetch_optional(work).await?;
    row.map(|row| case_of(&row).map(|case| case.alert)).transpose()
}

/// One alert, with whom it concerns and the rule it belongs to.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn case(work: &mut Connection, id: &str) -> Result<Option<Case>, StoreError> {
    let row = query(
        "SELECT alert.*, unanswered_ms, has_told FROM alert LEFT JOIN escalation ON escalation.alert = alert.id
         WHERE alert.id = $1",
    )
    .bind(id)
    .fetch_optional(work)
    .await?;
    row.map(|row| shown_of(&row)).transpose()
}

/// One alert, with the rule or kind of case it belongs to.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn find_with_rule(work: &mut Connection, id: &str) -> Result<Option<(String, Alert)>, StoreError> {
    let row = query("SELECT * FROM alert WHERE id = $1").bind(id).fetch_optional(work).await?;
    row.map(|row| case_of(&row).map(|case| (case.rule, case.alert))).transpose()
}

/// The cases that somebody has claimed, with the person each is about; what rang first is first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn claimed_by(work: &mut Connection, who: &str) -> Result<Vec<(String, Option<String>)>, StoreError> {
    Ok(query_as("SELECT id, person FROM alert WHERE state = 'claimed' AND claimed_by = $1 ORDER BY rung_ms, id")
        .bind(who)
        .fetch_all(work)
        .await?)
}

/// Another case of an alert's kind about the same that is not closed, if there is one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn open_besides(work: &mut Connection, id: &str) -> Result<Option<String>, StoreError> {
    Ok(query_scalar(
        "SELECT other.id FROM alert JOIN alert AS other ON other.rule = alert.rule AND other.about = alert.about
         WHERE alert.id = $1 AND other.id <> $1 AND other.state <> 'closed'",
    )
    .bind(id)
    .fetch_optional(work)
    .await?)
}

/// The person that an alert concerns, if one is known.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn person_of(work: &mut Connection, id: &str) -> Result<Option<String>, StoreError> {
    let person: Option<Option<String>> =
        query_scalar("SELECT person FROM alert WHERE id = $1").bind(id).fetch_optional(work).await?;
    Ok(person.flatten())
}

/// The home that an alert is about.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn home_of(work: &mut Connection, id: &str) -> Result<Option<String>, StoreError> {
    Ok(query_scalar("SELECT home FROM alert WHERE id = $1").bind(id).fetch_optional(work).await?)
}

/// Opens a case; returns its id.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn open(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<String, StoreError> {
    let Concern { finding, about, person, home, record } = concern;
    let id = super::new_id(now_ms);
    query(
        "INSERT INTO alert (id, rule, about, severity, confirmed, person, home, state, opened_ms, rung_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', $8, $8)",
    )
    .bind(&id)
    .bind(finding.case)
    .bind(about.to_string())
    .bind(finding.severity.as_str())
    .bind(finding.confirmed)
    .bind(person.as_deref())
    .bind(home)
    .bind(now_ms)
    .execute(&mut *work)
    .await?;
    add_line(work, &id, &finding.line, record.as_deref(), now_ms).await?;
    Ok(id)
}

/// Writes where a case stands.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn save(work: &mut Connection, id: &str, alert: &Alert) -> Result<(), StoreError> {
    let (state, claim, closed) = match &alert.state {
        State::Open => ("open", None, None),
        State::Claimed(claim) => ("claimed", Some(claim), None),
        State::Closed { by, at_ms, outcome } => ("closed", None, Some((by, at_ms, outcome))),
    };
    query(
        "UPDATE alert SET severity = $2, confirmed = $3, state = $4, rung_ms = $5, seen_ms = $6,
             claimed_by = CASE $4 WHEN 'closed' THEN claimed_by ELSE $7 END,
             claimed_ms = CASE $4 WHEN 'closed' THEN claimed_ms ELSE $8 END, closed_by = $9, closed_ms = $10,
             on_the_way_ms = CASE $4 WHEN 'closed' THEN on_the_way_ms ELSE $11 END,
             said_ms = $12, goes_back_ms = $13, worse = $14, outcome = $15
         WHERE id = $1",
    )
    .bind(id)
    .bind(alert.severity.as_str())
    .bind(alert.confirmed)
    .bind(state)
    .bind(alert.rung_ms)
    .bind(alert.seen_ms)
    .bind(claim.map(|claim| claim.by.as_str()))
    .bind(claim.map(|claim| claim.at_ms))
    .bind(closed.map(|(by, _, _)| by.as_str()))
    .bind(closed.map(|(_, at_ms, _)| *at_ms))
    .bind(claim.and_then(|claim| claim.on_the_way_ms))
    .bind(claim.map(|claim| claim.said_ms))
    .bind(claim.map(|claim| claim.goes_back_ms))
    .bind(claim.map_or(0, |claim| claim.worse))
    .bind(closed.and_then(|(_, _, outcome)| outcome.map(Outcome::as_str)))
    .execute(work)
    .await?;
    Ok(())
}

/// Adds a line to a story.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn add_line(
    work: &mut Connection,
    id: &str,
    line: &Line,
    record: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO alert_line (alert, place, at_ms, kind, line, record)
         SELECT $1, COALESCE(max(place), 0) + 1, $2, $3, $4, $5 FROM alert_line WHERE alert = $1",
    )
    .bind(id)
    .bind(now_ms)
    .bind(line.kind())
    .bind(json!(line).to_string())
    .bind(record)
    .execute(work)
    .await?;
    Ok(())
}

/// What a story says so far.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn lines(work: &mut Connection, id: &str) -> Result<Vec<Line>, StoreError> {
    let lines: Vec<String> =
        query_scalar("SELECT line FROM alert_line WHERE alert = $1 ORDER BY place").bind(id).fetch_all(work).await?;
    lines.iter().map(|line| line_of(line)).collect()
}

/// What the stories say of the cases of this kind about this that were closed since a moment.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn lines_closed_since(
    work: &mut Connection,
    rule: &str,
    about: &About,
    since_ms: i64,
) -> Result<Vec<Line>, StoreError> {
    let lines: Vec<String> = query_scalar(
        "SELECT line FROM alert CROSS JOIN alert_line
         WHERE alert_line.alert = alert.id AND about = $1 AND closed_ms > $2 AND rule = $3",
    )
    .bind(about.to_string())
    .bind(since_ms)
    .bind(rule)
    .fetch_all(work)
    .await?;
    lines.iter().map(|line| line_of(line)).collect()
}

/// Sums a line up with the story's latest, if the two are one thing that goes on: how the alert climbs stands between no
/// two lines about its matter. Says whether it did.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn sum_up(
    work: &mut Connection,
    id: &str,
    line: &Line,
    record: Option<&str>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let passed_over: &[&str] = if line.is_about_the_matter() { &Line::OF_CLIMBING } else { &[] };
    let latest =
        query("SELECT place, at_ms, line, record FROM alert_line WHERE alert = $1 AND kind NOT IN (SELECT value FROM json_each($2)) ORDER BY place DESC LIMIT 1")
            .bind(id)
            .bind(json!(passed_over).to_string())
            .fetch_optional(&mut *work)
            .await?;
    let Some(latest) = latest else { return Ok(false) };
    let Some(summary) = line.with(&told_of(&latest)?.line) else { return Ok(false) };
    query("UPDATE alert_line SET at_ms = $3, line = $4, record = $5 WHERE alert = $1 AND place = $2")
        .bind(id)
        .bind(latest.try_get::<i64, _>("place")?)
        .bind(now_ms)
        .bind(json!(summary).to_string())
        .bind(record)
        .execute(work)
        .await?;
    Ok(true)
}

/// Notes that a rule kept quiet.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note_suppression(
    work: &mut Connection,
    rule: &str,
    about: &str,
    record: Option<&str>,
    why: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    query("INSERT INTO suppression (at_ms, rule, about, record, why) VALUES ($1, $2, $3, $4, $5)")
        .bind(now_ms)
        .bind(rule)
        .bind(about)
        .bind(record)
        .bind(why)
        .execute(work)
        .await?;
    Ok(())
}

/// What rules wait for about these people.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn waiting_for(work: &mut Connection, people: &[&str]) -> Result<Vec<Waits>, StoreError> {
    let rows = query("SELECT * FROM waiting WHERE person IN (SELECT value FROM json_each($1))")
        .bind(json!(people).to_string())
        .fetch_all(work)
        .await?;
    rows.iter().map(waits_of).collect()
}

/// Writes what a rule waits for.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn wait(work: &mut Connection, waits: &Waits) -> Result<(), StoreError> {
    let Waits { rule, person, home, waiting } = waits;
    query(
        "INSERT INTO waiting (rule, person, home, since_ms, due_ms, got, wanted, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (rule, person) DO UPDATE SET since_ms = excluded.since_ms, due_ms = excluded.due_ms, got = excluded.got,
             wanted = excluded.wanted, state = excluded.state",
    )
    .bind(rule)
    .bind(person)
    .bind(home)
    .bind(waiting.since_ms)
    .bind(waiting.due_ms)
    .bind(waiting.got)
    .bind(waiting.wanted)
    .bind(&waiting.memory)
    .execute(work)
    .await?;
    Ok(())
}

/// A rule waits no longer.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn stop_waiting(work: &mut Connection, rule: &str, person: &str) -> Result<(), StoreError> {
    query("DELETE FROM waiting WHERE rule = $1 AND person = $2").bind(rule).bind(person).execute(work).await?;
    Ok(())
}

pub(super) fn case_of(row: &Row) -> Result<Case, StoreError> {
    let claim = || -> Result<Claim, StoreError> {
        Ok(Claim {
            by: row.try_get("claimed_by")?,
            at_ms: row.try_get("claimed_ms")?,
            on_the_way_ms: row.try_get("on_the_way_ms")?,
            said_ms: row.try_get("said_ms")?,
            goes_back_ms: row.try_get("goes_back_ms")?,
            worse: row.try_get("worse")?,
        })
    };
    Ok(Case {
        id: row.try_get("id")?,
        rule: row.try_get("rule")?,
        person: row.try_get("person")?,
        home: row.try_get("home")?,
        opened_ms: row.try_get("opened_ms")?,
        alert: Alert {
            state: match row.try_get("state")? {
                "open" => State::Open,
                "claimed" => State::Claimed(claim()?),
                _ => State::Closed {
                    by: row.try_get("closed_by")?,
                    at_ms: row.try_get("closed_ms")?,
                    outcome: row.try_get::<Option<&str>, _>("outcome")?.and_then(Outcome::of),
                },
            },
            severity: Severity::of(row.try_get("severity")?).ok_or_else(|| unexpected("severity"))?,
            confirmed: row.try_get("confirmed")?,
            rung_ms: row.try_get("rung_ms")?,
            seen_ms: row.try_get("seen_ms")?,
        },
        unanswered: None,
    })
}

fn shown_of(row: &Row) -> Result<Case, StoreError> {
    let since_ms: Option<i64> = row.try_get("unanswered_ms")?;
    let unanswered = match since_ms {
        Some(since_ms) => Some(Unanswered { since_ms, has_told: row.try_get("has_told")? }),
        None => None,
    };
    Ok(Case { unanswered, ..case_of(row)? })
}

fn told_of(row: &Row) -> Result<Told, StoreError> {
    Ok(Told { at_ms: row.try_get("at_ms")?, line: line_of(row.try_get("line")?)?, record: row.try_get("record")? })
}

fn line_of(text: &str) -> Result<Line, StoreError> {
    serde_json::from_str(text).map_err(|_| unexpected("line"))
}

fn waits_of(row: &Row) -> Result<Waits, StoreError> {
    Ok(Waits {
        rule: row.try_get("rule")?,
        person: row.try_get("person")?,
        home: row.try_get("home")?,
        waiting: Waiting {
            since_ms: row.try_get("since_ms")?,
            due_ms: row.try_get("due_ms")?,
            got: row.try_get("got")?,
            wanted: row.try_get("wanted")?,
            memory: row.try_get("state")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::limits;
    use crate::store::{assignments, homes, tests::fresh};

    #[tokio::test]
    async fn a_fresh_press_stands_above_whatever_less_urgent_nobody_has_answered_for_a_night() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Ada's kitchen", 0).await.unwrap();
        for (id, severity, rung_ms, unanswered_ms) in
            [("battery", "low", 3, Some(4)), ("earlier", "high", 1, Some(2)), ("press", "high", 9, None)]
        {
            query(
                "INSERT INTO alert (id, rule, about, severity, confirmed, home, state, opened_ms, rung_ms)
                 VALUES ($1, $1, 'gateway', $2, 0, $3, 'open', $4, $4)",
            )
            .bind(id)
            .bind(severity)
            .bind(&home)
            .bind(rung_ms)
            .execute(&mut *work)
            .await
            .unwrap();
            query(
                "INSERT INTO escalation (alert, ring_ms, next_rung, rounds, rang_again, has_told, unanswered_ms)
                 VALUES ($1, 0, 0, 0, 0, 1, $2)",
            )
            .bind(id)
            .bind(unanswered_ms)
            .execute(&mut *work)
            .await
            .unwrap();
        }
        work.commit().await.unwrap();

        let all = read(store.reader(), Which::NotClosed, 2).await.unwrap();

        let first: Vec<&str> = all.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(first, ["earlier", "press"]);
    }

    #[tokio::test]
    async fn what_the_first_rule_about_blood_pressure_left_behind_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&folder.path().join("store.sqlite")).await.unwrap();
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Ada's kitchen", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        query(
            "INSERT INTO alert (id, rule, about, severity, confirmed, person, home, state, opened_ms, rung_ms)
               VALUES ('a', 'above_limit_review', $1, 'low', 0, $2, $3, 'open', 0, 0)",
        )
        .bind(About::Person(ada.clone()).to_string())
        .bind(&ada)
        .bind(&home)
        .execute(&mut *work)
        .await
        .unwrap();
        query("INSERT INTO alert_line (alert, place, at_ms, kind, line) VALUES ('a', 0, 0, 'above_limit', $1)")
            .bind(
                r#"{"kind":"above_limit","version":1,"limit":[180,110],"what":{"late":{"count":2,"highest":{"at_ms":7,
                    "pressure":{"systolic":1900,"diastolic":null}}}}}"#,
            )
            .execute(&mut *work)
            .await
            .unwrap();
        query(
            "INSERT INTO waiting (rule, person, home, since_ms, due_ms, got, wanted, state)
               VALUES ('above_limit', $1, $2, 0, 9, 0, 2, $3)",
        )
        .bind(&ada)
        .bind(&home)
        .bind(r#"[{"at_ms":7,"pressure":{"systolic":1900,"diastolic":1200}}]"#)
        .execute(&mut *work)
        .await
        .unwrap();
        let migration = include_str!("../../migrations/0018_lines_of_first_light.sql");
        for statement in crate::store::engine::migrations::statements(migration) {
            query(sqlx::AssertSqlSafe(statement)).execute(&mut *work).await.unwrap();
        }

        let (id, _) = open_case(&mut work, "late_review", &About::Person(ada.clone())).await.unwrap().unwrap();
        let [Line::Late(found)] = &lines(&mut work, &id).await.unwrap()[..] else { panic!() };
        assert_eq!((found.count, found.worst[0].reading.values.systolic), (2, Some(1_900)));
        let waits = waiting_for(&mut work, &[&ada]).await.unwrap();
        assert_eq!(limits::first(&waits[0].waiting).unwrap().values.diastolic, Some(1_200));
    }
}

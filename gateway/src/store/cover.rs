//! On which teams people with an alarm or a plan depend: one query for all of them.

use super::{Executor, StoreError, query_as, query_scalar};
use crate::alerts::About;

/// How many people depend on a team.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Depends {
    /// Which team; none: the fallback, as nobody else is responsible.
    pub team: Option<String>,
    /// How many people.
    pub people: i64,
    /// The home of one of them.
    pub home: String,
}

crate::from_row!(Depends { team, people, home });

/// Counts people by the team that is told of what concerns them: of presses where they have an alarm device, of findings
/// where they have a plan. One whom two teams care for counts in both.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn depends(store: impl Executor<'_>, at_ms: i64) -> Result<Vec<Depends>, StoreError> {
    Ok(query_as(
        "SELECT held.team AS team, count(DISTINCT watched.person) AS people, min(person.home) AS home
         FROM (SELECT plan.person AS person, 'health_care' AS area FROM plan WHERE until_ms IS NULL
               UNION
               SELECT assignment.person AS person, 'social_services' AS area
               FROM assignment JOIN device ON device.id = assignment.device
               WHERE device.kind = 'alarm_button' AND device.ended_ms IS NULL AND assignment.from_ms <= $1
                 AND (assignment.until_ms IS NULL OR assignment.until_ms > $1)
               UNION
               SELECT alarm_unit.person AS person, 'social_services' AS area
               FROM alarm_unit WHERE alarm_unit.person IS NOT NULL AND alarm_unit.ended_ms IS NULL) AS watched
         JOIN person ON person.id = watched.person
         LEFT JOIN (SELECT responsibility.person AS person, team.id AS team, team.area AS area
                    FROM responsibility JOIN team ON team.id = responsibility.team
                    WHERE responsibility.from_ms <= $1
                      AND (responsibility.until_ms IS NULL OR responsibility.until_ms > $1)) AS held
           ON held.person = watched.person AND held.area = watched.area
         GROUP BY held.team",
    )
    .bind(at_ms)
    .fetch_all(store)
    .await?)
}

/// Whether a case of one of these names is not closed.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn is_any_open(store: impl Executor<'_>, names: &[&str]) -> Result<bool, StoreError> {
    let open: i64 = query_scalar(
        "SELECT count(*) FROM alert WHERE state <> 'closed' AND rule IN (SELECT value FROM json_each($1))",
    )
    .bind(serde_json::json!(names).to_string())
    .fetch_one(store)
    .await?;
    Ok(open > 0)
}

/// The cases about a team that are not closed, by their ids and names.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn about_team(store: impl Executor<'_>, team: &str) -> Result<Vec<(String, String)>, StoreError> {
    Ok(query_as("SELECT id, rule FROM alert WHERE state <> 'closed' AND about = $1 ORDER BY opened_ms, id")
        .bind(About::Team(team.to_owned()).to_string())
        .fetch_all(store)
        .await?)
}

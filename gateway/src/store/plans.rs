//! Plans, in all their versions. None is changed or deleted: writing one ends the one before.

use std::collections::HashMap;

use serde_json::json;

use super::{Connection, Reader, Row, StoreError, query, query_as};
use crate::plan::{Plan, Version};

/// Writes a person's new plan. It holds from now on; the one before ends.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person.
pub async fn write(
    work: &mut Connection,
    person: &str,
    plan: &Plan,
    (author, reason): (&str, &str),
    now_ms: i64,
) -> Result<(), StoreError> {
    // Where our clock went back meanwhile, the new one begins where the one before did, and that held for no time.
    let before: Option<(i64, i64)> =
        query_as("SELECT version, from_ms FROM plan WHERE person = $1 AND until_ms IS NULL")
            .bind(person)
            .fetch_optional(&mut *work)
            .await?;
    let from_ms = before.map_or(now_ms, |(_, from_ms)| now_ms.max(from_ms));
    query("UPDATE plan SET until_ms = $2 WHERE person = $1 AND until_ms IS NULL")
        .bind(person)
        .bind(from_ms)
        .execute(&mut *work)
        .await?;
    query("INSERT INTO plan (person, version, from_ms, author, reason, plan) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(person)
        .bind(before.map_or(1, |(version, _)| version + 1))
        .bind(from_ms)
        .bind(author)
        .bind(reason)
        .bind(json!(plan).to_string())
        .execute(work)
        .await?;
    Ok(())
}

/// All versions of these people's plans.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_people(work: &mut Connection, people: &[&str]) -> Result<HashMap<String, Vec<Version>>, StoreError> {
    let rows = query("SELECT * FROM plan WHERE person IN (SELECT value FROM json_each($1)) ORDER BY version DESC")
        .bind(json!(people).to_string())
        .fetch_all(work)
        .await?;
    let mut plans: HashMap<String, Vec<Version>> = HashMap::new();
    for row in &rows {
        plans.entry(row.try_get("person")?).or_default().push(version_of(row)?);
    }
    Ok(plans)
}

/// All versions of a person's plan, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn versions(reader: &Reader, person: &str) -> Result<Vec<Version>, StoreError> {
    let rows =
        query("SELECT * FROM plan WHERE person = $1 ORDER BY version DESC").bind(person).fetch_all(reader).await?;
    rows.iter().map(version_of).collect()
}

/// A plan as it is stored. One that this version cannot read, as a later one wrote it, must cost no event its place: it is as
/// a child's without limits, so that nothing is judged by limits that nobody set, and the team is told that they are missing.
fn read(stored: &str) -> Plan {
    serde_json::from_str(stored).unwrap_or_else(|_| {
        tracing::error!("a plan cannot be read; what it limits is not judged");
        Plan { is_child: true, ..Plan::default() }
    })
}

fn version_of(row: &Row) -> Result<Version, StoreError> {
    Ok(Version {
        version: row.try_get("version")?,
        from_ms: row.try_get("from_ms")?,
        until_ms: row.try_get("until_ms")?,
        author: row.try_get("author")?,
        reason: row.try_get("reason")?,
        plan: read(row.try_get("plan")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::in_force;
    use crate::store::{assignments, homes, savepoint, tests::fresh};

    #[test]
    fn a_plan_that_cannot_be_read_applies_no_limit_that_nobody_set() {
        let plan = read(r#"{"standard":"adult","limits":{"of_a_later_version":7}}"#);
        assert!(plan.is_child && plan.limits.is_empty());
    }

    #[tokio::test]
    async fn a_new_plan_ends_the_one_before_and_both_stay() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "h", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        let born = |born| Plan { born: Some(born), ..Plan::default() };
        write(&mut work, &ada, &born(1938), ("Anna", "first"), 100).await.unwrap();
        write(&mut work, &ada, &born(1939), ("Bo", "a mistyped year"), 200).await.unwrap();
        write(&mut work, &ada, &born(1940), ("Bo", "our clock went back"), 150).await.unwrap();
        let mut part = savepoint(&mut work).await.unwrap();
        assert!(write(&mut part, "nobody", &born(1938), ("Anna", "why"), 100).await.unwrap_err().is_refused());
        part.rollback().await.unwrap();
        work.commit().await.unwrap();

        let versions = versions(store.reader(), &ada).await.unwrap();

        let told: Vec<_> = versions.iter().map(|one| (one.version, one.from_ms, one.until_ms)).collect();
        assert_eq!(told, [(3, 200, None), (2, 200, Some(200)), (1, 100, Some(200))]);
        assert_eq!((versions[1].author.as_str(), versions[1].reason.as_str()), ("Bo", "a mistyped year"));
        assert_eq!([199, 200].map(|at| in_force(&versions, at).born), [Some(1938), Some(1940)]);
    }
}

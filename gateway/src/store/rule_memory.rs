//! What rules remember about people from one reading to the next, in their own form.

use serde_json::json;

use super::{Connection, StoreError, query};

/// What one rule remembers about one person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remembered {
    /// Which rule.
    pub rule: String,
    /// About whom.
    pub person: String,
    /// What.
    pub memory: String,
}

/// What rules remember about these people.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_people(work: &mut Connection, people: &[&str]) -> Result<Vec<Remembered>, StoreError> {
    let rows = query("SELECT rule, person, memory FROM rule_memory WHERE person IN (SELECT value FROM json_each($1))")
        .bind(json!(people).to_string())
        .fetch_all(work)
        .await?;
    let remembered = rows.iter().map(|row| {
        Ok(Remembered { rule: row.try_get("rule")?, person: row.try_get("person")?, memory: row.try_get("memory")? })
    });
    remembered.collect()
}

/// Writes what a rule remembers about a person, in the place of what it did before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn write(
    work: &mut Connection,
    rule: &str,
    person: &str,
    memory: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO rule_memory (rule, person, memory, at_ms) VALUES ($1, $2, $3, $4)
         ON CONFLICT (rule, person) DO UPDATE SET memory = excluded.memory, at_ms = excluded.at_ms",
    )
    .bind(rule)
    .bind(person)
    .bind(memory)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

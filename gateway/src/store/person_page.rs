//! What the person page shows besides readings and alerts: who she is, and where.

use super::{Reader, StoreError, query_as};

/// A person, as the care team knows her.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Her id.
    pub id: String,
    /// Her name.
    pub name: String,
    /// Which home she lives in.
    pub home: String,
    /// What the home is called.
    pub home_name: String,
    /// When a box in that home last said anything.
    pub home_heard_ms: Option<i64>,
}

crate::from_row!(Person { id, name, home, home_name, home_heard_ms });

/// Finds a person.
///
/// # Errors
/// When the store cannot be read.
pub async fn find(reader: &Reader, id: &str) -> Result<Option<Person>, StoreError> {
    Ok(query_as(
        "SELECT person.id, person.name, home.id AS home, home.name AS home_name,
                (SELECT max(last_heard_ms) FROM agent WHERE agent.home = home.id) AS home_heard_ms
         FROM person JOIN home ON home.id = person.home WHERE person.id = $1",
    )
    .bind(id)
    .fetch_optional(reader)
    .await?)
}

//! Who opened whose data in an emergency, why, until when, and who looked at that afterwards. Nothing is deleted.

use super::{Connection, Reader, StoreError, new_id, query, query_as};

/// Somebody's data were opened in an emergency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emergency {
    /// Its id.
    pub id: String,
    /// Who opened them.
    pub member: String,
    /// For which team: its name.
    pub team_name: String,
    /// Whose data.
    pub person: String,
    /// What she is called.
    pub person_name: String,
    /// Why.
    pub reason: String,
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: i64,
}

crate::from_row!(Emergency { id, member, team_name, person, person_name, reason, from_ms, until_ms });

/// Opens a person's data for a member.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such member, person or team.
pub async fn open(
    work: &mut Connection,
    member: &str,
    person: &str,
    (team, reason): (&str, &str),
    (from_ms, until_ms): (i64, i64),
) -> Result<(), StoreError> {
    query(
        "INSERT INTO emergency (id, member, person, team, reason, from_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new_id(from_ms))
    .bind(member)
    .bind(person)
    .bind(team)
    .bind(reason)
    .bind(from_ms)
    .bind(until_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// Those that nobody has looked at afterwards, the newest first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn not_reviewed(reader: &Reader) -> Result<Vec<Emergency>, StoreError> {
    Ok(query_as(
        "SELECT emergency.id, member, team.name AS team_name, emergency.person, person.name AS person_name, reason,
                from_ms, until_ms
         FROM emergency JOIN person ON person.id = emergency.person JOIN team ON team.id = emergency.team
         WHERE reviewed_ms IS NULL ORDER BY from_ms DESC, emergency.id DESC",
    )
    .fetch_all(reader)
    .await?)
}

/// Somebody has looked at it. Says whether nobody had before.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn review(work: &mut Connection, id: &str, by: &str, now_ms: i64) -> Result<bool, StoreError> {
    let reviewed =
        query("UPDATE emergency SET reviewed_by = $2, reviewed_ms = $3 WHERE id = $1 AND reviewed_ms IS NULL")
            .bind(id)
            .bind(by)
            .bind(now_ms)
            .execute(work)
            .await?;
    Ok(reviewed.rows_affected() > 0)
}

//! Codes an installer types: found by the first characters of the secret, compared by the hash of the whole.

use hempuls_protocol::enrolment::EnrolmentCode;
use hempuls_protocol::ids::AgentId;
use sha2::{Digest as _, Sha256};

use super::{Connection, StoreError, query, savepoint};

/// How long a code can be used.
pub const LIFETIME_MS: i64 = 24 * 60 * 60 * 1000;

/// How many wrong tries a code survives.
const TRIES: i64 = 5;

/// The characters of the secret that a code is found by.
const LOOKUP: usize = 4;

/// What became of a try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tried {
    /// It is the code of this box, and is used up by this.
    Right(AgentId),
    /// There is no such code, or it is another's.
    Wrong,
    /// It was used before.
    Used,
    /// It is older than a day.
    Expired,
    /// It was tried too often.
    Burnt,
}

/// Adds a code for a box. Codes it had before that were not used are worth nothing any more.
///
/// # Errors
/// [`StoreError::Refused`], where another code begins with the same characters (make another).
pub async fn add(work: &mut Connection, agent: &AgentId, code: &EnrolmentCode, now_ms: i64) -> Result<(), StoreError> {
    let mut part = savepoint(work).await?;
    query("UPDATE enrolment_code SET expires_ms = $2 WHERE agent = $1 AND used_ms IS NULL AND expires_ms > $2")
        .bind(agent.as_str())
        .bind(now_ms)
        .execute(&mut *part)
        .await?;
    query("DELETE FROM enrolment_code WHERE lookup = $1 AND (expires_ms <= $2 OR used_ms IS NOT NULL)")
        .bind(&code.secret()[..LOOKUP])
        .bind(now_ms)
        .execute(&mut *part)
        .await?;
    query(
        "INSERT INTO enrolment_code (lookup, secret_hash, agent, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&code.secret()[..LOOKUP])
    .bind(Sha256::digest(code.secret()).as_slice())
    .bind(agent.as_str())
    .bind(now_ms)
    .bind(now_ms + LIFETIME_MS)
    .execute(&mut *part)
    .await?;
    Ok(part.commit().await?)
}

/// Tries a secret. Commit the work whatever comes of it: a wrong try counts.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn try_secret(work: &mut Connection, secret: &str, now_ms: i64) -> Result<Tried, StoreError> {
    let Some(lookup) = secret.get(..LOOKUP) else { return Ok(Tried::Wrong) };
    let row = query("SELECT secret_hash, agent, expires_ms, tries, used_ms FROM enrolment_code WHERE lookup = $1")
        .bind(lookup)
        .fetch_optional(&mut *work)
        .await?;
    let Some(row) = row else { return Ok(Tried::Wrong) };
    if row.try_get::<i64, _>("tries")? >= TRIES {
        return Ok(Tried::Burnt);
    }
    let hash: Vec<u8> = row.try_get("secret_hash")?;
    if !is_equal(&hash, &Sha256::digest(secret)) {
        query("UPDATE enrolment_code SET tries = tries + 1 WHERE lookup = $1").bind(lookup).execute(work).await?;
        return Ok(Tried::Wrong);
    }
    if row.try_get::<Option<i64>, _>("used_ms")?.is_some() {
        return Ok(Tried::Used);
    }
    if row.try_get::<i64, _>("expires_ms")? <= now_ms {
        return Ok(Tried::Expired);
    }
    query("UPDATE enrolment_code SET used_ms = $2 WHERE lookup = $1").bind(lookup).bind(now_ms).execute(work).await?;
    let agent = row.try_get::<&str, _>("agent")?.parse().map_err(|_| super::ledger::unexpected("agent"))?;
    Ok(Tried::Right(agent))
}

/// Compares in a time that does not depend on where they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::super::tests::fresh;
    use super::*;

    #[tokio::test]
    async fn a_code_works_once() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (_, agent) = super::super::homes::add(&mut work, "Ada", 0).await.unwrap();
        let code = code(1);
        add(&mut work, &agent, &code, 0).await.unwrap();

        assert_eq!(try_secret(&mut work, code.secret(), 1).await.unwrap(), Tried::Right(agent));
        assert_eq!(try_secret(&mut work, code.secret(), 2).await.unwrap(), Tried::Used);
    }

    #[tokio::test]
    async fn a_code_lives_a_day_and_a_fresh_one_ends_it() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (_, agent) = super::super::homes::add(&mut work, "Ada", 0).await.unwrap();
        add(&mut work, &agent, &code(1), 0).await.unwrap();
        assert_eq!(try_secret(&mut work, code(1).secret(), LIFETIME_MS).await.unwrap(), Tried::Expired);

        add(&mut work, &agent, &code(2), 5).await.unwrap();
        assert_eq!(try_secret(&mut work, code(1).secret(), 6).await.unwrap(), Tried::Expired);
        assert_eq!(try_secret(&mut work, code(2).secret(), 6).await.unwrap(), Tried::Right(agent));
    }

    #[tokio::test]
    async fn after_five_wrong_tries_the_right_one_is_refused_too() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (_, agent) = super::super::homes::add(&mut work, "Ada", 0).await.unwrap();
        let code = code(1);
        add(&mut work, &agent, &code, 0).await.unwrap();

        let wrong = format!("{}AAAAAAAA", &code.secret()[..LOOKUP]);
        for _ in 0..TRIES {
            assert_eq!(try_secret(&mut work, &wrong, 1).await.unwrap(), Tried::Wrong);
        }
        assert_eq!(try_secret(&mut work, code.secret(), 1).await.unwrap(), Tried::Burnt);
        assert_eq!(try_secret(&mut work, "é", 1).await.unwrap(), Tried::Wrong);
    }

    fn code(seed: u8) -> EnrolmentCode {
        EnrolmentCode::new([seed; 8], b"the key of the CA")
    }
}

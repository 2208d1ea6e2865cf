//! What one gateway at a time does for all that share the store: rows with a holder, for a time by the database's clock, so
//! that another takes over from one that died.

use std::time::Duration;

use super::{Connection, Store, StoreError, clock, new_id, query};
use crate::clock::{millis, now_ms};

/// One gateway's part in a duty.
#[derive(Debug)]
pub struct Duty {
    name: &'static str,
    holder: String,
    term: Duration,
}

impl Duty {
    /// A gateway that would do it. Another takes over once it has not been its for a term.
    #[must_use]
    pub fn new(name: &'static str, term: Duration) -> Self {
        Self { name, holder: new_id(now_ms()), term }
    }

    /// Whether it is this gateway's for another term.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn is_mine(&self, work: &mut Connection) -> Result<bool, StoreError> {
        let now_ms = clock::now_ms(&mut *work).await?;
        take(work, self.name, &self.holder, millis(self.term), now_ms).await
    }

    /// The same in a work of its own. A store in a file has one gateway, whose it is.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn is_mine_in(&self, store: &Store) -> Result<bool, StoreError> {
        if !store.is_on_a_server() {
            return Ok(true);
        }
        let mut work = store.work().await?;
        let is_mine = self.is_mine(&mut work).await?;
        work.commit().await?;
        Ok(is_mine)
    }
}

/// Takes a duty for so long from now on, or keeps it. Says whether it is the holder's: nobody else's time runs.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn take(
    work: &mut Connection,
    name: &str,
    holder: &str,
    for_ms: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    // Nobody holds one for longer than that: it was taken by a clock that has been set back since.
    let until_ms = now_ms.saturating_add(for_ms);
    let taken = query(
        "INSERT INTO duty (name, holder, until_ms) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
         WHERE duty.holder = excluded.holder OR duty.until_ms <= $4 OR duty.until_ms > excluded.until_ms",
    )
    .bind(name)
    .bind(holder)
    .bind(until_ms)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(taken.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::fresh;

    #[tokio::test]
    async fn a_duty_is_one_gateways_until_its_time_is_over_or_the_clock_went_back() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let mut taken = Vec::new();
        for (holder, now_ms) in
            [("a", 100), ("b", 105), ("a", 105), ("b", 114), ("b", 115), ("a", 116), ("b", 116), ("a", 5)]
        {
            taken.push(take(&mut work, "look", holder, 10, now_ms).await.unwrap());
        }
        assert_eq!(taken, [true, false, true, false, true, false, true, true]);
        assert!(take(&mut work, "another", "b", 10, 5).await.unwrap());
    }
}

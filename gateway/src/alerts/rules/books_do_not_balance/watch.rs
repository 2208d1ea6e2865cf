//! Looks at the books of some boxes every few seconds, so that each one's turn comes in time. What was seen is in the store:
//! a restart forgets nothing, and of several gateways one looks for all.

use std::time::Duration;

use super::{Config, Difference, NAME, Seen, VERSION, Verdict, judge};
use crate::alerts::health::{self, Found};
use crate::alerts::{ease, remind};
use crate::changes::{Change, Changes};
use crate::clock;
use crate::store::books::{self, Page};
use crate::store::duties::Duty;
use crate::store::{Connection, Store, StoreError};

/// How often it looks at some.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// At so many at once at most.
const AT_ONCE: u32 = 100;

/// The one that looks.
pub struct Watch {
    /// Where all is kept.
    pub store: Store,
    /// The rule's settings.
    pub config: Config,
    /// Where changes are told.
    pub changes: Changes,
}

impl Watch {
    /// Looks for ever.
    pub async fn run(self) {
        let (duty, mut is_failing) = (Duty::new(NAME, LOOK_EVERY * 3), false);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = match duty.is_mine_in(&self.store).await {
                Ok(true) => self.look(clock::now_ms()).await,
                Ok(false) => Ok(Vec::new()),
                Err(error) => Err(error),
            };
            match looked {
                Ok(changed) => {
                    is_failing = false;
                    self.changes.tell(changed);
                }
                Err(error) if is_failing => tracing::debug!(%error, "the books cannot be looked at"),
                Err(error) => {
                    is_failing = true;
                    tracing::error!(%error, "the books cannot be looked at; they will be as soon as the store can be read");
                }
            }
        }
    }

    /// Looks at those whose turn it is.
    ///
    /// # Errors
    /// [`StoreError`], where the store fails.
    pub async fn look(&self, now_ms: i64) -> Result<Vec<Change>, StoreError> {
        let (every, lasts) = (clock::millis(self.config.look_every), clock::millis(self.config.lasts));
        let due = books::due(self.store.reader(), now_ms - every, now_ms - lasts, AT_ONCE).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = due.iter().map(String::as_str).collect();
        let pages = books::read(self.store.reader(), Some(&ids)).await?;
        let mut work = self.store.work().await?;
        let mut changed = Vec::new();
        for page in &pages {
            if self.look_at(&mut work, page, now_ms).await? {
                changed.extend([Change::Home(page.home.clone()), Change::WorkList]);
            }
        }
        books::looked(&mut work, &ids, now_ms).await?;
        work.commit().await?;
        Ok(changed)
    }

    /// Says whether somebody is told something.
    async fn look_at(&self, work: &mut Connection, page: &Page, now_ms: i64) -> Result<bool, StoreError> {
        let seen = books::seen(work, page).await?;
        let difference =
            Difference { version: VERSION, lane: page.lane.clone(), epoch: page.epoch.clone(), line: page.line };
        let concern = || health::concern(&page.agent, &page.home, false, Found::Books(difference));
        match judge(&page.line, seen, now_ms, &self.config) {
            Verdict::Fine => {
                if let Some(Seen { was_told, .. }) = seen {
                    books::forget(work, page).await?;
                    if was_told {
                        ease(work, &concern(), now_ms).await?;
                    }
                }
                Ok(seen.is_some_and(|seen| seen.was_told))
            }
            Verdict::Unsure(seen) => {
                books::remember(work, page, seen).await?;
                Ok(false)
            }
            Verdict::Concern(seen) => {
                books::remember(work, page, seen).await?;
                tracing::error!(
                    agent.id = page.agent,
                    lane = page.lane,
                    rule = NAME,
                    "the books of a box do not balance"
                );
                remind(work, &concern(), now_ms).await?;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{homes, query, query_as, tests::fresh};

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    #[tokio::test]
    async fn books_that_do_not_balance_for_a_while_are_before_the_team_once_and_their_case_says_when_they_do() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, agent) = homes::add(&mut work, "Ada's", 0).await.unwrap();
        for (lane, lost) in [("reading", 10), ("alarm", 7)] {
            query(
                "INSERT INTO cursor (agent, lane, epoch, opened_ms, through, last_heard, lost)
                   VALUES ($1, $2, '0000000000000001', 0, 10, 10, $3)",
            )
            .bind(agent.as_str())
            .bind(lane)
            .bind(lost)
            .execute(&mut *work)
            .await
            .unwrap();
        }
        work.commit().await.unwrap();
        let watch = Watch { store: store.clone(), config: Config::default(), changes: Changes::new() };
        let told = async || -> Vec<(String, String, String)> {
            query_as("SELECT rule, severity, line FROM alert JOIN alert_line ON alert = alert.id ORDER BY place")
                .fetch_all(store.reader())
                .await
                .unwrap()
        };

        assert_eq!(watch.look(0).await.unwrap(), [], "something may be on its way");
        assert_eq!(watch.look(5 * MINUTE).await.unwrap(), [], "it is not its turn");
        assert!(told().await.is_empty());
        assert!(watch.look(10 * MINUTE).await.unwrap().contains(&Change::Home(home)));
        for look in 2..5 {
            watch.look(look * HOUR).await.unwrap();
        }
        let said = told().await;
        let [(rule, severity, line)] = &said[..] else { panic!("{said:?}") };
        assert_eq!((rule.as_str(), severity.as_str()), (NAME, "high"), "alarms are missing");
        assert!(
            line.contains(r#""taken":10"#) && line.contains(r#""lost":7"#) && line.contains(r#""version":1"#),
            "{line}"
        );

        let mut work = store.work().await.unwrap();
        query("UPDATE cursor SET lost = 10").execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
        watch.look(9 * HOUR).await.unwrap();
        watch.look(11 * HOUR).await.unwrap();
        let said = told().await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].2.contains("books_balance"), "{said:?}");
    }
}

//! Before whose eyes alerts were.

use super::{Connection, Reader, StoreError, query, query_as};

/// An alert was before somebody's eyes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Eyes {
    /// Whose.
    pub member: String,
    /// Since when.
    pub shown_ms: i64,
}

crate::from_row!(Eyes { member, shown_ms });

/// A member's browser says that an alert, as it rang at that moment, was before her eyes. Says whether that is news: of an alert
/// that has rung anew since, or is closed, nothing is kept.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn note(
    work: &mut Connection,
    alert: &str,
    rung_ms: i64,
    member: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let noted = query(
        "INSERT INTO alert_shown (alert, rung_ms, member, shown_ms)
         SELECT id, rung_ms, CAST($1 AS TEXT), CAST($2 AS BIGINT) FROM alert
         WHERE id = $3 AND rung_ms = $4 AND state <> 'closed'
         ON CONFLICT (alert, rung_ms, member) DO NOTHING",
    )
    .bind(member)
    .bind(now_ms)
    .bind(alert)
    .bind(rung_ms)
    .execute(work)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Before whose eyes an alert was, the first first.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of(reader: &Reader, alert: &str) -> Result<Vec<Eyes>, StoreError> {
    Ok(query_as("SELECT member, shown_ms FROM alert_shown WHERE alert = $1 ORDER BY shown_ms, member")
        .bind(alert)
        .fetch_all(reader)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::outcome::Outcome;
    use crate::alerts::rules::alarm_pressed::{self, Press};
    use crate::alerts::{self, About, Act, Concern};
    use crate::store::{alerts as cases, homes, tests::fresh};

    #[tokio::test]
    async fn an_alert_was_before_her_eyes_once_for_each_time_it_rang_and_never_after_it_was_closed() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Storgatan 1", 0).await.unwrap();
        let about = About::Device { home: home.clone(), device: "button".into() };
        let press = |at_ms| Concern {
            finding: alarm_pressed::finding(Press::at(at_ms, at_ms)),
            about: about.clone(),
            person: None,
            home: home.clone(),
            record: None,
        };
        alerts::raise(&mut work, &press(10), 10).await.unwrap();
        let (id, _) = cases::open_case(&mut work, alarm_pressed::NAME, &about).await.unwrap().unwrap();
        assert!(note(&mut work, &id, 10, "Anna", 11).await.unwrap());
        assert!(!note(&mut work, &id, 10, "Anna", 12).await.unwrap(), "she has seen it");
        assert!(!note(&mut work, &id, 9, "Bo", 12).await.unwrap(), "it did not ring then");

        alerts::raise(&mut work, &press(20), 20).await.unwrap();
        assert!(!note(&mut work, &id, 10, "Bo", 21).await.unwrap(), "he has an old page");
        assert!(note(&mut work, &id, 20, "Anna", 22).await.unwrap());
        alerts::act(&mut work, &id, &Act::Claim, "Anna", 29).await.unwrap();
        let close = Act::Close { outcome: Outcome::PhonedAndWell, note: String::new() };
        alerts::act(&mut work, &id, &close, "Anna", 30).await.unwrap();
        assert!(!note(&mut work, &id, 20, "Bo", 31).await.unwrap());
        work.commit().await.unwrap();
        let eyes = of(store.reader(), &id).await.unwrap();
        let named: Vec<(&str, i64)> = eyes.iter().map(|eyes| (eyes.member.as_str(), eyes.shown_ms)).collect();
        assert_eq!(named, [("Anna", 11), ("Anna", 22)]);
    }
}

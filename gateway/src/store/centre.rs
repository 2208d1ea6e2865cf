//! The alarm receiving centre: by which numbers it knows people and homes, and when its receivers last answered.

use serde::Serialize;

use super::{Connection, Reader, StoreError, query, query_as, query_scalar};

/// By which number the centre knows somebody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Number {
    /// The person.
    pub person: Option<String>,
    /// Or the home, for alerts of nobody who has a number of her own.
    pub home: Option<String>,
    /// The number.
    pub number: String,
}

crate::from_row!(Number { person, home, number });

/// A receiver of the centre.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Receiver {
    /// 1 for the first.
    pub place: i64,
    /// When it last answered a sign of life.
    pub answered_ms: i64,
}

crate::from_row!(Receiver { place, answered_ms });

/// Writes a number in place of the one that was there.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person or home.
pub async fn set(work: &mut Connection, number: &Number, by: &str, now_ms: i64) -> Result<(), StoreError> {
    remove(work, number.person.as_deref(), number.home.as_deref()).await?;
    query("INSERT INTO centre_number (person, home, number, set_by, set_ms) VALUES ($1, $2, $3, $4, $5)")
        .bind(&number.person)
        .bind(&number.home)
        .bind(&number.number)
        .bind(by)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(())
}

/// Takes a number away. Says whether there was one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn remove(work: &mut Connection, person: Option<&str>, home: Option<&str>) -> Result<bool, StoreError> {
    let gone =
        query("DELETE FROM centre_number WHERE person = $1 OR home = $2").bind(person).bind(home).execute(work).await?;
    Ok(gone.rows_affected() > 0)
}

/// All numbers.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn numbers(reader: &Reader) -> Result<Vec<Number>, StoreError> {
    Ok(query_as("SELECT person, home, number FROM centre_number ORDER BY number, person, home")
        .fetch_all(reader)
        .await?)
}

/// By which number the centre knows whose alert this is: the person's own, else her home's.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn number_of(work: &mut Connection, alert: &str) -> Result<Option<String>, StoreError> {
    Ok(query_scalar(
        "SELECT number FROM alert
         JOIN centre_number ON centre_number.person = alert.person OR centre_number.home = alert.home
         WHERE alert.id = $1 ORDER BY CASE WHEN centre_number.person IS NULL THEN 1 ELSE 0 END LIMIT 1",
    )
    .bind(alert)
    .fetch_optional(work)
    .await?)
}

/// A receiver has answered.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn answered(work: &mut Connection, place: i64, now_ms: i64) -> Result<(), StoreError> {
    query(
        "INSERT INTO centre_receiver (place, answered_ms) VALUES ($1, $2)
         ON CONFLICT (place) DO UPDATE SET answered_ms = excluded.answered_ms",
    )
    .bind(place)
    .bind(now_ms)
    .execute(work)
    .await?;
    Ok(())
}

/// The receivers that ever answered.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn receivers(reader: &Reader) -> Result<Vec<Receiver>, StoreError> {
    Ok(query_as("SELECT place, answered_ms FROM centre_receiver ORDER BY place").fetch_all(reader).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::alarm_pressed::{self, Press};
    use crate::alerts::{About, Concern};
    use crate::store::{alerts, assignments, homes, tests::fresh};

    #[tokio::test]
    async fn the_centre_knows_her_by_her_own_number_and_else_by_her_homes() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Storgatan 1", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        let concern = Concern {
            finding: alarm_pressed::finding(Press::at(0, 0)),
            about: About::Person(ada.clone()),
            person: Some(ada.clone()),
            home: home.clone(),
            record: None,
        };
        let alert = alerts::open(&mut work, &concern, 0).await.unwrap();
        assert_eq!(number_of(&mut work, &alert).await.unwrap(), None);

        let number = |person: Option<&str>, home: Option<&str>, number: &str| Number {
            person: person.map(str::to_owned),
            home: home.map(str::to_owned),
            number: number.to_owned(),
        };
        set(&mut work, &number(None, Some(&home), "1"), "Lena", 0).await.unwrap();
        assert_eq!(number_of(&mut work, &alert).await.unwrap().as_deref(), Some("1"));
        set(&mut work, &number(Some(&ada), None, "2"), "Lena", 0).await.unwrap();
        set(&mut work, &number(Some(&ada), None, "3"), "Lena", 0).await.unwrap();
        assert_eq!(number_of(&mut work, &alert).await.unwrap().as_deref(), Some("3"));
        assert!(remove(&mut work, Some(&ada), None).await.unwrap());
        assert_eq!(number_of(&mut work, &alert).await.unwrap().as_deref(), Some("1"));
        assert!(!remove(&mut work, Some(&ada), None).await.unwrap());
    }
}

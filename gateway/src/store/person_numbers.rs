//! By which number the registers know a person. It is read here for lists, which show it masked, and for whoever asks to
//! see the whole; it is in no other table.

use std::collections::HashMap;

use hempuls_protocol::personnummer::IdentityNumber;
use serde_json::json;

use super::ledger::unexpected;
use super::{Connection, Executor, Reader, StoreError, query, query_as, query_scalar};

/// What became of a number that somebody set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Became {
    /// It is hers. `before`: she had another.
    Hers {
        /// Whether she had another.
        before: bool,
    },
    /// She had it already.
    Same,
    /// It is another person's, with this id.
    Others(String),
    /// There is no such person.
    NoPerson,
}

/// Says by which number a person is known. The one she had ends.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn set(
    work: &mut Connection,
    person: &str,
    number: &IdentityNumber,
    now_ms: i64,
) -> Result<Became, StoreError> {
    let known: bool =
        query_scalar("SELECT EXISTS (SELECT 1 FROM person WHERE id = $1)").bind(person).fetch_one(&mut *work).await?;
    if !known {
        return Ok(Became::NoPerson);
    }
    match whose(&mut *work, number).await? {
        Some(owner) if owner == person => return Ok(Became::Same),
        Some(other) => return Ok(Became::Others(other)),
        None => {}
    }
    let before = end(work, person, now_ms).await?;
    query("INSERT INTO person_number (id, person, system, number, from_ms) VALUES ($1, $2, $3, $4, $5)")
        .bind(super::new_id(now_ms))
        .bind(person)
        .bind(number.system())
        .bind(number.whole())
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(Became::Hers { before })
}

/// Whose number it is.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn whose(store: impl Executor<'_>, number: &IdentityNumber) -> Result<Option<String>, StoreError> {
    Ok(query_scalar("SELECT person FROM person_number WHERE system = $1 AND number = $2 AND until_ms IS NULL")
        .bind(number.system())
        .bind(number.whole())
        .fetch_optional(store)
        .await?)
}

/// A person is known by no number any more, as when it was another's. Returns whether she had one.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn end(work: &mut Connection, person: &str, now_ms: i64) -> Result<bool, StoreError> {
    let ended = query("UPDATE person_number SET until_ms = $2 WHERE person = $1 AND until_ms IS NULL")
        .bind(person)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(ended.rows_affected() > 0)
}

/// A person's number.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_person(reader: &Reader, person: &str) -> Result<Option<IdentityNumber>, StoreError> {
    Ok(of_people(reader, &[person]).await?.remove(person))
}

/// The numbers of these people, by their ids.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_people(reader: &Reader, people: &[&str]) -> Result<HashMap<String, IdentityNumber>, StoreError> {
    let rows: Vec<(String, String, String)> = query_as(
        "SELECT person, system, number FROM person_number
         WHERE until_ms IS NULL AND person IN (SELECT value FROM json_each($1))",
    )
    .bind(json!(people).to_string())
    .fetch_all(reader)
    .await?;
    rows.into_iter()
        .map(|(person, system, number)| {
            let number = IdentityNumber::from_stored(&system, &number).map_err(|_| unexpected("number"))?;
            Ok((person, number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::personnummer::Written;
    use jiff::civil::date;

    use super::*;
    use crate::store::{assignments, homes};

    #[tokio::test]
    async fn a_number_is_one_persons_and_a_person_has_one() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Storgatan 1", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        let bo = assignments::add_person(&mut work, "Bo", &home, 0).await.unwrap();
        let (first, later) = (number("197302889931"), number("200002292399"));

        assert_eq!(set(&mut work, &ada, &first, 1).await.unwrap(), Became::Hers { before: false });
        assert_eq!(set(&mut work, &ada, &first, 2).await.unwrap(), Became::Same);
        assert_eq!(set(&mut work, &bo, &first, 3).await.unwrap(), Became::Others(ada.clone()));
        assert_eq!(set(&mut work, "nobody", &later, 4).await.unwrap(), Became::NoPerson);
        assert_eq!(set(&mut work, &ada, &later, 5).await.unwrap(), Became::Hers { before: true });
        assert_eq!(set(&mut work, &bo, &first, 6).await.unwrap(), Became::Hers { before: false });
        work.commit().await.unwrap();
        let numbers = of_people(store.reader(), &[&ada, &bo, "nobody"]).await.unwrap();
        assert_eq!(numbers, HashMap::from([(ada.clone(), later), (bo.clone(), first)]));

        let mut work = store.work().await.unwrap();
        assert!(end(&mut work, &bo, 7).await.unwrap() && !end(&mut work, &bo, 8).await.unwrap());
        work.commit().await.unwrap();
        assert_eq!(of_person(store.reader(), &bo).await.unwrap(), None);
    }

    fn number(digits: &str) -> IdentityNumber {
        let written: Written = digits.parse().expect("it is one");
        IdentityNumber::Register(written.on(date(2026, 11, 24)).expect("somebody is born"))
    }
}

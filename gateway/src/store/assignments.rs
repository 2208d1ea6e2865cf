//! People, and whose a device's readings are, from when until when.

use serde_json::json;

use super::{Connection, Reader, StoreError, query, query_as};

/// Whose a device's readings are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// Which device.
    pub device: String,
    /// Of which of its users; none: of all.
    pub slot: Option<u8>,
    /// Whose.
    pub person: String,
    /// From when.
    pub from_ms: i64,
    /// Until before when.
    pub until_ms: Option<i64>,
}

/// Whose a reading is. An assignment of the slot goes before one of the whole device; where two people are equally
/// entitled, it is nobody's: never a guess.
#[must_use]
pub fn person_at<'a>(assignments: &'a [Assignment], device: &str, slot: Option<u8>, at_ms: i64) -> Option<&'a str> {
    let in_force = assignments.iter().filter(|assignment| {
        assignment.device == device
            && assignment.from_ms <= at_ms
            && assignment.until_ms.is_none_or(|until| at_ms < until)
    });
    let (of_slot, of_device): (Vec<_>, Vec<_>) = in_force
        .filter(|assignment| assignment.slot.is_none() || assignment.slot == slot)
        .partition(|assignment| assignment.slot.is_some());
    let entitled = if of_slot.is_empty() { of_device } else { of_slot };
    let (first, others) = entitled.split_first()?;
    others.iter().all(|other| other.person == first.person).then_some(first.person.as_str())
}

/// The assignments of these devices.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_devices(work: &mut Connection, devices: &[&str]) -> Result<Vec<Assignment>, StoreError> {
    let rows = query(
        "SELECT device, slot, person, from_ms, until_ms FROM json_each($1) CROSS JOIN assignment WHERE device = value",
    )
    .bind(json!(devices).to_string())
    .fetch_all(work)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Assignment {
                device: row.try_get("device")?,
                slot: row.try_get("slot")?,
                person: row.try_get("person")?,
                from_ms: row.try_get("from_ms")?,
                until_ms: row.try_get("until_ms")?,
            })
        })
        .collect()
}

/// Adds a person. Returns her id.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such home.
pub async fn add_person(work: &mut Connection, name: &str, home: &str, now_ms: i64) -> Result<String, StoreError> {
    let id = super::new_id(now_ms);
    query("INSERT INTO person (id, name, home, created_ms) VALUES ($1, $2, $3, $4)")
        .bind(&id)
        .bind(name)
        .bind(home)
        .bind(now_ms)
        .execute(work)
        .await?;
    Ok(id)
}

/// Who lives where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resident {
    /// Her id.
    pub id: String,
    /// Her name.
    pub name: String,
    /// The id of her home.
    pub home: String,
    /// What her home is called.
    pub home_name: String,
}

crate::from_row!(Resident { id, name, home, home_name });

/// The people of a home, or of all homes, by name.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn people(reader: &Reader, home: Option<&str>) -> Result<Vec<Resident>, StoreError> {
    Ok(query_as(
        "SELECT person.id, person.name, home.id AS home, home.name AS home_name
         FROM person JOIN home ON home.id = person.home WHERE CAST($1 AS TEXT) IS NULL OR home.id = $1 ORDER BY person.name, person.id",
    )
    .bind(home)
    .fetch_all(reader)
    .await?)
}

/// Assigns a device to a person.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such device or person, or the period ends before it begins.
pub async fn assign(work: &mut Connection, assignment: &Assignment, now_ms: i64) -> Result<(), StoreError> {
    query("INSERT INTO assignment (id, device, slot, person, from_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(super::new_id(now_ms))
        .bind(&assignment.device)
        .bind(assignment.slot)
        .bind(&assignment.person)
        .bind(assignment.from_ms)
        .bind(assignment.until_ms)
        .execute(work)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_whose_the_device_was_when_it_was_measured() {
        let periods = [whole("Ada", 10, Some(20)), whole("Bea", 20, None)];
        let whose = |at_ms| person_at(&periods, "cuff", None, at_ms);
        assert_eq!([whose(9), whose(10), whose(19), whose(20)], [None, Some("Ada"), Some("Ada"), Some("Bea")]);
        assert_eq!(person_at(&periods, "another", None, 15), None);
    }

    #[test]
    fn a_slot_goes_before_the_whole_device_and_another_slot_is_nobodys() {
        let slots = [slot("Ada", 1), slot("Bea", 2)];
        assert_eq!(person_at(&slots, "cuff", Some(2), 0), Some("Bea"));
        assert_eq!(person_at(&slots, "cuff", Some(3), 0), None);
        assert_eq!(person_at(&slots, "cuff", None, 0), None);
        let both = [whole("Ada", 0, None), slot("Bea", 2)];
        assert_eq!(person_at(&both, "cuff", Some(2), 0), Some("Bea"));
        assert_eq!(person_at(&both, "cuff", Some(1), 0), Some("Ada"));
    }

    #[test]
    fn what_is_assigned_to_two_is_nobodys() {
        assert_eq!(person_at(&[whole("Ada", 0, None), whole("Bea", 0, None)], "cuff", None, 1), None);
        assert_eq!(person_at(&[whole("Ada", 0, None), whole("Ada", 0, None)], "cuff", None, 1), Some("Ada"));
    }

    fn whole(person: &str, from_ms: i64, until_ms: Option<i64>) -> Assignment {
        Assignment { device: "cuff".into(), slot: None, person: person.into(), from_ms, until_ms }
    }

    fn slot(person: &str, slot: u8) -> Assignment {
        Assignment { slot: Some(slot), ..whole(person, 0, None) }
    }
}

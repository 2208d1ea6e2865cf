//! Every look at a person's data (P8): who, for which unit, what, when and why; kept, and tamper-evident.
//!
//! Each row holds the SHA-256 of the row before it and of its own fields, so that a row that is changed, taken out or
//! put in is found by [`verify`]. Whoever keeps the hash of the newest row elsewhere also finds a log cut short.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::ledger::unexpected;
use super::{Connection, Reader, StoreError, query, query_as, query_scalar};

/// Somebody who looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Looker {
    /// Her account's name, or what the program is called.
    pub who: String,
    /// The care unit she acts for.
    pub unit: String,
}

/// What she does with the data.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Sees that the person needs somebody, on the work list.
    SawOnWorkList,
    /// Sees the person's name on the page of her home.
    SawInHome,
    /// Opens the person's page.
    OpenedPerson,
    /// Sees the person's whole number.
    SawNumber,
    /// Says by which number the person is known.
    SetNumber,
    /// Lists people by their names and masked numbers.
    Listed,
    /// Opens an alert.
    OpenedAlert,
    /// Takes an alert upon her.
    ClaimedAlert,
    /// Says that somebody is on the way to the person.
    SaidOnTheWay,
    /// Gives an alert of hers to somebody else.
    HandedOverAlert,
    /// Gives an alert of hers back to the team.
    GaveBackAlert,
    /// Writes something about an alert.
    WroteOfAlert,
    /// Closes an alert.
    ClosedAlert,
    /// Opens a closed alert again.
    ReopenedAlert,
    /// Says that a button's battery was changed.
    ChangedBattery,
    /// Gives a home a device.
    AdoptedDevice,
    /// Takes a device out of a home.
    RemovedDevice,
    /// Lets a box hear nothing more.
    RetiredBox,
    /// Takes that back.
    UnretiredBox,
    /// Cuts a box off.
    RevokedBox,
    /// Books what was in a box as lost.
    WroteOff,
    /// Says where a member of the team is reached.
    ChangedContact,
    /// Is sent readings and alerts, being a server of health records.
    SentToRecords,
    /// Fetches readings through the interface for programs.
    FetchedReadings,
    /// Fetches alerts through the interface for programs.
    FetchedAlerts,
    /// Opens the person's plan.
    OpenedPlan,
    /// Writes a new plan for the person.
    ChangedPlan,
    /// Fetches a plan through the interface for programs.
    FetchedPlan,
    /// Says who works for a team, or whom it is responsible for.
    ChangedTeam,
    /// Fetches which teams are responsible for the person.
    FetchedTeams,
    /// Adds or disables an account.
    ChangedAccount,
    /// Opens a device's readings that wait for a person.
    OpenedUnassigned,
    /// Says that readings that waited are the person's.
    AssignedReadings,
    /// Says that readings that waited are nobody's.
    SetReadingsAside,
    /// Takes such a decision back.
    TookReadingsBack,
    /// Has the person's readings judged once more, to see what other limits would have done.
    Replayed,
    /// Puts a backup in place: what others did since it was made is not in this log.
    Restored,
    /// Says who of a team is on duty when.
    ChangedRoster,
    /// Opens the data of a person outside her responsibility, in an emergency.
    OpenedInEmergency,
    /// Looks afterwards at why somebody did so.
    ReviewedEmergency,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 40] = [
        Self::SawOnWorkList,
        Self::SawInHome,
        Self::OpenedPerson,
        Self::SawNumber,
        Self::SetNumber,
        Self::Listed,
        Self::OpenedAlert,
        Self::ClaimedAlert,
        Self::SaidOnTheWay,
        Self::HandedOverAlert,
        Self::GaveBackAlert,
        Self::WroteOfAlert,
        Self::ClosedAlert,
        Self::ReopenedAlert,
        Self::ChangedBattery,
        Self::AdoptedDevice,
        Self::RemovedDevice,
        Self::RetiredBox,
        Self::UnretiredBox,
        Self::RevokedBox,
        Self::WroteOff,
        Self::ChangedContact,
        Self::SentToRecords,
        Self::FetchedReadings,
        Self::FetchedAlerts,
        Self::OpenedPlan,
        Self::ChangedPlan,
        Self::FetchedPlan,
        Self::ChangedTeam,
        Self::FetchedTeams,
        Self::ChangedAccount,
        Self::OpenedUnassigned,
        Self::AssignedReadings,
        Self::SetReadingsAside,
        Self::TookReadingsBack,
        Self::Replayed,
        Self::Restored,
        Self::ChangedRoster,
        Self::OpenedInEmergency,
        Self::ReviewedEmergency,
    ];

    /// The action's word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SawOnWorkList => "saw_on_work_list",
            Self::SawInHome => "saw_in_home",
            Self::OpenedPerson => "opened_person",
            Self::SawNumber => "saw_number",
            Self::SetNumber => "set_number",
            Self::Listed => "listed",
            Self::OpenedAlert => "opened_alert",
            Self::ClaimedAlert => "claimed_alert",
            Self::SaidOnTheWay => "said_on_the_way",
            Self::HandedOverAlert => "handed_over_alert",
            Self::GaveBackAlert => "gave_back_alert",
            Self::WroteOfAlert => "wrote_of_alert",
            Self::ClosedAlert => "closed_alert",
            Self::ReopenedAlert => "reopened_alert",
            Self::ChangedBattery => "changed_battery",
            Self::AdoptedDevice => "adopted_device",
            Self::RemovedDevice => "removed_device",
            Self::RetiredBox => "retired_box",
            Self::UnretiredBox => "unretired_box",
            Self::RevokedBox => "revoked_box",
            Self::WroteOff => "wrote_off",
            Self::ChangedContact => "changed_contact",
            Self::SentToRecords => "sent_to_records",
            Self::FetchedReadings => "fetched_readings",
            Self::FetchedAlerts => "fetched_alerts",
            Self::OpenedPlan => "opened_plan",
            Self::ChangedPlan => "changed_plan",
            Self::FetchedPlan => "fetched_plan",
            Self::ChangedTeam => "changed_team",
            Self::FetchedTeams => "fetched_teams",
            Self::ChangedAccount => "changed_account",
            Self::OpenedUnassigned => "opened_unassigned",
            Self::AssignedReadings => "assigned_readings",
            Self::SetReadingsAside => "set_readings_aside",
            Self::TookReadingsBack => "took_readings_back",
            Self::Replayed => "replayed",
            Self::Restored => "restored",
            Self::ChangedRoster => "changed_roster",
            Self::OpenedInEmergency => "opened_in_emergency",
            Self::ReviewedEmergency => "reviewed_emergency",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// One look at one person's data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Look<'a> {
    /// What is done.
    pub action: Action,
    /// Whose data it is; nobody's yet in the unassigned queue.
    pub person: Option<&'a str>,
    /// Which data, by ids and periods that say nothing about the person.
    pub what: String,
    /// Why it is done.
    pub why: &'a str,
}

/// Writes looks, in the caller's transaction, which it commits before it shows anything.
///
/// # Errors
/// When the store cannot be written. Then nothing may be shown.
pub async fn write(
    store: &mut Connection,
    looker: &Looker,
    looks: &[Look<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    if looks.is_empty() {
        return Ok(());
    }
    let (mut n, mut previous) = newest(store).await?;
    for look in looks {
        n += 1;
        let row = Row {
            n,
            at_ms: now.as_millisecond(),
            who: looker.who.clone(),
            unit: looker.unit.clone(),
            action: look.action.as_str().to_owned(),
            person: look.person.map(str::to_owned),
            what: look.what.clone(),
            why: look.why.to_owned(),
            previous,
            hash: Vec::new(),
        };
        let hash = row.digest();
        query(
            "INSERT INTO access_log (n, at_ms, who, unit, action, person, what, why, previous, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(row.n)
        .bind(row.at_ms)
        .bind(row.who)
        .bind(row.unit)
        .bind(row.action)
        .bind(row.person)
        .bind(row.what)
        .bind(row.why)
        .bind(row.previous)
        .bind(&hash)
        .execute(&mut *store)
        .await?;
        previous = hash;
    }
    Ok(())
}

/// A look as it is shown to the person it was at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// For which unit.
    pub unit: String,
    /// What was done; `None` for a word that this version does not know.
    pub action: Option<Action>,
    /// Why.
    pub why: String,
}

/// The newest looks at a person's data, newest first.
///
/// # Errors
/// When the store cannot be read.
pub async fn of_person(reader: &Reader, person: &str, limit: u32) -> Result<Vec<Seen>, StoreError> {
    let rows: Vec<(i64, String, String, String, String)> =
        query_as("SELECT at_ms, who, unit, action, why FROM access_log WHERE person = $1 ORDER BY n DESC LIMIT $2")
            .bind(person)
            .bind(limit)
            .fetch_all(reader)
            .await?;
    rows.into_iter()
        .map(|(at_ms, who, unit, action, why)| {
            let at = Timestamp::from_millisecond(at_ms).map_err(|_| unexpected("time"))?;
            Ok(Seen { at, who, unit, action: Action::from_word(&action), why })
        })
        .collect()
}

/// Whether this very look was written already, since a moment.
///
/// # Errors
/// When the store cannot be read.
pub async fn knows(reader: &Reader, looker: &Looker, look: &Look<'_>, since: Timestamp) -> Result<bool, StoreError> {
    Ok(query_scalar(
        "SELECT EXISTS (SELECT 1 FROM access_log
             WHERE (person = $1 OR CAST($1 AS TEXT) IS NULL AND person IS NULL)
               AND at_ms >= $2 AND who = $3 AND action = $4 AND what = $5)",
    )
    .bind(look.person)
    .bind(since.as_millisecond())
    .bind(&looker.who)
    .bind(look.action.as_str())
    .bind(&look.what)
    .fetch_one(reader)
    .await?)
}

/// What became of a check of the whole log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verified {
    /// Every row is as it was written. `newest` is worth keeping elsewhere.
    Whole {
        /// How many rows there are.
        rows: i64,
        /// The newest row's hash.
        newest: Vec<u8>,
    },
    /// Somebody changed, took out or put in a row.
    Broken {
        /// The first row that does not follow from the one before.
        at: i64,
    },
}

/// Checks the whole log, in steps of a thousand rows.
///
/// # Errors
/// When the store cannot be read.
pub async fn verify(reader: &Reader) -> Result<Verified, StoreError> {
    let (mut n, mut newest) = (0, NOTHING_BEFORE.to_vec());
    loop {
        let rows: Vec<Row> =
            query_as("SELECT * FROM access_log WHERE n > $1 ORDER BY n LIMIT 1000").bind(n).fetch_all(reader).await?;
        if rows.is_empty() {
            return Ok(Verified::Whole { rows: n, newest });
        }
        for row in rows {
            if row.n != n + 1 || row.previous != newest || row.hash != row.digest() {
                return Ok(Verified::Broken { at: n + 1 });
            }
            (n, newest) = (row.n, row.hash);
        }
    }
}

/// What the first row has in place of the hash of the row before.
const NOTHING_BEFORE: [u8; 32] = [0; 32];

async fn newest(store: &mut Connection) -> Result<(i64, Vec<u8>), StoreError> {
    let newest = query_as("SELECT n, hash FROM access_log ORDER BY n DESC LIMIT 1").fetch_optional(store).await?;
    Ok(newest.unwrap_or_else(|| (0, NOTHING_BEFORE.to_vec())))
}

struct Row {
    n: i64,
    at_ms: i64,
    who: String,
    unit: String,
    action: String,
    person: Option<String>,
    what: String,
    why: String,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

crate::from_row!(Row { n, at_ms, who, unit, action, person, what, why, previous, hash });

impl Row {
    /// The hash of all fields but the hash, each text after its length, so that no two rows can be told the same way.
    fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(self.n.to_be_bytes());
        digest.update(self.at_ms.to_be_bytes());
        digest.update([u8::from(self.person.is_some())]);
        let person = self.person.as_deref().unwrap_or_default();
        for text in [&self.who, &self.unit, &self.action, person, &self.what, &self.why] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.update(&self.previous);
        digest.finalize().to_vec()
    }
}

//! Whether a store holds together: what it should say of itself, in SQL that every engine understands. It only reads.

use serde::Serialize;

use super::access_log::{self, Verified};
use super::engine::migrations::FILES;
use super::{Reader, StoreError, books, query_as, query_scalar};
use crate::alerts::Line;

/// So many lines of stories are read at a time.
const LINES: i64 = 2_000;

/// What was looked at, and what is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Report {
    /// The last form the store was brought to.
    pub form: i64,
    /// Looks in the access log.
    pub looks: i64,
    /// The hash of the newest of them, in hexadecimal digits: worth keeping elsewhere.
    pub newest_look: String,
    /// Books: one for each lane of each life of each buffer.
    pub books: usize,
    /// Numbers that agents gave out.
    pub numbers: i64,
    /// Readings and alarms.
    pub records: i64,
    /// Alerts.
    pub alerts: i64,
    /// An earlier version made it, and only the engine's part was looked at: the rest once this version has given it its form.
    pub is_of_earlier_version: bool,
    /// What is wrong, in words.
    pub faults: Vec<String>,
}

/// Each of these counts something that should not be there.
const SHOULD_NOT_BE: [(&str, &str); 7] = [
    (
        "numbers are said to be stored as a record that is not there",
        "SELECT count(*) FROM event LEFT JOIN record ON record.id = event.record
         WHERE event.record IS NOT NULL AND record.id IS NULL
           AND event.record >= COALESCE((SELECT id FROM kept_from WHERE what = 'record'), '')",
    ),
    (
        "records stand under no number",
        "SELECT count(*) FROM record
             LEFT JOIN (SELECT DISTINCT record FROM event WHERE record IS NOT NULL) AS numbered ON numbered.record = record.id
         WHERE numbered.record IS NULL
           AND record.id >= COALESCE((SELECT id FROM kept_from WHERE what = 'record'), '')",
    ),
    (
        "values belong to no record",
        "SELECT count(*) FROM observation LEFT JOIN record ON record.id = observation.record WHERE record.id IS NULL",
    ),
    (
        "lanes have numbers and no books",
        "SELECT count(*) FROM (SELECT DISTINCT agent, lane, epoch FROM event) AS spoken
             LEFT JOIN cursor USING (agent, lane, epoch)
         WHERE cursor.through IS NULL",
    ),
    (
        "alerts have no story",
        "SELECT count(*) FROM alert LEFT JOIN (SELECT DISTINCT alert FROM alert_line) AS told ON told.alert = alert.id
         WHERE told.alert IS NULL",
    ),
    (
        "alerts' stories have a hole",
        "SELECT count(*) FROM (SELECT alert FROM alert_line GROUP BY alert
                               HAVING max(place) - min(place) + 1 <> count(*)) AS holed",
    ),
    (
        "notifications are about no alert and no test",
        "SELECT count(*) FROM outbox LEFT JOIN alert ON alert.id = outbox.alert
         WHERE alert.id IS NULL AND outbox.test IS NULL",
    ),
];

/// Looks at all of it.
///
/// # Errors
/// [`StoreError`], where the store cannot be read at all.
pub async fn verify(reader: &Reader) -> Result<Report, StoreError> {
    let mut report = form(reader).await?;
    if report.is_of_earlier_version || !report.faults.is_empty() {
        return Ok(report);
    }
    match access_log::verify(reader).await? {
        Verified::Whole { rows, newest } => (report.looks, report.newest_look) = (rows, hex::encode(newest)),
        Verified::Broken { at } => report.faults.push(format!("the access log was changed or cut at its row {at}")),
    }
    for page in books::read(reader, None).await? {
        report.books += 1;
        if !page.balanced {
            report.faults.push(format!(
                "the books of box {}, lane {}, epoch {} do not balance: {:?}",
                page.agent, page.lane, page.epoch, page.line
            ));
        }
    }
    for (what, sql) in SHOULD_NOT_BE {
        let count: i64 = query_scalar(sql).fetch_one(reader).await?;
        if count > 0 {
            report.faults.push(format!("{count} {what}"));
        }
    }
    unread_stories(reader, &mut report.faults).await?;
    report.numbers = query_scalar("SELECT count(*) FROM event").fetch_one(reader).await?;
    report.records = query_scalar("SELECT count(*) FROM record").fetch_one(reader).await?;
    report.alerts = query_scalar("SELECT count(*) FROM alert").fetch_one(reader).await?;
    Ok(report)
}

/// Whether the store has this version's form.
async fn form(reader: &Reader) -> Result<Report, StoreError> {
    let has: Vec<(i64, bool, Vec<u8>)> =
        query_as("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version").fetch_all(reader).await?;
    let mut report = Report::default();
    for (version, is_done, checksum) in &has {
        report.form = *version;
        match FILES.iter().find(|form| form.version == *version) {
            None => report.faults.push(format!("a later version made it: this one does not know its form {version}")),
            Some(_) if !is_done => report.faults.push(format!("it was not brought to its form {version} completely")),
            Some(form) if *form.checksum != checksum[..] => {
                report.faults.push(format!("its form {version} is not the one that this version knows by that number"));
            }
            Some(_) => {}
        }
    }
    report.is_of_earlier_version = FILES.iter().any(|form| !has.iter().any(|(version, ..)| *version == form.version));
    Ok(report)
}

/// Whether every line of every story can be read.
async fn unread_stories(reader: &Reader, faults: &mut Vec<String>) -> Result<(), StoreError> {
    let (mut alert, mut place) = (String::new(), i64::MIN);
    loop {
        let lines: Vec<(String, i64, String)> = query_as(
            "SELECT alert, place, line FROM alert_line WHERE alert > $1 OR (alert = $1 AND place > $2)
             ORDER BY alert, place LIMIT $3",
        )
        .bind(&alert)
        .bind(place)
        .bind(LINES)
        .fetch_all(reader)
        .await?;
        for (alert, place, line) in &lines {
            if serde_json::from_str::<Line>(line).is_err() {
                faults.push(format!("line {place} of the story of alert {alert} cannot be read"));
            }
        }
        match lines.into_iter().next_back() {
            Some(last) => (alert, place) = (last.0, last.1),
            None => return Ok(()),
        }
    }
}

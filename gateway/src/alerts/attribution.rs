//! What follows when somebody says whose readings are that waited for a person: they are judged as what comes late is, so that
//! days of them are one item for review, and no alarm goes off for a morning that is long past.

use super::judge::{Judged, Settings};
use super::rules::What;
use crate::store::attributions;
use crate::store::records::Record;
use crate::store::{Connection, StoreError};

/// Decides whose these readings are, or that they are nobody's, and judges them. Returns the decision's id and how many it is
/// about; they may be fewer than asked, where somebody else was faster.
///
/// # Errors
/// [`StoreError::Refused`], where there is no such person.
pub async fn decide(
    work: &mut Connection,
    (home, device): (&str, &str),
    records: &[Record],
    person: Option<&str>,
    (author, reason): (&str, &str),
    settings: &Settings,
    now_ms: i64,
) -> Result<(String, usize), StoreError> {
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let (id, decided) = attributions::decide(work, (home, device), &ids, person, (author, reason), now_ms).await?;
    let mut records: Vec<&Record> = records.iter().filter(|record| decided.contains(&record.id)).collect();
    records.sort_by_key(|record| record.when_ms());
    let judged: Vec<Judged<'_>> = records
        .iter()
        .map(|record| Judged {
            id: &record.id,
            person,
            home: &record.home,
            device: &record.device,
            measured_ms: record.measured_ms,
            what: What::Reading(&record.observations),
        })
        .collect();
    if person.is_some() {
        settings.judge_these(work, &judged, Vec::new(), now_ms).await?;
    }
    Ok((id, decided.len()))
}

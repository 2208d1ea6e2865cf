//! What becomes of one message: what is written, in one work, and what the unit is answered.

use hempuls_protocol::scaip::{Answer, Heard, MessageType, Reference, Refused, Request, Status, controllers};

use crate::alerts::units::{self, Follows};
use crate::alerts::{Concern, raise};
use crate::changes::Change;
use crate::clock;
use crate::store::{Connection, Store, StoreError, alerts as cases, units as stored};

/// So many signs of life may not come. Source: supervision at minute level, MFD 2013.
const MISSED: i64 = 3;

/// A message that last came longer ago than this is new, however it is called: a unit sends again after half a minute at
/// most.
const SENT_AGAIN_MS: i64 = 60 * 60 * 1000;

/// What became of a message.
pub(super) struct Done {
    /// What the unit is answered; nothing where it must not be.
    pub(super) answer: Option<String>,
    /// What changed.
    pub(super) changes: Vec<Change>,
}

/// Takes a message: what it asks for is committed when this returns.
pub(super) async fn take(store: &Store, body: &[u8]) -> Done {
    let taken = match Request::read(body) {
        Ok(heard) => of_unit(store, &heard).await,
        Err(refused) => of_somebody(store, body, &refused).await,
    };
    taken.unwrap_or_else(|error| {
        tracing::error!(%error, "the store cannot take an alarm unit's message; the unit is sent to its next receiver");
        Done { answer: Some(Answer::plain(reference(body), Status::BUSY).write()), changes: Vec::new() }
    })
}

/// Which units have fallen silent, counted from when this gateway began to listen.
pub(super) async fn notice_silence(store: &Store, listening_ms: i64) -> Result<Vec<Change>, StoreError> {
    let now_ms = clock::now_ms();
    let mut work = store.work().await?;
    let mut changes = Vec::new();
    for unit in stored::fallen_silent(&mut work, MISSED, listening_ms, now_ms).await? {
        tracing::warn!(unit.id, "an alarm unit is not heard any more");
        let concern = units::silent(&unit);
        raise(&mut work, &concern, now_ms).await?;
        stored::note_silent(&mut work, &unit.id, now_ms).await?;
        changes.extend(changed(&concern));
    }
    work.commit().await?;
    Ok(changes)
}

async fn of_unit(store: &Store, heard: &Heard) -> Result<Done, StoreError> {
    let Heard { request, ignored } = heard;
    let now_ms = clock::now_ms();
    let mut work = store.work().await?;
    let Some(unit) = stored::find(&mut work, &request.controller).await? else {
        tracing::warn!(unit.id = %request.controller, kind = request.kind.as_str(), "an alarm unit that no home has reports");
        let answer = Answer::plain(Some(request.reference.clone()), Status::NOT_TREATED);
        return Ok(Done { answer: Some(answer.write()), changes: Vec::new() });
    };
    if !ignored.is_empty() {
        tracing::warn!(unit.id, elements = ignored.len(), "an alarm unit says what nobody here knows; it is left out");
    }
    let mut changes = Vec::new();
    if unit.silent_ms.is_some() {
        add(&mut work, &units::heard(&unit), now_ms, &mut changes).await?;
    }
    stored::note_heard(&mut work, &unit.id, now_ms).await?;
    let is_heartbeat = request.kind == MessageType::Heartbeat;
    if !is_heartbeat && !stored::is_repeated(&mut work, &unit.id, request, SENT_AGAIN_MS, now_ms).await? {
        match units::follows(&unit, request) {
            Follows::Raise(concern) => {
                raise(&mut work, &concern, now_ms).await?;
                changes.extend(changed(&concern));
            }
            Follows::Add(concern) => add(&mut work, &concern, now_ms, &mut changes).await?,
            Follows::Nothing => {}
        }
    }
    work.commit().await?;
    tracing::info!(unit.id, kind = request.kind.as_str(), "an alarm unit's message is taken");
    Ok(Done { answer: Some(Answer::plain(Some(request.reference.clone()), Status::OK).write()), changes })
}

/// A message that cannot be read: it may be an alarm of whoever's unit is named in it.
async fn of_somebody(store: &Store, body: &[u8], refused: &Refused) -> Result<Done, StoreError> {
    let now_ms = clock::now_ms();
    let mut work = store.work().await?;
    let mut changes = Vec::new();
    let mut known = 0;
    for controller in controllers(body) {
        if let Some(unit) = stored::find(&mut work, &controller).await? {
            let concern = units::unreadable(&unit);
            raise(&mut work, &concern, now_ms).await?;
            stored::note_heard(&mut work, &unit.id, now_ms).await?;
            changes.extend(changed(&concern));
            known += 1;
        }
    }
    work.commit().await?;
    tracing::warn!(%refused, units = known, "an alarm unit's message cannot be read");
    let reference: Option<Reference> = refused.reference.as_deref().and_then(|text| text.parse().ok());
    let answer = refused.fault.status().map(|status| {
        let text = refused.fault.to_string().parse().ok();
        Answer { text, ..Answer::plain(reference, status) }.write()
    });
    Ok(Done { answer, changes })
}

/// Adds a line to the case that is open, without a ring.
async fn add(
    work: &mut Connection,
    concern: &Concern,
    now_ms: i64,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    if let Some((id, _)) = cases::open_case(work, concern.finding.case, &concern.about).await? {
        cases::add_line(work, &id, &concern.finding.line, None, now_ms).await?;
        changes.extend(changed(concern));
    }
    Ok(())
}

fn changed(concern: &Concern) -> Vec<Change> {
    let person = concern.person.clone().map(Change::Person);
    [Change::WorkList, Change::Home(concern.home.clone())].into_iter().chain(person).collect()
}

fn reference(body: &[u8]) -> Option<Reference> {
    Request::read(body).ok().map(|heard| heard.request.reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::homes;
    use crate::store::units::Unit;

    const PRESS: &[u8] = b"<mrq><ref>a1</ref><cid>4711</cid><dty>3</dty><stc>10</stc></mrq>";

    #[tokio::test]
    async fn a_unit_is_sent_to_its_next_receiver_when_the_store_takes_nothing() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "Storgatan 1", 0).await.unwrap();
        let unit = Unit {
            id: "4711".into(),
            home,
            person: None,
            heartbeat_s: 60,
            created_ms: 0,
            last_heard_ms: None,
            silent_ms: None,
            ended_ms: None,
        };
        stored::add(&mut work, &unit).await.unwrap();
        crate::store::query("CREATE TRIGGER full BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            .execute(&mut *work)
            .await
            .unwrap();
        work.commit().await.unwrap();

        let refused = take(&store, PRESS).await;

        assert_eq!(refused.answer.as_deref(), Some("<mrs><ref>a1</ref><snu>6</snu></mrs>"));
        assert!(refused.changes.is_empty());
        let mut work = store.work().await.unwrap();
        crate::store::query("DROP TRIGGER full").execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
        let taken = take(&store, PRESS).await;
        assert_eq!(taken.answer.as_deref(), Some("<mrs><ref>a1</ref><snu>0</snu></mrs>"));
        assert!(taken.changes.contains(&Change::WorkList), "what was not written is no message sent again");
    }

    #[tokio::test]
    async fn a_document_type_gets_no_answer() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let body = b"<!DOCTYPE mrq [<!ENTITY a 'b'>]><mrq><ref>a1</ref><cid>4711</cid><dty>3</dty></mrq>";
        assert_eq!(take(&store, body).await.answer, None);
    }
}

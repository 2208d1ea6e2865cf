//! What becomes of one message: what is written, in one work, and what the unit is answered.

use hempuls_protocol::scaip::{
    Answer, ControllerId, Heard, MessageType, Reference, Refused, Request, Status, controllers,
};

use crate::alerts::rules::silent_home::Listening;
use crate::alerts::units::{self, Follows};
use crate::alerts::{Concern, raise};
use crate::changes::Change;
use crate::clock;
use crate::store::units::{self as stored, Unit};
use crate::store::{Connection, Store, StoreError, Work, alerts as cases, silence};

/// So many signs of life may not come. Source: supervision at minute level, MFD 2013.
const MISSED: i64 = 3;

/// A message that first came longer ago than this is new, however it is called: a unit sends again after half a minute at
/// most.
const SENT_AGAIN_MS: i64 = 5 * 60 * 1000;

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

/// Which units have fallen silent. As with homes, only time in which the gateway listened counts.
pub(super) async fn notice_silence(store: &Store) -> Result<Vec<Change>, StoreError> {
    let (reader, now_ms) = (store.reader(), clock::now_ms());
    let quiet = stored::quiet(reader, MISSED, now_ms).await?;
    if quiet.is_empty() {
        return Ok(Vec::new());
    }
    let listening = Listening::new(silence::listening(reader).await?);
    let mut changes = Vec::new();
    for unit in quiet {
        let limit_ms = MISSED * unit.heartbeat_s * 1000;
        let Some(since_ms) = listening.since(limit_ms, now_ms) else { continue };
        let mut work = store.work().await?;
        if stored::note_silent(&mut work, &unit.id, since_ms, now_ms).await? {
            tracing::warn!(unit.id, "an alarm unit is not heard any more");
            let concern = units::silent(&unit);
            raise(&mut work, &concern, now_ms).await?;
            changes.extend(changed(&concern));
        }
        work.commit().await?;
    }
    Ok(changes)
}

async fn of_unit(store: &Store, heard: &Heard) -> Result<Done, StoreError> {
    let Heard { request, ignored } = heard;
    let now_ms = clock::now_ms();
    let Some((mut work, unit)) = ours(store, &request.controller).await? else {
        tracing::warn!(unit.id = %request.controller, kind = request.kind.as_str(), "an alarm unit that no home has reports");
        let answer = Answer::plain(Some(request.reference.clone()), Status::NOT_TREATED);
        return Ok(Done { answer: Some(answer.write()), changes: Vec::new() });
    };
    if !ignored.is_empty() {
        tracing::warn!(unit.id, elements = ignored.len(), "an alarm unit says what nobody here knows; it is left out");
    }
    let mut changes = Vec::new();
    is_heard(&mut work, &unit, now_ms, &mut changes).await?;
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
    let mut changes = Vec::new();
    let mut known = 0;
    for controller in controllers(body) {
        if let Some((mut work, unit)) = ours(store, &controller).await? {
            let concern = units::unreadable(&unit);
            raise(&mut work, &concern, now_ms).await?;
            is_heard(&mut work, &unit, now_ms, &mut changes).await?;
            work.commit().await?;
            changes.extend(changed(&concern));
            known += 1;
        }
    }
    tracing::warn!(%refused, units = known, "an alarm unit's message cannot be read");
    let reference: Option<Reference> = refused.reference.as_deref().and_then(|text| text.parse().ok());
    let answer = refused.fault.status().map(|status| {
        let text = refused.fault.to_string().parse().ok();
        Answer { text, ..Answer::plain(reference, status) }.write()
    });
    Ok(Done { answer, changes })
}

/// A unit that is in a home, and the work in which its message is taken. Strangers keep nobody from writing.
async fn ours(store: &Store, id: &ControllerId) -> Result<Option<(Work<'static>, Unit)>, StoreError> {
    if stored::find(store.reader(), id).await?.is_none() {
        return Ok(None);
    }
    let mut work = store.work().await?;
    let unit = stored::find(&mut *work, id).await?;
    Ok(unit.map(|unit| (work, unit)))
}

/// A unit was heard: where it was silent, the case of that says so.
async fn is_heard(
    work: &mut Connection,
    unit: &Unit,
    now_ms: i64,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    if unit.silent_ms.is_some() {
        add(work, &units::heard(unit), now_ms, changes).await?;
    }
    stored::note_heard(work, &unit.id, now_ms).await
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
    use crate::store::{homes, query};

    const PRESS: &[u8] = b"<mrq><ref>a1</ref><cid>4711</cid><dty>3</dty><stc>10</stc></mrq>";

    #[tokio::test]
    async fn a_silence_is_told_of_each_time_and_ends_with_a_word_that_cannot_be_read() {
        let (_folder, store) = crate::store::tests::fresh().await;
        let unit = in_a_home(&store).await;
        assert!(notice_silence(&store).await.unwrap().is_empty(), "nobody has listened for long enough");
        let listened = async |ms: i64| {
            let mut work = store.work().await.unwrap();
            let now_ms = clock::now_ms();
            silence::begin_to_listen(&mut work, &now_ms.to_string(), now_ms - ms).await.unwrap();
            silence::listened(&mut work, &now_ms.to_string(), now_ms).await.unwrap();
            work.commit().await.unwrap();
        };
        listened(MISSED * unit.heartbeat_s * 1000).await;
        assert!(!notice_silence(&store).await.unwrap().is_empty());
        assert!(notice_silence(&store).await.unwrap().is_empty(), "it is known");

        take(&store, b"<mrq><ref>a1</ref><cid>4711</cid><dty>3").await;

        let about = units::silent(&unit).about;
        let mut work = store.work().await.unwrap();
        let (case, first) = cases::open_case(&mut work, crate::alerts::health::DEVICE, &about).await.unwrap().unwrap();
        let story = cases::lines(&mut work, &case).await.unwrap();
        assert_eq!(story.last(), Some(&units::heard(&unit).finding.line));
        query("UPDATE alarm_unit SET last_heard_ms = 0").execute(&mut *work).await.unwrap();
        work.commit().await.unwrap();
        assert!(!notice_silence(&store).await.unwrap().is_empty());
        let mut work = store.work().await.unwrap();
        let (_, again) = cases::open_case(&mut work, crate::alerts::health::DEVICE, &about).await.unwrap().unwrap();
        assert!(again.rung_ms > first.rung_ms, "it rings again");
    }

    async fn in_a_home(store: &Store) -> Unit {
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
        work.commit().await.unwrap();
        unit
    }

    #[tokio::test]
    async fn a_unit_is_sent_to_its_next_receiver_when_the_store_takes_nothing() {
        let (place, store) = crate::store::tests::fresh().await;
        in_a_home(&store).await;
        let mut work = store.work().await.unwrap();
        place.forbid(&mut work, "filled", "INSERT ON alert").await;
        work.commit().await.unwrap();

        let refused = take(&store, PRESS).await;

        assert_eq!(refused.answer.as_deref(), Some("<mrs><ref>a1</ref><snu>6</snu></mrs>"));
        assert!(refused.changes.is_empty());
        let mut work = store.work().await.unwrap();
        place.allow(&mut work, "filled", "alert").await;
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

//! Takes notifications out of the outbox, hands them to their channel's peer and writes what became of them: one worker
//! per channel, for ever, so that no channel waits for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::channels::{Channel, Notice, Peers, Probe};
use super::course::{ATTEMPT, Outcome};
use super::hands::{Flight, take_up};
use super::heir::Heir;
use super::{Matter, trouble};
use crate::changes::{self, Change, Changes};
use crate::clock as gateway_clock;
use crate::proof::homes::{Stop, rehearsal};
use crate::store::outbox::{self, Taken};
use crate::store::{Connection, Store, StoreError, clock, savepoint, silent_tests, ways};

/// The longest sleep: another program may have written something, and the store's clock may have been set.
const NAP: Duration = Duration::from_secs(1);

/// How soon what could not be written is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a worker works with.
#[derive(Clone)]
pub struct Desk {
    /// Where the outbox is.
    pub store: Store,
    /// Whom notifications are handed to.
    pub peers: Arc<Peers>,
    /// Who is told that something became of one.
    pub changes: Changes,
}

/// Works for one channel until the gateway stops. What is under way then ends first: cut off, it would be made again once its
/// lease is over, and its recipient told twice.
pub async fn run(desk: Desk, channel: Channel, mut stopping: watch::Receiver<bool>) {
    let mut changes = desk.changes.listen();
    let mut hands = JoinSet::new();
    let mut under_way: HashMap<Id, Flight> = HashMap::new();
    let mut heir = Heir::new(gateway_clock::instant());
    let mut is_failing = false;
    loop {
        let nap = match round(&desk, channel, &mut heir, &mut hands, &mut under_way).await {
            Ok(nap) => {
                is_failing = false;
                nap
            }
            Err(error) => {
                if !is_failing {
                    tracing::error!(%channel, %error, "nothing can be delivered; it will be as soon as the store works");
                }
                is_failing = true;
                PAUSE
            }
        };
        tokio::select! {
            Some(ended) = hands.join_next_with_id(), if !hands.is_empty() => landed(channel, &ended, &mut under_way),
            () = changes::of_work_list(&mut changes) => {}
            () = tokio::time::sleep(nap) => {}
            // An error means that whoever could say so is gone.
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                while hands.join_next().await.is_some() {}
                return;
            }
        }
    }
}

/// Takes up what there are hands for. Returns how long nothing else is to be done.
async fn round(
    desk: &Desk,
    channel: Channel,
    heir: &mut Heir,
    hands: &mut JoinSet<()>,
    under_way: &mut HashMap<Id, Flight>,
) -> Result<Duration, StoreError> {
    let reader = desk.store.reader();
    let look = clock::look(reader).await?;
    let (takes_over, now_ms) = (heir.takes_over(&look), look.shown_ms);
    let waiting = outbox::due(reader, channel, takes_over, now_ms).await?;
    let flying: Vec<Flight> = under_way.values().cloned().collect();
    let taken_up = take_up(&waiting, &flying);
    if !taken_up.is_empty() {
        let mut work = desk.store.work().await?;
        // Leases count from here: others may have written for long.
        let look = clock::look(&mut *work).await?;
        let (takes_over, now_ms) = (heir.takes_over(&look) && takes_over, look.shown_ms);
        let mut taken = Vec::with_capacity(taken_up.len());
        for flight in taken_up {
            if let Some(one) = outbox::take(&mut work, &flight.delivery, takes_over, now_ms).await? {
                taken.push((flight.clone(), one));
            }
        }
        work.commit().await?;
        for (flight, one) in taken {
            let hand = hands.spawn(attempt(desk.clone(), channel, one, now_ms));
            under_way.insert(hand.id(), flight);
        }
    }
    let until_next = outbox::until_next_ms(reader, channel, now_ms).await?;
    // What is due and was not taken up waits for a hand.
    let next = until_next.and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    Ok(next.map_or(NAP, |ms| Duration::from_millis(ms).min(NAP)))
}

/// Makes one attempt, and writes how it ended until that is written.
async fn attempt(desk: Desk, channel: Channel, taken: Taken, now_ms: i64) {
    let late = || Outcome::TryAgain { after: None, because: "no answer in time".to_owned() };
    let outcome = match (&taken.matter, &taken.address) {
        (_, None) => {
            Outcome::TryAgain { after: None, because: "the member has no address for this channel".to_owned() }
        }
        (Matter::Test(_), Some(address)) => {
            let probe = Probe { id: taken.delivery.clone(), address: address.clone(), sent_ms: now_ms };
            tokio::time::timeout(ATTEMPT, desk.peers.prove(channel, &probe)).await.unwrap_or_else(|_| late())
        }
        (Matter::Alert { id: alert, rule }, Some(address)) => {
            let notice = Notice {
                id: taken.delivery.clone(),
                alert: alert.clone(),
                rule: rule.clone(),
                address: address.clone(),
                urgency: taken.urgency,
                lang: taken.lang,
                sent_ms: now_ms,
                perhaps_told: taken.perhaps_told,
            };
            tokio::time::timeout(ATTEMPT, desk.peers.send(channel, &notice)).await.unwrap_or_else(|_| late())
        }
    };
    say(channel, &taken, &outcome);
    let luck = rand::rng().random();
    while let Err(error) = record(&desk, channel, &taken, &outcome, luck).await {
        tracing::error!(%channel, delivery.id = taken.delivery, %error, "how an attempt ended cannot be written yet");
        tokio::time::sleep(PAUSE).await;
    }
    match taken.matter {
        Matter::Alert { .. } => desk.changes.tell([Change::WorkList]),
        Matter::Test(_) => {}
    }
}

/// Tests come every minute: they are told of only where something is wrong.
fn say(channel: Channel, taken: &Taken, outcome: &Outcome) {
    let Taken { delivery, attempt, .. } = taken;
    match (&taken.matter, outcome) {
        (Matter::Alert { id: alert, .. }, Outcome::Delivered { .. }) => {
            tracing::info!(%channel, delivery.id = delivery, alert.id = alert, attempt, "delivered");
        }
        (Matter::Alert { id: alert, .. }, Outcome::TryAgain { because, .. } | Outcome::GiveUp { because }) => {
            tracing::warn!(%channel, delivery.id = delivery, alert.id = alert, attempt, because, "not delivered");
        }
        (Matter::Test(test), Outcome::Delivered { .. }) => {
            tracing::debug!(%channel, delivery.id = delivery, test.id = test, attempt, "a silent test came through");
        }
        (Matter::Test(test), Outcome::TryAgain { because, .. } | Outcome::GiveUp { because }) => {
            tracing::warn!(%channel, delivery.id = delivery, test.id = test, attempt, because, "a silent test failed");
        }
    }
}

async fn record(desk: &Desk, channel: Channel, taken: &Taken, outcome: &Outcome, luck: f64) -> Result<(), StoreError> {
    let now_ms = outbox::now_ms(desk.store.reader()).await?;
    let mut work = desk.store.work().await?;
    let effect = outbox::end(&mut work, taken, outcome, luck, now_ms).await?;
    let effect = match &taken.matter {
        Matter::Alert { .. } => effect,
        Matter::Test(test) => {
            let failed = why_not(desk, channel, taken, outcome);
            rehearsal::ended(&mut work, test, failed, now_ms).await?;
            match channel {
                Channel::DeadMan => trouble::of_test(&mut work, channel, outcome, now_ms).await?,
                // One wrong address is no channel that fails: those who look at all ways tell of it.
                _ if desk.peers.has_silent_test(channel) => {
                    note_way(&mut work, channel, taken, outcome, now_ms).await?;
                    None
                }
                Channel::Email | Channel::Sms | Channel::Webhook | Channel::Scaip => None,
            }
        }
    };
    if let (Outcome::Delivered { .. }, true) = (outcome, desk.peers.has(channel)) {
        silent_tests::prove_channel(&mut work, channel.as_str(), now_ms).await?;
    }
    if let Some(effect) = effect {
        // What became of the attempt is written whatever becomes of the alert about its channel.
        let mut part = savepoint(&mut work).await?;
        match trouble::tell(&mut part, channel, taken, effect, outcome.because(), now_ms).await {
            Ok(()) => part.commit().await?,
            Err(error) if error.is_refused() => {
                part.rollback().await?;
                tracing::error!(%channel, %error, "the alert about a channel cannot be written");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(work.commit().await?)
}

async fn note_way(
    work: &mut Connection,
    channel: Channel,
    taken: &Taken,
    outcome: &Outcome,
    now_ms: i64,
) -> Result<(), StoreError> {
    match (outcome, &taken.address) {
        // What was delivered is written as what it proves already.
        (Outcome::Delivered { .. }, _) | (_, None) => Ok(()),
        (Outcome::TryAgain { because, .. } | Outcome::GiveUp { because }, Some(address)) => {
            ways::fail(work, channel.as_str(), address, because, now_ms).await
        }
    }
}

/// Where a silent test stopped; none where it came as far as it can. A channel that has no silent test is proven by what is really
/// told: that a worker came to it is all there is to see.
fn why_not(desk: &Desk, channel: Channel, taken: &Taken, outcome: &Outcome) -> Option<Stop> {
    match outcome {
        Outcome::Delivered { .. } => None,
        Outcome::TryAgain { .. } | Outcome::GiveUp { .. }
            if taken.address.is_some() && !desk.peers.has_silent_test(channel) =>
        {
            None
        }
        Outcome::TryAgain { because, .. } | Outcome::GiveUp { because } => {
            Some(Stop::Way { channel: channel.to_string(), because: because.clone() })
        }
    }
}

fn landed(channel: Channel, ended: &Result<(Id, ()), JoinError>, under_way: &mut HashMap<Id, Flight>) {
    let id = match ended {
        Ok((id, ())) => *id,
        Err(error) => {
            tracing::error!(%channel, %error, "an attempt has failed; it is made again when its lease is over");
            error.id()
        }
    };
    under_way.remove(&id);
}

//! Whether the centre is there: each receiver is sent a sign of life, and one that does not answer is told of.

use std::sync::Arc;

use hempuls_protocol::scaip::Status;

use super::Scaip;
use super::talk::Heard;
use crate::changes::{Change, Changes};
use crate::clock;
use crate::delivery::Channel;
use crate::delivery::trouble::{self, Centre};
use crate::store::{Store, StoreError, centre, homes, outbox, ways};

/// So many signs of life may go without an answer. Source: supervision at minute level, MFD 2013.
const MISSED: u32 = 3;

/// What is known of one receiver.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Sign {
    /// It answered.
    Answered,
    /// It has not answered for too long.
    Silent,
    /// It has not answered, which may be over in a moment.
    Quiet,
}

/// Judges one sign of life. `answered_ms`: when it last answered any gateway. `since_ms`: since when this gateway asks.
fn judge(is_answer: bool, answered_ms: Option<i64>, since_ms: i64, limit_ms: i64, now_ms: i64) -> Sign {
    let heard_ms = answered_ms.unwrap_or(since_ms).max(since_ms);
    match is_answer {
        true => Sign::Answered,
        false if now_ms - heard_ms >= limit_ms => Sign::Silent,
        false => Sign::Quiet,
    }
}

/// Sends signs of life for ever, to each receiver on its own.
pub async fn supervise(centre: Arc<Scaip>, store: Store, changes: Changes) {
    let since_ms = clock::now_ms();
    let one = |place| watch(Arc::clone(&centre), place, store.clone(), changes.clone(), since_ms);
    let all: tokio::task::JoinSet<()> = (0..centre.config.receivers.len()).map(one).collect();
    all.join_all().await;
}

async fn watch(centre: Arc<Scaip>, place: usize, store: Store, changes: Changes, since_ms: i64) {
    let mut beats = tokio::time::interval(centre.config.heartbeat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let heard = centre.show_life(place).await;
        match note(&centre, place, &heard, &store, since_ms).await {
            Ok(true) => changes.tell([Change::WorkList]),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(receiver = place + 1, %error, "what became of a sign of life cannot be written");
            }
        }
    }
}

/// Writes what became of a sign of life. Says whether a case may have changed.
async fn note(centre: &Scaip, place: usize, heard: &Heard, store: &Store, since_ms: i64) -> Result<bool, StoreError> {
    let is_answer = matches!(heard, Heard::Answer(answer) if answer.status == Status::OK);
    let limit_ms = clock::millis(centre.config.heartbeat * MISSED);
    let number = i64::try_from(place).unwrap_or(i64::MAX) + 1;
    let now_ms = outbox::now_ms(store.reader()).await?;
    let known = centre::receivers(store.reader()).await?;
    let answered_ms = |number: i64| known.iter().find(|one| one.place == number).map(|one| one.answered_ms);
    let sign = |number: i64, is_answer| judge(is_answer, answered_ms(number), since_ms, limit_ms, now_ms);
    match sign(number, is_answer) {
        Sign::Quiet => {
            tracing::warn!(receiver = number, because = %heard, "a receiver of the alarm centre gave no sign of life");
            Ok(false)
        }
        Sign::Answered => {
            let mut work = store.work().await?;
            centre::answered(&mut work, number, now_ms).await?;
            ways::prove(&mut work, Channel::Scaip.as_str(), None, now_ms).await?;
            let is_news = trouble::centre_answers(&mut work, number, now_ms).await?;
            work.commit().await?;
            Ok(is_news)
        }
        Sign::Silent => {
            tracing::warn!(receiver = number, because = %heard, "a receiver of the alarm centre is silent");
            let receivers = i64::try_from(centre.config.receivers.len()).unwrap_or(i64::MAX);
            let is_last = (1..=receivers).all(|number| sign(number, false) == Sign::Silent);
            let mut work = store.work().await?;
            let Some(home) = homes::first(&mut work).await? else { return Ok(false) };
            let silent = Centre { receiver: number, because: heard.to_string(), is_last, home };
            trouble::centre_silent(&mut work, &silent, now_ms).await?;
            work.commit().await?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_silent_after_three_signs_of_life_and_not_while_another_gateway_hears_it_or_nobody_asked() {
        const LIMIT: i64 = 180_000;
        assert_eq!(judge(true, None, 0, LIMIT, 900_000), Sign::Answered);
        assert_eq!(judge(false, Some(60_000), 0, LIMIT, 60_000 + LIMIT - 1), Sign::Quiet);
        assert_eq!(judge(false, Some(60_000), 0, LIMIT, 60_000 + LIMIT), Sign::Silent);
        assert_eq!(judge(false, Some(60_000), 800_000, LIMIT, 900_000), Sign::Quiet, "nobody asked it before that");
        assert_eq!(judge(false, None, 0, LIMIT, LIMIT), Sign::Silent, "it never answered");
    }
}

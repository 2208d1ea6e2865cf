//! Channels that do not deliver, and the alert about them.

use hempuls_gateway::alerts::{Line, Severity, health};
use hempuls_gateway::delivery::channels::Channel;
use hempuls_gateway::delivery::course::Outcome;
use hempuls_gateway::delivery::trouble;
use hempuls_gateway::store::alerts::{self as cases, Which};
use hempuls_gateway::store::{Store, outbox};

use crate::nights::{notify, store};

const SECOND: i64 = 1_000;

#[tokio::test]
async fn a_channel_that_cannot_tell_of_a_press_for_a_minute_is_an_alert_until_all_got_through() {
    let (_folder, store, alert) = store().await;
    let mut work = store.work().await.unwrap();
    for key in ["first", "second"] {
        notify(&mut work, &alert, key, key, Severity::High, 0).await;
    }
    work.commit().await.unwrap();

    let no = Outcome::TryAgain { after: None, because: "HTTP 500".into() };
    for at_ms in [0, 55 * SECOND] {
        attempt(&store, &no, at_ms).await;
        assert_eq!(troubles(&store).await, Vec::<(Severity, Vec<Line>)>::new(), "it may be over in a moment");
    }
    attempt(&store, &no, 110 * SECOND).await;
    attempt(&store, &no, 170 * SECOND).await;
    let [(severity, story)] = &troubles(&store).await[..] else { panic!("one case, however often") };
    let fails = |because: &str| health::Found::ChannelFails { channel: "webhook".into(), because: because.to_owned() };
    assert_eq!((*severity, &story[..]), (Severity::High, &[Line::Health(fails("HTTP 500"))][..]));

    let yes = Outcome::Delivered { proof: "HTTP 200".into() };
    let due = outbox::due(store.reader(), Channel::Webhook, true, 300 * SECOND).await.unwrap();
    end(&store, &due[0].delivery, &yes, 300 * SECOND).await;
    assert_eq!(troubles(&store).await[0].1.len(), 1, "another still waits");
    end(&store, &due[1].delivery, &yes, 301 * SECOND).await;
    let over = Line::Health(health::Found::ChannelDelivers { channel: "webhook".into() });
    assert_eq!(troubles(&store).await[0].1.last(), Some(&over));
}

/// All that is due is tried, and ends so.
async fn attempt(store: &Store, outcome: &Outcome, now_ms: i64) {
    for flight in outbox::due(store.reader(), Channel::Webhook, true, now_ms).await.unwrap() {
        end(store, &flight.delivery, outcome, now_ms).await;
    }
}

async fn end(store: &Store, delivery: &str, outcome: &Outcome, now_ms: i64) {
    let mut work = store.work().await.unwrap();
    let taken = outbox::take(&mut work, delivery, true, now_ms).await.unwrap().unwrap();
    if let Some(effect) = outbox::end(&mut work, &taken, outcome, 1.0, now_ms).await.unwrap() {
        trouble::tell(&mut work, Channel::Webhook, &taken, effect, outcome.because(), now_ms).await.unwrap();
    }
    work.commit().await.unwrap();
}

pub(crate) async fn troubles(store: &Store) -> Vec<(Severity, Vec<Line>)> {
    let mut troubles = Vec::new();
    for case in cases::read(store.reader(), Which::NotClosed, 100).await.unwrap() {
        if case.rule == health::CHANNEL {
            let story = cases::story(store.reader(), &case.id).await.unwrap();
            troubles.push((case.alert.severity, story.into_iter().map(|told| told.line).collect()));
        }
    }
    troubles
}

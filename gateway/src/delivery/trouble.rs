//! A channel that does not deliver is an alert: about the channel, in the home whose alert waits. A silent test is about no
//! home, and what it finds stands in the first that there is.

use super::course::{Effect, Outcome, trouble_ms};
use super::{Channel, Matter};
use crate::alerts::health::{self, Found};
use crate::alerts::{self, About, Concern, Finding, Line, Severity, Weight};
use crate::store::outbox::{self, Taken};
use crate::store::{Connection, StoreError, alerts as cases, homes, silent_tests};

/// What is to be done about how a silent test ended. A newer test takes the place of one that waits, so that how long a
/// channel fails shows in all of them.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn of_test(
    work: &mut Connection,
    channel: Channel,
    outcome: &Outcome,
    now_ms: i64,
) -> Result<Option<Effect>, StoreError> {
    match outcome {
        Outcome::Delivered { .. } => Ok(Some(Effect::Delivers)),
        Outcome::TryAgain { .. } | Outcome::GiveUp { .. } => {
            let since_ms = silent_tests::failing_since_ms(work, channel).await?;
            let is_long = since_ms.is_some_and(|since_ms| now_ms - since_ms >= trouble_ms(Severity::Medium));
            Ok(is_long.then_some(Effect::Trouble))
        }
    }
}

/// Says that a channel does not deliver, or that it delivers again.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn tell(
    work: &mut Connection,
    channel: Channel,
    taken: &Taken,
    effect: Effect,
    because: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let about = About::Channel(channel.to_string());
    match effect {
        Effect::Attempt(_) => Ok(()),
        Effect::Trouble => {
            let home = match &taken.matter {
                Matter::Alert { id, .. } => cases::home_of(work, id).await?,
                Matter::Test(_) => homes::first(work).await?,
            };
            let Some(home) = home else { return Ok(()) };
            let found = Found::ChannelFails { channel: channel.to_string(), because: because.to_owned() };
            let finding = Finding {
                case: health::CHANNEL,
                severity: taken.urgency.max(Severity::Medium),
                confirmed: true,
                weight: Weight::More,
                line: Line::Health(found),
            };
            alerts::remind(work, &Concern { finding, about, person: None, home, record: None }, now_ms).await?;
            Ok(())
        }
        Effect::Delivers => {
            let since_ms = now_ms - trouble_ms(Severity::High);
            if outbox::is_stuck(work, channel, since_ms).await? {
                return Ok(());
            }
            let over = Line::Health(Found::ChannelDelivers { channel: channel.to_string() });
            tell_over(work, &about, &over, now_ms).await?;
            Ok(())
        }
    }
}

/// A receiver of the alarm centre that does not answer.
pub struct Centre {
    /// 1 for the first.
    pub receiver: i64,
    /// Why, without an address.
    pub because: String,
    /// No other receiver answers.
    pub is_last: bool,
    /// The home under which the case stands: a case has one, and this is about all of them.
    pub home: String,
}

/// Says that a receiver of the alarm centre does not answer signs of life.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn centre_silent(work: &mut Connection, silent: &Centre, now_ms: i64) -> Result<(), StoreError> {
    let Centre { receiver, because, is_last, home } = silent;
    let finding = Finding {
        case: health::CHANNEL,
        severity: if *is_last { Severity::High } else { Severity::Medium },
        confirmed: true,
        weight: Weight::More,
        line: Line::Health(Found::ReceiverSilent { receiver: *receiver, because: because.clone(), is_last: *is_last }),
    };
    let concern = Concern { finding, about: about_receiver(*receiver), person: None, home: home.clone(), record: None };
    alerts::remind(work, &concern, now_ms).await?;
    Ok(())
}

/// Says that a receiver of the alarm centre answers again, where it is told that it did not. Says whether it was.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn centre_answers(work: &mut Connection, receiver: i64, now_ms: i64) -> Result<bool, StoreError> {
    let over = Line::Health(Found::ReceiverAnswers { receiver });
    tell_over(work, &about_receiver(receiver), &over, now_ms).await
}

fn about_receiver(receiver: i64) -> About {
    About::Channel(format!("{}/{receiver}", Channel::Scaip))
}

/// Writes into the open case of a channel that it is over, once.
async fn tell_over(work: &mut Connection, about: &About, over: &Line, now_ms: i64) -> Result<bool, StoreError> {
    let Some((case, _)) = cases::open_case(work, health::CHANNEL, about).await? else { return Ok(false) };
    let story = cases::lines(work, &case).await?;
    if story.iter().rev().find(|line| line.is_about_the_matter()) == Some(over) {
        return Ok(false);
    }
    cases::add_line(work, &case, over, None, now_ms).await?;
    Ok(true)
}

//! A channel that does not deliver is an alert: about the channel, in the home whose alert waits.

use super::Channel;
use super::course::{Effect, trouble_ms};
use crate::alerts::health::{self, Found};
use crate::alerts::{self, About, Concern, Finding, Line, Severity, Weight};
use crate::store::outbox::{self, Taken};
use crate::store::{Connection, StoreError, alerts as cases};

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
            let Some(home) = cases::home_of(work, &taken.alert).await? else { return Ok(()) };
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
            let Some((case, _)) = cases::open_case(work, health::CHANNEL, &about).await? else { return Ok(()) };
            let since_ms = now_ms - trouble_ms(Severity::High);
            if outbox::is_stuck(work, channel, since_ms).await? {
                return Ok(());
            }
            let over = Line::Health(Found::ChannelDelivers { channel: channel.to_string() });
            let story = cases::lines(work, &case).await?;
            if story.iter().rev().find(|line| line.is_about_the_matter()) != Some(&over) {
                cases::add_line(work, &case, &over, None, now_ms).await?;
            }
            Ok(())
        }
    }
}

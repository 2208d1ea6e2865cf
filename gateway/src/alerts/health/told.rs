//! What a box tells of itself, in words: the events that make no record.

use hempuls_protocol::event::{
    Began, BufferDamaged, Content, DeviceTrouble, Kind, Previous, Refused, TimeCorrection, TimeSource,
};

use super::{Found, wording};
use crate::alerts::line::Reader;

/// The event in the reader's words.
#[must_use]
pub fn say(lane: &str, content: &Content, reader: &Reader) -> String {
    let lang = reader.lang;
    let as_found = |found| wording::say(&found, reader);
    match &content.kind {
        Kind::Began(began) => say_began(lane, began, reader),
        Kind::Refused(Refused { count, why }) => as_found(Found::Refused { count: *count, why: (*why).into() }),
        Kind::DeviceTrouble(DeviceTrouble { device, trouble }) => {
            as_found(Found::Device { device: device.to_string(), device_kind: None, trouble: (*trouble).into() })
        }
        Kind::BufferDamaged(BufferDamaged { damage, taken_again }) => {
            as_found(Found::Damaged { damage: (*damage).into(), taken_again: *taken_again })
        }
        Kind::TimeCorrection(correction) => say_correction(content, correction, reader),
        Kind::Test => {
            lang.pick("Boxen provade larmkedjan, tyst.", "The box tested the alarm chain, silently.").to_owned()
        }
        Kind::Signal(_) | Kind::Alarm(_) | Kind::DeviceClock(_) => {
            lang.pick("Boxen berättade något annat.", "The box told something else.").to_owned()
        }
    }
}

/// The event's word in JSON.
#[must_use]
pub fn kind(content: &Content) -> &'static str {
    match &content.kind {
        Kind::Signal(_) => "signal",
        Kind::Alarm(_) => "alarm",
        Kind::Began(_) => "began",
        Kind::Refused(_) => "refused",
        Kind::DeviceTrouble(_) => "device_trouble",
        Kind::BufferDamaged(_) => "buffer_damaged",
        Kind::TimeCorrection(_) => "time_correction",
        Kind::DeviceClock(_) => "device_clock",
        Kind::Test => "test",
    }
}

fn say_began(lane: &str, began: &Began, reader: &Reader) -> String {
    let lang = reader.lang;
    let of = wording::lane(lane, lang);
    match &began.previous {
        None => lang.pick(
            format!("Boxen började spara {of} för första gången."),
            format!("The box began to keep {of} for the first time."),
        ),
        Some(Previous { taken_again, .. }) => {
            let again: u64 = taken_again.iter().map(|(from, to)| to.0.saturating_sub(from.0).saturating_add(1)).sum();
            lang.pick(
                format!("Boxens lagring ({of}) började om; {again} togs på nytt."),
                format!("The box's storage ({of}) began anew; {again} were taken again."),
            )
        }
    }
}

fn say_correction(content: &Content, correction: &TimeCorrection, reader: &Reader) -> String {
    let lang = reader.lang;
    let by = match correction.source {
        TimeSource::System => lang.pick("av systemet", "by the system"),
        TimeSource::Gateway => lang.pick("efter gatewayens klocka", "by the gateway's clock"),
    };
    match content.taken.wall_ms {
        Some(after) => {
            let by_ms = after.saturating_sub(correction.before_ms);
            let length = reader.span(by_ms.saturating_abs());
            let way = if by_ms < 0 { lang.pick("bakåt", "back") } else { lang.pick("framåt", "ahead") };
            lang.pick(
                format!("Boxens klocka ställdes {length} {way}, {by}."),
                format!("The box's clock was set {length} {way}, {by}."),
            )
        }
        None => lang.pick(format!("Boxens klocka ställdes, {by}."), format!("The box's clock was set, {by}.")),
    }
}

//! When the gateway itself did not listen: then no home is called silent, and none is known to be well.

use maud::{Markup, html};

use crate::alerts::rules::silent_home::Listening;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::store::{Reader, StoreError, silence};

/// Gaps of this time are told of.
const TOLD_OF_MS: i64 = 24 * 60 * 60 * 1000;

/// A shorter gap is a restart, in which boxes keep what they have.
const SHORTEST_MS: i64 = 10_000;

/// So many gaps are told of, the latest.
const MOST: usize = 5;

/// A notice where it does not listen now, and the gaps of the last day. Nothing where it has never missed anything.
pub(crate) async fn gaps(store: &Reader, moment: &Moment) -> Result<Markup, StoreError> {
    let now_ms = moment.now.as_millisecond();
    let intervals = silence::listening_since(store, now_ms - TOLD_OF_MS).await?;
    let from_ms = intervals.iter().map(|(from, _)| *from).min().unwrap_or(now_ms - TOLD_OF_MS);
    let mut gaps = Listening::new(intervals).gaps(from_ms.max(now_ms - TOLD_OF_MS), now_ms, SHORTEST_MS);
    let now = gaps.pop_if(|(_, until)| *until == now_ms);
    let lang = moment.lang;
    Ok(html! {
        @if let Some((since_ms, _)) = now {
            p.notice.alarm #deaf role="status" {
                (Icon::Warning)
                span {
                    (lang.pick("Gatewayen lyssnar inte på hemmen", "The gateway does not listen to the homes"))
                    @if since_ms > now_ms - TOLD_OF_MS {
                        (lang.pick(" sedan ", ", and has not since ")) (moment.time_of_ms(since_ms))
                    }
                    (lang.pick(". Larm och mätningar ligger kvar i boxarna tills den gör det.", ". Alarms and readings stay in the boxes until it does."))
                }
            }
        }
        @if !gaps.is_empty() {
            p.notice #gaps {
                (Icon::Note)
                span {
                    (lang.pick("Gatewayen lyssnade inte ", "The gateway did not listen "))
                    @for (n, (from, until)) in gaps.iter().rev().take(MOST).enumerate() {
                        @if n > 0 { ", " }
                        (moment.time_of_ms(*from)) "–" (moment.time_of_ms(*until))
                    }
                    (lang.pick(". Hur hemmen mådde då syns först i det som kom efteråt.", ". How the homes were then shows only in what came afterwards."))
                }
            }
        }
    })
}

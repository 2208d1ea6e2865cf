//! How the alert climbs while nobody takes it: whom each rung tells, what became of that, and what comes next, and when.

use jiff::Timestamp;
use maud::{Markup, html};

use super::told;
use crate::escalation::View;
use crate::escalation::ladder::Rung;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::store::outbox::Shown;
use crate::wording::Lang;

/// The card; nothing where somebody has it.
pub(super) fn card(view: Option<&View>, told: &[Shown], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if let Some(View { ladder, rungs }) = view {
            section.card aria-labelledby="ladder" {
                h2 #ladder { (lang.pick("Vem som får veta härnäst", "Who is told next")) }
                @if let Some(since) = ladder.unanswered_ms {
                    p.bad {
                        (Icon::Warning) " "
                        @if ladder.has_told {
                            strong { (lang.pick("Ingen har svarat.", "Nobody has answered.")) } " "
                            (lang.pick("Alla steg är prövade sedan ", "All rungs have been tried since ")) (time(since, moment)) ". "
                            (lang.pick(
                                "Det sista steget upprepas tills någon tar hand om larmet.",
                                "The last is repeated until somebody takes the alert.",
                            ))
                        } @else {
                            strong { (lang.pick("Ingen kunde nås.", "Nobody could be told.")) } " "
                            (lang.pick("Larmet syns bara här, sedan ", "The alert has been shown here only, since ")) (time(since, moment)) ". "
                            (lang.pick(
                                "Ingen på något steg har en adress över en kanal som är uppsatt.",
                                "Nobody on any rung has an address on a channel that is set up.",
                            ))
                        }
                    }
                }
                ol.looks {
                    @for (place, rung) in (0..).zip(rungs) {
                        li aria-current=[(place + 1 == ladder.next && ladder.round == 0).then_some("step")] {
                            strong { (names(rung, lang)) }
                            @if place < ladder.next { (what_became(place, told, moment)) }
                            @else if place == ladder.next {
                                p.muted { (lang.pick("Får veta ", "Is told at ")) (due(ladder.due_ms, moment)) "." }
                            }
                        }
                    }
                }
                @if ladder.next as usize >= rungs.len() {
                    p.muted {
                        @if ladder.unanswered_ms.is_some() && !ladder.has_told {
                            (lang.pick("Nästa försök ", "Tried next at "))
                        } @else if ladder.unanswered_ms.is_some() {
                            (lang.pick("Nästa upprepning ", "Repeated next at "))
                        } @else {
                            (lang.pick("Svarar ingen upprepas det sista steget från ", "If nobody answers, the last is repeated from "))
                        }
                        (due(ladder.due_ms, moment)) "."
                    }
                }
            }
        }
    }
}

fn names(rung: &Rung, lang: Lang) -> String {
    let mut names: Vec<&str> = rung.reach.iter().map(|reach| reach.name.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return lang.pick("Ingen som går att nå nu", "Nobody who can be reached now").to_owned();
    }
    names.join(", ")
}

/// What became of telling this rung, the latest first.
fn what_became(place: u32, told: &[Shown], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let of_rung: Vec<&Shown> = told.iter().filter(|shown| shown.rung == Some(place)).collect();
    html! {
        @if of_rung.is_empty() {
            p.muted { (lang.pick("Ingen gick att nå, eller så försöktes det redan.", "Nobody could be reached, or it was being tried already.")) }
        }
        @for shown in of_rung.iter().rev().take(8) {
            p.muted { (told::in_short(shown, moment)) }
        }
    }
}

fn due(due_ms: Option<i64>, moment: &Moment) -> String {
    due_ms.map(|ms| time(ms, moment)).unwrap_or_default()
}

fn time(ms: i64, moment: &Moment) -> String {
    moment.to_the_second(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
}

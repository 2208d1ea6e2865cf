//! What a named person decided about a box, and what still lies in it.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::store::books::Page as BookPage;
use crate::store::homes_page::{Agent, Verdict};
use crate::wording::Lang;

/// Nothing for a box that is in service.
pub(super) fn verdict(agent: &Agent, books: &[&BookPage], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let waits =
        |lane: &str| -> u64 { books.iter().filter(|page| page.lane == lane).map(|page| page.line.waiting).sum() };
    let (alarms, readings) = (waits("alarm"), waits("reading"));
    html! {
        @match (&agent.revoked, &agent.retired) {
            (Some(revoked), _) => {
                p { (decided(lang.pick("Avstängd", "Cut off"), revoked, moment)) }
                @if alarms + readings > 0 { p.bad { (Icon::Warning) " " (held(alarms, readings, lang)) } }
            }
            (None, Some(retired)) => {
                p { (decided(lang.pick("Tagen ur bruk", "Retired"), retired, moment)) }
                p { (emptied(alarms + readings, lang)) }
            }
            (None, None) => {}
        }
    }
}

fn decided(what: &str, verdict: &Verdict, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        (what)
        @if let Ok(at) = Timestamp::from_millisecond(verdict.at_ms) { " " (moment.time(at)) }
        @if let Some(by) = &verdict.by { (lang.pick(" av ", " by ")) (by) }
        @if let Some(why) = &verdict.why { ": " (why) }
    }
}

fn held(alarms: u64, readings: u64, lang: Lang) -> String {
    lang.pick(
        format!(
            "Larm som ligger kvar i boxen: {alarms}. Mätningar: {readings}. De räknas som väntande tills någon skriver av \
             dem med namn (hempuls-gateway agent write-off)."
        ),
        format!(
            "Alarms that are still in the box: {alarms}. Readings: {readings}. They count as waiting until somebody writes \
             them off by name (hempuls-gateway agent write-off)."
        ),
    )
}

fn emptied(waiting: u64, lang: Lang) -> String {
    if waiting == 0 {
        lang.pick("Den är tömd och kan hämtas.", "It is empty and can be taken away.").to_owned()
    } else {
        lang.pick(
            format!("Den hör inget mer. Låt den vara inkopplad tills den har skickat det som är kvar: {waiting}."),
            format!("It hears nothing more. Leave it connected until it has sent what is left: {waiting}."),
        )
    }
}

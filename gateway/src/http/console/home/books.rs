//! A box's books (P2): both sides of each lane, and what it said of itself.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::alerts::health;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case;
use crate::store::books::{Entry, Page};
use crate::wording::Lang;

/// Whether a box's books add up, in a word.
pub(crate) fn verdict(books: &[&Page], lang: Lang) -> Markup {
    let (waiting, lost) =
        books.iter().fold((0, 0), |(waiting, lost), page| (waiting + page.line.waiting, lost + page.line.lost));
    html! {
        @if books.is_empty() {
            (lang.pick("inget än", "nothing yet"))
        } @else if books.iter().any(|page| !page.balanced) {
            span.bad { (Icon::Cross) " " (lang.pick("stämmer inte", "do not add up")) }
        } @else {
            span.good { (Icon::Tick) " " (lang.pick("stämmer", "add up")) }
        }
        @if waiting > 0 { ", " (waiting) " " (lang.pick("väntar", "waiting")) }
        @if lost > 0 { ", " span.bad { (lost) " " (lang.pick("förlorade", "lost")) } }
    }
}

/// The books of one box.
pub(super) fn table(agent: &str, books: &[&Page], lang: Lang) -> Markup {
    let id = format!("books-{agent}");
    html! {
        div.scroll id=(id) tabindex="0" role="region" aria-labelledby={ (id) "-caption" } {
            table {
                caption id={ (id) "-caption" } {
                    (lang.pick(
                        "Bokföring: boxen har tagit emot = sparade + upprepade + oläsliga + flyttade + förlorade + väntande",
                        "Books: taken by the box = stored + repeated + unreadable + moved + lost + waiting",
                    ))
                }
                thead {
                    tr {
                        th scope="col" { (lang.pick("Kö", "Lane")) }
                        @for name in columns(lang) { th.n scope="col" { (name) } }
                        th scope="col" { (lang.pick("Stämmer", "Balanced")) }
                    }
                }
                tbody { @for page in books { (row(page, lang)) } }
            }
        }
    }
}

fn columns(lang: Lang) -> [&'static str; 7] {
    lang.pick(
        ["Tagna", "Sparade", "Upprepade", "Oläsliga", "Flyttade", "Förlorade", "Väntar"],
        ["Taken", "Stored", "Repeated", "Unreadable", "Moved", "Lost", "Waiting"],
    )
}

fn row(page: &Page, lang: Lang) -> Markup {
    let line = &page.line;
    let lane = if page.lane == "alarm" { lang.pick("Larm", "Alarms") } else { lang.pick("Mätningar", "Readings") };
    html! {
        tr {
            th scope="row" {
                (lane)
                @if page.closed { (lang.pick(", avslutad", ", ended")) }
                " " code { (page.epoch.get(..6).unwrap_or(&page.epoch)) }
            }
            @for number in [line.taken, line.stored, line.repeated, line.quarantined, line.moved] { td.n { (number) } }
            td.n { @if line.lost > 0 { span.bad { (Icon::Warning) " " (line.lost) } } @else { "0" } }
            td.n { (line.waiting) }
            td {
                @if page.balanced {
                    span.good { (Icon::Tick) " " (lang.pick("ja", "yes")) }
                } @else {
                    span.bad { (Icon::Cross) " " (lang.pick("nej", "no")) }
                }
            }
        }
    }
}

/// What a box said of itself, the newest first.
pub(super) fn entries(entries: &[&Entry], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let speaker = case::speaker(moment);
    html! {
        @if !entries.is_empty() {
            h3 { (lang.pick("Vad boxen har berättat om sig själv", "What the box has told of itself")) }
            ol.story {
                @for entry in entries {
                    li {
                        @if let Ok(at) = Timestamp::from_millisecond(entry.stored_ms) { time datetime=(at) { (moment.to_the_second(at)) } }
                        (health::told::say(&entry.lane, &entry.content, &speaker))
                    }
                }
            }
        }
    }
}

//! The table beside the chart: every reading with its values, times, device and what is odd about it.

use std::collections::HashMap;

use jiff::Timestamp;
use maud::{Markup, html};

use super::Part;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::http::console::values;
use crate::store::person_page::Person;
use crate::store::records::{Clock, Record};
use crate::wording::device_kind;

/// So many rows stand on one page.
const ROWS: usize = 100;

pub(super) fn table(
    person: &Person,
    shown: &[Record],
    kinds: &HashMap<String, String>,
    part: Part,
    moment: &Moment,
) -> Markup {
    let lang = moment.lang;
    let mut rows = shown.iter().filter(|reading| part.before.is_none_or(|before| reading.when_ms() < before));
    let on_page: Vec<&Record> = rows.by_ref().take(ROWS).collect();
    let older = rows.next().and(on_page.last()).map(|last| last.when_ms());
    let days = part.days.count();
    if shown.is_empty() {
        return html! {
            p.card {
                (lang.pick("Inga mätningar de senaste ", "No readings in the last ")) (days) " " (lang.pick("dagarna", "days"))
                (lang.pick(". Det betyder inte att allt är bra.", ". That does not mean that all is well."))
            }
        };
    }
    html! {
        div.scroll.tall #readings tabindex="0" role="region" aria-labelledby="readings-caption" {
            table {
                caption #readings-caption {
                    (lang.pick("Alla mätningar, nyast först. ", "All readings, newest first. "))
                    (shown.len()) " " (lang.pick("under perioden.", "in the period."))
                }
                thead {
                    tr {
                        th scope="col" { (lang.pick("Tid", "Time")) }
                        th scope="col" { (lang.pick("Värden", "Values")) }
                        th scope="col" { (lang.pick("Apparat", "Device")) }
                        th scope="col" { (lang.pick("Anmärkning", "Remarks")) }
                    }
                }
                tbody { @for reading in &on_page { (row(reading, kinds, moment)) } }
            }
        }
        p.actions {
            @if part.before.is_some() {
                a.plain #newest href={ "/persons/" (person.id) "?days=" (days) } { (lang.pick("Nyaste mätningarna", "Newest readings")) }
            }
            @if let Some(before) = older {
                a.plain #older href={ "/persons/" (person.id) "?days=" (days) "&before=" (before) } {
                    (lang.pick("Äldre mätningar", "Older readings"))
                }
            }
        }
    }
}

fn row(reading: &Record, kinds: &HashMap<String, String>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let usable = reading.observations.iter().any(|observation| observation.usable);
    html! {
        tr .unusable[!usable] {
            th scope="row" {
                @match reading.measured_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                    Some(at) => (moment.time(at)),
                    None => (lang.pick("okänd tid", "time unknown")),
                }
            }
            td { (values::summary(reading, lang)) }
            td {
                (device_kind(kinds.get(&reading.device).map(String::as_str), lang))
                @if let Some(slot) = reading.slot { (lang.pick(", användare ", ", user ")) (slot) }
            }
            td { (remarks(reading, usable, moment)) }
        }
    }
}

fn remarks(reading: &Record, usable: bool, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let mut said: Vec<Markup> = Vec::new();
    if let Some(why) = &reading.unreadable {
        said.push(html! {
            (lang.pick("apparatens meddelande kunde inte tolkas ", "the device's message could not be read "))
            "(" span lang="en" { (why) } "): " code { (hex::encode(&reading.raw)) }
        });
    }
    if !usable {
        said.push(html! { (Icon::Cross) " " (lang.pick("ej användbart", "not usable")) });
    } else if reading.observations.iter().any(|observation| !observation.usable) {
        said.push(html! { (lang.pick("delvis ej användbart", "partly not usable")) });
    }
    said.extend(reading.marks.iter().map(|mark| html! { (values::mark(mark, lang)) }));
    if reading.possibly_same_as.is_some() {
        said.push(html! { (lang.pick("kan vara samma som en annan mätning", "possibly the same as another reading")) });
    }
    match (reading.measured_by, Timestamp::from_millisecond(reading.stored_ms)) {
        (Some(Clock::Reception), _) => {
            said.push(html! { (lang.pick("tid när mätningen togs emot", "time of reception")) });
        }
        (None, Ok(stored)) => {
            said.push(html! { (lang.pick("kom in ", "came in ")) (moment.time(stored)) });
        }
        (Some(Clock::DeviceCorrected), _) => {
            said.push(html! { (lang.pick("tiden rättad: apparatens klocka gick fel", "time put right: the device's clock was wrong")) });
        }
        (Some(Clock::Device), _) | (None, Err(_)) => {}
    }
    if reading.is_ambiguous {
        said.push(html! {
            (lang.pick(
                "osäker tid: klockan ställdes om, och visade den tiden två gånger eller aldrig",
                "uncertain time: clocks changed, and showed that time twice or never",
            ))
        });
    }
    html! {
        @for (place, remark) in said.iter().enumerate() {
            @if place > 0 { ", " }
            (remark)
        }
    }
}

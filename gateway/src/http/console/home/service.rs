//! Whether a home is in service, and what is missing.

use maud::{Markup, html};

use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::proof::service::{self, Facts, Missing};

/// The list on the home's page.
pub(super) fn section(facts: &Facts, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let missing = service::missing(facts);
    html! {
        section.card aria-labelledby="service" {
            h2 #service { (verdict(&missing, moment)) }
            @if missing.is_empty() {
                p.muted {
                    (lang.pick(
                        "En riktig mätning från varje apparat, och ett riktigt tryck där det finns en knapp, har gått hela vägen och setts.",
                        "A real reading from each device, and a real press where there is a button, has gone all the way and been seen.",
                    ))
                }
            } @else {
                p { (lang.pick("Det här saknas:", "This is missing:")) }
                ul.troubles #missing { @for missing in &missing { li { (Icon::Note) " " (missing.say(lang)) } } }
            }
        }
    }
}

/// In a word.
pub(crate) fn verdict(missing: &[Missing], moment: &Moment) -> &'static str {
    if missing.is_empty() {
        moment.lang.pick("I drift", "In service")
    } else {
        moment.lang.pick("Inte i drift", "Not in service")
    }
}

/// In a line.
pub(crate) fn line(facts: &Facts, moment: &Moment) -> String {
    let missing = service::missing(facts);
    let said: Vec<String> = missing.iter().map(|missing| missing.say(moment.lang)).collect();
    if said.is_empty() {
        return verdict(&missing, moment).to_owned();
    }
    format!("{}: {}", verdict(&missing, moment), said.join(" "))
}

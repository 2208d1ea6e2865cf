//! The words for a team with nobody there.

use super::{Found, Why};
use crate::alerts::line::Reader;
use crate::wording::Lang;

/// The line in the reader's words.
#[must_use]
pub fn say(found: &Found, reader: &Reader) -> String {
    let lang = reader.lang;
    match found {
        Found::Missing { team, people, why, by_roster, from_ms, within_ms } => {
            let when = match from_ms {
                None => lang.pick("nu".to_owned(), "now".to_owned()),
                Some(from_ms) => {
                    let from = reader.moment(*from_ms);
                    lang.pick(format!("i passet från {from}"), format!("in the shift from {from}"))
                }
            };
            let within = reader.span(*within_ms);
            let why = match why {
                Why::Nobody => lang.pick(
                    format!("Ingen är i tjänst i {team} {when}."),
                    format!("Nobody is on duty in {team} {when}."),
                ),
                Why::NoContact => lang.pick(
                    format!("Ingen som är i tjänst i {team} {when} har en kontaktväg."),
                    format!("Nobody on duty in {team} {when} has an address where she can be reached."),
                ),
                Why::Unproven => lang.pick(
                    format!("Inget har kommit fram till någon som är i tjänst i {team} {when} de senaste {within}."),
                    format!("Nothing has got through within {within} to anybody on duty in {team} {when}."),
                ),
            };
            let without = match by_roster {
                true => "",
                false => lang.pick(
                    " Teamet har inget schema, så alla räknas som i tjänst.",
                    " The team has no roster, so everybody counts as on duty.",
                ),
            };
            let people = match (lang, people) {
                (Lang::Sv, 1) => "1 person med larm eller plan är beroende av teamet.".to_owned(),
                (Lang::Sv, _) => format!("{people} personer med larm eller plan är beroende av teamet."),
                (Lang::En, 1) => "1 person with an alarm or a plan depends on the team.".to_owned(),
                (Lang::En, _) => format!("{people} people with an alarm or a plan depend on the team."),
            };
            format!("{why}{without} {people}")
        }
        Found::There { team } => lang.pick(
            format!("Någon som går att nå är i tjänst i {team} igen."),
            format!("Somebody who can be reached is on duty in {team} again."),
        ),
        Found::Began { team } => lang.pick(
            format!("Passet i {team} har börjat; ett eget ärende berättar om det."),
            format!("The shift in {team} has begun; a case of its own tells of it."),
        ),
    }
}

/// What the case of now is called.
#[must_use]
pub fn title(lang: Lang) -> &'static str {
    lang.pick("Ingen som går att nå är i tjänst", "Nobody on duty can be reached")
}

/// What the case of the next shift is called.
#[must_use]
pub fn next_title(lang: Lang) -> &'static str {
    lang.pick("Nästa pass saknar någon som går att nå", "The next shift has nobody who can be reached")
}

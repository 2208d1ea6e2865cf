//! A team's week, as a table: each day, and in it who is on duty from when until when. Where nobody is, that is said in words.

use jiff::ToSpan as _;
use jiff::civil::{Date, Time};
use maud::{Markup, html};

use crate::duty::roster::{Roster, Spell, moment as moment_of, monday};
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::store::teams::Team;
use crate::wording::Lang;

/// The week of a day. Names without a commission are shown as such: they do not count.
pub(super) fn table(team: &Team, roster: &Roster, members: &[String], day: Date, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let monday = monday(day);
    let days: Vec<Date> = (0..7).filter_map(|after| monday.checked_add(after.days()).ok()).collect();
    let week = day.iso_week_date().week();
    let other = |weeks: i64| monday.checked_add((7 * weeks).days()).unwrap_or(monday);
    html! {
        section.card aria-labelledby="week" {
            h2 #week { (lang.pick("Vecka ", "Week ")) (week) }
            div.scroll tabindex="0" role="region" aria-labelledby="week" {
                table {
                    thead {
                        tr {
                            th scope="col" { (lang.pick("Dag", "Day")) }
                            th scope="col" { (lang.pick("Tid", "Time")) }
                            th scope="col" { (lang.pick("I tjänst", "On duty")) }
                        }
                    }
                    @for day in &days {
                        @let spells = spells(team, roster, *day, moment);
                        tbody {
                            @for (place, spell) in spells.iter().enumerate() {
                                tr {
                                    @if place == 0 {
                                        th scope="rowgroup" rowspan=(spells.len()) { (weekday(*day, lang)) " " (moment.short_day(*day)) }
                                    }
                                    td { (clock(spell.from_ms, moment)) "–" (end(spell.until_ms, moment)) }
                                    td { (who(spell, members, lang)) }
                                }
                            }
                        }
                    }
                }
            }
            p.actions {
                a.plain href={ "/teams/" (team.id) "?day=" (other(-1)) } { (lang.pick("Veckan före", "Week before")) }
                a.plain href={ "/teams/" (team.id) "?day=" (other(1)) } { (lang.pick("Veckan efter", "Week after")) }
                a.plain href={ "/api/v1/teams/" (team.id) "/roster.ics" } { (lang.pick("Hämta som kalender", "Fetch as a calendar")) }
            }
        }
    }
}

fn spells(team: &Team, roster: &Roster, day: Date, moment: &Moment) -> Vec<Spell> {
    let midnight = |day: Date| moment_of(day.to_datetime(Time::midnight()), &moment.zone);
    let next = day.tomorrow().ok().and_then(midnight);
    match (midnight(day), next) {
        (Some(from_ms), Some(until_ms)) => roster.spells(from_ms, until_ms, &team.zone()),
        _ => Vec::new(),
    }
}

fn who(spell: &Spell, members: &[String], lang: Lang) -> Markup {
    let (there, strangers): (Vec<&String>, Vec<&String>) =
        spell.members.iter().partition(|name| members.contains(name));
    let names = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    html! {
        @if there.is_empty() {
            span.bad { (Icon::Warning) " " (lang.pick("Lucka: ingen i tjänst", "Gap: nobody on duty")) }
        } @else {
            (names(&there))
        }
        @if !strangers.is_empty() {
            p.muted { (names(&strangers)) (lang.pick(" räknas inte: inget uppdrag i teamet", " does not count: no commission for the team")) }
        }
    }
}

fn clock(ms: i64, moment: &Moment) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or(moment.now);
    at.to_zoned(moment.zone.clone()).strftime("%H:%M").to_string()
}

/// Midnight is the end of a day.
fn end(ms: i64, moment: &Moment) -> String {
    match clock(ms, moment).as_str() {
        "00:00" => "24:00".to_owned(),
        other => other.to_owned(),
    }
}

fn weekday(day: Date, lang: Lang) -> &'static str {
    use jiff::civil::Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    match day.weekday() {
        Monday => lang.pick("måndag", "Monday"),
        Tuesday => lang.pick("tisdag", "Tuesday"),
        Wednesday => lang.pick("onsdag", "Wednesday"),
        Thursday => lang.pick("torsdag", "Thursday"),
        Friday => lang.pick("fredag", "Friday"),
        Saturday => lang.pick("lördag", "Saturday"),
        Sunday => lang.pick("söndag", "Sunday"),
    }
}

//! One person: what needs somebody, how her values go, every reading, and who has looked at her data.

pub(crate) mod chart;
pub(crate) mod number;
mod readings;

use std::ops::Range;
use std::time::Duration;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use hempuls_protocol::personnummer::IdentityNumber;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use self::chart::Limit;
use crate::changes::Change;
use crate::duty::Area;
use crate::http::console::emergency;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::plan;
use crate::http::console::work_list::case::{self, Case};
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live, looks};
use crate::plan::in_force;
use crate::store::access_log::{self, Action, Seen};
use crate::store::person_numbers;
use crate::store::person_page::{self, Person};
use crate::store::plans;
use crate::store::readings as stored;
use crate::store::records::Record;
use crate::wording::Lang;

/// So many readings are drawn at most, the newest of the period.
const MOST_READINGS: u32 = 2_000;
/// So many looks are shown, the newest.
const MOST_LOOKS: u32 = 50;

/// Which part of the readings to show.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    days: Days,
    /// Continue the table before this time, in milliseconds since 1970.
    before: Option<i64>,
}

/// How far back the chart and the table reach.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub(crate) enum Days {
    #[serde(rename = "7")]
    Seven,
    #[default]
    #[serde(rename = "30")]
    Thirty,
    #[serde(rename = "90")]
    Ninety,
}

impl Days {
    const ALL: [Self; 3] = [Self::Seven, Self::Thirty, Self::Ninety];

    fn count(self) -> u32 {
        match self {
            Self::Seven => 7,
            Self::Thirty => 30,
            Self::Ninety => 90,
        }
    }

    fn until(self, now: Timestamp) -> Range<Timestamp> {
        let length = Duration::from_secs(u64::from(self.count()) * 86_400);
        // Clocks differ a little: what was measured just now belongs to the period.
        now - length..now + Duration::from_secs(60)
    }
}

/// `GET /persons/{person}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(person): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    let what = format!("{} days", part.days.count());
    looks::note(&state, &reader, Action::OpenedPerson, Some(&person.id), what).await?;
    let moment = state.moment(lang);
    let region = region(&state, &reader, &moment, &person, part).await?;
    let asked =
        format!("{}{}", part.days.count(), part.before.map(|before| format!("&before={before}")).unwrap_or_default());
    let path = format!("/persons/{}?days={asked}", person.id);
    let stream = format!("/persons/{}/stream?days={asked}", person.id);
    let page = Page {
        title: &person.name,
        moment: &moment,
        place: Place::Elsewhere,
        path: &path,
        reader: Some(&reader.looker.who),
        stream: Some(&stream),
        heading: heading(&person.name, &moment),
        region,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /persons/{person}/stream`
pub(crate) async fn stream(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(person): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, Refusal> {
    let person = person_page::find(state.store().reader(), &person).await?.ok_or(Refusal::NotFound)?;
    let what = format!("{} days", part.days.count());
    looks::note_following(&state, &reader, Action::OpenedPerson, Some(&person.id), what).await?;
    let id = person.id.clone();
    let concerns = move |change: &Change| match change {
        Change::Person(changed) => *changed == id,
        Change::WorkList => true,
        Change::Home(_) => false,
    };
    Ok(live::follow(state, reader, lang, concerns, move |state, reader, moment| {
        let person = person.clone();
        async move { region(&state, &reader, &moment, &person, part).await }
    }))
}

async fn region(
    state: &State,
    reader: &Reader,
    moment: &Moment,
    person: &Person,
    part: Part,
) -> Result<Markup, Refusal> {
    let store = state.store().reader();
    let period = part.days.until(moment.now);
    let (from_ms, before_ms) = (period.start.as_millisecond(), period.end.as_millisecond());
    let areas = reader.sight.areas(store, &person.id).await?;
    let sees_readings = areas.contains(&Area::HealthCare);
    let shown = match sees_readings {
        true => stored::of_person(store, &person.id, from_ms, before_ms, MOST_READINGS).await?,
        false => Vec::new(),
    };
    let opened_until = reader.sight.opened_until(store, &person.id).await?;
    let kinds = stored::device_kinds(store, shown.iter().map(|reading| reading.device.as_str())).await?;
    let cases = case::of_person(store, &reader.sight, &person.id).await?;
    let looks = access_log::of_person(store, &person.id, MOST_LOOKS).await?;
    let versions = plans::versions(store, &person.id).await?;
    let in_force = in_force(&versions, moment.now.as_millisecond());
    let limits = chart::limits(&in_force.at(moment.now.as_millisecond(), &moment.zone));
    let number = person_numbers::of_person(store, &person.id).await?;
    let (open, past): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.is_open());
    let lang = moment.lang;
    Ok(html! {
        (case::elsewhere(store, &reader.sight, &person.id, lang).await?)
        @if let Some(until_ms) = opened_until { (in_emergency(until_ms, moment)) }
        (facts(person, number.as_ref(), sees_readings.then(|| shown.first()), moment))
        section.cases aria-labelledby="open" {
            h2 #open { (lang.pick("Behöver någon nu", "Needs somebody now")) }
            @if open.is_empty() {
                p.muted { (lang.pick("Inga öppna larm.", "No open alerts.")) }
            } @else {
                ol { @for case in &open { (case.row(&reader.looker.who, moment)) } }
            }
        }
        @if sees_readings {
            (plan::in_short(&person.id, &in_force, versions.first(), moment))
            section aria-labelledby="trend" {
                h2 #trend { (lang.pick("Mätvärden", "Readings")) }
                (ranges(person, part.days, lang))
                (trend(&shown, &limits, &period, moment))
                (readings::table(person, &shown, &kinds, part, moment))
            }
        }
        (of_others(person, &areas, lang))
        section aria-labelledby="past" {
            h2 #past { (lang.pick("Tidigare larm", "Past alerts")) }
            @if past.is_empty() {
                p.muted { (lang.pick("Inga tidigare larm.", "No past alerts.")) }
            } @else {
                ul.card.looks { @for case in &past { li { (case.past(moment)) } } }
            }
        }
        (who_looked(&looks, moment))
    })
}

/// Says what her teams are not responsible for, and the way to it in an emergency.
fn of_others(person: &Person, areas: &[Area], lang: Lang) -> Markup {
    let words = |area: Area| match area {
        Area::HealthCare => lang.pick(
            "Mätvärden, plan och larm om dem hör till hälso- och sjukvården, som ett annat team ansvarar för.",
            "Readings, the plan and alerts about them are health care, for which another team is responsible.",
        ),
        Area::SocialServices => lang.pick(
            "Trygghetslarm hör till socialtjänsten, som ett annat team ansvarar för.",
            "Safety alarms are the social services', for which another team is responsible.",
        ),
    };
    html! {
        @for area in Area::ALL.into_iter().filter(|area| !areas.contains(area)) {
            p.notice {
                (Icon::Note)
                span {
                    (words(area)) " "
                    a href=(emergency::address(&person.id)) { (lang.pick("Öppna i en nödsituation", "Open in an emergency")) }
                }
            }
        }
    }
}

/// Says that the data are open only for a while.
fn in_emergency(until_ms: i64, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        p.notice #in-emergency {
            (Icon::Hourglass)
            span {
                (lang.pick(
                    "Du har öppnat uppgifterna i en nödsituation. Det är noterat, och de stängs för dig ",
                    "You have opened these data in an emergency. It is noted, and they close for you ",
                ))
                (moment.time_of_ms(until_ms)) "."
            }
        }
    }
}

/// `newest` is none where she sees no readings, which says nothing of whether there are some.
fn facts(person: &Person, number: Option<&IdentityNumber>, newest: Option<Option<&Record>>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        dl.facts.card {
            @if let Some(number) = number { (number::fact(person, number, lang)) }
            div { dt { (lang.pick("Hem", "Home")) } dd { (person.home_name) } }
            @if let Some(newest) = newest {
                div {
                    dt { (lang.pick("Senaste mätning", "Latest reading")) }
                    dd {
                        @match newest.and_then(|reading| Timestamp::from_millisecond(reading.when_ms()).ok()) {
                            Some(at) => (moment.time_and_age(at)),
                            None => (lang.pick("ingen under perioden", "none in this period")),
                        }
                    }
                }
            }
            div {
                dt { (lang.pick("Hemmet hördes senast", "Home last heard")) }
                dd {
                    @match person.home_heard_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                        Some(at) => (moment.time_and_age(at)),
                        None => (lang.pick("aldrig", "never")),
                    }
                }
            }
        }
    }
}

fn ranges(person: &Person, chosen: Days, lang: Lang) -> Markup {
    html! {
        nav aria-label=(lang.pick("Period", "Period")) {
            ul.ranges {
                @for days in Days::ALL {
                    li {
                        a.plain #{ "days-" (days.count()) } href={ "/persons/" (person.id) "?days=" (days.count()) }
                            aria-current=[(days == chosen).then_some("true")]
                        { (days.count()) " " (lang.pick("dagar", "days")) }
                    }
                }
            }
        }
    }
}

fn trend(shown: &[Record], limits: &[Limit], period: &Range<Timestamp>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let unplaced = shown.iter().filter(|reading| reading.measured_ms.is_none()).count();
    html! {
        @if let Some(chart) = chart::draw(shown, limits, period, moment) { (chart) }
        @if unplaced > 0 {
            p.muted {
                (unplaced) " "
                (lang.pick(
                    "mätningar har ingen känd tid och finns bara i tabellen.",
                    "readings have no known time and are only in the table.",
                ))
            }
        }
        @if shown.len() >= MOST_READINGS as usize {
            p.notice {
                (Icon::Note)
                (lang.pick(
                    "Perioden har fler mätningar än som visas. Välj en kortare period för att se alla.",
                    "The period has more readings than are shown. Choose a shorter one to see all.",
                ))
            }
        }
    }
}

fn who_looked(looks: &[Seen], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        section aria-labelledby="looks" {
            h2 #looks { (lang.pick("Vilka har tittat på uppgifterna", "Who has looked at these data")) }
            ul.card.looks {
                @for same in looks.chunk_by(|a, b| (&a.who, a.action, &a.why) == (&b.who, b.action, &b.why)) {
                    @if let [newest, ..] = same {
                        li {
                            strong { (who(newest, lang)) } " " (seen_words(newest, lang))
                            @if newest.action == Some(Action::OpenedInEmergency) { ": ”" (newest.why) "”" }
                            @if newest.why == looks::EMERGENCY { (lang.pick(" i en nödsituation", " in an emergency")) }
                            @if same.len() > 1 { ", " (same.len()) (lang.pick(" gånger, senast ", " times, last ")) } @else { ", " }
                            (moment.time(newest.at))
                        }
                    }
                }
            }
        }
    }
}

fn who(seen: &Seen, lang: Lang) -> String {
    match seen.action {
        Some(Action::FetchedReadings | Action::FetchedAlerts | Action::FetchedPlan | Action::FetchedTeams) => {
            lang.pick("Ett anslutet datorprogram", "A connected program").to_owned()
        }
        Some(_) | None => format!("{} ({})", seen.who, seen.unit),
    }
}

fn seen_words(seen: &Seen, lang: Lang) -> &'static str {
    match seen.action {
        Some(Action::SawOnWorkList) => lang.pick("såg namnet på arbetslistan", "saw the name on the work list"),
        Some(Action::SawInHome) => lang.pick("såg namnet på hemmets sida", "saw the name on the home's page"),
        Some(Action::OpenedPerson) => lang.pick("öppnade den här sidan", "opened this page"),
        Some(Action::SawNumber) => lang.pick("tog fram hela personnumret", "asked to see the whole identity number"),
        Some(Action::SetNumber) => lang.pick("angav personnumret", "entered the identity number"),
        Some(Action::Listed) => lang.pick("såg namnet i en lista", "saw the name in a list"),
        Some(Action::OpenedAlert) => lang.pick("öppnade ett larm", "opened an alert"),
        Some(Action::ClaimedAlert) => lang.pick("tog hand om ett larm", "took an alert upon them"),
        Some(Action::SaidOnTheWay) => lang.pick("sa att någon är på väg", "said that someone is on the way"),
        Some(Action::HandedOverAlert) => lang.pick("lämnade över ett larm", "handed an alert over"),
        Some(Action::GaveBackAlert) => lang.pick("lämnade tillbaka ett larm", "gave an alert back"),
        Some(Action::WroteOfAlert) => lang.pick("skrev om ett larm", "wrote about an alert"),
        Some(Action::ReopenedAlert) => lang.pick("öppnade ett larm igen", "opened an alert again"),
        Some(Action::ClosedAlert) => lang.pick("avslutade ett larm", "closed an alert"),
        Some(Action::ChangedBattery) => {
            lang.pick("sa att batteriet i larmknappen är bytt", "said that the alarm button's battery was changed")
        }
        Some(Action::AdoptedDevice) => lang.pick("lade till en apparat", "added a device"),
        Some(Action::RemovedDevice) => lang.pick("tog bort en apparat", "removed a device"),
        Some(Action::RetiredBox) => lang.pick("tog boxen ur bruk", "retired the box"),
        Some(Action::UnretiredBox) => lang.pick("tog boxen i bruk igen", "put the box to use again"),
        Some(Action::RevokedBox) => lang.pick("stängde av boxen", "cut the box off"),
        Some(Action::WroteOff) => lang.pick("skrev av det som låg i boxen", "wrote off what was in the box"),
        Some(Action::ChangedContact) => lang.pick("ändrade var någon nås", "changed where somebody is reached"),
        Some(Action::SentToRecords) => {
            lang.pick("fick mätvärden och larm till journalen", "was sent readings and alerts for the record")
        }
        Some(Action::FetchedReadings) => lang.pick("hämtade mätvärden", "fetched readings"),
        Some(Action::FetchedAlerts) => lang.pick("hämtade larm", "fetched alerts"),
        Some(Action::OpenedPlan) => lang.pick("öppnade planen", "opened the plan"),
        Some(Action::ChangedPlan) => lang.pick("ändrade planen", "changed the plan"),
        Some(Action::FetchedPlan) => lang.pick("hämtade planen", "fetched the plan"),
        Some(Action::ChangedTeam) => {
            lang.pick("ändrade vilket team som har ansvaret", "changed which team is responsible")
        }
        Some(Action::FetchedTeams) => {
            lang.pick("hämtade vilka team som har ansvaret", "fetched which teams are responsible")
        }
        Some(Action::ChangedAccount) => lang.pick("ändrade ett konto", "changed an account"),
        Some(Action::OpenedUnassigned) => {
            lang.pick("öppnade mätningar utan person", "opened readings without a person")
        }
        Some(Action::AssignedReadings) => lang.pick("sa att mätningar hör hit", "said that readings belong here"),
        Some(Action::SetReadingsAside) => {
            lang.pick("sa att mätningar inte hör till någon", "said that readings are nobody's")
        }
        Some(Action::TookReadingsBack) => lang.pick("tog tillbaka vems mätningar är", "took back whose readings are"),
        Some(Action::Replayed) => {
            lang.pick("prövade andra gränser på mätvärdena", "tried other limits on the readings")
        }
        Some(Action::Restored) => lang.pick("lade tillbaka en säkerhetskopia", "put a backup in place"),
        Some(Action::ChangedRoster) => lang.pick("ändrade ett schema", "changed a roster"),
        Some(Action::OpenedInEmergency) => lang.pick(
            "öppnade uppgifterna i en nödsituation, utan att ha ansvaret",
            "opened the data in an emergency, without being responsible",
        ),
        Some(Action::ReviewedEmergency) => lang.pick(
            "granskade varför någon öppnade uppgifterna i en nödsituation",
            "looked at why somebody opened the data in an emergency",
        ),
        None => lang.pick("läste uppgifter", "read data"),
    }
}

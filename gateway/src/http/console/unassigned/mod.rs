//! Readings of one device in one home that wait for a person: a member says whose they are, or that they are nobody's, and
//! why. What was decided stands below, and can be taken back. Late readings become one item for review, and no alarm.

use axum::Form;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::alerts::attribution;
use crate::changes::Change;
use crate::clock;
use crate::duty::Area;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::values;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks, now};
use crate::store::access_log::{self, Action, Look};
use crate::store::attributions::{self, Decision, Which};
use crate::store::homes_page::{self, Home};
use crate::store::names::{self, Names};
use crate::store::records::Record;
use crate::store::{assignments, devices};
use crate::wording::{Lang, device_kind};

/// So many readings stand on the page, and are decided about at once.
const MOST: u32 = 200;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 500;

/// The address of the page: without signs that mean something in addresses.
pub(crate) fn address(home: &str, device: &str) -> String {
    format!("/homes/{home}/unassigned/{}", hex::encode(device))
}

/// `GET /homes/{home}/unassigned/{device}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(place): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, place).await?;
    desk.answer(&state, &reader, lang, None, StatusCode::OK).await
}

/// What is wrong with what was typed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Wrong {
    /// There is no reason.
    Reason,
    /// Nobody is chosen.
    Person,
    /// No reading is chosen that waits still.
    Readings,
    /// The decision was taken back already.
    Decision,
}

/// `POST /homes/{home}/unassigned/{device}`: `person`, or `nobody`; `reason`; and `reading` for each that is chosen.
pub(crate) async fn decide(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(place): Path<(String, String)>,
    Form(typed): Form<Vec<(String, String)>>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, place).await?;
    let field = |name: &str| typed.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
    let reason: String = field("reason").chars().take(LONGEST_REASON).collect();
    let chosen: Vec<&str> = typed.iter().filter(|(key, _)| key == "reading").map(|(_, id)| id.as_str()).collect();
    let readings: Vec<Record> =
        desk.waiting.iter().filter(|record| chosen.contains(&record.id.as_str())).cloned().collect();
    let person = match field("person") {
        "nobody" => Ok(None),
        id => desk.people.iter().find(|(known, _)| known == id).map(|(id, _)| Some(id.as_str())).ok_or(Wrong::Person),
    };
    let wished = match person {
        Err(wrong) => Err(wrong),
        Ok(_) if reason.is_empty() => Err(Wrong::Reason),
        Ok(_) if readings.is_empty() => Err(Wrong::Readings),
        Ok(person) => Ok(person),
    };
    let person = match wished {
        Ok(person) => person,
        Err(wrong) => {
            return desk.answer(&state, &reader, lang, Some(wrong), StatusCode::UNPROCESSABLE_ENTITY).await;
        }
    };
    let mut work = state.store().work().await?;
    let (matter, by) = ((desk.home.id.as_str(), desk.device.as_str()), (reader.looker.who.as_str(), reason.as_str()));
    let (decision, _) =
        attribution::decide(&mut work, matter, &readings, person, by, &state.0.judging, clock::now_ms()).await?;
    let action = if person.is_some() { Action::AssignedReadings } else { Action::SetReadingsAside };
    let look = Look { action, person, what: desk.what(&decision), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    desk.tell(&state, person);
    Ok(Redirect::to(&address(&desk.home.id, &desk.device)).into_response())
}

/// Which decision is taken back, and why.
#[derive(Deserialize)]
pub(crate) struct Undo {
    #[serde(default)]
    decision: String,
    #[serde(default)]
    reason: String,
}

/// `POST /homes/{home}/unassigned/{device}/undo`
pub(crate) async fn undo(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path(place): Path<(String, String)>,
    Form(typed): Form<Undo>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, place).await?;
    let reason: String = typed.reason.trim().chars().take(LONGEST_REASON).collect();
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if reason.is_empty() {
        return desk.answer(&state, &reader, lang, Some(Wrong::Reason), status).await;
    }
    let decision = desk.decisions.iter().find(|decision| decision.id == typed.decision).ok_or(Refusal::NotFound)?;
    if decision.person.as_ref().is_some_and(|person| !desk.names.contains_key(person)) {
        return Err(Refusal::NotHers);
    }
    let mut work = state.store().work().await?;
    let by = (reader.looker.who.as_str(), reason.as_str());
    let Some(undone) = attributions::withdraw(&mut work, &typed.decision, by, clock::now_ms()).await? else {
        drop(work);
        return desk.answer(&state, &reader, lang, Some(Wrong::Decision), status).await;
    };
    let person = undone.person.as_deref();
    let look = Look { action: Action::TookReadingsBack, person, what: desk.what(&undone.id), why: reader.why() };
    access_log::write(&mut work, &reader.looker, &[look], now()).await?;
    work.commit().await?;
    desk.tell(&state, person);
    Ok(Redirect::to(&address(&desk.home.id, &desk.device)).into_response())
}

/// A home, a device, and what waits there.
struct Desk {
    home: Home,
    device: String,
    kind: Option<String>,
    waiting: Vec<Record>,
    decisions: Vec<Decision>,
    /// Who lives there, and whose the device was or is.
    people: Vec<(String, String)>,
    names: Names,
}

impl Desk {
    async fn open(state: &State, reader: &Reader, (home, device): (String, String)) -> Result<Self, Refusal> {
        let store = state.store().reader();
        let device =
            hex::decode(device).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Refusal::NotFound)?;
        let home = homes_page::read(store, &[&home]).await?.pop().ok_or(Refusal::NotFound)?;
        let which = Which { home: &home.id, device: &device, from_ms: i64::MIN, before_ms: i64::MAX };
        let waiting = attributions::waiting(store, which, MOST).await?;
        let decisions = attributions::of_device(store, &home.id, &device).await?;
        if waiting.is_empty() && decisions.is_empty() {
            return Err(Refusal::NotFound);
        }
        let kind = match device.parse() {
            Ok(id) => devices::find(store, &id).await?.map(|known| known.kind),
            Err(_) => None,
        };
        let mut reading = store.acquire().await?;
        let assigned = assignments::of_devices(&mut reading, &[&device]).await?;
        drop(reading);
        let mut people = homes_page::people(store, &home.id).await?;
        let decided = decisions.iter().filter_map(|decision| decision.person.as_deref());
        let ids = assigned.iter().map(|assignment| assignment.person.as_str()).chain(decided);
        let mut names = names::of_people(store, ids).await?;
        for assignment in &assigned {
            if !people.iter().any(|(id, _)| *id == assignment.person) {
                let name = names.get(&assignment.person).cloned().unwrap_or_default();
                people.push((assignment.person.clone(), name));
            }
        }
        let all: Vec<&str> = people.iter().map(|(id, _)| id.as_str()).chain(names.keys().map(String::as_str)).collect();
        let hers = reader.sight.people(store, &all, Some(Area::HealthCare)).await?;
        people.retain(|(id, _)| hers.contains(id));
        names.retain(|id, _| hers.contains(id));
        Ok(Self { home, device, kind, waiting, decisions, people, names })
    }

    fn what(&self, decision: &str) -> String {
        format!("device {}, home {}, decision {decision}", self.device, self.home.id)
    }

    fn tell(&self, state: &State, person: Option<&str>) {
        let person = person.map(|person| Change::Person(person.to_owned()));
        state.0.changes.tell([Change::WorkList, Change::Home(self.home.id.clone())].into_iter().chain(person));
    }

    async fn answer(
        &self,
        state: &State,
        reader: &Reader,
        lang: Lang,
        wrong: Option<Wrong>,
        status: StatusCode,
    ) -> Result<Response, Refusal> {
        let what = format!("device {}, home {}", self.device, self.home.id);
        looks::note(state, reader, Action::OpenedUnassigned, None, what).await?;
        let people: Vec<&str> = self.people.iter().map(|(id, _)| id.as_str()).collect();
        looks::note_first(state, reader, Action::SawInHome, &people).await?;
        let moment = state.moment(lang);
        let title = format!(
            "{}: {}, {}",
            lang.pick("Mätningar utan person", "Readings without a person"),
            device_kind(self.kind.as_deref(), lang),
            self.home.name
        );
        let region = html! {
            @if let Some(wrong) = wrong { p.notice role="alert" { (Icon::Warning) span { (wrong.words(lang)) } } }
            (self.form(&moment))
            (self.decided(&moment))
            p.actions.after { a.plain href="/" { (lang.pick("Till arbetslistan", "To the work list")) } }
        };
        let page = Page {
            title: &title,
            moment: &moment,
            place: Place::Elsewhere,
            path: &address(&self.home.id, &self.device),
            reader: Some(&reader.looker.who),
            stream: None,
            heading: heading(&title, &moment),
            region,
        };
        Ok(page.answer(status))
    }

    fn form(&self, moment: &Moment) -> Markup {
        let lang = moment.lang;
        if self.waiting.is_empty() {
            return html! { p.card { (lang.pick("Inga mätningar väntar på en person.", "No readings wait for a person.")) } };
        }
        html! {
            form.form.card method="post" action=(address(&self.home.id, &self.device)) {
                h2 { (lang.pick("Vems är mätningarna?", "Whose are the readings?")) }
                p.hint #hint {
                    (lang.pick(
                        "Kryssa för dem som hör ihop. Äldre värden utanför gränserna blir en sak att granska, inte ett larm. Vill du att \
                         kommande mätningar ska höra till någon: koppla apparaten till personen.",
                        "Tick those that belong together. Older values beyond the limits become one item for review, and no alarm. If \
                         readings to come are to be somebody's, assign the device to the person.",
                    ))
                }
                fieldset {
                    legend { (lang.pick("Mätningar", "Readings")) " (" (self.waiting.len()) ")" }
                    @for record in &self.waiting {
                        label.tick {
                            input type="checkbox" name="reading" value=(record.id) checked;
                            span {
                                @match record.measured_ms {
                                    Some(at_ms) => (moment.time_of_ms(at_ms)),
                                    None => { (lang.pick("okänd tid, kom ", "time unknown, came ")) (moment.time_of_ms(record.stored_ms)) }
                                }
                                " · " (values::summary(record, lang))
                                @if let Some(slot) = record.slot { (lang.pick(" · användare ", " · user ")) (slot) }
                            }
                        }
                    }
                }
                fieldset {
                    legend { (lang.pick("De hör till", "They belong to")) }
                    @for (id, name) in &self.people {
                        label.tick { input type="radio" name="person" value=(id) required; span { (name) } }
                    }
                    label.tick {
                        input type="radio" name="person" value="nobody" required;
                        span { (lang.pick("ingen här: en besökare, ett prov eller okänt", "nobody here: a visitor, a trial or unknown")) }
                    }
                }
                (reason("reason", lang))
                p.actions { button type="submit" { (lang.pick("Spara", "Save")) } }
            }
        }
    }

    fn decided(&self, moment: &Moment) -> Markup {
        let lang = moment.lang;
        html! {
            @if !self.decisions.is_empty() {
                section aria-labelledby="decided" {
                    h2 #decided { (lang.pick("Det som har bestämts", "What was decided")) }
                    @for decision in &self.decisions {
                        section.card {
                            p {
                                strong { (decision.author) } ", " (moment.time_of_ms(decision.at_ms)) ": "
                                (self.whose(decision, lang)) " " (decision.reason)
                            }
                            @match &decision.withdrawn {
                                Some((at_ms, by, why)) => p.muted {
                                    (lang.pick("Taget tillbaka av ", "Taken back by ")) (by) ", " (moment.time_of_ms(*at_ms)) ": " (why)
                                },
                                None => details {
                                    summary { (lang.pick("Ta tillbaka", "Take back")) }
                                    form method="post" action={ (address(&self.home.id, &self.device)) "/undo" } {
                                        input type="hidden" name="decision" value=(decision.id);
                                        (reason(&format!("undo-{}", decision.id), lang))
                                        p.actions { button.plain type="submit" { (lang.pick("Ta tillbaka", "Take back")) } }
                                    }
                                },
                            }
                        }
                    }
                }
            }
        }
    }

    fn whose(&self, decision: &Decision, lang: Lang) -> String {
        let count = decision.records;
        match &decision.person {
            Some(person) => {
                let another = lang.pick("en person som ett annat team ansvarar för", "a person of another team");
                let name = self.names.get(person).map_or(another, String::as_str);
                lang.pick(format!("{count} mätningar hör till {name}."), format!("{count} readings are {name}'s."))
            }
            None => {
                lang.pick(format!("{count} mätningar hör inte till någon."), format!("{count} readings are nobody's."))
            }
        }
    }
}

fn reason(id: &str, lang: Lang) -> Markup {
    html! {
        div.field {
            label for=(id) { (lang.pick("Varför", "Why")) }
            textarea id=(id) name="reason" rows="2" maxlength=(LONGEST_REASON) required {}
        }
    }
}

impl Wrong {
    fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Reason => lang.pick("Skriv varför. Inget är ändrat.", "Write why. Nothing was changed."),
            Self::Person => {
                lang.pick("Välj vem de hör till. Inget är ändrat.", "Choose whose they are. Nothing was changed.")
            }
            Self::Readings => lang.pick(
                "Ingen av de valda mätningarna väntar längre. Inget är ändrat.",
                "None of the chosen readings waits any more. Nothing was changed.",
            ),
            Self::Decision => lang.pick(
                "Det är redan taget tillbaka. Inget är ändrat.",
                "That was taken back already. Nothing was changed.",
            ),
        }
    }
}

//! One device: adding it to a home from afar, saying that its battery was changed, taking it out again.
//!
//! What is done here is in the access log with who did it, and the home's boxes are told at once. A button's key goes in
//! and never comes out again: no page shows it, not even the one that could not use it.

use axum::Form;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use hempuls_protocol::devices::{DeviceKind, Dialect};
use hempuls_protocol::ids::DeviceId;
use maud::{Markup, html};
use serde::Deserialize;

use super::{devices as home_devices, nearby};
use crate::changes::Change;
use crate::clock;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, looks};
use crate::letters::Occasion;
use crate::store::Connection;
use crate::store::access_log::{self, Action, Look};
use crate::store::assignments::{self, Assignment};
use crate::store::devices::{self, Impossible, Listed, NewDevice};
use crate::store::homes_page::{self, Home};
use crate::wording::{Lang, device_kind};

/// The address of a device's page: without signs that mean something in addresses.
pub(crate) fn address(home: &str, device: &str) -> String {
    format!("/homes/{home}/devices/{}", hex::encode(device))
}

/// `GET /homes/{home}/devices/{device}`
pub(crate) async fn page(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path((home, device)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, &home, &device).await?;
    desk.answer(&state, &reader, lang, None, StatusCode::OK).await
}

/// An address that was read from a device.
#[derive(Deserialize)]
pub(crate) struct Address {
    address: String,
}

/// `GET /homes/{home}/devices?address=F0:F1:F2:F3:F4:F5`: to the device's page.
pub(crate) async fn find(_reader: Reader, Path(home): Path<String>, Query(typed): Query<Address>) -> Response {
    match typed.address.trim().parse::<DeviceId>() {
        Ok(id) => Redirect::to(&address(&home, &id.to_string())).into_response(),
        Err(_) => back(&home, "address"),
    }
}

/// What was typed to add a device.
#[derive(Deserialize)]
pub(crate) struct Wish {
    kind: DeviceKind,
    #[serde(default)]
    dialect: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    beacon: String,
    #[serde(default)]
    person: String,
}

/// What is wrong with what was typed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Wrong {
    /// The key is none.
    Key,
    /// Only a button has a key.
    KeyOfNoButton,
    /// No device of this kind speaks so.
    Dialect,
    /// It is some home's already.
    Taken,
}

/// `POST /homes/{home}/devices/{device}/add`
pub(crate) async fn add(
    Shared(state): Shared<State>,
    reader: Reader,
    lang: Lang,
    Path((home, device)): Path<(String, String)>,
    Form(wish): Form<Wish>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, &home, &device).await?;
    let wrong = match desk.wished(&wish)? {
        Ok(new) => match desk.add(&state, &reader, &new, &wish.person).await? {
            Ok(()) => return Ok(back(&desk.home.id, "added")),
            Err(devices::HasHome) => Wrong::Taken,
        },
        Err(wrong) => wrong,
    };
    desk.answer(&state, &reader, lang, Some(wrong), StatusCode::UNPROCESSABLE_ENTITY).await
}

/// `POST /homes/{home}/devices/{device}/remove`. Doing it again changes nothing.
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    reader: Reader,
    Path((home, device)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, &home, &device).await?;
    if desk.is_here() {
        let mut work = state.store().work().await?;
        devices::remove(&mut work, &desk.id, clock::now_ms()).await?;
        desk.note(&mut work, &reader, Action::RemovedDevice, None).await?;
        work.commit().await?;
        desk.tell(&state);
    }
    Ok(back(&desk.home.id, "removed"))
}

/// `POST /homes/{home}/devices/{device}/battery-changed`
pub(crate) async fn battery_changed(
    Shared(state): Shared<State>,
    reader: Reader,
    Path((home, device)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let desk = Desk::open(&state, &reader, &home, &device).await?;
    if desk.is_here() {
        let mut work = state.store().work().await?;
        devices::change_battery(&mut work, &desk.id, clock::now_ms()).await?;
        desk.note(&mut work, &reader, Action::ChangedBattery, None).await?;
        work.commit().await?;
        desk.tell(&state);
    }
    Ok(back(&desk.home.id, "battery"))
}

fn back(home: &str, said: &str) -> Response {
    Redirect::to(&format!("/homes/{home}?said={said}")).into_response()
}

/// A home, a device, and what the store knows of the two.
struct Desk {
    home: Home,
    id: DeviceId,
    known: Option<Listed>,
    heard: Option<nearby::Heard>,
    people: Vec<(String, String)>,
}

impl Desk {
    async fn open(state: &State, reader: &Reader, home: &str, device: &str) -> Result<Self, Refusal> {
        let store = state.store().reader();
        let device = hex::decode(device).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let id: DeviceId = device.and_then(|device| device.parse().ok()).ok_or(Refusal::NotFound)?;
        let home = homes_page::read(store, &[home]).await?.pop().ok_or(Refusal::NotFound)?;
        let known = devices::find(store, &id).await?;
        let heard = nearby::heard(store, &home).await?.into_iter().find(|heard| heard.said.device == id);
        let mut people = homes_page::people(store, &home.id).await?;
        // Whoever adds devices for operations has to say whose they are.
        if !reader.sight.operates() {
            let ids: Vec<&str> = people.iter().map(|(id, _)| id.as_str()).collect();
            let hers = reader.sight.people(store, &ids, None).await?;
            people.retain(|(id, _)| hers.contains(id));
        }
        Ok(Self { home, id, known, heard, people })
    }

    fn is_in(&self, is_it: impl Fn(&Listed) -> bool) -> bool {
        self.known.as_ref().is_some_and(|known| known.ended_ms.is_none() && is_it(known))
    }

    fn is_here(&self) -> bool {
        self.is_in(|known| known.home == self.home.id)
    }

    fn is_elsewhere(&self) -> bool {
        self.is_in(|known| known.home != self.home.id)
    }

    /// What was wished for, as far as there can be such a device.
    fn wished(&self, wish: &Wish) -> Result<Result<NewDevice, Wrong>, Refusal> {
        let key: String = wish.key.chars().filter(|sign| !sign.is_whitespace() && !":-".contains(*sign)).collect();
        let key = match (key.is_empty(), key.parse()) {
            (true, _) => None,
            (false, Ok(key)) => Some(key),
            (false, Err(_)) => return Ok(Err(Wrong::Key)),
        };
        let dialect = Some(wish.dialect.as_str()).filter(|dialect| !dialect.is_empty());
        let is_button = wish.kind == DeviceKind::AlarmButton;
        let beacon = Some(wish.beacon.as_str()).filter(|beacon| !beacon.is_empty() && is_button);
        let new = NewDevice {
            id: self.id.clone(),
            kind: wish.kind,
            dialect: dialect.map(str::parse).transpose().map_err(|_| Refusal::Malformed)?,
            key,
            beacon_s: beacon.map(str::parse).transpose().map_err(|_| Refusal::Malformed)?,
        };
        match new.check() {
            Ok(()) => Ok(Ok(new)),
            Err(Impossible::Key) => Ok(Err(Wrong::KeyOfNoButton)),
            Err(Impossible::Dialect) => Ok(Err(Wrong::Dialect)),
            Err(Impossible::Local | Impossible::Beacon) => Err(Refusal::Malformed),
        }
    }

    async fn add(
        &self,
        state: &State,
        reader: &Reader,
        new: &NewDevice,
        person: &str,
    ) -> Result<Result<(), devices::HasHome>, Refusal> {
        let person = match self.people.iter().find(|(id, _)| id == person) {
            Some((id, _)) => Some(id.clone()),
            None if person.is_empty() => None,
            None => return Err(Refusal::Malformed),
        };
        let now_ms = clock::now_ms();
        let mut work = state.store().work().await?;
        if let Err(taken) = devices::add(&mut work, &self.home.id, new, now_ms).await? {
            return Ok(Err(taken));
        }
        if let Some(person) = &person {
            let device = self.id.to_string();
            let assignment = Assignment { device, slot: None, person: person.clone(), from_ms: now_ms, until_ms: None };
            assignments::assign(&mut work, &assignment, now_ms).await?;
        }
        self.note(&mut work, reader, Action::AdoptedDevice, person.as_deref()).await?;
        work.commit().await?;
        self.tell(state);
        Ok(Ok(()))
    }

    /// Writes who did it.
    async fn note(
        &self,
        work: &mut Connection,
        reader: &Reader,
        action: Action,
        person: Option<&str>,
    ) -> Result<(), Refusal> {
        let what = format!("device {}, home {}", self.id, self.home.id);
        let look = Look { action, person, what, why: reader.why() };
        Ok(access_log::write(work, &reader.looker, &[look], crate::http::now()).await?)
    }

    fn tell(&self, state: &State) {
        state.0.changes.tell([Change::Home(self.home.id.clone())]);
        state.0.courier.tell(Occasion::Devices { home: self.home.id.clone() });
    }

    async fn answer(
        &self,
        state: &State,
        reader: &Reader,
        lang: Lang,
        wrong: Option<Wrong>,
        status: StatusCode,
    ) -> Result<Response, Refusal> {
        let moment = state.moment(lang);
        let region = if self.is_here() {
            self.known_here(&moment)
        } else if self.is_elsewhere() {
            html! { p.card { (wrong_words(Wrong::Taken, lang)) } }
        } else {
            let people: Vec<&str> = self.people.iter().map(|(id, _)| id.as_str()).collect();
            looks::note_first(state, reader, Action::SawInHome, &people).await?;
            self.to_be_added(wrong, &moment)
        };
        let title = self.title(lang);
        let region = html! {
            (region)
            p.actions.after { a.plain href={ "/homes/" (self.home.id) } { (lang.pick("Tillbaka till hemmet", "Back to the home")) } }
        };
        let page = Page {
            title: &title,
            moment: &moment,
            place: Place::Elsewhere,
            path: &address(&self.home.id, &self.id.to_string()),
            reader: Some(&reader.looker.who),
            stream: None,
            heading: heading(&title, &moment),
            region,
        };
        Ok(page.answer(status))
    }

    fn title(&self, lang: Lang) -> String {
        let known = self.known.as_ref().filter(|_| self.is_here()).map(|known| known.kind.as_str());
        let heard = self.heard.as_ref().and_then(|heard| heard.said.kind).map(DeviceKind::as_str);
        format!("{}, {}", device_kind(known.or(heard), lang), self.home.name)
    }

    fn known_here(&self, moment: &Moment) -> Markup {
        let lang = moment.lang;
        let Some(known) = &self.known else { return html! {} };
        let is_button = known.kind == DeviceKind::AlarmButton.as_str();
        let act = |act: &str| format!("{}/{act}", address(&self.home.id, &known.id));
        html! {
            section.card aria-labelledby="device" {
                h2 #device { code { (known.id) } }
                dl.facts {
                    div { dt { (lang.pick("Apparat", "Device")) } dd { (device_kind(Some(&known.kind), lang)) } }
                    @if is_button {
                        div {
                            dt { (lang.pick("Knappens nyckel", "The button's key")) }
                            dd { (if known.has_key { lang.pick("finns här", "is here") } else { lang.pick("finns inte här", "is not here") }) }
                        }
                        div {
                            dt { (lang.pick("Batteribyten", "Battery changes")) }
                            dd { (known.battery) }
                        }
                    }
                    @if let Some(seconds) = known.beacon_s {
                        div { dt { (lang.pick("Livstecken", "Sign of life")) } dd { (home_devices::every(seconds, moment)) } }
                    }
                }
            }
            @if is_button {
                section.card aria-labelledby="battery" {
                    h2 #battery { (lang.pick("Batteriet är bytt", "The battery was changed")) }
                    p #battery-hint .hint {
                        (lang.pick(
                            "Knappen räknar om från början efter ett batteribyte. Säg det här, så misstas inte nästa tryck för ett \
                             gammalt. Bekräfta bara om du vet att batteriet är bytt.",
                            "After a new battery the button counts from the beginning. Say so here, so that the next press is not \
                             mistaken for an old one. Confirm only if you know that it was changed.",
                        ))
                    }
                    form.actions method="post" action=(act("battery-changed")) {
                        button.plain type="submit" aria-describedby="battery-hint" { (lang.pick("Batteriet är bytt", "The battery was changed")) }
                    }
                }
            }
            section.card aria-labelledby="remove" {
                h2 #remove { (lang.pick("Ta bort ur hemmet", "Take out of the home")) }
                p #remove-hint .hint {
                    (lang.pick(
                        "Boxen slutar lyssna på apparaten, och den är inte längre någons. Det som är sparat finns kvar.",
                        "The box stops listening to the device, and it is nobody's any more. What is stored stays.",
                    ))
                }
                form.actions method="post" action=(act("remove")) {
                    button.plain type="submit" aria-describedby="remove-hint" { (lang.pick("Ta bort", "Take out")) }
                }
            }
        }
    }

    fn to_be_added(&self, wrong: Option<Wrong>, moment: &Moment) -> Markup {
        let lang = moment.lang;
        let heard = self.heard.as_ref().map(|heard| &heard.said);
        let kind = heard.and_then(|said| said.kind);
        let in_key = matches!(wrong, Some(Wrong::Key | Wrong::KeyOfNoButton));
        html! {
            @if let Some(wrong) = wrong { p.notice role="alert" { (Icon::Warning) span { (wrong_words(wrong, lang)) } } }
            section.card aria-labelledby="device" {
                h2 #device { (lang.pick("Lägg till i hemmet", "Add to the home")) }
                p {
                    code { (self.id) }
                    @if let Some(name) = heard.and_then(|said| said.name.as_ref()) { ", ”" (name) "”" }
                    @if let Some(said) = heard { ", " (nearby::signal(said.signal_dbm, lang)) }
                }
                form.form.wide method="post" action={ (address(&self.home.id, &self.id.to_string())) "/add" } {
                    div.field {
                        label for="kind" { (lang.pick("Vad är det för apparat?", "What kind of device is it?")) }
                        select #kind name="kind" required {
                            @if kind.is_none() { option value="" selected { (lang.pick("Välj …", "Choose …")) } }
                            @for each in DeviceKind::ALL {
                                option value=(each.as_str()) selected[kind == Some(each)] { (device_kind(Some(each.as_str()), lang)) }
                            }
                        }
                    }
                    div.field {
                        label for="person" { (lang.pick("Vems är den?", "Whose is it?")) }
                        p #person-hint .hint {
                            (lang.pick(
                                "Mätningar och larm räknas från och med nu som den personens. Låt bli om flera använder apparaten.",
                                "From now on readings and alarms are that person's. Leave it open where several people use the device.",
                            ))
                        }
                        select #person name="person" aria-describedby="person-hint" {
                            option value="" { (lang.pick("Ingen än", "Nobody's yet")) }
                            @for (id, name) in &self.people { option value=(id) { (name) } }
                        }
                    }
                    details open[kind.is_none_or(|kind| kind == DeviceKind::AlarmButton)] {
                        summary { (lang.pick("Larmknappens nyckel och livstecken", "The alarm button's key and sign of life")) }
                        div.field {
                            label for="key" { (lang.pick("Larmknappens nyckel", "The alarm button's key")) }
                            p #key-hint .hint {
                                (lang.pick(
                                    "Bara för larmknappar: 32 tecken, 0–9 och a–f. Utan nyckel går det inte att bevisa att ett tryck kom från \
                                     knappen. Nyckeln visas aldrig igen.",
                                    "For alarm buttons only: 32 characters, 0–9 and a–f. Without it no press can be proved to come from the \
                                     button. The key is never shown again.",
                                ))
                            }
                            input #key name="key" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="64"
                                aria-describedby="key-hint" aria-invalid=[in_key.then_some("true")];
                        }
                        div.field {
                            label for="beacon" { (lang.pick("Hur ofta ger den livstecken?", "How often does it give a sign of life?")) }
                            p #beacon-hint .hint {
                                (lang.pick(
                                    "Det står i knappens inställningar. Anges inget, lär sig boxen hur ofta det brukar komma. Uteblir det, \
                                     säger boxen till.",
                                    "It is in the button's settings. Left open, the box learns how often it comes. When it does not come, \
                                     the box says so.",
                                ))
                            }
                            select #beacon name="beacon" aria-describedby="beacon-hint" {
                                option value="" { (lang.pick("Låt boxen lära sig", "Let the box learn it")) }
                                @for seconds in BEACONS {
                                    option value=(seconds) { (moment.length(std::time::Duration::from_secs(u64::from(seconds)))) }
                                }
                            }
                        }
                    }
                    details {
                        summary { (lang.pick("Om apparaten avviker från standarden", "Where the device departs from the standard")) }
                        div.field {
                            label for="dialect" { (lang.pick("Hur apparaten talar", "How the device speaks")) }
                            select #dialect name="dialect" {
                                option value="" { (lang.pick("Boxen avgör efter modellen", "The box tells by the model")) }
                                @for dialect in Dialect::ALL { option value=(dialect) { (dialect) } }
                            }
                        }
                    }
                    div.actions { button #add type="submit" { (lang.pick("Lägg till", "Add")) } }
                }
            }
        }
    }
}

/// How often devices give a sign of life, as they can be set to, in seconds.
const BEACONS: [u32; 6] = [60, 300, 900, 3_600, 21_600, 86_400];

fn wrong_words(wrong: Wrong, lang: Lang) -> &'static str {
    match wrong {
        Wrong::Key => lang.pick(
            "Nyckeln är inte 32 tecken av 0–9 och a–f. Inget är tillagt; skriv in den igen.",
            "The key is not 32 characters of 0–9 and a–f. Nothing was added; type it again.",
        ),
        Wrong::KeyOfNoButton => lang.pick(
            "Bara en larmknapp har en nyckel. Inget är tillagt.",
            "Only an alarm button has a key. Nothing was added.",
        ),
        Wrong::Dialect => lang.pick(
            "Ingen sådan apparat talar så. Inget är tillagt; låt boxen avgöra, om du inte vet.",
            "No such device speaks so. Nothing was added; let the box tell, unless you know.",
        ),
        Wrong::Taken => lang.pick(
            "Apparaten tillhör redan ett hem. Ta bort den där först.",
            "The device belongs to a home already. Take it out of that first.",
        ),
    }
}

//! An alert, or a wait for repeats, as one row: who, what, since when, how urgent, and who has it.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::alerts::alert::{Alert, State};
use crate::alerts::line::{self, Reader};
use crate::alerts::rules::{self, silent_home};
use crate::alerts::{ALARMS, Severity, health, keeping};
use crate::duty::cover;
use crate::duty::sight::lookout::Sight;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::proof::{homes, schedule};
use crate::store::alerts::{self, Told, Waits, Which};
use crate::store::names::{self, Names};
use crate::store::{self, StoreError, work_list};
use crate::wording::Lang;

/// So many alerts are read at most.
const MOST: u32 = 500;

/// An alert with the names it is known by and the newest line about its matter.
pub(crate) struct Case {
    pub(crate) alert: alerts::Case,
    pub(crate) person_name: Option<String>,
    pub(crate) home_name: String,
    pub(crate) newest: Option<Told>,
}

/// A wait for repeats with the names it is known by.
pub(crate) struct Wait {
    pub(crate) waits: Waits,
    pub(crate) person_name: String,
    pub(crate) home_name: String,
}

/// Reads the alerts that are not closed and that she sees, the most urgent first. Those of others never take the place of hers.
pub(crate) async fn not_closed(store: &store::Reader, sight: &Sight) -> Result<Vec<Case>, StoreError> {
    let most = if sight.sees_everybody() { MOST } else { u32::MAX };
    let mut cases = sight.cases(store, alerts::read(store, Which::NotClosed, most).await?).await?;
    cases.truncate(MOST as usize);
    named(store, cases).await
}

/// Reads those of a person's alerts that she sees.
pub(crate) async fn of_person(store: &store::Reader, sight: &Sight, person: &str) -> Result<Vec<Case>, StoreError> {
    let cases = alerts::read(store, Which::Of(person), MOST).await?;
    named(store, sight.cases_on_page(store, cases).await?).await
}

/// Reads one alert.
pub(crate) async fn one(store: &store::Reader, id: &str) -> Result<Option<Case>, StoreError> {
    Ok(named(store, alerts::read(store, Which::One(id), 1).await?).await?.pop())
}

/// Reads what waits for repeats about people whose readings she sees, the oldest first.
pub(crate) async fn waiting(store: &store::Reader, sight: &Sight) -> Result<Vec<Wait>, StoreError> {
    let waiting = sight.waits(store, alerts::all_waiting(store).await?).await?;
    let mut people = names::of_people(store, waiting.iter().map(|waits| waits.person.as_str())).await?;
    let homes = names::of_homes(store, waiting.iter().map(|waits| waits.home.as_str())).await?;
    let with_names = |waits: Waits| Wait {
        person_name: people.remove(&waits.person).unwrap_or_default(),
        home_name: name_of(&homes, &waits.home),
        waits,
    };
    Ok(waiting.into_iter().map(with_names).collect())
}

/// Tells on every other page that alarms wait for somebody, without saying whose: but for those of the alert or person
/// that the page shows anyway.
pub(crate) async fn elsewhere(
    store: &store::Reader,
    sight: &Sight,
    but_for: &str,
    lang: Lang,
) -> Result<Markup, StoreError> {
    let ringing = sight.cases(store, work_list::ringing(store, &ALARMS, but_for).await?).await?.len();
    let words = match (lang, ringing) {
        (Lang::Sv, 1) => "1 larm väntar på någon.".to_owned(),
        (Lang::Sv, _) => format!("{ringing} larm väntar på någon."),
        (Lang::En, 1) => "1 alarm waits for somebody.".to_owned(),
        (Lang::En, _) => format!("{ringing} alarms wait for somebody."),
    };
    Ok(html! {
        @if ringing > 0 {
            p #elsewhere .notice.alarm data-say=(words) {
                (Icon::Bell)
                span { (words) " " a href="/" { (lang.pick("Till arbetslistan", "To the work list")) } }
            }
        }
    })
}

async fn named(store: &store::Reader, read: Vec<alerts::Case>) -> Result<Vec<Case>, StoreError> {
    let people = names::of_people(store, read.iter().filter_map(|case| case.person.as_deref())).await?;
    let homes = names::of_homes(store, read.iter().map(|case| case.home.as_str())).await?;
    let ids: Vec<&str> = read.iter().map(|case| case.id.as_str()).collect();
    let mut newest: std::collections::HashMap<String, Told> =
        alerts::headlines(store, &ids).await?.into_iter().collect();
    let with_names = |alert: alerts::Case| Case {
        person_name: alert.person.as_ref().map(|person| name_of(&people, person)),
        home_name: name_of(&homes, &alert.home),
        newest: newest.remove(&alert.id),
        alert,
    };
    Ok(read.into_iter().map(with_names).collect())
}

fn name_of(names: &Names, id: &str) -> String {
    names.get(id).cloned().unwrap_or_default()
}

impl Case {
    /// Whether somebody must still act.
    pub(crate) fn is_open(&self) -> bool {
        match self.alert.alert.state {
            State::Open | State::Claimed(_) => true,
            State::Closed { .. } => false,
        }
    }

    /// Whether a person asks for help, or may.
    pub(crate) fn is_alarm(&self) -> bool {
        ALARMS.contains(&self.alert.rule.as_str())
    }

    /// Whether it is before the whole team, or rings its claimer again.
    pub(crate) fn rings(&self) -> bool {
        match self.alert.alert.state {
            State::Open => true,
            State::Claimed(_) => self.alert.alert.is_unseen(),
            State::Closed { .. } => false,
        }
    }

    /// Where a browser says that it was before its reader's eyes; nowhere while it does not ring.
    pub(crate) fn shown_at(&self) -> Option<String> {
        self.rings().then(|| format!("/alerts/{}/shown/{}", self.alert.id, self.alert.alert.rung_ms))
    }

    /// What it is called.
    pub(crate) fn title(&self, lang: Lang) -> String {
        let newest = self.newest.as_ref().map(|told| &told.line);
        line::title(&self.alert.rule, self.alert.alert.confirmed, newest, lang)
    }

    /// The person it is about, or the home where no person is known.
    pub(crate) fn whom(&self, lang: Lang) -> String {
        if [silent_home::STORM, homes::HOMES].contains(&self.alert.rule.as_str()) {
            return lang.pick("Flera hem", "Several homes").to_owned();
        }
        if [health::CHANNEL, schedule::WAY].contains(&self.alert.rule.as_str()) {
            return lang.pick("Alla hem", "All homes").to_owned();
        }
        if keeping::ABOUT_THE_GATEWAY.contains(&self.alert.rule.as_str()) {
            return lang.pick("Gatewayen", "The gateway").to_owned();
        }
        if [cover::NOW, cover::NEXT].contains(&self.alert.rule.as_str()) {
            return lang.pick("Bemanning", "Staffing").to_owned();
        }
        self.person_name.clone().unwrap_or_else(|| {
            let nobody = if self.is_about_a_box() {
                lang.pick("Utrustning", "Equipment")
            } else {
                lang.pick("Okänd person", "Unknown person")
            };
            format!("{nobody}, {}", self.home_name)
        })
    }

    fn is_about_a_box(&self) -> bool {
        health::ABOUT_EQUIPMENT.contains(&self.alert.rule.as_str())
    }

    /// The row on the work list.
    pub(crate) fn row(&self, who: &str, moment: &Moment) -> Markup {
        let lang = moment.lang;
        let (id, alert) = (&self.alert.id, &self.alert.alert);
        let (kind, whom, title) = (self.class(), self.whom(lang), self.title(lang));
        let quiet = !self.rings();
        html! {
            li.case.(kind).claimed[quiet] #{ "case-" (id) } data-say={ (self.level(lang)) ": " (whom) ". " (title) "." }
                data-shown=[self.shown_at()]
            {
                div {
                    h3 {
                        (self.badge(lang))
                        a #{ "open-" (id) } href={ "/alerts/" (id) } { (whom) }
                        @if alert.is_unseen() { (unseen_badge(alert, lang)) }
                    }
                    p.what {
                        (title)
                        @if let Some(told) = &self.newest { ". " (told.line.say(&speaker(moment))) }
                    }
                    p.when {
                        @if self.person_name.is_some() { (self.home_name) " · " }
                        @match Timestamp::from_millisecond(alert.rung_ms) {
                            Ok(at) => (moment.time_and_age(at)),
                            Err(_) => "",
                        }
                        @if alert.rung_ms - self.alert.opened_ms > 1_000 {
                            @if let Ok(opened) = Timestamp::from_millisecond(self.alert.opened_ms) {
                                (lang.pick(" (öppnat ", " (opened ")) (moment.time(opened)) ")"
                            }
                        }
                    }
                    p.owner { (owner(&self.alert, moment)) }
                    (self.warning(who, moment))
                }
                div.act { (self.acts(lang)) }
            }
        }
    }

    /// Warns its owner before it goes back to the team.
    pub(crate) fn warning(&self, who: &str, moment: &Moment) -> Markup {
        let lang = moment.lang;
        html! {
            @if let Some(back) = self.goes_back_soon(moment) && self.is_of(who) {
                p.notice {
                    (Icon::Hourglass)
                    span {
                        (lang.pick("Det går tillbaka till hela teamet ", "It goes back to the whole team ")) (moment.time(back))
                        (lang.pick(" om du inte hörs av. ", " unless you say something. "))
                        a href={ "/alerts/" (self.alert.id) } { (lang.pick("Jag har det fortfarande", "I still have it")) }
                    }
                }
            }
        }
    }

    /// Whether somebody takes care of it.
    pub(crate) fn is_of(&self, who: &str) -> bool {
        matches!(&self.alert.alert.state, State::Claimed(claim) if claim.by == who)
    }

    /// When it goes back to the team, once its owner is to be warned of that.
    fn goes_back_soon(&self, moment: &Moment) -> Option<Timestamp> {
        match &self.alert.alert.state {
            State::Claimed(claim) if moment.now.as_millisecond() >= claim.warns_ms() => {
                Timestamp::from_millisecond(claim.goes_back_ms).ok()
            }
            State::Claimed(_) | State::Open | State::Closed { .. } => None,
        }
    }

    /// What can be done about it from a list.
    fn acts(&self, lang: Lang) -> Markup {
        let id = &self.alert.id;
        html! {
            @if self.alert.alert.state == State::Open {
                form method="post" action={ "/alerts/" (id) "/claim" } {
                    button #{ "claim-" (id) } type="submit" {
                        (lang.pick("Ta hand om", "Take it")) span.unseen { ": " (self.whom(lang)) }
                    }
                }
            }
            a.plain #{ "see-" (id) } href={ "/alerts/" (id) } {
                (lang.pick("Visa", "Open")) span.unseen { ": " (self.whom(lang)) ", " (self.title(lang)) }
            }
        }
    }

    /// One line about an alert that is dealt with.
    pub(crate) fn past(&self, moment: &Moment) -> Markup {
        let lang = moment.lang;
        html! {
            @if let Ok(opened) = Timestamp::from_millisecond(self.alert.opened_ms) { (moment.time(opened)) ": " }
            a href={ "/alerts/" (self.alert.id) } { (self.title(lang)) }
            @if let State::Closed { by, .. } = &self.alert.alert.state { ", " (lang.pick("avslutat av ", "closed by ")) (by) }
        }
    }

    fn class(&self) -> &'static str {
        if self.is_alarm() { "alarm" } else { self.alert.alert.severity.as_str() }
    }

    fn level(&self, lang: Lang) -> &'static str {
        if self.is_alarm() {
            return lang.pick("LARM", "ALARM");
        }
        match self.alert.alert.severity {
            Severity::High => lang.pick("Brådskande", "Urgent"),
            Severity::Medium => lang.pick("Viktigt", "Important"),
            Severity::Low => lang.pick("Mindre viktigt", "Less urgent"),
        }
    }

    /// How urgent it is, by word, sign and colour.
    pub(crate) fn badge(&self, lang: Lang) -> Markup {
        let icon = match (self.is_alarm(), self.alert.alert.severity) {
            (true, _) => Icon::Bell,
            (false, Severity::High | Severity::Medium) => Icon::Warning,
            (false, Severity::Low) => Icon::Note,
        };
        html! { span.badge.(self.class()) { (icon) (self.level(lang)) } }
    }
}

impl Wait {
    /// The row on the work list.
    pub(crate) fn row(&self, moment: &Moment) -> Markup {
        let lang = moment.lang;
        let waiting = &self.waits.waiting;
        let person = &self.waits.person;
        html! {
            li.case.waiting #{ "wait-" (self.waits.rule) "-" (person) }
                data-say={ (lang.pick("Väntar på ommätning", "Waiting for a repeat")) ": " (self.person_name) "." }
            {
                div {
                    h3 {
                        span.badge.waiting {
                            (Icon::Hourglass)
                            (lang.pick("Väntar på ommätning ", "Waiting for repeat "))
                            (waiting.got + 1) (lang.pick(" av ", " of ")) (waiting.wanted)
                        }
                        a #{ "open-" (person) } href={ "/persons/" (person) } { (self.person_name) }
                    }
                    p.what { (self.said(moment)) }
                    p.when {
                        (self.home_name)
                        @if let Ok(since) = Timestamp::from_millisecond(waiting.since_ms) { " · " (moment.time_and_age(since)) }
                    }
                }
                div.act {
                    a.plain #{ "see-" (person) } href={ "/persons/" (person) } {
                        (lang.pick("Visa", "Open")) span.unseen { ": " (self.person_name) }
                    }
                }
            }
        }
    }

    /// What is known so far, in words.
    pub(crate) fn said(&self, moment: &Moment) -> String {
        rules::say_waiting(&self.waits.rule, &self.waits.waiting, &speaker(moment))
    }
}

/// In whose language and zone a line is said.
pub(crate) fn speaker(moment: &Moment) -> Reader {
    Reader { lang: moment.lang, zone: moment.zone.clone() }
}

/// Who has it.
pub(crate) fn owner(case: &alerts::Case, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @match &case.alert.state {
            State::Open => {
                strong { (lang.pick("Ingen har tagit hand om det än.", "Nobody has taken it yet.")) }
                @if let Some(unanswered) = case.unanswered {
                    " " strong.bad {
                        (Icon::Warning) " "
                        @if unanswered.has_told {
                            (lang.pick(
                                "INGEN HAR SVARAT, alla steg är prövade sedan ",
                                "NOBODY HAS ANSWERED, all rungs have been tried since ",
                            ))
                        } @else {
                            (lang.pick(
                                "INGEN KUNDE NÅS: den syns bara här sedan ",
                                "NOBODY COULD BE TOLD: it has been shown here only since ",
                            ))
                        }
                        (moment.time_of_ms(unanswered.since_ms)) "."
                    }
                }
            }
            State::Claimed(claim) => {
                strong { (claim.by) } " " (lang.pick("tar hand om det sedan ", "has taken it since "))
                @if let Ok(at) = Timestamp::from_millisecond(claim.at_ms) { (moment.time(at)) "." }
                @if let Some(at) = claim.on_the_way_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                    " " strong { (lang.pick("Någon är på väg", "Someone is on the way")) }
                    (lang.pick(" sedan ", " since ")) (moment.time(at)) "."
                }
                @if let Ok(back) = Timestamp::from_millisecond(claim.goes_back_ms) {
                    " " (lang.pick("Går tillbaka till teamet ", "Goes back to the team ")) (moment.time(back))
                    (lang.pick(" om inget mer sägs.", " unless more is said."))
                }
            }
            State::Closed { by, at_ms, outcome } => {
                (lang.pick("Avslutat av ", "Closed by ")) strong { (by) } " "
                @if let Ok(at) = Timestamp::from_millisecond(*at_ms) { (moment.time(at)) "." }
                @if let Some(outcome) = outcome { " " (lang.pick("Utfall: ", "Outcome: ")) (outcome.say(lang)) "." }
            }
        }
    }
}

fn unseen_badge(alert: &Alert, lang: Lang) -> Markup {
    html! {
        @match &alert.state {
            State::Claimed(claim) => span.badge.new {
                (Icon::Bell) (lang.pick("Ringde igen, inte sett av ", "Rang again, not seen by ")) (claim.by)
            },
            State::Open => span.badge.new { (lang.pick("Inte sett", "Not seen")) },
            State::Closed { .. } => {}
        }
    }
}

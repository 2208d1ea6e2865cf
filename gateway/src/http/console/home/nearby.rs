//! What else is heard in a home, for whoever adds a device while somebody there holds it in her hand: the likeliest
//! first, in words that can be read out over the phone.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hempuls_protocol::wire::heartbeat::{Hearing, Nearby};
use jiff::Timestamp;
use maud::{Markup, html};

use super::device;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::http::console::work_list::is_silent;
use crate::store::homes_page::{Agent, Home};
use crate::store::{Reader, StoreError, devices};
use crate::wording::{Lang, device_kind};

/// A device that a home's box hears and that is not the home's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heard {
    /// What the box says of it.
    pub(crate) said: Nearby,
    /// When it was heard.
    pub(crate) at_ms: Option<i64>,
    /// It is another home's.
    pub(crate) is_elsewhere: bool,
}

/// What the boxes of a home hear besides its own devices, the likeliest first. What was heard by several is listed as the
/// one that hears it best says.
pub(crate) async fn heard(store: &Reader, home: &Home) -> Result<Vec<Heard>, StoreError> {
    let own = |id: &str| home.devices.iter().any(|device| device.id == id && device.adopted.is_some());
    let mut heard: BTreeMap<String, Heard> = BTreeMap::new();
    for agent in home.agents.iter().filter(|agent| agent.is_in_service()) {
        let Some(beat) = &agent.beat else { continue };
        for said in beat.nearby.iter().filter(|said| !said.adopted) {
            let id = said.device.to_string();
            if own(&id) {
                continue;
            }
            let new = Heard { said: said.clone(), at_ms: agent.ago_ms(said.heard_s), is_elsewhere: false };
            let known = heard.entry(id).or_insert_with(|| new.clone());
            if new.said.signal_dbm > known.said.signal_dbm {
                *known = new;
            }
        }
    }
    let ids: Vec<&str> = heard.keys().map(String::as_str).collect();
    for id in devices::in_homes(store, &ids).await? {
        if let Some(known) = heard.get_mut(&id) {
            known.is_elsewhere = true;
        }
    }
    let mut heard: Vec<Heard> = heard.into_values().collect();
    sort_by_likelihood(&mut heard);
    Ok(heard)
}

/// Whoever holds a device in her hand has just used it, and it is close. What is another home's comes last.
fn sort_by_likelihood(heard: &mut [Heard]) {
    heard.sort_by_key(|heard| {
        let Heard { said, is_elsewhere, .. } = heard;
        (*is_elsewhere, Reverse(said.just_used), Reverse(said.kind.is_some()), Reverse(said.signal_dbm), said.heard_s)
    });
}

/// The list.
pub(super) fn list(home: &Home, heard: &[Heard], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let beat_ms = home.agents.iter().filter(|agent| agent.is_in_service()).filter_map(|agent| agent.beat_ms).max();
    html! {
        section.cases aria-labelledby="nearby" {
            h2 #nearby {
                (lang.pick("Apparater i närheten", "Devices nearby")) " " span.count { "(" (heard.len()) ")" }
            }
            p.muted {
                (lang.pick(
                    "Det boxen hör just nu och som inte är hemmets. Be den som är på plats att använda apparaten: den som nyss \
                     användes står överst.",
                    "What the box hears now and is not the home's. Ask whoever is there to use the device: the one that was just \
                     used stands first.",
                ))
                @if let Some(at) = beat_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                    " " (lang.pick("Boxen sa det ", "The box said so ")) (moment.time_and_age(at)) "."
                }
            }
            @if heard.is_empty() {
                p.card {
                    @if is_silent(beat_ms, moment) {
                        (lang.pick("Okänt: boxen hörs inte.", "Unknown: the box is not heard."))
                    } @else if !home.agents.iter().any(hears) {
                        (lang.pick(
                            "Okänt: boxens radio hör ingenting, vilka apparater som än är där.",
                            "Unknown: the box's radio hears nothing, whatever devices there are.",
                        ))
                    } @else {
                        (lang.pick(
                            "Boxen hör ingen apparat som ser ut att mäta eller larma.",
                            "The box hears no device that looks like one that measures or calls for help.",
                        ))
                    }
                }
            } @else {
                ol { @for heard in heard { (row(home, heard, moment)) } }
            }
            (by_address(home, lang))
        }
    }
}

/// For a device that is not heard yet, or not known for what it is.
fn by_address(home: &Home, lang: Lang) -> Markup {
    html! {
        form.form.by-address method="get" action={ "/homes/" (home.id) "/devices" } {
            div.field {
                label for="address" { (lang.pick("Syns den inte? Skriv dess adress", "Not there? Type its address")) }
                p #address-hint .hint {
                    (lang.pick(
                        "Den står oftast på apparaten eller dess ask, som F0:F1:F2:F3:F4:F5.",
                        "It is usually on the device or its box, as F0:F1:F2:F3:F4:F5.",
                    ))
                }
                input #address name="address" type="text" required autocomplete="off" autocapitalize="characters" spellcheck="false"
                    maxlength="40" aria-describedby="address-hint";
            }
            div.actions { button.plain #find type="submit" { (lang.pick("Fortsätt", "Continue")) } }
        }
    }
}

fn hears(agent: &Agent) -> bool {
    let radio = agent.beat.as_ref().and_then(|beat| beat.radio);
    radio.is_none_or(|radio| radio.hearing == Hearing::Alive)
}

fn row(home: &Home, heard: &Heard, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let said = &heard.said;
    let id = said.device.to_string();
    let kind = device_kind(said.kind.map(|kind| kind.as_str()), lang);
    html! {
        li.case.low[said.just_used && !heard.is_elsewhere] {
            div {
                h3 {
                    @if said.just_used { span.badge.low { (Icon::Note) (lang.pick("Nyss använd", "Just used")) } }
                    (kind)
                    @if let Some(name) = &said.name { ", ”" (name) "”" }
                }
                p.what { code { (id) } }
                p.when {
                    (signal(said.signal_dbm, lang))
                    @if let Some(at) = heard.at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                        " · " (lang.pick("hördes ", "heard ")) (moment.ago(at))
                    }
                }
            }
            div.act {
                @if heard.is_elsewhere {
                    span.muted { (lang.pick("Tillhör ett annat hem", "Belongs to another home")) }
                } @else {
                    a.plain #{ "add-" (hex::encode(&id)) } href=(device::address(&home.id, &id)) {
                        (lang.pick("Lägg till", "Add")) span.unseen { ": " (kind) ", " (id) }
                    }
                }
            }
        }
    }
}

/// How strongly something is heard, as people say it.
pub(super) fn signal(dbm: Option<i8>, lang: Lang) -> String {
    let Some(dbm) = dbm else { return lang.pick("okänd signal", "unknown signal").to_owned() };
    let words = match dbm {
        -60..=i8::MAX => {
            lang.pick("mycket stark signal, alldeles intill boxen", "very strong signal, right beside the box")
        }
        -75..-60 => lang.pick("stark signal, troligen i samma rum", "strong signal, probably in the same room"),
        -88..-75 => lang.pick("svagare signal, kanske ett annat rum", "weaker signal, perhaps another room"),
        i8::MIN..-88 => lang.pick("svag signal, kanske hos grannen", "weak signal, perhaps at the neighbour's"),
    };
    format!("{words} ({} dBm)", dbm.to_string().replace('-', "−"))
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::DeviceKind;

    use super::*;

    #[test]
    fn the_one_in_her_hand_stands_first_and_a_neighbours_last() {
        let heard = |number: u8, change: fn(&mut Heard)| {
            let said = Nearby {
                device: format!("F0:F1:F2:F3:F4:{number:02X}").parse().unwrap(),
                name: None,
                signal_dbm: Some(-80),
                kind: Some(DeviceKind::BloodPressure),
                heard_s: 5,
                just_used: false,
                adopted: false,
            };
            let mut heard = Heard { said, at_ms: None, is_elsewhere: false };
            change(&mut heard);
            heard
        };
        let mut all = [
            heard(1, |heard| heard.said.kind = None),
            heard(2, |heard| heard.said.signal_dbm = None),
            heard(3, |heard| (heard.is_elsewhere, heard.said.just_used) = (true, true)),
            heard(4, |_| {}),
            heard(5, |heard| heard.said.signal_dbm = Some(-50)),
            heard(6, |heard| (heard.said.just_used, heard.said.signal_dbm) = (true, Some(-85))),
        ];
        sort_by_likelihood(&mut all);
        let order: Vec<String> = all.iter().map(|heard| heard.said.device.to_string()[15..].to_owned()).collect();
        assert_eq!(order, ["06", "05", "04", "02", "01", "03"]);
    }

    #[test]
    fn how_strong_a_signal_is_can_be_said_over_the_phone() {
        assert_eq!(signal(Some(-52), Lang::Sv), "mycket stark signal, alldeles intill boxen (−52 dBm)");
        assert_eq!(signal(Some(-61), Lang::En), "strong signal, probably in the same room (−61 dBm)");
        assert_eq!(signal(Some(-88), Lang::En), "weaker signal, perhaps another room (−88 dBm)");
        assert_eq!(signal(Some(-128), Lang::En), "weak signal, perhaps at the neighbour's (−128 dBm)");
    }
}

//! What is known of a box, in words. What is not known is said to be so, and never shown as "all well".

use std::time::Duration;

use hempuls_protocol::event::Refusal;
use hempuls_protocol::times::Trust;
use hempuls_protocol::wire::heartbeat::{ConfigState, FlashState, Hearing, Heartbeat, Takes, UplinkState};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::alerts::health::ailments::{self, Limits, Said};
use crate::alerts::health::{Found, LOW_BATTERY, wording};
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::http::console::work_list::{case, is_silent};
use crate::proof::homes;
use crate::store::home_proofs::HomeProof;
use crate::store::homes_page::{Agent, Device, Home};
use crate::wording::{Lang, device_kind};

/// Everything about one box but its devices and books. `wanted`: the revision of the configuration that it should use.
pub(crate) fn all(agent: &Agent, wanted: Option<u64>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        dl.facts {
            div { dt { (lang.pick("Förbindelse", "Connection")) } dd { (connection(agent, lang)) } }
            div { dt { (lang.pick("Boxen hördes senast", "Box last heard")) } dd { (last_heard(agent, moment)) } }
            div {
                dt { (lang.pick("Boxens radio", "The box's radio")) }
                dd { (hearing(agent, moment)) }
                @for note in radio_notes(agent, lang) { dd.note { (note) } }
            }
            div {
                dt { (lang.pick("Boxen hörde senast en apparat", "Box last heard a device")) }
                dd { (when(agent.radio_heard_ms(), moment)) }
            }
            @match &agent.beat {
                Some(beat) => (of_beat(agent, beat, wanted, moment)),
                None => div {
                    dt { (lang.pick("Boxen själv", "The box itself")) }
                    dd { (lang.pick("har inte sagt något om sig än", "has said nothing of itself yet")) }
                }
            }
            div {
                dt { (lang.pick("Larmvägen provad", "Way for alarms proven")) }
                dd { (proven(agent, moment)) }
                @if let Some(proof) = &agent.proof { dd.note { (how_far(proof, moment)) } }
            }
            div {
                dt { (lang.pick("Box", "Box")) }
                dd { code { (agent.id) } @if let Some(beat) = &agent.beat { ", version " (beat.version) } }
            }
            @if let Some(at) = agent.certificate_expires_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
                div {
                    dt { (lang.pick("Certifikatet gäller till", "Certificate valid until")) }
                    dd.bad[at < moment.now] { (moment.time(at)) }
                }
            }
        }
    }
}

/// When a silent test from a box last went all the way.
pub(crate) fn proven(agent: &Agent, moment: &Moment) -> Markup {
    when(agent.proof.as_ref().and_then(|proof| proof.proven_ms), moment)
}

/// How far the latest test came.
fn how_far(proof: &HomeProof, moment: &Moment) -> String {
    let lang = moment.lang;
    if let Some(stop) = &proof.stopped {
        return homes::wording::stopped_at(stop, lang);
    }
    match proof.told {
        None => lang.pick("Ett prov har kommit och bedöms.", "A test has come and is being judged.").to_owned(),
        Some(0) => lang
            .pick(
                "Ingen kontaktväg är inställd: ett larm syns bara här.",
                "No channel is set up: an alarm shows only here.",
            )
            .to_owned(),
        Some(1) => {
            lang.pick("Ett larm skulle först ha gått en väg.", "An alarm would first have gone one way.").to_owned()
        }
        Some(ways) => lang.pick(
            format!("Ett larm skulle först ha gått {ways} vägar."),
            format!("An alarm would first have gone {ways} ways."),
        ),
    }
}

fn of_beat(agent: &Agent, beat: &Heartbeat, wanted: Option<u64>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        div {
            dt { (lang.pick("Boxens lagring", "The box's storage")) }
            @match beat.flash {
                Some(flash) => (storage(flash, lang)),
                None => dd { (lang.pick("okänd", "unknown")) },
            }
            @if let Some(free) = beat.disk_free {
                dd.note { (free / 1_000_000) (lang.pick(" MB ledigt", " MB free")) }
            }
        }
        div {
            dt { (lang.pick("Uppkoppling", "Way out")) }
            dd { (uplink(beat.uplink, lang)) }
        }
        div {
            dt { (lang.pick("Inställningar", "Configuration")) }
            dd { (configuration(agent, beat.config.as_ref(), wanted, lang)) }
        }
        div { dt { (lang.pick("Boxens klocka", "The box's clock")) } dd { (clock_trust(beat.clock.trust, lang)) } }
        div {
            dt { (lang.pick("Hört sedan boxen startade", "Heard since the box started")) }
            dd { (signals(beat.heard, lang)) }
            @for note in refused_notes(beat, lang) { dd.note { (note) } }
        }
        @if beat.panics > 0 {
            div {
                dt { (lang.pick("Fel inuti programmet", "Faults inside the program")) }
                dd { (beat.panics) (lang.pick(", boxen fortsatte", ", survived")) }
            }
        }
    }
}

/// What somebody should know or do about, in sentences.
pub(crate) fn troubles(home: &Home, agent: &Agent, moment: &Moment, boxes: &Limits) -> Vec<String> {
    let lang = moment.lang;
    let Some((beat, at_ms)) = agent.beat.as_ref().zip(agent.beat_ms) else { return Vec::new() };
    let speaker = case::speaker(moment);
    let kind = |id: &str| {
        let device = home.devices.iter().find(|device| device.id == id);
        device.and_then(|device| device.adopted.as_ref()).map(|adopted| adopted.kind.clone())
    };
    let ailments = ailments::present(Said { beat, at_ms }, boxes).into_iter().map(|ailment| {
        let device_kind = ailment.device().and_then(kind);
        ailment.of_kind(device_kind)
    });
    let mut troubles: Vec<String> = ailments.map(|ailment| wording::say(&Found::Ails(ailment), &speaker)).collect();
    if beat.uplink.is_some_and(|uplink| uplink.place > 0) {
        troubles.push(lang.pick(
            "Boxen använder inte sin första uppkoppling: något är fel med den.".to_owned(),
            "The box does not use its first way out: something is wrong with it.".to_owned(),
        ));
    }
    let missing = home.devices.iter().filter(|device| {
        device.state.as_ref().is_some_and(|state| state.agent == agent.id && state.is_served && state.is_missing)
    });
    troubles.extend(missing.map(|device| {
        let what = name(device, lang);
        lang.pick(
            format!("{what} har inte gett livstecken i tid."),
            format!("{what} has not given its sign of life in time."),
        )
    }));
    troubles
}

/// What a device is, and which: `Larmknapp F0:F1:F2:F3:F4:F5`.
pub(crate) fn name(device: &Device, lang: Lang) -> String {
    let kind = device.adopted.as_ref().map(|adopted| adopted.kind.as_str());
    format!("{} {}", device_kind(kind, lang), device.id)
}

pub(crate) fn connection(agent: &Agent, lang: Lang) -> Markup {
    html! {
        @if agent.revoked.is_some() {
            span.bad { (Icon::Cross) " " (lang.pick("avstängd", "cut off")) }
        } @else if agent.retired.is_some() {
            span { (Icon::Hourglass) " " (lang.pick("tagen ur bruk", "retired")) }
        } @else if agent.enrolled_ms.is_none() {
            span { (Icon::Hourglass) " " (lang.pick("inte inkopplad än", "not enrolled yet")) }
        } @else if agent.connected {
            span.good { (Icon::Tick) " " (lang.pick("ansluten", "connected")) }
        } @else {
            span.bad { (Icon::Cross) " " (lang.pick("inte ansluten", "not connected")) }
        }
    }
}

pub(crate) fn last_heard(agent: &Agent, moment: &Moment) -> Markup {
    let silent = agent.is_in_service() && is_silent(agent.last_heard_ms, moment);
    let since = agent.silent_since_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let lang = moment.lang;
    html! {
        span.bad[silent || since.is_some()] {
            @match since {
                Some(since) => {
                    (Icon::Cross) (lang.pick(" tyst sedan ", " silent since ")) (moment.time_and_age(since))
                    @if agent.last_heard_ms.is_none() { (lang.pick(", aldrig hörd", ", never heard")) }
                }
                None => (when(agent.last_heard_ms, moment)),
            }
        }
    }
}

pub(crate) fn when(at_ms: Option<i64>, moment: &Moment) -> Markup {
    html! {
        @match at_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()) {
            Some(at) => (moment.time_and_age(at)),
            None => (moment.lang.pick("aldrig", "never")),
        }
    }
}

/// Whether the radio hears. What a silent box said long ago is not news of its radio.
pub(crate) fn hearing(agent: &Agent, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let state = agent.beat.as_ref().filter(|_| !is_silent(agent.beat_ms, moment)).and_then(|beat| beat.radio);
    html! {
        @match state.map(|radio| radio.hearing) {
            Some(Hearing::Alive) => span.good { (Icon::Tick) " " (lang.pick("hör", "hears")) },
            Some(Hearing::Unproven) => span { (Icon::Question) " " (lang.pick("osäkert om den hör", "unproven")) },
            Some(Hearing::Dead) => span.bad { (Icon::Cross) " " (lang.pick("hör ingenting", "hears nothing")) },
            None => (lang.pick("okänd", "unknown")),
        }
    }
}

fn radio_notes(agent: &Agent, lang: Lang) -> Vec<String> {
    let Some(radio) = agent.beat.as_ref().and_then(|beat| beat.radio) else { return Vec::new() };
    let mut notes = Vec::new();
    match radio.hearing {
        Hearing::Unproven => notes.push(lang.pick(
            "Den har inte hört något på ett tag, och inget säger att det fanns något att höra.".to_owned(),
            "It has heard nothing for a while, and nothing says that there was something to hear.".to_owned(),
        )),
        Hearing::Dead => notes.push(
            lang.pick(
                "En apparat som skulle ha hörts gör det inte, eller så säger radion själv att den inte fungerar."
                    .to_owned(),
                "A device that should be heard is not, or the radio itself says that it does not work.".to_owned(),
            ),
        ),
        Hearing::Alive => {}
    }
    if radio.cures > 0 {
        notes.push(match (lang, radio.cures) {
            (Lang::Sv, 1) => "Väckt till liv en gång sedan boxen startade.".to_owned(),
            (Lang::Sv, cures) => format!("Väckt till liv {cures} gånger sedan boxen startade."),
            (Lang::En, 1) => "Brought back to life once since the box started.".to_owned(),
            (Lang::En, cures) => format!("Brought back to life {cures} times since the box started."),
        });
    }
    if radio.strangers > 0 {
        notes.push(match (lang, radio.strangers) {
            (Lang::Sv, 1) => "1 främmande apparat hördes den senaste timmen och lämnades i fred.".to_owned(),
            (Lang::Sv, n) => format!("{n} främmande apparater hördes den senaste timmen och lämnades i fred."),
            (Lang::En, 1) => "1 stranger's device was heard within the last hour and left alone.".to_owned(),
            (Lang::En, n) => format!("{n} strangers' devices were heard within the last hour and left alone."),
        });
    }
    notes
}

fn storage(flash: FlashState, lang: Lang) -> Markup {
    html! {
        dd {
            @match flash.takes {
                Takes::All => span.good { (Icon::Tick) " " (lang.pick("tar emot allt", "takes everything")) },
                Takes::AlarmsOnly => span.bad { (Icon::Warning) " " (lang.pick("full: bara larm", "full: alarms only")) },
                Takes::Nothing => span.bad { (Icon::Cross) " " (lang.pick("tar inte emot något", "takes nothing")) },
            }
        }
        @if flash.in_memory > 0 {
            dd.note.bad {
                (lang.pick("Larm bara i arbetsminnet: ", "Alarms in working memory only: ")) (flash.in_memory)
            }
        }
        dd.note {
            @if flash.encrypted {
                (lang.pick("Krypterad.", "Encrypted."))
            } @else {
                (lang.pick(
                    "Inte krypterad: den som tar boxen kan läsa vad som ligger på den.",
                    "Not encrypted: whoever takes the box can read what lies on it.",
                ))
            }
        }
    }
}

fn uplink(uplink: Option<UplinkState>, lang: Lang) -> Markup {
    html! {
        @match uplink {
            None => (lang.pick("okänd", "unknown")),
            Some(UplinkState { of: 0 | 1, .. }) => (lang.pick("den enda", "the only one")),
            Some(UplinkState { place: 0, of }) => { (lang.pick("den första av ", "the first of ")) (of) },
            Some(UplinkState { place, of }) => span.bad {
                (Icon::Warning) " " (lang.pick("nr ", "number ")) (u64::from(place) + 1) (lang.pick(" av ", " of ")) (of)
            },
        }
    }
}

fn configuration(agent: &Agent, state: Option<&ConfigState>, wanted: Option<u64>, lang: Lang) -> Markup {
    let refused = state.and_then(|state| state.refused.as_ref()).filter(|refused| Some(refused.revision) == wanted);
    html! {
        @match (state, refused) {
            (None, _) => (lang.pick("okänt: boxen säger inget om dem", "unknown: the box says nothing of it")),
            (Some(_), Some(refused)) => span.bad {
                (Icon::Cross) " " (lang.pick("avvisade: ", "refused: ")) (refused.why)
            },
            (Some(state), None) if Some(state.revision) == wanted => span.good {
                (Icon::Tick) " " (lang.pick("de senaste", "the latest"))
            },
            (Some(_), None) if agent.revoked.is_some() => (lang.pick("inga fler skickas", "no more are sent")),
            (Some(_), None) => span { (Icon::Hourglass) " " (lang.pick("nya på väg", "new ones on their way")) },
        }
    }
}

fn clock_trust(trust: Trust, lang: Lang) -> &'static str {
    match trust {
        Trust::Synchronised => lang.pick("ställd av en tidsserver", "kept by a time server"),
        Trust::Estimated => lang.pick("ungefärlig", "approximate"),
        Trust::Unknown => lang.pick("inte ställd", "not set"),
    }
}

fn signals(count: u64, lang: Lang) -> String {
    match (lang, count) {
        (Lang::Sv, 1) => "1 signal".to_owned(),
        (Lang::Sv, _) => format!("{count} signaler"),
        (Lang::En, 1) => "1 signal".to_owned(),
        (Lang::En, _) => format!("{count} signals"),
    }
}

fn refused_notes(beat: &Heartbeat, lang: Lang) -> Vec<String> {
    if beat.refused == 0 {
        return Vec::new();
    }
    let because = |why: &Refusal| match why {
        Refusal::Flash => lang.pick("lagringen tog inte emot", "storage did not take"),
        Refusal::Full => lang.pick("lagringen full", "storage full"),
        Refusal::NotAuthentic => lang.pick("inte bevisat äkta", "not proved authentic"),
        Refusal::Replayed => lang.pick("gamla tryck uppspelade", "old presses played again"),
        Refusal::Stuck => lang.pick("knapp som fastnat", "stuck button"),
    };
    let reasons = beat.refusals.iter().map(|(why, count)| format!("{}: {count}", because(why)));
    let refused = beat.refused;
    std::iter::once(lang.pick(format!("{refused} togs inte emot"), format!("{refused} not taken")))
        .chain(reasons)
        .collect()
}

/// How full a device's battery is.
pub(crate) fn battery(percent: Option<u8>, lang: Lang) -> Markup {
    html! {
        @match percent {
            Some(percent) if percent <= LOW_BATTERY => span.bad { (Icon::Warning) " " (percent) " % " (lang.pick("lågt", "low")) },
            Some(percent) => { (percent) " %" }
            None => (lang.pick("okänt", "unknown")),
        }
    }
}

/// How a device's clock goes; a minute does not matter.
pub(crate) fn clock(ahead_s: Option<i64>, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @match ahead_s {
            None => (lang.pick("okänd", "unknown")),
            Some(ahead) if ahead.unsigned_abs() <= 60 => (lang.pick("rätt", "right")),
            Some(ahead) => {
                (moment.length(Duration::from_secs(ahead.unsigned_abs()))) " "
                (if ahead > 0 { lang.pick("före", "fast") } else { lang.pick("efter", "slow") })
            }
        }
    }
}

//! A home's devices: what they are, how they do, and whether the box has taken them on.

use maud::{Markup, html};

use super::{device, facts};
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::store::homes_page::{Device, Home};
use crate::wording::{Lang, device_kind};

/// The table of a home's devices.
pub(super) fn table(home: &Home, moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        section aria-labelledby="devices" {
            h2 #devices { (lang.pick("Hemmets apparater", "The home's devices")) }
            @if home.devices.is_empty() {
                p.card { (lang.pick("Hemmet har inga apparater ännu.", "The home has no devices yet.")) }
            } @else {
                div.scroll #device-table tabindex="0" role="region" aria-labelledby="devices" {
                    table {
                        thead {
                            tr {
                                th scope="col" { (lang.pick("Apparat", "Device")) }
                                th scope="col" { (lang.pick("Adress", "Address")) }
                                th.n scope="col" { (lang.pick("Batteri", "Battery")) }
                                th scope="col" { (lang.pick("Klocka", "Clock")) }
                                th scope="col" { (lang.pick("Senast hörd", "Last heard")) }
                                th scope="col" { (lang.pick("Anmärkning", "Remark")) }
                            }
                        }
                        tbody { @for device in &home.devices { (row(home, device, moment)) } }
                    }
                }
            }
        }
    }
}

fn row(home: &Home, device: &Device, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let kind = device_kind(device.adopted.as_ref().map(|adopted| adopted.kind.as_str()), lang);
    let state = device.state.as_ref();
    html! {
        tr {
            th scope="row" {
                @if device.adopted.is_some() {
                    a.target href=(device::address(&home.id, &device.id)) { (kind) }
                } @else {
                    (kind)
                }
                @if let Some(model) = state.and_then(|state| state.model.as_ref()) { br; span.muted { (model) } }
            }
            td { code { (device.id) } }
            td.n { (facts::battery(state.and_then(|state| state.battery), lang)) }
            td { (facts::clock(state.and_then(|state| state.clock_ahead_s), moment)) }
            td { (facts::when(state.and_then(|state| state.heard_ms), moment)) }
            td { (remarks(device, moment)) }
        }
    }
}

fn remarks(device: &Device, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let state = device.state.as_ref();
    let is_served = state.is_some_and(|state| state.is_served);
    html! {
        @if state.is_some_and(|state| state.is_served && state.is_missing) {
            p.bad { (Icon::Warning) " " (lang.pick("livstecken saknas", "no sign of life")) }
        }
        @match &device.adopted {
            None => p { (lang.pick("står bara i boxens egen fil", "only in the box's own file")) },
            Some(_) if !is_served => p {
                (Icon::Hourglass) " " (lang.pick("boxen har inte tagit emot den än", "not taken on by the box yet"))
            },
            Some(adopted) => {
                @if let Some(seconds) = adopted.beacon_s { p { (every(seconds, moment)) } }
            }
        }
    }
}

/// How often a device says that it is there.
pub(super) fn every(seconds: u32, moment: &Moment) -> String {
    let length = moment.length(std::time::Duration::from_secs(u64::from(seconds)));
    match moment.lang {
        Lang::Sv => format!("livstecken: en gång per {length}"),
        Lang::En => format!("sign of life: once per {length}"),
    }
}

//! The gateway itself, for operations: whether its own tests come through, how long each step took, whether whoever would
//! notice its silence hears it, and when each way to people was last proven. It shows nobody's data, and no address.

mod ways;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::delivery::Channel;
use crate::delivery::course::Outcome;
use crate::duty::sight::lookout::Sight;
use crate::http::console::icons::Icon;
use crate::http::console::layout::{Page, Place, heading};
use crate::http::console::moments::Moment;
use crate::http::console::work_list::case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::http::{State, live};
use crate::proof::pulse::Pulse;
use crate::store::silent_tests::{self, SilentTest};
use crate::wording::Lang;

/// So many tests are shown, the latest.
const SHOWN: u32 = 10;

/// `GET /gateway`
pub(crate) async fn page(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Result<Response, Refusal> {
    let moment = state.moment(lang);
    let title = lang.pick("Gatewayen", "The gateway");
    let page = Page {
        title,
        moment: &moment,
        place: Place::Gateway,
        path: "/gateway",
        reader: Some(&reader.looker.who),
        stream: Some("/gateway/stream"),
        heading: heading(title, &moment),
        region: region(&state, &reader.sight, &moment).await?,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /gateway/stream`
pub(crate) async fn stream(Shared(state): Shared<State>, reader: Reader, lang: Lang) -> Response {
    // Tests are no change: the page is made anew with each sign of life.
    live::follow(
        state,
        reader,
        lang,
        |_| false,
        move |state, reader, moment| async move { region(&state, &reader.sight, &moment).await },
    )
}

async fn region(state: &State, sight: &Sight, moment: &Moment) -> Result<Markup, Refusal> {
    let (store, lang) = (state.store().reader(), moment.lang);
    let latest = silent_tests::latest(store, None, SHOWN).await?;
    let called_ms = silent_tests::channel_proven_ms(store, Channel::DeadMan).await?;
    let against = match state.0.health.pulse() {
        Some(pulse) => Some((pulse, pulse.reason_against(store).await?.is_some())),
        None => None,
    };
    Ok(html! {
        (case::elsewhere(store, sight, "", lang).await?)
        section.card aria-labelledby="pulse" {
            h2 #pulse { (lang.pick("Gatewayens eget prov", "The gateway's own test")) }
            p.muted {
                (lang.pick(
                    "Ett tyst prov går samma väg som ett larm: mottagning, regler och aviseringskö. Det stör ingen.",
                    "A silent test goes the way of an alarm: ingest, rules and the queue of what people are told. It disturbs nobody.",
                ))
            }
            @if let Some((pulse, is_broken)) = against { (verdict(pulse, is_broken, moment)) }
            dl.facts {
                div {
                    dt { (lang.pick("Gick igenom senast", "Last came through")) }
                    dd #through { (at(latest.iter().find_map(|test| test.taken_ms), moment)) }
                }
                div {
                    dt { (lang.pick("Dödmansanropet gick fram senast", "The dead-man call last got through")) }
                    dd #called { (at(called_ms, moment)) }
                }
            }
            @if !latest.is_empty() { (table(&latest, moment)) }
        }
        (ways::section(state, moment).await?)
    })
}

fn verdict(pulse: &Pulse, is_broken: bool, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let every = moment.length(pulse.every());
    html! {
        @if is_broken {
            p.notice.alarm #broken role="status" {
                (Icon::Warning)
                span {
                    (lang.pick(
                        format!("Inget prov har gått igenom på tre gånger {every}. Ett larm når kanske ingen. Vad som hindrar står i /readyz."),
                        format!("No test has come through for three times {every}. An alarm may reach nobody. What is in the way stands in /readyz."),
                    ))
                }
            }
        }
    }
}

fn table(tests: &[SilentTest], moment: &Moment) -> Markup {
    let lang = moment.lang;
    let step = |from: i64, until: Option<i64>| until.map(|until| format!("{} ms", until - from));
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby="pulse" {
            table {
                thead {
                    tr {
                        th scope="col" { (lang.pick("Prov", "Test")) }
                        th scope="col" { (lang.pick("Lagrat och bedömt efter", "Stored and judged after")) }
                        th scope="col" { (lang.pick("Taget ur kön efter", "Taken from the queue after")) }
                        th scope="col" { (lang.pick("Anropet", "The call")) }
                    }
                }
                tbody {
                    @for test in tests {
                        tr {
                            th scope="row" { (moment.time_of_ms(test.put_ms)) }
                            td { (test.stored_ms - test.put_ms) " ms" }
                            td { (step(test.stored_ms, test.taken_ms).unwrap_or_else(|| "–".to_owned())) }
                            td { (call(test, lang)) }
                        }
                    }
                }
            }
        }
    }
}

fn call(test: &SilentTest, lang: Lang) -> String {
    match (&test.failed, &test.ended) {
        (Some(why), _) => lang.pick(format!("Stannade vid reglerna: {why}"), format!("Stopped at the rules: {why}")),
        (None, None) => lang.pick("Inte avslutat", "Not ended").to_owned(),
        (None, Some((ended_ms, outcome))) => {
            let took = ended_ms - test.taken_ms.unwrap_or(*ended_ms);
            match outcome {
                Outcome::Delivered { proof } => format!("{proof}, {took} ms"),
                Outcome::TryAgain { because, .. } | Outcome::GiveUp { because } => {
                    lang.pick(format!("Gick inte fram: {because}"), format!("Did not get through: {because}"))
                }
            }
        }
    }
}

pub(super) fn at(at_ms: Option<i64>, moment: &Moment) -> Markup {
    let at = at_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    html! {
        @match at {
            Some(at) => (moment.time_and_age(at)),
            None => (moment.lang.pick("Aldrig", "Never")),
        }
    }
}

//! When each way to people was last proven.

use maud::{Markup, html};

use super::at;
use crate::alerts::health::wording::channel_name;
use crate::http::State;
use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::http::refusal::Refusal;
use crate::proof::schedule::{self, Shown};

/// The ways, with whose they are: names, and no address.
pub(super) async fn section(state: &State, moment: &Moment) -> Result<Markup, Refusal> {
    let lang = moment.lang;
    let shown = schedule::shown(state.store().reader()).await?;
    Ok(html! {
        section.card aria-labelledby="ways" {
            h2 #ways { (lang.pick("Vägar att nå någon", "Ways to reach people")) }
            p.muted {
                (lang.pick(
                    "Varje väg provas tyst med jämna mellanrum; ingen får något meddelande. Det som verkligen gick fram räknas också.",
                    "Each way is tested silently at intervals; nobody gets a message. What really got through counts as well.",
                ))
            }
            @if shown.is_empty() {
                p { (lang.pick("Ingen har någon adress på en kanal som är inställd.", "Nobody has an address on a channel that is set up.")) }
            } @else {
                div.scroll tabindex="0" role="region" aria-labelledby="ways" {
                    table {
                        thead {
                            tr {
                                th scope="col" { (lang.pick("Kanal", "Channel")) }
                                th scope="col" { (lang.pick("Till", "To")) }
                                th scope="col" { (lang.pick("Senast bevisad", "Last proven")) }
                                th scope="col" { (lang.pick("Anmärkning", "Remark")) }
                            }
                        }
                        tbody { @for way in &shown { (row(way, moment)) } }
                    }
                }
            }
        }
    })
}

fn row(shown: &Shown, moment: &Moment) -> Markup {
    let (lang, way) = (moment.lang, &shown.way);
    let to = match way.id {
        None => lang.pick("Hela kanalen", "The whole channel").to_owned(),
        Some(_) => way.whose.join(", "),
    };
    html! {
        tr {
            th scope="row" { (channel_name(&way.channel, lang)) }
            td { (to) }
            td { (at(way.proven_ms, moment)) }
            td {
                @if shown.is_unproven {
                    (Icon::Warning) " " strong { (lang.pick("Inte bevisad", "Not proven")) } ". "
                }
                @if let Some((_, because)) = &way.failing {
                    (lang.pick(format!("Provet misslyckas: {because}"), format!("The test fails: {because}")))
                } @else if shown.is_by_use {
                    (lang.pick("Har inget tyst prov: bara det som verkligen sänds bevisar den.", "Has no silent test: only what is really sent proves it."))
                }
            }
        }
    }
}

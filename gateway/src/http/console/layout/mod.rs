//! The frame around each page: landmarks, the way to skip them, who is signed in, and whether the page is live.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::http::console::icons::Icon;
use crate::http::console::moments::Moment;
use crate::wording::Lang;

/// The console's one style sheet.
pub(crate) const STYLE: &str = include_str!("console.css");
/// The console's one script.
pub(crate) const SCRIPT: &str = include_str!("live.js");

/// The parts of the console that can be gone to from everywhere.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// What needs a person.
    WorkList,
    /// The homes and their books.
    Homes,
    /// The gateway itself.
    Gateway,
    /// None of these.
    Elsewhere,
}

/// A page without its frame.
pub(crate) struct Page<'a> {
    /// What the page is about, for its title and heading.
    pub(crate) title: &'a str,
    /// When and for whom it is made.
    pub(crate) moment: &'a Moment,
    /// Where in the console it is.
    pub(crate) place: Place,
    /// Its own address, to come back to after changing language.
    pub(crate) path: &'a str,
    /// Who reads it, once known.
    pub(crate) reader: Option<&'a str>,
    /// Where its changes come from.
    pub(crate) stream: Option<&'a str>,
    /// Its heading, with the time of its data.
    pub(crate) heading: Markup,
    /// What it says; the part that the stream replaces.
    pub(crate) region: Markup,
}

impl Page<'_> {
    /// The whole page, not to be kept by anybody on the way.
    pub(crate) fn answer(&self, status: StatusCode) -> Response {
        (status, [(header::CONTENT_LANGUAGE, self.moment.lang.to_string())], self.markup()).into_response()
    }

    fn markup(&self) -> Markup {
        let lang = self.moment.lang;
        html! {
            (DOCTYPE)
            html lang=(lang) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " – Hempuls" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/console.css";
                    @if self.stream.is_some() { script src="/assets/live.js" defer {} }
                }
                body data-stream=[self.stream] data-stays=(self.place == Place::WorkList) {
                    a.skip href="#main" { (lang.pick("Hoppa till innehållet", "Skip to the content")) }
                    (self.bar())
                    (not_live(lang))
                    p #announcer .unseen aria-live="assertive" {}
                    main #main tabindex="-1" {
                        (self.heading)
                        div #live { (self.region) }
                    }
                    (foot(lang))
                }
            }
        }
    }

    fn bar(&self) -> Markup {
        let lang = self.moment.lang;
        let here = |place| (self.place == place).then_some("page");
        html! {
            header.bar {
                div {
                    span.brand { (Icon::Brand) "Hempuls" }
                    @if self.reader.is_some() {
                        nav aria-label=(lang.pick("Sidor", "Pages")) {
                            ul {
                                li { a href="/" aria-current=[here(Place::WorkList)] { (lang.pick("Arbetslista", "Work list")) } }
                                li { a href="/homes" aria-current=[here(Place::Homes)] { (lang.pick("Hem", "Homes")) } }
                                li { a href="/gateway" aria-current=[here(Place::Gateway)] { (lang.pick("Gatewayen", "Gateway")) } }
                            }
                        }
                    }
                    div.who {
                        @let other = lang.pick(Lang::En, Lang::Sv);
                        a href={ "/language/" (other) "?to=" (self.path.replace('&', "%26")) } lang=(other) hreflang=(other) {
                            (other.pick("På svenska", "In English"))
                        }
                        @if let Some(reader) = self.reader {
                            span { (lang.pick("Inloggad: ", "Signed in: ")) (reader) }
                            form method="post" action="/logout" {
                                button.quiet type="submit" { (lang.pick("Logga ut", "Sign out")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The heading of a page, with the time of its data.
pub(crate) fn heading(title: &str, moment: &Moment) -> Markup {
    html! {
        div.title {
            h1 { (title) }
            (as_of(moment))
        }
    }
}

/// The heading of a page that shows nobody's data.
pub(crate) fn bare_heading(title: &str) -> Markup {
    html! { div.title { h1 { (title) } } }
}

/// The time of a page's data, whether it is live, and the way to fetch it anew without a script.
fn as_of(moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        p.as-of {
            span.live { (Icon::Live) (lang.pick("Live", "Live")) }
            span {
                (lang.pick("Uppgifter från kl. ", "Data from "))
                time data-as-of datetime=(moment.now) { (moment.clock()) }
            }
            a.refresh href="" { (lang.pick("Hämta igen", "Refresh")) }
        }
    }
}

/// What the script shows when nothing has come for twenty seconds.
fn not_live(lang: Lang) -> Markup {
    html! {
        div #not-live .not-live role="alert" hidden
            data-again=(lang.pick("Sidan är live igen.", "The page is live again."))
        {
            p {
                (Icon::Warning)
                span {
                    strong { (lang.pick("INTE LIVE sedan ", "NOT LIVE since ")) span data-since {} }
                    " "
                    (lang.pick(
                        "Det som visas kan vara gammalt. Sidan försöker igen av sig själv. Lita inte på listan: ring om du är osäker.",
                        "What is shown may be old. The page tries again by itself. Do not rely on it: phone if you are unsure.",
                    ))
                }
            }
        }
    }
}

fn foot(lang: Lang) -> Markup {
    html! {
        footer {
            p.foot {
                (lang.pick(
                    "Hempuls är under utveckling och får inte användas i vård än. Vid fara för liv: ring 112.",
                    "Hempuls is under development and not for use in care yet. When life is in danger: call 112.",
                ))
            }
        }
    }
}

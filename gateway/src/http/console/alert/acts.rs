//! What a member can do about an alert, and what she is told when it cannot be done.

use axum::Form;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::alerts::alert::{NotNow, State as Stands};
use crate::alerts::outcome::Outcome;
use crate::alerts::{Act, ActError};
use crate::http::State;
use crate::http::acts::{LONGEST_TEXT, act, text};
use crate::http::console::icons::Icon;
use crate::http::console::work_list::case::Case;
use crate::http::entry::Reader;
use crate::http::refusal::Refusal;
use crate::wording::Lang;

/// Why something was not done, told once above the alert.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Said {
    /// It is somebody else's.
    Taken,
    /// It was closed already.
    Closed,
    /// Nobody had taken it.
    Unclaimed,
    /// The words were missing.
    Words,
    /// What came of it was missing.
    Outcome,
    /// Nobody of that name has an account.
    Member,
    /// It was closed too long ago.
    Late,
    /// Another case about the same is open.
    Another,
}

impl Said {
    fn why_not(why: &ActError) -> Self {
        match why {
            ActError::NotNow(NotNow::Claimed(_)) => Self::Taken,
            ActError::NotNow(NotNow::Closed(_)) => Self::Closed,
            ActError::NotNow(NotNow::Unclaimed | NotNow::NotClosed) => Self::Unclaimed,
            ActError::NotNow(NotNow::TooLate) => Self::Late,
            ActError::NotNow(NotNow::NoWords) => Self::Words,
            ActError::NoSuchMember | ActError::NoSuchAlert | ActError::Store(_) => Self::Member,
            ActError::AnotherCase(_) => Self::Another,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Closed => "closed",
            Self::Unclaimed => "unclaimed",
            Self::Words => "words",
            Self::Outcome => "outcome",
            Self::Member => "member",
            Self::Late => "late",
            Self::Another => "another",
        }
    }

    /// In the reader's words.
    pub(super) fn words(self, case: &Case, lang: Lang) -> Markup {
        let by = match &case.alert.alert.state {
            Stands::Claimed(claim) => claim.by.clone(),
            Stands::Closed { by, .. } => by.clone(),
            Stands::Open => String::new(),
        };
        let words = match self {
            Self::Taken => lang.pick(
                format!("{by} hann före och tar redan hand om det."),
                format!("{by} was first and takes care of it already."),
            ),
            Self::Closed => lang.pick(format!("Det är redan avslutat av {by}."), format!("It is closed already, by {by}.")),
            Self::Unclaimed => lang
                .pick("Ingen har tagit hand om det. Ta hand om det först.", "Nobody has taken it. Take it first.")
                .to_owned(),
            Self::Words => lang
                .pick("Inget ändrades: det behövs några ord. Skriv en mening.", "Nothing changed: it takes some words. Write a sentence.")
                .to_owned(),
            Self::Outcome => lang
                .pick("Inget ändrades: välj hur det gick innan du avslutar.", "Nothing changed: choose what came of it before you close it.")
                .to_owned(),
            Self::Member => lang
                .pick(
                    "Inget ändrades: välj någon som har ett konto här. Ärendet är fortfarande ditt.",
                    "Nothing changed: choose somebody who has an account here. It is still yours.",
                )
                .to_owned(),
            Self::Late => lang
                .pick(
                    "Det avslutades för länge sedan för att öppnas igen. Händer det något nytt blir det ett eget ärende.",
                    "It was closed too long ago to be opened again. What is new opens a case of its own.",
                )
                .to_owned(),
            Self::Another => lang
                .pick(
                    "Ett nyare ärende om samma sak är redan öppet på arbetslistan. Fortsätt där.",
                    "A newer case about the same is open on the work list. Go on there.",
                )
                .to_owned(),
        };
        html! { p.notice role="alert" { (Icon::Warning) span { (words) } } }
    }
}

/// What a member fills in.
#[derive(Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    note: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    outcome: String,
}

/// `POST /alerts/{alert}/claim`
pub(crate) async fn claim(state: Shared<State>, reader: Reader, alert: Path<String>) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::Claim).await
}

/// `POST /alerts/{alert}/on-the-way`
pub(crate) async fn on_the_way(state: Shared<State>, reader: Reader, alert: Path<String>) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::SayOnTheWay).await
}

/// `POST /alerts/{alert}/hand-over`
pub(crate) async fn hand_over(
    state: Shared<State>,
    reader: Reader,
    alert: Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::HandOver { to: filled.to }).await
}

/// `POST /alerts/{alert}/give-back`
pub(crate) async fn give_back(
    state: Shared<State>,
    reader: Reader,
    alert: Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::GiveBack { why: text(&filled.note) }).await
}

/// `POST /alerts/{alert}/note`
pub(crate) async fn note(
    state: Shared<State>,
    reader: Reader,
    alert: Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::Note { note: text(&filled.note) }).await
}

/// `POST /alerts/{alert}/close`
pub(crate) async fn close(
    state: Shared<State>,
    reader: Reader,
    alert: Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Response, Refusal> {
    let Some(outcome) = Outcome::of(&filled.outcome) else { return Ok(back(&alert, Some(Said::Outcome))) };
    done(&state, &reader, &alert, &Act::Close { outcome, note: text(&filled.note) }).await
}

/// `POST /alerts/{alert}/reopen`
pub(crate) async fn reopen(
    state: Shared<State>,
    reader: Reader,
    alert: Path<String>,
    Form(filled): Form<Filled>,
) -> Result<Response, Refusal> {
    done(&state, &reader, &alert, &Act::Reopen { why: text(&filled.note) }).await
}

/// A named human does it: a program says through its own interface for whom it speaks.
async fn done(state: &State, reader: &Reader, id: &str, wish: &Act) -> Result<Response, Refusal> {
    if reader.session.is_none() {
        return Err(Refusal::Unknown);
    }
    let why_not = act(state, reader, &reader.looker.who, id, wish).await?;
    // What was hers alone she may not see once she has given it away.
    if let Err(Refusal::NotHers) = reader.again(state).await {
        return Ok(Redirect::to("/").into_response());
    }
    Ok(back(id, why_not.as_ref().map(Said::why_not)))
}

fn back(id: &str, said: Option<Said>) -> Response {
    let said = said.map(|said| format!("?said={}", said.as_str())).unwrap_or_default();
    Redirect::to(&format!("/alerts/{id}{said}")).into_response()
}

/// What can be done about it now.
pub(super) fn forms(case: &Case, members: &[String], who: &str, lang: Lang) -> Markup {
    let id = &case.alert.id;
    html! {
        @match &case.alert.alert.state {
            Stands::Open => p #claim-hint .muted.after {
                (lang.pick(
                    "När du tar hand om det ser alla andra att det är du. Det avslutas först när någon skriver vad som gjordes.",
                    "When you take it, everybody else sees that it is you. It ends only when somebody writes what was done.",
                ))
            },
            Stands::Claimed(claim) => {
                @if case.is_alarm() && claim.by == who && claim.on_the_way_ms.is_none() { (ask_for_help(id, lang)) }
                (close_form(id, (claim.by != who).then_some(claim.by.as_str()), lang))
                @if claim.by == who { (pass_on(id, members, who, lang)) }
            },
            Stands::Closed { .. } => (reopen_form(id, lang)),
        }
    }
}

/// Lets who takes care of an alarm tell the person that help is coming.
fn ask_for_help(id: &str, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="help" {
            h2 #help { (lang.pick("Är någon på väg?", "Is someone on the way?")) }
            p #help-hint .hint {
                (lang.pick(
                    "Säg det när någon har gett sig av. Den som larmade får höra det i hemmet, om boxen där kan säga det.",
                    "Say so when someone has left. Whoever pressed hears it at home, where the box there can tell.",
                ))
            }
            form.actions method="post" action={ "/alerts/" (id) "/on-the-way" } {
                button #on-the-way type="submit" aria-describedby="help-hint" {
                    (lang.pick("Någon är på väg", "Someone is on the way"))
                }
            }
        }
    }
}

fn close_form(id: &str, somebody_else: Option<&str>, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="act" {
            h2 #act { (lang.pick("Avsluta", "Close it")) }
            @if let Some(owner) = somebody_else {
                p.muted {
                    strong { (owner) } " "
                    (lang.pick(
                        "tar hand om det. Avsluta bara om ni har kommit överens.",
                        "takes care of it. Close it only if you have agreed.",
                    ))
                }
            }
            form.form.wide method="post" action={ "/alerts/" (id) "/close" } {
                div.field {
                    label for="outcome" { (lang.pick("Hur gick det?", "What came of it?")) }
                    select #outcome name="outcome" required {
                        option value="" { (lang.pick("Välj", "Choose")) }
                        @for outcome in Outcome::ALL { option value=(outcome.as_str()) { (outcome.say(lang)) } }
                    }
                }
                div.field {
                    label for="note" { (lang.pick("Vad gjordes?", "What was done?")) }
                    p #note-hint .hint {
                        (lang.pick(
                            "En eller två meningar. De sparas i berättelsen här nedanför. Behövs om personen inte gick att nå.",
                            "A sentence or two. They are kept in the story below. Needed where the person could not be reached.",
                        ))
                    }
                    textarea #note name="note" rows="3" maxlength=(LONGEST_TEXT) aria-describedby="note-hint" {}
                }
                div.actions { button #close type="submit" { (lang.pick("Avsluta", "Close")) } }
            }
        }
    }
}

/// Lets its owner pass it on: to somebody, or back to the team.
fn pass_on(id: &str, members: &[String], who: &str, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="pass-on" {
            h2 #pass-on { (lang.pick("Kan du inte ta hand om det längre?", "Can you not take care of it any longer?")) }
            (hand_over_form(&format!("/alerts/{id}/hand-over"), lang.pick("Lämna över", "Hand over"), members, who, lang))
            form.form.wide method="post" action={ "/alerts/" (id) "/give-back" } {
                div.field {
                    label for="why" { (lang.pick("Eller lämna tillbaka det till hela teamet: varför?", "Or give it back to the whole team: why?")) }
                    input #why type="text" name="note" maxlength=(LONGEST_TEXT) required;
                }
                div.actions { button #give-back .plain type="submit" { (lang.pick("Lämna tillbaka", "Give back")) } }
            }
        }
    }
}

/// Lets a member choose who takes over.
pub(in crate::http::console) fn hand_over_form(
    action: &str,
    words: &str,
    members: &[String],
    who: &str,
    lang: Lang,
) -> Markup {
    let others: Vec<&String> = members.iter().filter(|member| member.as_str() != who).collect();
    html! {
        @if others.is_empty() {
            p.muted { (lang.pick("Ingen annan har ett konto att lämna över till.", "Nobody else has an account to hand over to.")) }
        } @else {
            form.form.wide method="post" action=(action) {
                div.field {
                    label for="to" { (lang.pick("Vem tar över?", "Who takes over?")) }
                    p #to-hint .hint {
                        (lang.pick(
                            "Det är hennes eller hans från samma ögonblick, och ringer där. Säg till först.",
                            "It is theirs from that moment, and rings for them. Tell them first.",
                        ))
                    }
                    select #to name="to" required aria-describedby="to-hint" {
                        option value="" { (lang.pick("Välj", "Choose")) }
                        @for member in others { option value=(member) { (member) } }
                    }
                }
                div.actions { button #hand-over .plain type="submit" { (words) } }
            }
        }
    }
}

fn reopen_form(id: &str, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="again" {
            h2 #again { (lang.pick("Var det inte slut?", "Was it not over?")) }
            form.form.wide method="post" action={ "/alerts/" (id) "/reopen" } {
                div.field {
                    label for="why" { (lang.pick("Varför ska det öppnas igen?", "Why is it to be opened again?")) }
                    p #why-hint .hint {
                        (lang.pick(
                            "Det ringer för hela teamet igen. Det går bara en tid efter att det avslutades.",
                            "It rings for the whole team again. It can be done only for a while after it was closed.",
                        ))
                    }
                    input #why type="text" name="note" maxlength=(LONGEST_TEXT) required aria-describedby="why-hint";
                }
                div.actions { button #reopen .plain type="submit" { (lang.pick("Öppna igen", "Open again")) } }
            }
        }
    }
}

/// Lets anybody who sees the alert write something about it.
pub(super) fn note_form(id: &str, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="write" {
            h2 #write { (lang.pick("Skriv en anteckning", "Write a note")) }
            form.form.wide method="post" action={ "/alerts/" (id) "/note" } {
                div.field {
                    label for="remark" { (lang.pick("Det här behöver andra veta", "What others need to know")) }
                    textarea #remark name="note" rows="2" maxlength=(LONGEST_TEXT) required {}
                }
                div.actions { button #write-note .plain type="submit" { (lang.pick("Spara anteckningen", "Save the note")) } }
            }
        }
    }
}

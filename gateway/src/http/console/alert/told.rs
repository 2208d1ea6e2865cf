//! Who was told of the alert: each attempt, and what became of it. Nothing is called delivered before it is.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::delivery::Channel;
use crate::delivery::course::{Outcome, State};
use crate::http::console::moments::Moment;
use crate::store::outbox::{Attempt, Shown};
use crate::store::shown::Eyes;
use crate::wording::Lang;

/// So many attempts of each are shown, the newest first: a peer that is dead all night is tried each minute.
const NEWEST: usize = 4;

/// The card; nothing where nobody was to be told.
pub(super) fn card(told: &[Shown], eyes: &[Eyes], moment: &Moment) -> Markup {
    let lang = moment.lang;
    html! {
        @if !told.is_empty() || !eyes.is_empty() {
            section.card aria-labelledby="told" {
                h2 #told { (lang.pick("Vem som har fått veta", "Who has been told")) }
                ul.looks {
                    @for shown in told { (item(shown, moment)) }
                    @for Eyes { member, shown_ms } in eyes {
                        li data-state="shown" {
                            strong { (member) } ", " (lang.pick("konsolen", "the console")) ": "
                            (lang.pick("framme på skärmen ", "on the screen ")) (time(*shown_ms, moment)) "."
                        }
                    }
                }
            }
        }
    }
}

fn item(shown: &Shown, moment: &Moment) -> Markup {
    let lang = moment.lang;
    let to = shown.member.as_deref().or(shown.always.as_deref()).unwrap_or_default();
    html! {
        li data-state=(word(shown)) {
            strong { (to) } ", " (channel(shown.channel, lang)) ": " (stands(shown, moment))
            @for attempt in shown.attempts.iter().rev().take(NEWEST) { p.muted { (ended(attempt, moment)) } }
            @if shown.course.attempts as usize > NEWEST {
                p.muted { (lang.pick("Försök i allt: ", "Attempts in all: ")) (shown.course.attempts) }
            }
        }
    }
}

/// Who was told, how, and where that stands, in one sentence.
pub(super) fn in_short(shown: &Shown, moment: &Moment) -> String {
    let to = shown.member.as_deref().or(shown.always.as_deref()).unwrap_or_default();
    format!("{to}, {}: {}", channel(shown.channel, moment.lang), stands(shown, moment))
}

/// Where it stands, as a word for programs.
pub(crate) fn word(shown: &Shown) -> &'static str {
    match shown.course.state {
        State::Waiting if shown.course.lease_until_ms.is_some() => "under_way",
        State::Waiting => "waiting",
        State::Delivered => "delivered",
        State::GivenUp => "given_up",
        State::Withdrawn => "withdrawn",
    }
}

/// What a channel is called.
pub(crate) fn channel(channel: Channel, lang: Lang) -> &'static str {
    match channel {
        Channel::Email => lang.pick("e-post", "e-mail"),
        Channel::Sms => "sms",
        Channel::Webhook => lang.pick("anrop till ett program", "a call to a program"),
        Channel::Scaip => lang.pick("larmcentral", "alarm centre"),
        Channel::DeadMan => lang.pick("dödmansanropet", "the dead-man call"),
    }
}

/// Where it stands, in the reader's words.
fn stands(shown: &Shown, moment: &Moment) -> String {
    let lang = moment.lang;
    let at = |ms: Option<i64>| ms.map(|ms| time(ms, moment)).unwrap_or_default();
    let course = &shown.course;
    match course.state {
        State::Waiting if course.lease_until_ms.is_some() => {
            lang.pick("skickas, inget svar än.", "being sent, no answer yet.").to_owned()
        }
        State::Waiting if course.attempts == 0 => lang.pick("väntar på att skickas.", "waits to be sent.").to_owned(),
        State::Waiting => {
            let next = time(course.due_ms, moment);
            lang.pick(
                format!("ingen har bekräftat det. Nytt försök {next}."),
                format!("not confirmed. Tried again at {next}."),
            )
        }
        State::Delivered => {
            let (taken, when) = (taken(shown.channel, lang), at(shown.ended_ms));
            match course.withdrawn_ms {
                None => format!("{taken} {when}."),
                Some(_) => lang.pick(
                    format!("{taken} {when}; det var redan på väg när larmet togs om hand eller avslutades."),
                    format!("{taken} {when}; it was on its way already when the alert was taken or closed."),
                ),
            }
        }
        State::GivenUp => {
            let when = at(shown.ended_ms);
            lang.pick(
                format!("kunde inte levereras. Inga fler försök sedan {when}."),
                format!("could not be delivered. No more attempts since {when}."),
            )
        }
        State::Withdrawn => {
            let when = at(course.withdrawn_ms);
            lang.pick(
                format!("inte bekräftat. Skickas inte längre: larmet togs om hand eller avslutades {when}."),
                format!("not confirmed. Not sent any more: the alert was taken or closed at {when}."),
            )
        }
    }
}

/// What is true once a channel's peer has said yes, and no more than that.
fn taken(channel: Channel, lang: Lang) -> &'static str {
    match channel {
        Channel::Email => lang.pick("mottaget av e-postservern", "taken by the mail server"),
        Channel::Sms => lang.pick("mottaget av sms-leverantören", "taken by the SMS provider"),
        Channel::Webhook => lang.pick("mottaget av programmet", "taken by the program"),
        Channel::Scaip => lang.pick("mottaget av larmcentralen", "taken by the alarm centre"),
        Channel::DeadMan => lang.pick("mottaget", "taken"),
    }
}

fn ended(attempt: &Attempt, moment: &Moment) -> String {
    let lang = moment.lang;
    let began = time(attempt.began_ms, moment);
    match &attempt.ended {
        None => lang.pick(
            format!("{began}: inget svar är noterat. Det kan ha kommit fram."),
            format!("{began}: no answer is noted. It may have arrived."),
        ),
        Some((_, Outcome::Delivered { proof })) => {
            lang.pick(format!("{began}: mottaget ({proof})."), format!("{began}: taken ({proof})."))
        }
        Some((_, Outcome::TryAgain { because, .. } | Outcome::GiveUp { because })) => {
            lang.pick(format!("{began}: misslyckades ({because})."), format!("{began}: failed ({because})."))
        }
    }
}

fn time(ms: i64, moment: &Moment) -> String {
    moment.to_the_second(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
}

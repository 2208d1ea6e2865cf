//! The words for people: how soon someone must act, and where to look. They name nobody, and no value.

use crate::alerts::Severity;
use crate::wording::Lang;

/// How soon someone must act.
#[must_use]
pub(super) fn headline(urgency: Severity, lang: Lang) -> &'static str {
    match urgency {
        Severity::High => lang.pick("Hempuls: någon måste agera nu", "Hempuls: someone must act now"),
        Severity::Medium => lang.pick("Hempuls: någon måste agera i dag", "Hempuls: someone must act today"),
        Severity::Low => lang.pick("Hempuls: något att titta på", "Hempuls: something to look at"),
    }
}

/// A text message.
#[must_use]
pub(super) fn short(urgency: Severity, link: &str, lang: Lang) -> String {
    format!("{}. {link}", headline(urgency, lang))
}

/// The text of an e-mail.
#[must_use]
pub(super) fn long(urgency: Severity, link: &str, lang: Lang) -> String {
    let headline = headline(urgency, lang);
    lang.pick(
        format!(
            "{headline}.\n\nVad det gäller står här, när du har loggat in:\n{link}\n\nNär någon tar hand om det där får \
             ingen fler meddelanden om det.\n\nEtt program har skickat det här. Svar läses inte.\n"
        ),
        format!(
            "{headline}.\n\nWhat it is about is here, once you have signed in:\n{link}\n\nWhen somebody takes it there, \
             nobody gets more messages about it.\n\nA program has sent this. Replies are not read.\n"
        ),
    )
}

//! The words for people: how soon someone must act, and where to look. They name nobody, and no value.

use super::Notice;
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
pub(super) fn short(notice: &Notice, link: &str) -> String {
    let Notice { urgency, lang, .. } = notice;
    format!("{}.{} {link}", headline(*urgency, *lang), perhaps(notice))
}

/// What is said once more after a backup was put in place.
fn perhaps(notice: &Notice) -> &'static str {
    match notice.perhaps_told {
        true => notice.lang.pick(" Kanske redan sagt.", " Perhaps told before."),
        false => "",
    }
}

/// The text of an e-mail.
#[must_use]
pub(super) fn long(notice: &Notice, link: &str) -> String {
    let (lang, perhaps) = (notice.lang, perhaps(notice));
    let headline = headline(notice.urgency, lang);
    lang.pick(
        format!(
            "{headline}.{perhaps}\n\nVad det gäller står här, när du har loggat in:\n{link}\n\nNär någon tar hand om det där får \
             ingen fler meddelanden om det.\n\nEtt program har skickat det här. Svar läses inte.\n"
        ),
        format!(
            "{headline}.{perhaps}\n\nWhat it is about is here, once you have signed in:\n{link}\n\nWhen somebody takes it there, \
             nobody gets more messages about it.\n\nA program has sent this. Replies are not read.\n"
        ),
    )
}

//! The form for what is changed for a while: what was typed, what is wrong with it, and the change that it means.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use maud::{Markup, html};
use serde::Deserialize;

use crate::duty::desk::{LONGEST_REASON, NotWritten};
use crate::duty::roster::{Change, Period, What, moment as moment_of};
use crate::http::console::moments::Moment;
use crate::wording::Lang;

/// What was typed, by the names of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Typed(BTreeMap<String, String>);

/// What is wrong with it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// These are no times, or the last is not after the first.
    Times,
    /// Nobody is named who has to be.
    Who,
    /// There is no reason.
    Reason,
    /// Somebody else has written a roster meanwhile.
    Overtaken,
    /// There is no roster to change.
    NoRoster,
    /// She does not work for the team.
    NotYours,
    /// The roster cannot hold so much, or it cannot hold at all.
    Unsound,
}

impl Wrong {
    pub(super) fn of(why: &NotWritten) -> Self {
        match why {
            NotWritten::Stranger(_) => Self::Who,
            NotWritten::Overtaken => Self::Overtaken,
            NotWritten::Unsaid => Self::Reason,
            NotWritten::Wrong(_) | NotWritten::Store(_) => Self::Unsound,
        }
    }

    pub(super) fn words(self, lang: Lang) -> &'static str {
        match self {
            Self::Times => lang.pick(
                "Ändringen behöver en början och ett senare slut. Inget är ändrat.",
                "The change needs a beginning and a later end. Nothing was changed.",
            ),
            Self::Who => lang.pick(
                "Välj någon som har ett uppdrag i teamet. Alla som schemat nämner måste ha det. Inget är ändrat.",
                "Choose somebody with a commission for the team. Everybody whom the roster names must have one. Nothing was changed.",
            ),
            Self::Reason => lang.pick(
                "Skriv varför schemat ändras. Inget är ändrat.",
                "Write why the roster is changed. Nothing was changed.",
            ),
            Self::Overtaken => lang.pick(
                "Någon annan har ändrat schemat under tiden. Titta igen och gör om det som behövs. Inget är ändrat.",
                "Somebody else has changed the roster meanwhile. Look again, and redo what is needed. Nothing was changed.",
            ),
            Self::NoRoster => lang.pick(
                "Det finns inget schema att ändra. Inget är ändrat.",
                "There is no roster to change. Nothing was changed.",
            ),
            Self::NotYours => lang.pick(
                "Schemat ändras av den som har ett uppdrag i teamet eller i reservteamet.",
                "The roster is changed by whoever has a commission for the team or for the fallback team.",
            ),
            Self::Unsound => lang.pick(
                "Schemat rymmer inte mer eller går inte att läsa. Kontakta driften. Inget är ändrat.",
                "The roster holds no more, or cannot be read. Call operations. Nothing was changed.",
            ),
        }
    }
}

impl Typed {
    /// As if only this reason had been typed.
    pub(super) fn because(reason: &str) -> Self {
        Self([("reason".to_owned(), reason.to_owned())].into())
    }

    fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |typed| typed.trim())
    }

    /// Why the roster is changed.
    pub(super) fn reason(&self) -> &str {
        self.field("reason")
    }

    /// The change that was meant.
    pub(super) fn change(&self, moment: &Moment) -> Result<Change, Wrong> {
        if self.reason().is_empty() {
            return Err(Wrong::Reason);
        }
        let named = |name: &str| Some(self.field(name)).filter(|name| !name.is_empty()).map(str::to_owned);
        let what = match self.field("what") {
            "replaced" => What::Replaced { who: named("who").ok_or(Wrong::Who)?, by: named("by") },
            "extra" => What::Extra { who: named("by").ok_or(Wrong::Who)? },
            "nobody" => What::Nobody,
            _ => return Err(Wrong::Who),
        };
        let time = |name: &str| -> Result<Timestamp, Wrong> {
            let local: DateTime = self.field(name).parse().map_err(|_| Wrong::Times)?;
            let at_ms = moment_of(local, &moment.zone).ok_or(Wrong::Times)?;
            Timestamp::from_millisecond(at_ms).map_err(|_| Wrong::Times)
        };
        let period = Period { from: time("from")?, until: time("until")? };
        if period.from >= period.until {
            return Err(Wrong::Times);
        }
        Ok(Change { period, what })
    }
}

/// The form, with what was typed.
pub(super) fn form(team: &str, typed: &Typed, members: &[String], lang: Lang) -> Markup {
    let kinds = [
        ("replaced", lang.pick("Någon ersätts", "Somebody is replaced")),
        ("extra", lang.pick("En person till", "One more person")),
        ("nobody", lang.pick("Ingen är i tjänst", "Nobody is on duty")),
    ];
    html! {
        form.form.wide method="post" action={ "/teams/" (team) "/changes" } {
            section.card aria-labelledby="change" {
                h2 #change { (lang.pick("Byt eller ändra för en tid", "Swap or change for a while")) }
                div.field {
                    label for="what" { (lang.pick("Vad som ändras", "What is changed")) }
                    select #what name="what" {
                        @for (value, words) in kinds {
                            option value=(value) selected[value == typed.field("what")] { (words) }
                        }
                    }
                }
                (person("who", lang.pick("Vem som ersätts", "Who is replaced"), lang.pick("Välj", "Choose"), typed, members))
                (person("by", lang.pick("Vem som kommer i stället, eller extra", "Who comes instead, or as one more"),
                    lang.pick("Ingen", "Nobody"), typed, members))
                div.field {
                    label for="from" { (lang.pick("Från", "From")) }
                    input #from name="from" type="datetime-local" required value=(typed.field("from"));
                }
                div.field {
                    label for="until" { (lang.pick("Till", "Until")) }
                    input #until name="until" type="datetime-local" required value=(typed.field("until"));
                }
                div.field {
                    label for="reason" { (lang.pick("Skäl", "Reason")) }
                    p #reason-hint .hint { (lang.pick("En mening. Den sparas med ditt namn.", "A sentence. It is kept with your name.")) }
                    textarea #reason name="reason" rows="2" maxlength=(LONGEST_REASON) required aria-describedby="reason-hint" {
                        (typed.reason())
                    }
                }
                div.actions { button #save type="submit" { (lang.pick("Ändra schemat", "Change the roster")) } }
            }
        }
    }
}

fn person(name: &str, words: &str, none: &str, typed: &Typed, members: &[String]) -> Markup {
    html! {
        div.field {
            label for=(name) { (words) }
            select id=(name) name=(name) {
                option value="" { (none) }
                @for member in members {
                    option value=(member) selected[member == typed.field(name)] { (member) }
                }
            }
        }
    }
}

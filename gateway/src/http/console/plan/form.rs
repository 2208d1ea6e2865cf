//! The form of a plan: what was typed, what is wrong with it, and the plan that it means.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use crate::http::console::moments::Moment;
use crate::plan::{Away, Limit, Measurement, Pause, Plan, Slot, Standard, Unsound, local, wording};
use crate::wording::Lang;

/// The longest reason that is kept.
const LONGEST_REASON: usize = 500;

/// What was typed, by the names of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Typed(BTreeMap<String, String>);

/// What is wrong with it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// There is no reason.
    Reason,
    /// This is no number.
    Limit(Limit),
    /// This is no year.
    Born,
    /// These are no dates.
    Pause,
    /// Nobody can be cared for by such a plan.
    Unsound(Unsound),
}

impl Wrong {
    pub(super) fn words(self, lang: Lang) -> String {
        match self {
            Self::Reason => lang
                .pick(
                    "Skriv varför planen ändras. Inget är ändrat.",
                    "Write why the plan is changed. Nothing was changed.",
                )
                .to_owned(),
            Self::Limit(limit) => {
                let name = wording::limit(limit, lang);
                lang.pick(
                    format!("{name}: skriv ett tal med högst en decimal. Inget är ändrat."),
                    format!("{name}: write a number with at most one decimal. Nothing was changed."),
                )
            }
            Self::Born => wording::unsound(Unsound::Born, lang),
            Self::Pause => lang
                .pick(
                    "Pausen behöver ett slutdatum. Inget är ändrat.",
                    "The pause needs a last day. Nothing was changed.",
                )
                .to_owned(),
            Self::Unsound(wrong) => wording::unsound(wrong, lang),
        }
    }
}

impl Typed {
    /// As if somebody had typed this plan.
    pub(super) fn of(plan: &Plan, moment: &Moment) -> Self {
        let mut typed = BTreeMap::new();
        let mut put = |name: String, value: String| drop(typed.insert(name, value));
        put("standard".into(), plan.standard.as_str().into());
        plan.born.iter().for_each(|born| put("born".into(), born.to_string()));
        if plan.is_child {
            put("child".into(), "yes".into());
        }
        for (limit, value) in &plan.limits {
            put(limit_field(*limit), wording::number(*value, moment.lang));
        }
        for (measurement, slots) in &plan.schedule {
            slots.iter().for_each(|slot| put(slot_field(*measurement, *slot), "yes".into()));
        }
        if let Some(pause) = plan.pause.filter(|pause| pause.until_ms > moment.now.as_millisecond()) {
            put("away".into(), pause.why.as_str().into());
            put("away_from".into(), local(pause.from_ms, &moment.zone).date().to_string());
            put("away_until".into(), local(pause.until_ms - 1, &moment.zone).date().to_string());
        }
        Self(typed)
    }

    fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |typed| typed.trim())
    }

    /// Why the plan is changed.
    pub(super) fn reason(&self) -> &str {
        self.field("reason")
    }

    /// The plan that was meant.
    pub(super) fn plan(&self, moment: &Moment) -> Result<Plan, Wrong> {
        let reason = self.reason();
        if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
            return Err(Wrong::Reason);
        }
        let born = match self.field("born") {
            "" => None,
            typed => Some(typed.parse().map_err(|_| Wrong::Born)?),
        };
        let mut limits = BTreeMap::new();
        for limit in Limit::ALL {
            let typed = self.field(&limit_field(limit));
            if !typed.is_empty() {
                limits.insert(limit, typed.parse().map_err(|_| Wrong::Limit(limit))?);
            }
        }
        let mut schedule = BTreeMap::new();
        for measurement in Measurement::ALL {
            let is_ticked = |slot: &Slot| !self.field(&slot_field(measurement, *slot)).is_empty();
            let slots: BTreeSet<Slot> = Slot::ALL.into_iter().filter(is_ticked).collect();
            if !slots.is_empty() {
                schedule.insert(measurement, slots);
            }
        }
        Ok(Plan {
            standard: self.field("standard").parse().unwrap_or_default(),
            born,
            is_child: !self.field("child").is_empty(),
            limits,
            schedule,
            pause: self.pause(moment)?,
        })
    }

    /// A pause is of whole days, by the clocks of the care team's zone.
    fn pause(&self, moment: &Moment) -> Result<Option<Pause>, Wrong> {
        let Ok(why) = self.field("away").parse::<Away>() else { return Ok(None) };
        let day = |name: &str| self.field(name).parse::<Date>().map_err(|_| Wrong::Pause);
        let midnight = |day: Date| -> Result<i64, Wrong> {
            let at = day.to_zoned(moment.zone.clone()).map_err(|_| Wrong::Pause)?;
            Ok(at.timestamp().as_millisecond())
        };
        let from_ms = match self.field("away_from") {
            "" => moment.now.as_millisecond(),
            _ => midnight(day("away_from")?)?,
        };
        let until_ms = midnight(day("away_until")?.tomorrow().map_err(|_| Wrong::Pause)?)?;
        Ok(Some(Pause { from_ms, until_ms, why }))
    }
}

fn limit_field(limit: Limit) -> String {
    format!("limit_{}", limit.as_str())
}

fn slot_field(measurement: Measurement, slot: Slot) -> String {
    format!("measure_{}_{}", measurement.as_str(), slot.as_str())
}

/// The form, with what was typed.
pub(super) fn form(person: &str, typed: &Typed, lang: Lang) -> Markup {
    html! {
        form.form.wide method="post" action={ "/persons/" (person) "/plan" } {
            section.card aria-labelledby="age" {
                h2 #age { (lang.pick("Ålder och standardgränser", "Age and standard limits")) }
                div.field {
                    label for="born" { (lang.pick("Födelseår", "Year of birth")) }
                    p #born-hint .hint {
                        (lang.pick(
                            "Vuxnas gränser används aldrig för den som inte har fyllt 18.",
                            "The limits of adults are never used for anybody below 18.",
                        ))
                    }
                    input #born name="born" type="text" inputmode="numeric" maxlength="4" autocomplete="off"
                        value=(typed.field("born")) aria-describedby="born-hint";
                }
                div.field { (tick("child", lang.pick("Är ett barn", "Is a child"), typed)) }
                div.field {
                    label for="standard" { (lang.pick("Standardgränser", "Standard limits")) }
                    select #standard name="standard" {
                        @for standard in Standard::ALL {
                            option value=(standard.as_str()) selected[standard.as_str() == typed.field("standard")] {
                                (wording::standard(standard, lang))
                            }
                        }
                    }
                }
            }
            (limits(typed, lang))
            (schedule(typed, lang))
            (pause(typed, lang))
            section.card aria-labelledby="why" {
                h2 #why { (lang.pick("Varför ändras planen?", "Why is the plan changed?")) }
                div.field {
                    label for="reason" { (lang.pick("Skäl", "Reason")) }
                    p #reason-hint .hint {
                        (lang.pick("En mening. Den sparas med ditt namn.", "A sentence. It is kept with your name."))
                    }
                    textarea #reason name="reason" rows="2" maxlength=(LONGEST_REASON) required aria-describedby="reason-hint" {
                        (typed.reason())
                    }
                }
                div.actions { button #save type="submit" { (lang.pick("Spara ny version", "Save as a new version")) } }
            }
        }
    }
}

fn limits(typed: &Typed, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="limits" {
            h2 #limits { (lang.pick("Egna gränser", "Own limits")) }
            p.hint #limits-hint {
                (lang.pick(
                    "Lämna tomt där standardgränsen ska gälla. Ett barn har bara egna gränser.",
                    "Leave empty where the standard limit is to hold. A child has only limits of its own.",
                ))
            }
            @let standard: Standard = typed.field("standard").parse().unwrap_or_default();
            div.pairs {
                @for limit in Limit::ALL {
                    @let name = limit_field(limit);
                    div.field {
                        label for=(name) { (wording::limit(limit, lang)) " (" (limit.unit()) ")" }
                        @let usual = standard.limit(limit).map(|value| wording::number(value, lang));
                        input id=(name) name=(name) type="text" inputmode="decimal" maxlength="6" autocomplete="off"
                            value=(typed.field(&name)) placeholder=[usual] aria-describedby="limits-hint";
                    }
                }
            }
        }
    }
}

fn schedule(typed: &Typed, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="schedule" {
            h2 #schedule { (lang.pick("Mättider", "Times to measure")) }
            div.pairs {
                @for measurement in Measurement::ALL {
                    fieldset {
                        legend { (wording::measurement(measurement, lang)) }
                        @for slot in Slot::ALL {
                            (tick(&slot_field(measurement, slot), wording::slot(slot, lang), typed))
                        }
                    }
                }
            }
        }
    }
}

fn tick(name: &str, words: &str, typed: &Typed) -> Markup {
    html! {
        label.tick {
            input name=(name) type="checkbox" value="yes" checked[!typed.field(name).is_empty()];
            (words)
        }
    }
}

fn pause(typed: &Typed, lang: Lang) -> Markup {
    html! {
        section.card aria-labelledby="pause" {
            h2 #pause { (lang.pick("Paus", "Pause")) }
            p.hint #pause-hint {
                (lang.pick(
                    "Under en paus påminns ingen, och mätvärden sparas men bedöms inte. Ett tryck på larmknappen larmar alltid.",
                    "During a pause nobody is reminded, and values are kept and not judged. A press of the alarm button always alerts.",
                ))
            }
            div.field {
                label for="away" { (lang.pick("Skäl till pausen", "Why") ) }
                select #away name="away" aria-describedby="pause-hint" {
                    option value="" { (lang.pick("Ingen paus", "No pause")) }
                    @for away in Away::ALL {
                        option value=(away.as_str()) selected[away.as_str() == typed.field("away")] { (wording::away(away, lang)) }
                    }
                }
            }
            div.field {
                label for="away_from" { (lang.pick("Första dagen (i dag, om det lämnas tomt)", "First day (today, if left empty)")) }
                input #away_from name="away_from" type="date" value=(typed.field("away_from"));
            }
            div.field {
                label for="away_until" { (lang.pick("Sista dagen", "Last day")) }
                input #away_until name="away_until" type="date" value=(typed.field("away_until"));
            }
        }
    }
}

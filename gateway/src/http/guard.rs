//! Nobody sees whom she is not responsible for (P9): whatever a page's address names is looked at before the page is made,
//! and again each time its stream shows it anew. Lists are made of what [`Sight`] leaves of them.

use axum::extract::RawPathParams;

use crate::duty::Area;
use crate::duty::sight::May;
use crate::duty::sight::lookout::Sight;
use crate::http::refusal::Refusal;
use crate::store::Reader as Store;
use crate::store::alerts::{self, Which};

/// Whom or what a page is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// A person: what belongs to an area of her data, or anything.
    Person(String, Option<Area>),
    /// An alert.
    Alert(String),
    /// A home: its boxes, devices and books.
    Home(String),
    /// Readings of a home that are nobody's yet.
    Waiting(String),
}

/// What an address names.
pub(crate) fn subjects(params: &RawPathParams, path: &str) -> Vec<Subject> {
    let subject = |(name, id): (&str, &str)| match name {
        "person" => Some(Subject::Person(id.to_owned(), path.ends_with("/plan").then_some(Area::HealthCare))),
        "alert" => Some(Subject::Alert(id.to_owned())),
        "home" if path.contains("/unassigned/") => Some(Subject::Waiting(id.to_owned())),
        "home" => Some(Subject::Home(id.to_owned())),
        _ => None,
    };
    params.iter().filter_map(subject).collect()
}

/// Whether all of it may be seen; says whether that is so only because it is an emergency. What is not there is let through:
/// whoever looks for it says so.
pub(crate) async fn look(store: &Store, sight: &Sight, subjects: &[Subject]) -> Result<bool, Refusal> {
    let mut in_emergency = false;
    for subject in subjects {
        let may = match subject {
            Subject::Person(id, area) => sight.person(store, id, *area).await?,
            Subject::Alert(id) => match alerts::read(store, Which::One(id), 1).await?.pop() {
                Some(case) => sight.case(store, &case).await?,
                None => May::See,
            },
            Subject::Home(id) if sight.homes(store, &[id]).await?.contains(id) => May::See,
            Subject::Waiting(home) if sight.waiting(store, &[home]).await?.contains(home) => May::See,
            Subject::Home(_) | Subject::Waiting(_) => May::Not,
        };
        match may {
            May::See => {}
            May::SeeInEmergency => in_emergency = true,
            May::BreakGlass | May::Not => return Err(Refusal::NotHers),
        }
    }
    Ok(in_emergency)
}

//! Too many cases about one person are one task: look at her plan. What is held back is counted and stays in the trends.
//!
//! A press is never held back, nor anything else that somebody must act on now, nor that a rule failed.
//!
//! Source: clinical-rules §9.5.

use super::line::NOT_JUDGED;
use super::rules::alarm_pressed;
use super::{About, Concern, Finding, Line, Severity, Weight};
use crate::store::alerts as cases;
use crate::store::{Connection, StoreError};

/// The name of the task.
pub const REVIEW_PLAN: &str = "review_plan";

/// So many cases about a person are opened within [`WITHIN_MS`], and no more.
pub(crate) const MOST: i64 = 5;
pub(crate) const WITHIN_MS: i64 = 24 * 60 * 60 * 1000;

/// Cases that do not count.
pub(crate) const BESIDES: [&str; 3] = [REVIEW_PLAN, alarm_pressed::NAME, NOT_JUDGED];

/// As [`super::raise`], unless it would be one case too many.
///
/// # Errors
/// [`StoreError`], where the store fails.
pub async fn raise(work: &mut Connection, concern: &Concern, now_ms: i64) -> Result<(), StoreError> {
    if !may_be_held_back(concern) || cases::open_case(work, concern.finding.case, &concern.about).await?.is_some() {
        return super::raise(work, concern, now_ms).await;
    }
    let opened = cases::count_opened(work, &concern.about, now_ms - WITHIN_MS, &BESIDES).await?;
    if opened < MOST {
        return super::raise(work, concern, now_ms).await;
    }
    let why = "too many cases about her within a day: her plan is to be looked at";
    let (case, about) = (concern.finding.case, concern.about.to_string());
    cases::note_suppression(work, case, &about, concern.record.as_deref(), why, now_ms).await?;
    super::raise(work, &task_for(concern), now_ms).await
}

/// Whether it is a case about a person that may wait for a look at her plan.
pub(crate) fn may_be_held_back(concern: &Concern) -> bool {
    let Finding { case, severity, weight, .. } = &concern.finding;
    let is_urgent = *severity == Severity::High || *weight == Weight::AskedAgain || *case == NOT_JUDGED;
    match &concern.about {
        About::Person(_) => !is_urgent,
        About::Device { .. }
        | About::Agent(_)
        | About::Channel(_)
        | About::ManyHomes
        | About::Gateway
        | About::Team(_) => false,
    }
}

/// The look at her plan in place of a case that is held back.
pub(crate) fn task_for(concern: &Concern) -> Concern {
    let finding = Finding {
        case: REVIEW_PLAN,
        severity: Severity::Low,
        confirmed: true,
        weight: Weight::Summary,
        line: Line::TooMany { held_back: 1 },
    };
    Concern { finding, record: None, ..concern.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::rules::alarm_pressed::Press;
    use super::*;
    use crate::store::{assignments, homes, query_scalar, tests::fresh};

    #[tokio::test]
    async fn the_sixth_case_of_a_day_is_a_look_at_the_plan_and_a_press_is_always_a_case_of_its_own() {
        let (_folder, store) = fresh().await;
        let mut work = store.work().await.unwrap();
        let (home, _) = homes::add(&mut work, "h", 0).await.unwrap();
        let ada = assignments::add_person(&mut work, "Ada", &home, 0).await.unwrap();
        let concern = |finding: Finding| Concern {
            finding,
            about: About::Person(ada.clone()),
            person: Some(ada.clone()),
            home: home.clone(),
            record: None,
        };
        let of = |case: &'static str, severity| {
            let line = Line::NotJudged { rule: case.to_owned() };
            concern(Finding { case, severity, confirmed: true, weight: Weight::More, line })
        };
        for case in ["a", "b", "c", "d", "e", "f", "g"] {
            raise(&mut work, &of(case, Severity::Medium), 1_000).await.unwrap();
        }
        raise(&mut work, &of(NOT_JUDGED, Severity::Medium), 1_000).await.unwrap();
        raise(&mut work, &of("h", Severity::High), 1_000).await.unwrap();
        raise(&mut work, &concern(alarm_pressed::finding(Press::at(0, 0))), 1_000).await.unwrap();
        raise(&mut work, &of("a", Severity::Medium), 2_000).await.unwrap();
        raise(&mut work, &of("f", Severity::Medium), 1_001 + WITHIN_MS).await.unwrap();
        work.commit().await.unwrap();

        let open: String =
            query_scalar("SELECT string_agg(rule, ' ') FROM (SELECT rule FROM alert ORDER BY id) AS opened")
                .fetch_one(store.reader())
                .await
                .unwrap();
        assert_eq!(open, "a b c d e review_plan not_judged h alarm_pressed f");
        let held: i64 = query_scalar("SELECT count(*) FROM suppression WHERE rule IN ('f', 'g')")
            .fetch_one(store.reader())
            .await
            .unwrap();
        assert_eq!(held, 2);
        let line: String =
            query_scalar("SELECT line FROM alert_line JOIN alert ON alert.id = alert WHERE rule = 'review_plan'")
                .fetch_one(store.reader())
                .await
                .unwrap();
        assert!(line.contains("\"held_back\":2"), "{line}");
    }
}

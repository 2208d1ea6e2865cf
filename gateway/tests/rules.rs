//! Rules and plans in a whole gateway: what is judged, what is kept quiet about, and what the store knows of it afterwards.

#[allow(dead_code, reason = "these tests need only a part of it")]
mod ward;

use hempuls_gateway::clock;
use hempuls_gateway::plan::{Away, Limit, Measurement, Pause, Plan, Slot, Tenths};
use hempuls_gateway::store::assignments::{self, Assignment};
use hempuls_gateway::store::devices::NewDevice;
use hempuls_gateway::store::{plans, query_scalar, timers};
use hempuls_protocol::devices::DeviceKind;
use hempuls_protocol::ids::{Epoch, Lane};
use hempuls_protocol::times::{Taken, Trust};
use hempuls_protocol::wire::heartbeat::Heartbeat;
use ward::{BUTTON, Client, Papers, Ward, press, reading, taken};

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn while_a_person_is_away_values_are_kept_and_not_judged_and_a_press_alerts() {
    let (ward, papers, ada) = home_of_ada().await;
    let (from_ms, until_ms) = (clock::now_ms() - HOUR, clock::now_ms() + HOUR);
    plan(&ward, &ada, Plan { pause: Some(Pause { from_ms, until_ms, why: Away::Hospital }), ..Plan::default() }).await;
    let mut agent = Client::connect(&ward, &papers).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(190, 120, 0)]).await;
    agent.receipt().await;
    agent.send(Lane::Alarm, Epoch(1), 1, &[press(1, 0)]).await;
    agent.receipt().await;

    assert_eq!(ward.count("SELECT count(*) FROM record").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM suppression WHERE rule = 'pause' AND record IS NOT NULL").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'alarm_pressed' AND person IS NOT NULL").await, 1);
    ward.close().await;
}

#[tokio::test]
async fn a_childs_values_are_not_judged_by_the_limits_of_adults_and_that_is_before_the_team_once() {
    let (ward, papers, ada) = home_of_ada().await;
    plan(&ward, &ada, Plan { is_child: true, ..Plan::default() }).await;
    let mut agent = Client::connect(&ward, &papers).await;

    agent.send(Lane::Reading, Epoch(1), 1, &[reading(190, 120, 0), reading(191, 120, 1)]).await;
    agent.receipt().await;

    assert_eq!(ward.count("SELECT count(*) FROM waiting").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'plan_missing' AND severity = 'low'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert_line WHERE kind = 'plan_missing'").await, 1);

    ward.execute("UPDATE alert SET state = 'closed', closed_by = 'Anna', closed_ms = rung_ms").await;
    agent.send(Lane::Reading, Epoch(1), 3, &[reading(192, 120, 2)]).await;
    agent.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM suppression").await, 1, "a reading is kept quiet about once");
    ward.close().await;
}

#[tokio::test]
async fn her_own_limit_decides_and_the_case_says_when_she_is_back_inside_also_after_a_restart() {
    let (ward, papers, ada) = home_of_ada().await;
    plan(&ward, &ada, Plan { limits: [(Limit::SystolicAbove, Tenths::whole(150))].into(), ..Plan::default() }).await;
    let mut agent = Client::connect(&ward, &papers).await;
    let high: Vec<_> = [152, 155, 160].into_iter().zip([0, 1, 2]).map(|(high, at)| reading(high, 80, at)).collect();
    agent.send(Lane::Reading, Epoch(1), 1, &high).await;
    agent.receipt().await;
    agent.send(Lane::Reading, Epoch(1), 4, &[reading(130, 80, 3)]).await;
    agent.receipt().await;
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'above_limit' AND confirmed = 1").await, 1);
    assert_eq!(ward.count("SELECT CAST(memory AS INTEGER) FROM rule_memory WHERE rule = 'above_limit'").await, 1);
    drop(agent);

    let ward =
        ward.restart_after(std::time::Duration::ZERO, hempuls_gateway::alerts::rules::Config::default().rules()).await;
    let mut agent = Client::connect(&ward, &papers).await;
    agent.send(Lane::Reading, Epoch(1), 5, &[reading(131, 80, 4), reading(132, 80, 5)]).await;
    agent.receipt().await;

    assert_eq!(ward.count("SELECT count(*) FROM alert_line WHERE line LIKE '%\"back\"%'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE state = 'open'").await, 1, "a person closes it");
    ward.close().await;
}

#[tokio::test]
async fn whoever_does_not_measure_as_planned_is_a_task_once_her_home_is_heard() {
    let (ward, papers, ada) = home_of_ada().await;
    let asked = Plan { schedule: [(Measurement::BloodPressure, Slot::ALL.into())].into(), ..Plan::default() };
    let mut work = ward.work().await;
    plans::write(&mut work, &ada, &asked, ("Anna", "a test"), clock::now_ms() - 72 * HOUR).await.unwrap();
    timers::set_at_the_latest(&mut work, "review", &[&ada], 0).await.unwrap();
    work.commit().await.unwrap();
    ward.eventually("SELECT count(*) FROM suppression WHERE rule = 'missed_reading'", 1).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 0, "her home was never heard");

    let mut agent = Client::connect(&ward, &papers).await;
    agent.beat(Lane::Reading, Epoch(1), 0, 0).await;
    ward.eventually("SELECT count(*) FROM agent WHERE last_heard_ms IS NOT NULL", 1).await;
    let mut work = ward.work().await;
    timers::set_at_the_latest(&mut work, "review", &[&ada], 0).await.unwrap();
    work.commit().await.unwrap();

    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'missed_reading' AND severity = 'low'", 1).await;
    assert_eq!(ward.count("SELECT count(*) FROM timer WHERE kind = 'review' AND due_ms > 0").await, 1, "and so on");
    ward.close().await;
}

#[tokio::test]
async fn a_box_with_a_wrong_clock_or_an_old_certificate_is_before_the_team_until_it_is_right_again() {
    let (ward, papers, _) = home_of_ada().await;
    let mut agent = Client::connect(&ward, &papers).await;
    let mut say = async |minutes_off: i64, days_left: i64| {
        let now_ms = clock::now_ms();
        let (wall_ms, trust) = (Some(now_ms + minutes_off * 60_000), Trust::Synchronised);
        let clock = Taken { wall_ms, trust, ..taken(60_000) };
        let certificate_expires = Some(now_ms / 1_000 + days_left * 86_400);
        agent.say(Heartbeat { certificate_expires, ..Heartbeat::bare(clock, Vec::new(), "test") }).await;
    };
    let lines = "SELECT count(*) FROM alert_line JOIN alert ON alert.id = alert WHERE rule IN ('clock_wrong', 'certificate_expiring') AND line LIKE '%\"kind\":\"health\"%'";

    say(1, 300).await;
    say(-180, 300).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'clock_wrong' AND severity = 'medium'", 1).await;
    say(-180, 60).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'certificate_expiring' AND severity = 'low'", 1).await;
    say(-181, 60).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert").await, 2, "what goes on is one case");
    say(0, 3).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'certificate_expiring' AND severity = 'high'", 1).await;
    ward.eventually("SELECT count(*) FROM alert_line WHERE line LIKE '%wrong_clock%\"over\"%'", 1).await;
    say(0, 364).await;
    ward.eventually("SELECT count(*) FROM alert_line WHERE line LIKE '%certificate_expiring%\"over\"%'", 1).await;
    assert_eq!(
        ward.count(lines).await,
        4,
        "each is told of in one line with its latest numbers, and is over in another"
    );
    ward.close().await;
}

/// Ada lives alone, with a cuff and a button of hers.
async fn home_of_ada() -> (Ward, Papers, String) {
    let ward = Ward::open().await;
    let papers = ward.enrol("Ada").await;
    ward.assign_cuff(&papers).await;
    ward.add_device(&papers, &NewDevice::plain(BUTTON, DeviceKind::AlarmButton)).await;
    let person: String = query_scalar("SELECT id FROM person").fetch_one(ward.reader()).await.unwrap();
    let mut work = ward.work().await;
    let assignment =
        Assignment { device: BUTTON.to_string(), slot: None, person: person.clone(), from_ms: 0, until_ms: None };
    assignments::assign(&mut work, &assignment, 0).await.unwrap();
    work.commit().await.unwrap();
    (ward, papers, person)
}

async fn plan(ward: &Ward, person: &str, plan: Plan) {
    let mut work = ward.work().await;
    plans::write(&mut work, person, &plan, ("Anna", "a test"), 0).await.unwrap();
    work.commit().await.unwrap();
}

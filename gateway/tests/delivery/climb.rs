//! An alarm that nobody answers climbs from person to person, over the real store and workers.

use hempuls_gateway::alerts::rules::Config as Rules;
use hempuls_gateway::alerts::{self, Act, timers};
use hempuls_gateway::changes::Change;
use hempuls_gateway::clock;
use hempuls_gateway::delivery::Channel;
use hempuls_gateway::escalation::plan::{Plan, Step, Waits, Whom};
use hempuls_gateway::store::contacts::Contact;
use hempuls_gateway::store::{escalations, query, query_scalar, teams};
use hempuls_gateway::wording::Lang;
use jiff::tz::TimeZone;

use crate::team::{Peer, Team, eventually, file};
use crate::ward::place::Place;

#[tokio::test]
async fn nobody_answers_the_first_rung_the_second_is_told_after_a_minute_and_takes_it_and_the_third_is_never_told() {
    let night = Night::begin(&["Anna", "Berit", "Cilla"]).await;
    let alert = night.team.press("button").await;

    night.a_timer_fires().await;
    night.until_told([1, 0, 0]).await;
    night.passes(30_000).await;
    night.a_timer_fires().await;
    assert_eq!(night.told(), [1, 0, 0]);
    night.passes(30_000).await;
    night.a_timer_fires().await;
    night.until_told([1, 1, 0]).await;

    night.act(&alert, &Act::Claim, "Berit").await;
    night.passes(10 * 60_000).await;
    night.a_timer_fires().await;
    assert_eq!(night.told(), [1, 1, 0], "nobody is told after a claim");

    night.act(&alert, &Act::GiveBack { why: "another alarm".into() }, "Berit").await;
    night.a_timer_fires().await;
    night.until_told([2, 1, 0]).await;
}

#[tokio::test]
async fn a_rung_without_a_working_address_is_passed_at_once_and_nobody_answered_is_loud_and_repeats() {
    let night = Night::begin(&["Anna", "Berit"]).await;
    let mut work = night.team.store.work().await.unwrap();
    query("UPDATE contact SET channel = 'sms' WHERE member = 'Anna'").execute(&mut *work).await.unwrap();
    work.commit().await.unwrap();
    let alert = night.team.press("button").await;

    night.a_timer_fires().await;
    night.until_told([0, 1]).await;
    for times in 1..=3 {
        night.passes(60_000).await;
        night.a_timer_fires().await;
        night.until_told([0, 1 + times]).await;
    }

    let kinds: Vec<String> = query_scalar("SELECT kind FROM alert_line WHERE alert = $1 ORDER BY place")
        .bind(&alert)
        .fetch_all(night.team.store.reader())
        .await
        .unwrap();
    assert_eq!(kinds, ["alarm_pressed", "rung_passed", "climbed", "nobody_answered"], "the last line counts the times");
    let line: String = query_scalar("SELECT line FROM alert_line WHERE kind = 'nobody_answered'")
        .fetch_one(night.team.store.reader())
        .await
        .unwrap();
    assert!(line.contains("\"times\":3"), "{line}");
}

#[tokio::test]
async fn a_gateway_that_was_away_for_hours_tells_each_rung_once_and_in_its_turn() {
    let night = Night::begin(&["Anna", "Berit", "Cilla"]).await;
    night.team.press("button").await;
    night.a_timer_fires().await;
    night.until_told([1, 0, 0]).await;

    night.passes(5 * 60 * 60_000).await;
    for _ in 0..3 {
        night.a_timer_fires().await;
    }
    night.until_told([1, 1, 0]).await;
    night.passes(60_000).await;
    night.a_timer_fires().await;
    night.until_told([1, 1, 1]).await;
}

pub(crate) struct Night {
    pub(crate) team: Team,
    pub(crate) peers: Vec<Peer>,
}

impl Night {
    /// A team whose plan tells one member after another, each over a program of her own.
    pub(crate) async fn begin(members: &[&str]) -> Self {
        let folder = Place::new().await;
        file(folder.path(), "secret", "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let settings =
            "console = \"https://console.example\"\n[webhook]\nsecret_file = \"secret\"\nallow = [\"127.0.0.1\"]\n";
        let team = Team::with(folder, settings).await;
        let mut peers = Vec::new();
        for member in members {
            let mut work = team.store.work().await.unwrap();
            query("INSERT INTO account (name, unit, password_hash, created_ms) VALUES ($1, 'care-team', '', 0)")
                .bind(*member)
                .execute(&mut *work)
                .await
                .unwrap();
            work.commit().await.unwrap();
            let peer = Peer::that(&[]).await;
            let address = format!("http://{}/", peer.address);
            let member = (*member).to_owned();
            team.reach(&Contact { member, channel: Channel::Webhook, address, lang: Lang::Sv, proven_ms: None }).await;
            peers.push(peer);
        }
        let mut work = team.store.work().await.unwrap();
        let fallback = teams::fallback(&mut work, clock::now_ms()).await.unwrap();
        let rung = |member: &&str| Step { whom: vec![Whom::Member((*member).to_owned())], waits: Waits::default() };
        let plan = Plan { rungs: members.iter().map(rung).collect() };
        escalations::set_plan(&mut work, &fallback.id, &plan, "Lena", clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
        Self { team, peers }
    }

    /// How often each has been told.
    fn told(&self) -> Vec<usize> {
        self.peers.iter().map(|peer| peer.asked().len()).collect()
    }

    async fn until_told<const N: usize>(&self, times: [usize; N]) {
        eventually(async || (self.told() == times).then_some(())).await;
    }

    async fn a_timer_fires(&self) {
        timers::fire(&self.team.store, &Rules::default().rules(), &TimeZone::UTC).await.unwrap();
        self.team.changes.tell([Change::WorkList]);
    }

    /// Time passes: what is due comes nearer.
    async fn passes(&self, ms: i64) {
        let mut work = self.team.store.work().await.unwrap();
        for table in ["timer", "escalation"] {
            let sql = format!("UPDATE {table} SET due_ms = due_ms - {ms}");
            query(sqlx::AssertSqlSafe(sql)).execute(&mut *work).await.unwrap();
        }
        work.commit().await.unwrap();
    }

    pub(crate) async fn act(&self, alert: &str, act: &Act, who: &str) {
        let mut work = self.team.store.work().await.unwrap();
        alerts::act(&mut work, alert, act, who, clock::now_ms()).await.unwrap();
        work.commit().await.unwrap();
    }
}

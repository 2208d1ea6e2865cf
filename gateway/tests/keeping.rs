//! Backups of a gateway that runs, and what becomes of everything when one is put back.

#[allow(dead_code, reason = "these tests need only a part of it")]
mod ward;

use std::path::Path;
use std::time::Duration;

use hempuls_gateway::alerts::{Act, rules};
use hempuls_gateway::clock;
use hempuls_gateway::config::Config;
use hempuls_gateway::keeping::restore::{self, RestoreError, Restored, Wish};
use hempuls_gateway::keeping::{backup, retention};
use hempuls_gateway::store::access_log::{self, Action, Look, Looker};
use hempuls_gateway::store::{query_scalar, restorations};
use hempuls_protocol::event::Content;
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::wire::heartbeat::{Heartbeat, LaneState};
use ward::place::Place;
use ward::{Answer, Client, Ward, began, press, reading, taken};

const EPOCH: Epoch = Epoch(7);

#[tokio::test]
async fn yesterdays_backup_loses_no_reading_doubles_none_and_the_team_is_told() {
    let ward = Ward::open_in(Place::in_a_file(), "", rules::Config::default().rules()).await;
    let (ada, stolen) = (ward.enrol("Ada").await, ward.enrol("stolen").await);
    ward.assign_cuff(&ada).await;
    let mut agent = Client::connect(&ward, &ada).await;
    sends(&mut agent, Lane::Alarm, 1, &[began(), press(1, 1_000)]).await;
    sends(&mut agent, Lane::Reading, 1, &[began(), reading(120, 80, 1_000), reading(121, 80, 2_000)]).await;
    // Somebody is signed in, and something is due while no gateway runs.
    ward.execute(
        "INSERT INTO console_session (token_hash, account, created_ms, expires_ms)
         SELECT x'00', name, 0, 9000000000000 FROM account",
    )
    .await;
    let mut work = ward.work().await;
    hempuls_gateway::store::timers::set(&mut work, "no_such_rule", "nobody", clock::now_ms() + 1_000).await.unwrap();
    work.commit().await.unwrap();
    let yesterday = ward.folder().join("yesterday");
    backup::make(&ward.config(), &yesterday, clock::now_ms(), &mut |_, _| {}).await.unwrap();
    let (_, report) = backup::verify_backup(&yesterday).await.unwrap();
    assert_eq!((report.faults, report.records, report.books), (vec![], 3, 2));

    // What the store will know nothing of: readings, a press, the box's next certificate, a box that was cut off.
    sends(&mut agent, Lane::Reading, 4, &[reading(122, 80, 3_000), reading(123, 80, 4_000)]).await;
    sends(&mut agent, Lane::Alarm, 3, &[press(2, 2_000)]).await;
    let ada_next = ward.enrol_again(&ada).await;
    Client::connect(&ward, &ada_next).await;
    let mut work = ward.work().await;
    let decision = hempuls_gateway::store::agents::Decision {
        act: hempuls_gateway::store::agents::Act::Revoke,
        by: "Lena Holm",
        why: "stolen",
    };
    let box_gone = stolen.agent.parse().unwrap();
    hempuls_gateway::store::agents::decide(&mut work, &box_gone, &decision, clock::now_ms()).await.unwrap();
    work.commit().await.unwrap();
    let in_use = put_back(ward.folder(), &yesterday, Some(&ward.folder().join("aside"))).await.unwrap_err();
    assert!(matches!(in_use, RestoreError::InUse(_)), "{in_use}");
    let (folder, settings) = ward.stop().await;

    let occupied = put_back(folder.path(), &yesterday, None).await.unwrap_err();
    assert!(matches!(occupied, RestoreError::Occupied(_)), "{occupied}");
    let aside = folder.path().join("aside");
    let restored = put_back(folder.path(), &yesterday, Some(&aside)).await.unwrap();
    assert_eq!(restored.revoked, 1, "a stolen box does not come back with yesterday");
    assert!(restored.written_since.unwrap().contains(&("boxes added or enrolled", 1)));
    assert!(
        backup::verify_store(&aside.join("store.sqlite")).await.unwrap().faults.is_empty(),
        "nothing is thrown away"
    );

    let ward = Ward::open_in(folder, &settings, rules::Config::default().rules()).await;
    let mut agent = Client::connect(&ward, &ada_next).await;
    beats(&mut agent, 120_000, 3, 5).await;
    assert_eq!(rewinds(&mut agent, Lane::Reading).await, Sequence(4));
    beats(&mut agent, 120_001, 3, 5).await;
    assert_eq!(rewinds(&mut agent, Lane::Alarm).await, Sequence(3));
    // The box sends more than it was asked for: a resend is known.
    sends(&mut agent, Lane::Reading, 3, &[reading(121, 80, 2_000), reading(122, 80, 3_000), reading(123, 80, 4_000)])
        .await;
    sends(&mut agent, Lane::Alarm, 3, &[press(2, 2_000), press(3, 59_999)]).await;
    beats(&mut agent, 120_002, 4, 5).await;
    let old = Client::try_connect(&ward, &ada).await;
    assert!(old.is_err(), "a certificate that was replaced is replaced");
    assert!(Client::try_connect(&ward, &stolen).await.is_err());

    ward.eventually("SELECT count(*) FROM record WHERE kind = 'signal'", 4).await;
    ward.eventually("SELECT count(*) FROM record WHERE kind = 'alarm'", 3).await;
    ward.eventually("SELECT count(*) FROM timer WHERE kind = 'no_such_rule'", 0).await;
    assert_eq!(ward.count("SELECT count(*) FROM alert WHERE rule = 'restored' AND state = 'open'").await, 1);
    assert_eq!(ward.count("SELECT count(*) FROM console_session WHERE ended_ms IS NULL").await, 0);
    assert_eq!(ward.count("SELECT count(*) FROM access_log WHERE action = 'restored' AND who = 'Lena Holm'").await, 1);
    // Whether what is told now may have been told before.
    let mut work = ward.work().await;
    let now_ms = clock::now_ms();
    for (rule, since_ms, perhaps) in
        [("alarm_pressed", 0, true), ("alarm_pressed", now_ms, true), ("restored", now_ms, false)]
    {
        let alert: String =
            query_scalar("SELECT id FROM alert WHERE rule = $1").bind(rule).fetch_one(&mut *work).await.unwrap();
        assert_eq!(
            restorations::perhaps_told(&mut work, &alert, since_ms).await.unwrap(),
            perhaps,
            "{rule} {since_ms}"
        );
    }
    drop(work);
    let report = backup::verify_store(&ward.config().data.join("store.sqlite")).await.unwrap();
    assert_eq!((report.faults, report.records), (vec![], 7));
    ward.close().await;
}

#[tokio::test]
async fn a_backup_or_a_store_that_is_not_what_it_was_is_found_and_never_put_in_place() {
    let ward = Ward::open_in(Place::in_a_file(), "", rules::Config::default().rules()).await;
    let ada = ward.enrol("Ada").await;
    let mut agent = Client::connect(&ward, &ada).await;
    sends(&mut agent, Lane::Alarm, 1, &[began(), press(1, 1_000)]).await;
    sends(&mut agent, Lane::Reading, 1, &[began(), reading(120, 80, 1_000)]).await;
    let good = ward.folder().join("good");
    backup::make(&ward.config(), &good, clock::now_ms(), &mut |_, _| {}).await.unwrap();
    assert!(
        backup::make(&ward.config(), &good, clock::now_ms(), &mut |_, _| {}).await.is_err(),
        "it is never replaced"
    );
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&good), 0o700);
    for file in ["store.sqlite", "ca/ca-key.pem", "api-token", "backup.json"] {
        assert_eq!(mode(&good.join(file)), 0o600, "{file}");
    }
    let mut work = ward.work().await;
    let looker = Looker { who: "Anna".into(), unit: "night".into() };
    let look = Look { action: Action::Listed, person: None, what: "people".into(), why: "care" };
    access_log::write(&mut work, &looker, &[look], jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    work.commit().await.unwrap();
    let (folder, _) = ward.stop().await;

    let store = good.join("store.sqlite");
    let bytes = std::fs::read(&store).unwrap();
    let mut other = bytes.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    std::fs::write(&store, other).unwrap();
    let (_, report) = backup::verify_backup(&good).await.unwrap();
    assert!(report.faults[0].contains("store.sqlite is not what it was"), "{report:?}");
    let refused = put_back(folder.path(), &good, Some(&folder.path().join("aside"))).await.unwrap_err();
    assert!(matches!(refused, RestoreError::Faulty(_)), "{refused}");
    assert!(folder.path().join("data/store.sqlite").exists());
    std::fs::write(&store, bytes).unwrap();
    std::fs::remove_file(good.join("ca/ca-key.pem")).unwrap();
    let (_, report) = backup::verify_backup(&good).await.unwrap();
    assert_eq!(report.faults, ["ca/ca-key.pem is missing"]);

    // Somebody changes the store itself. Each is found, and the words say what it is.
    let file = folder.path().join("data/store.sqlite");
    let untouched = std::fs::read(&file).unwrap();
    for (change, words) in [
        ("DELETE FROM event WHERE kind = 'signal'", "do not balance"),
        ("DELETE FROM event WHERE kind = 'signal'", "records stand under no number"),
        ("DELETE FROM record WHERE kind = 'signal'", "refers to one of record"),
        ("DELETE FROM alert_line", "alerts have no story"),
        ("INSERT INTO alert_line SELECT alert, place + 7, at_ms, kind, line, record FROM alert_line", "have a hole"),
        ("UPDATE alert_line SET line = '{}'", "cannot be read"),
        (
            "DROP TRIGGER access_log_is_never_changed; UPDATE access_log SET who = 'nobody' WHERE n = 1",
            "access log was changed",
        ),
        (
            "DELETE FROM _sqlx_migrations WHERE version = 1; INSERT INTO _sqlx_migrations VALUES (9999, '', 0, TRUE, x'00', 0)",
            "a later version",
        ),
    ] {
        changed(&file, change).await;
        let report = backup::verify_store(&file).await.unwrap();
        assert!(report.faults.iter().any(|fault| fault.contains(words)), "{change}: {report:?}");
        std::fs::write(&file, &untouched).unwrap();
    }
    assert!(backup::verify_store(&file).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn backups_are_made_by_themselves_old_ones_go_and_a_failed_one_is_a_case_that_ends_itself() {
    let folder = Place::in_a_file();
    let backups = folder.path().join("backups");
    // Where the folder should be there is a file.
    std::fs::write(&backups, "").unwrap();
    let settings = "[backup]\nfolder = \"backups\"\nevery = \"2s\"\nkeep = 2\n";
    let ward = Ward::open_in(folder, settings, rules::Config::default().rules()).await;
    ward.enrol("Ada").await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'backup' AND state = 'open'", 1).await;

    std::fs::remove_file(&backups).unwrap();
    std::fs::create_dir(&backups).unwrap();
    std::fs::create_dir(backups.join("somebody's own")).unwrap();
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'backup' AND state = 'open'", 0).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let names = std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name());
        seen.extend(names.filter(|name| name.to_string_lossy().starts_with("hempuls-")));
    }
    let (_folder, _) = ward.stop().await;
    let names: Vec<_> = std::fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let ours: Vec<_> = names.iter().filter(|name| name.to_string_lossy().starts_with("hempuls-")).collect();
    assert!((2..=3).contains(&ours.len()) && names.iter().any(|name| *name == *"somebody's own"), "{names:?}");
    for name in ours {
        assert!(backup::verify_backup(&backups.join(name)).await.unwrap().1.faults.is_empty());
    }
}

#[tokio::test]
async fn on_a_disk_that_is_nearly_full_readings_are_refused_and_presses_and_the_access_log_go_on() {
    // No disk is so large: it is nearly full from the start.
    let full = "[disk]\nreserve_mib = 1048576\n";
    let ward = Ward::open_in(Place::in_a_file(), full, rules::Config::default().rules()).await;
    let ada = ward.enrol("Ada").await;
    ward.assign_cuff(&ada).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'disk' AND severity = 'high' AND state = 'open'", 1).await;
    let mut agent = Client::connect(&ward, &ada).await;
    assert_eq!(agent.send(Lane::Reading, EPOCH, 1, &[began(), reading(120, 80, 1_000)]).await, Answer::Refused);
    sends(&mut agent, Lane::Alarm, 1, &[began(), press(1, 1_000)]).await;
    ward.act(&Act::Claim, "Anna").await;
    agent.beat(Lane::Reading, EPOCH, 0, 2).await;
    ward.eventually("SELECT count(*) FROM heartbeat", 1).await;
    let (status, said) = ward.get("/readyz").await;
    assert_eq!(status, 200, "a press would be taken: {said}");
    assert!(said.contains("readings are refused"), "{said}");
    let (_, page) = ward.get("/login").await;
    assert!(page.contains("id=\"refused\""), "{page}");
    assert_eq!(ward.count("SELECT count(*) FROM record WHERE kind = 'signal'").await, 0);
    let (folder, _) = ward.stop().await;

    let ward = Ward::open_in(folder, "[disk]\nreserve_mib = 4\n", rules::Config::default().rules()).await;
    ward.eventually("SELECT count(*) FROM alert WHERE rule = 'disk' AND state = 'open'", 0).await;
    let mut agent = Client::connect(&ward, &ada).await;
    sends(&mut agent, Lane::Reading, 1, &[began(), reading(120, 80, 1_000)]).await;
    assert_eq!(std::fs::metadata(ward.folder().join("data/reserve")).unwrap().len(), 4 << 20);
    assert!(!ward.get("/readyz").await.1.contains("refused"));
    assert!(!ward.get("/login").await.1.contains("id=\"refused\""));
    ward.close().await;
}

#[tokio::test]
async fn what_is_dropped_after_ten_years_stays_in_the_books_and_never_comes_back_as_new() {
    let ward = Ward::open_in(Place::in_a_file(), "", rules::Config::default().rules()).await;
    let ada = ward.enrol("Ada").await;
    ward.assign_cuff(&ada).await;
    let mut agent = Client::connect(&ward, &ada).await;
    sends(&mut agent, Lane::Alarm, 1, &[began(), press(1, 1_000)]).await;
    let readings: Vec<Content> = (0..450).map(|n| reading(100, 60, n)).collect();
    sends(&mut agent, Lane::Reading, 1, &[began()]).await;
    for (first, some) in (2..).step_by(150).zip(readings.chunks(150)) {
        sends(&mut agent, Lane::Reading, first, some).await;
    }
    let config = retention::Config::default();
    let years = |years: i64| clock::now_ms() + years * 366 * 24 * 60 * 60 * 1000;
    let store = hempuls_gateway::store::Store::open(&ward.config().data.join("store.sqlite")).await.unwrap();
    let kept = retention::drop_old(&store, &config, years(10) - 60_000).await.unwrap();
    assert_eq!((kept.numbers, kept.records), (0, 0), "not a day too early");

    let dropped = retention::drop_old(&store, &config, years(10) + 60_000).await.unwrap();
    // The highest number of each lane stays, and so does the press that an alert tells of.
    assert_eq!((dropped.numbers, dropped.records), (451, 450));
    assert_eq!(ward.count("SELECT count(*) FROM event").await, 2);
    assert_eq!(ward.count("SELECT count(*) FROM record WHERE kind = 'alarm'").await, 1);
    let file = ward.config().data.join("store.sqlite");
    assert_eq!(backup::verify_store(&file).await.unwrap().faults, Vec::<String>::new());

    // The box's memory comes again, and something new.
    sends(&mut agent, Lane::Reading, 2, &readings[..150]).await;
    beats(&mut agent, 120_000, 2, 451).await;
    sends(&mut agent, Lane::Reading, 452, &[reading(101, 61, 50_000)]).await;
    assert_eq!(ward.count("SELECT count(*) FROM record WHERE kind = 'signal'").await, 1);
    beats(&mut agent, 120_001, 2, 452).await;
    ward.eventually("SELECT count(*) FROM cursor WHERE lane = 'reading' AND receipted_through = 452", 1).await;
    assert_eq!(backup::verify_store(&file).await.unwrap().faults, Vec::<String>::new());
    store.close().await;
    ward.close().await;
}

async fn changed(file: &Path, sql: &'static str) {
    use sqlx::ConnectOptions as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).foreign_keys(false);
    let mut store = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut store).await.unwrap();
    sqlx::Connection::close(store).await.unwrap();
}

async fn sends(agent: &mut Client, lane: Lane, first: u64, contents: &[Content]) {
    agent.send(lane, EPOCH, first, contents).await;
    let last = Sequence(first + contents.len() as u64 - 1);
    loop {
        let receipt = agent.receipt().await;
        if receipt.lane == lane && receipt.through >= last {
            return;
        }
    }
}

/// Says that nothing waits, and up to where the box will send nothing again by itself.
async fn beats(agent: &mut Client, since_boot_ms: u64, alarms: u64, readings: u64) {
    let state = |(lane, last)| LaneState {
        lane,
        epoch: EPOCH,
        oldest_kept: Sequence(1),
        receipted_through: Sequence(last),
        last: Sequence(last),
        oldest_waiting_s: None,
    };
    let lanes = [(Lane::Alarm, alarms), (Lane::Reading, readings)].map(state);
    agent.say(Heartbeat::bare(taken(since_boot_ms), lanes.to_vec(), "test")).await;
}

async fn rewinds(agent: &mut Client, lane: Lane) -> Sequence {
    loop {
        let receipt = agent.receipt().await;
        if let Some(from) = receipt.rewind.filter(|_| receipt.lane == lane) {
            return from;
        }
    }
}

async fn put_back(folder: &Path, backup: &Path, set_aside: Option<&Path>) -> Result<Restored, RestoreError> {
    let config = Config::read(&folder.join("gateway.toml")).unwrap();
    let wish = Wish { backup, set_aside, by: "Lena Holm", why: "the disk died" };
    restore::restore(&config.data, &wish, clock::now_ms()).await
}

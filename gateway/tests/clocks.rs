//! Three clocks that are kept apart (P6): boxes that boot in 1970, devices that go wrong, and dates that are worked out
//! anew when more is known.

#[allow(dead_code, reason = "these tests need only a part of it")]
mod ward;

use hempuls_gateway::clock;
use hempuls_gateway::ingest::clocks::date_anew;
use hempuls_gateway::store::clocks as store;
use hempuls_gateway::store::query_scalar;
use hempuls_protocol::event::{Content, DeviceClock, Kind, TimeCorrection, TimeSource};
use hempuls_protocol::ids::{Epoch, Lane, Sequence};
use hempuls_protocol::times::{BootId, DeviceTime, Taken, Trust};
use hempuls_protocol::wire::envelope::Envelope;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ward::{CUFF, Client, Ward, events, reading};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
const FIRST_BOOT: u8 = 1;
const SECOND_BOOT: u8 = 2;

#[tokio::test]
async fn what_a_box_in_1970_takes_is_dated_by_its_age_when_it_comes() {
    let mut home = Home::open().await;
    home.sends(&[in_1970(5_000), in_1970(65_000)], moment(FIRST_BOOT, 125_000, 125_000, Trust::Unknown)).await;
    home.are_dated(&[Some(-2 * MINUTE), Some(-MINUTE)]).await;
    assert_eq!(home.ward.count("SELECT count(*) FROM record WHERE person IS NOT NULL").await, 2);
}

#[tokio::test]
async fn what_a_box_in_1970_took_before_its_power_failed_has_no_date_and_is_nobodys() {
    let mut home = Home::open().await;
    home.sends(&[in_1970(5_000)], moment(SECOND_BOOT, 9_000, 9_000, Trust::Unknown)).await;
    home.are_dated(&[None]).await;
    assert_eq!(home.ward.count("SELECT count(*) FROM record WHERE person IS NULL").await, 1);
}

#[tokio::test]
async fn a_clock_that_was_three_days_slow_is_corrected_by_an_event_and_the_correction_can_be_taken_back() {
    let mut home = Home::open().await;
    let now = clock::now_ms();
    let slow = |since_boot_ms: i64| now - 3 * DAY + since_boot_ms;
    let taken = moment(FIRST_BOOT, 5_000, slow(5_000), Trust::Estimated);
    let after_the_power_cut = moment(SECOND_BOOT, 9_000, now, Trust::Synchronised);
    home.sends(&[Content { taken, ..reading(120, 80, 0) }], after_the_power_cut).await;
    home.are_dated(&[Some(-3 * DAY)]).await;

    let corrected = moment(FIRST_BOOT, 65_000, now + 65_000, Trust::Synchronised);
    let trust_before = Trust::Estimated;
    let correction = TimeCorrection { before_ms: slow(65_000), trust_before, source: TimeSource::System };
    home.sends(&[Content { taken: corrected, kind: Kind::TimeCorrection(correction) }], after_the_power_cut).await;
    home.are_dated(&[Some(0)]).await;

    let agent = home.agent.agent.parse().unwrap();
    let mut work = home.ward.work().await;
    let corrections = store::corrections(&mut work, &agent).await.unwrap();
    assert_eq!((corrections.len(), corrections[0].after_ms - corrections[0].before_ms), (1, 3 * DAY));
    let boot = (agent, corrections[0].boot);
    for (withdrawn, expected) in [(Some(("Anna", 1)), -3 * DAY), (None, 0)] {
        assert!(store::withdraw(&mut work, &boot, 65_000, withdrawn).await.unwrap());
        let records = store::records_of_boot(&mut work, &boot).await.unwrap();
        date_anew(&mut work, &records, &TimeZone::UTC).await.unwrap();
        let dated: i64 = query_scalar("SELECT measured_ms FROM record").fetch_one(&mut *work).await.unwrap();
        assert!((dated - now - expected).abs() < MINUTE, "{withdrawn:?}");
    }
    assert!(!store::withdraw(&mut work, &boot, 65_000, None).await.unwrap(), "it counts already");
}

#[tokio::test]
async fn a_cuff_three_hours_behind_is_put_right_also_when_it_is_looked_at_after_it_spoke() {
    let mut home = Home::open().await;
    let now = clock::now_ms();
    let (shown, at) = (local(now - 3 * 60 * MINUTE), synchronised(90_000, now));
    home.sends(&[clocked(local(now - 3 * 60 * MINUTE - 30 * MINUTE), synchronised(80_000, now - 10_000))], at).await;
    home.are_dated(&[Some(-3 * 60 * MINUTE - 30 * MINUTE)]).await;

    let look = DeviceClock { device: CUFF, shown: Some(DeviceTime(shown)), set_to: None, session: Some(7) };
    home.sends(&[Content { taken: at, kind: Kind::DeviceClock(look) }], at).await;
    home.are_dated(&[Some(-30 * MINUTE)]).await;
    assert_eq!(home.ward.count("SELECT count(*) FROM record WHERE measured_by = 'device_corrected'").await, 1);
}

#[tokio::test]
async fn of_a_clockless_cuffs_memory_only_the_newest_reading_has_a_date() {
    let mut home = Home::open().await;
    let now = clock::now_ms();
    let (first, second, third) = (synchronised(1_000, now), synchronised(1_200, now), synchronised(1_400, now));
    // They come in two batches: of the first two nobody knows that a third will follow, until it does.
    home.sends(&[clockless(first), clockless(second)], second).await;
    home.are_dated(&[None, Some(0)]).await;
    home.sends(&[clockless(third)], third).await;
    home.are_dated(&[None, None, Some(0)]).await;
}

/// A home with a cuff that is Ada's, and what its box sends.
struct Home {
    ward: Ward,
    agent: Client,
    next: u64,
}

impl Home {
    async fn open() -> Self {
        let ward = Ward::open().await;
        let papers = ward.enrol("Ada").await;
        ward.assign_cuff(&papers).await;
        let agent = Client::connect(&ward, &papers).await;
        Self { ward, agent, next: 1 }
    }

    async fn sends(&mut self, contents: &[Content], sent: Taken) {
        let envelope = Envelope::pack(Epoch(1), Sequence(self.next), sent, events(self.next, contents));
        self.agent.publish_events(Lane::Reading, &envelope).await;
        self.next += contents.len() as u64;
        while self.agent.receipt().await.through.0 < self.next - 1 {}
    }

    /// Each record's date, counted from now.
    async fn are_dated(&self, expected: &[Option<i64>]) {
        let dates: Vec<Option<i64>> =
            query_scalar("SELECT measured_ms FROM record ORDER BY id").fetch_all(self.ward.reader()).await.unwrap();
        let ago: Vec<Option<i64>> = dates.iter().map(|at| at.map(|at| at - clock::now_ms())).collect();
        let agrees = |(found, expected): (&Option<i64>, &Option<i64>)| match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < MINUTE / 2,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        assert!(ago.len() == expected.len() && ago.iter().zip(expected).all(agrees), "{ago:?}, not {expected:?}");
    }
}

fn moment(boot: u8, since_boot_ms: i64, wall_ms: i64, trust: Trust) -> Taken {
    let since_boot_ms = since_boot_ms.unsigned_abs();
    Taken { boot: BootId([boot; 16]), since_boot_ms, wall_ms: Some(wall_ms), trust }
}

fn synchronised(since_boot_ms: i64, now: i64) -> Taken {
    moment(FIRST_BOOT, since_boot_ms, now, Trust::Synchronised)
}

fn in_1970(since_boot_ms: i64) -> Content {
    let taken = moment(FIRST_BOOT, since_boot_ms, since_boot_ms, Trust::Unknown);
    Content { taken, ..reading(120, 80, 0) }
}

fn clockless(taken: Taken) -> Content {
    of_session(Content { taken, ..reading(120, 80, 0) })
}

/// A reading whose payload shows this time.
fn clocked(time: DateTime, taken: Taken) -> Content {
    let mut content = of_session(Content { taken, ..reading(120, 80, 0) });
    if let Kind::Signal(signal) = &mut content.kind {
        let year = time.year().to_le_bytes();
        let rest = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
        signal.raw[0] = 0x02;
        signal.raw.extend(year.into_iter().chain(rest.map(|part| part.unsigned_abs())));
        signal.device_time = Some(DeviceTime(time));
    }
    content
}

fn of_session(mut content: Content) -> Content {
    if let Kind::Signal(signal) = &mut content.kind {
        signal.session = Some(7);
    }
    content
}

/// What a clock in Stockholm shows.
fn local(at_ms: i64) -> DateTime {
    let zone = TimeZone::get("Europe/Stockholm").unwrap();
    let shown = zone.to_datetime(jiff::Timestamp::from_millisecond(at_ms).unwrap());
    shown.round(jiff::Unit::Second).unwrap()
}

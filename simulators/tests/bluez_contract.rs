//! The simulated BlueZ, held against the real btleplug: each trap of real BlueZ catches a client that knows no better.

mod client;

use std::time::Duration;

use client::{Client, Watcher};
use hempuls_simulators::{
    bluez::{Bluez, Device, Options, Until},
    bus::Bus,
    devices::{
        BloodPressure, Bonding, Button, Crowd, Cuff, Habits, Oximeter, SpotCheck, Strap,
        stranger::{self, What},
    },
    mischief::{Call, HangUpAt, Mischief},
};

const CUFF: &str = "F0:F1:F2:F3:F4:F5";
const CUFF_ID: &str = "hear hci0/dev_F0_F1_F2_F3_F4_F5";
const OXIMETER: &str = "F0:F1:F2:F3:F4:F6";
const OXIMETER_ID: &str = "hear hci0/dev_F0_F1_F2_F3_F4_F6";

/// The client, when the other tests run this file as a process of its own; by itself it has nobody to obey.
#[tokio::test]
async fn client_process() {
    if client::is_the_client() {
        client::obey().await;
    }
}

#[tokio::test]
async fn a_reading_comes_from_the_cuff_to_the_client() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).named("BPM 59")).await;
    let payload = home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(client.told("services").await, "1805 180a 180f 1810");
    assert_eq!(client.told("read 2a24").await, hex::encode("BPM 59"));
    client.does(&["listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;

    assert_eq!(client.told("values").await, format!("2a35:{payload}"));
    let confirmed = &home.cuff.ledger().confirmed()[0];
    assert_eq!(hex::encode(&confirmed.payload), payload);
    assert_eq!(confirmed.reception.scanning, 1);
    assert_eq!(confirmed.reception.listening, 1);
}

#[tokio::test]
async fn a_session_is_signalled_in_the_order_of_real_bluez() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    let watcher = Watcher::on(&home.bus).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, CUFF_ID, "stop-scan", "connect", "pair", "discover"]).await;
    client.does(&["subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    let device = "dev_F0_F1_F2_F3_F4_F5";
    let seen: Vec<_> = watcher.seen().into_iter().map(|it| it.replace(device, "cuff")).collect();
    let attributes = seen.iter().filter(|it| it.contains("+Gatt")).count();
    assert_eq!(attributes, 13, "4 services, 7 characteristics, 2 descriptors");
    let without_attributes: Vec<_> = seen.iter().filter(|it| !it.contains("+Gatt")).map(String::as_str).collect();
    assert_eq!(
        without_attributes,
        [
            "hci0 Pairable",
            "hci0 Discovering",
            "cuff +Device1",
            "cuff RSSI",
            "cuff -RSSI",
            "hci0 Discovering",
            "cuff Connected",
            "cuff +Battery1",
            "cuff ServicesResolved UUIDs",
            "cuff Bonded Paired",
            "char0011 Notifying",
            "char0011 Value",
            "cuff Connected ServicesResolved",
            "cuff -Battery1",
        ]
    );
    let parents_first = ["service0010 +GattService1", "char0011 +GattCharacteristic1", "desc0013 +GattDescriptor1"];
    let first: Vec<_> = seen.iter().filter(|it| it.contains("+Gatt")).take(3).collect();
    assert_eq!(first, parents_first.each_ref());
}

#[tokio::test]
async fn without_power_there_is_neither_scan_nor_link() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect"]).await;
    home.bluez.power(false).await;
    assert!(!home.cuff.is_connected());
    assert_eq!(home.bluez.scanning_clients(), 0);
    let answer = client.told("connect").await;
    assert!(answer.contains("Not Ready"), "{answer}");
    client.does(&["scan", CUFF_ID, "connect"]).await;
}

#[tokio::test]
async fn trap_1_lost_readings_on_reconnect() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(121);
    client.does(&["scan", CUFF_ID, "connect", "discover", "listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;

    client.does(&["go-deaf"]).await;
    home.measures(122);
    client.does(&[CUFF_ID, "connect", "listen"]).await;
    let answer = client.told("subscribe 2a35").await;
    assert!(answer.contains("In Progress"), "{answer}");
    home.cuff_hangs_up().await;
    assert_eq!(client.told("values").await, "", "the reading came before there was a stream");
    assert_eq!(home.confirmed(), 2, "and yet it was confirmed");

    let third = home.measures(123);
    client.does(&[CUFF_ID, "connect"]).await;
    home.cuff_hangs_up().await;
    assert_eq!(client.told("values").await, format!("2a35:{third}"), "the stream was there first");
}

#[tokio::test]
async fn trap_2_a_kept_subscription_indicates_unasked() {
    let cuff = Cuff::new(CUFF).bonding().keeping_subscriptions();
    let (home, mut client) = Home::with(cuff).await;
    home.measures(121);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "discover"]).await;
    client.does(&["listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    client.dies().await;
    home.nobody_scans().await;

    let mut newcomer = Client::start(&home.bus).await;
    home.measures(122);
    newcomer.does(&["scan", CUFF_ID, "connect", "discover", "listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    assert_eq!(newcomer.told("values").await, "");
    let lost = &home.cuff.ledger().confirmed()[1];
    assert_eq!(lost.reception.listening, 0, "nobody had subscribed");
    newcomer.dies().await;
    home.nobody_scans().await;

    let mut early = Client::start(&home.bus).await;
    let third = home.measures(123);
    early.does(&["scan", CUFF_ID, "discover", "listen", "subscribe 2a35", "connect"]).await;
    home.cuff_hangs_up().await;
    assert_eq!(early.told("values").await, format!("2a35:{third}"));
}

#[tokio::test]
async fn trap_3_own_reads_are_on_the_stream() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover", "listen"]).await;
    let model = client.told("read 2a24").await;
    assert_eq!(client.told("values").await, format!("2a24:{model}"));
}

#[tokio::test]
async fn trap_4_connect_does_not_notice_a_hang_up() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    home.cuff.mischief(Mischief::HangUp(HangUpAt::Resolving));
    assert_eq!(client.told("connect 1500").await, "no answer");
    assert!(!home.cuff.is_connected());
    assert_eq!(home.cuff.ledger().connected(), 1);
}

#[tokio::test]
async fn trap_5_subscribing_succeeds_while_away() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover", "disconnect"]).await;
    assert!(!home.cuff.is_connected());
    client.does(&["subscribe 2a35"]).await;
    let answer = client.told("subscribe 2a35").await;
    assert!(answer.contains("In Progress"), "{answer}");
    let answer = client.told("read 2a24").await;
    assert!(answer.contains("Not connected"), "{answer}");
}

#[tokio::test]
async fn trap_6_dropping_a_stream_can_panic() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    home.cuff.mischief(Mischief::Chatter { every: Duration::from_millis(1) });
    assert_eq!(client.told("drop-streams 100").await, "panicked");
    client.does(&["connect"]).await;
}

#[tokio::test]
async fn trap_7_connected_without_services() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    home.cuff.mischief(Mischief::NoServices);
    client.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(client.told("services").await, "");
}

#[tokio::test]
async fn trap_8_a_wedged_call() {
    for (call, orders, wedged) in
        [(Call::Connect, &[][..], "connect 500"), (Call::StartNotify, &["connect", "discover"], "subscribe 2a35 500")]
    {
        let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
        home.measures(120);
        client.does(&["scan", CUFF_ID]).await;
        client.does(orders).await;
        home.cuff.mischief(Mischief::Wedge(call));
        assert_eq!(client.told(wedged).await, "no answer");
        let again = wedged.trim_end_matches(" 500");
        client.does(&[again]).await;
    }
}

#[tokio::test]
async fn trap_9_connect_to_an_absent_device() {
    let (home, mut client) = Home::with(short_window(Cuff::new(CUFF))).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    home.cuff_falls_silent().await;

    assert_eq!(client.told("connect 1000").await, "no answer");
    let answer = client.told("connect").await;
    assert!(answer.contains("already in progress"), "{answer}");
    client.does(&["disconnect"]).await;

    home.measures(121);
    client.does(&["connect"]).await;
}

#[tokio::test]
async fn a_mute_device_is_heard_but_never_connected() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.cuff.mischief(Mischief::Mute);
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    assert_eq!(client.told("connect 1000").await, "no answer");
    home.cuff.behave();
    client.does(&["disconnect", "connect"]).await;
}

#[tokio::test]
async fn a_scan_filter_never_sees_service_data() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let button = home.bluez.add(Button::new("B4:35:22:F5:3D:A4", [7; 16]));
    let hear = format!("hear {}", button.id());

    client.does(&["scan fcd2"]).await;
    button.press();
    assert_eq!(client.told(&hear).await, "nothing");
    client.does(&["stop-scan", "scan"]).await;
    button.press();
    client.does(&[&hear]).await;
    until("the burst is over", || button.ledger().bursts().len() == 2).await;
    let heard: Vec<_> = button.ledger().bursts().iter().map(|it| it.heard).collect();
    assert_eq!(heard, [0, 20]);
}

#[tokio::test]
async fn pairing_needs_an_agent() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    let payload = home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(client.told("subscribe 2a35 500").await, "no answer");
    let answer = client.told("pair").await;
    assert!(answer.contains("AuthenticationFailed"), "{answer}");
    client.does(&["disconnect"]).await;
    assert!(!home.cuff.is_paired());

    client.does(&["register-agent", CUFF_ID, "connect", "listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    assert!(home.cuff.is_paired());
    assert_eq!(client.told("values").await, format!("2a35:{payload}"));
}

#[tokio::test]
async fn an_agent_may_refuse_a_device() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-refusing-agent", "scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(client.told("subscribe 2a35 500").await, "no answer");
    assert!(!home.cuff.is_paired());
}

#[tokio::test]
async fn a_device_that_asks_for_security_is_paired_as_soon_as_there_is_an_agent() {
    let cuff = Cuff::new(CUFF).with(|habits| habits.bonding = Bonding::AskedFor);
    let (home, mut client) = Home::with(cuff).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    assert!(!home.cuff.is_paired());
    client.does(&["disconnect", "register-agent", CUFF_ID, "connect"]).await;
    until("the cuff is paired", || home.cuff.is_paired()).await;
}

#[tokio::test]
async fn pairing_before_connecting_connects() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "pair", "connect", "discover"]).await;
    assert!(home.cuff.is_paired());
    client.does(&["subscribe 2a35"]).await;
}

#[tokio::test]
async fn a_device_that_shows_a_number_is_paired_without_it_and_takes_no_subscription() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).showing(42_731)).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(client.told("subscribe 2a35 500").await, "no answer");
    assert!(home.cuff.is_paired() && home.cuff.ledger().confirmed().is_empty());
}

#[tokio::test]
async fn a_device_that_refuses_to_pair_hangs_up() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.cuff.mischief(Mischief::RefusePairing);
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect"]).await;
    let answer = client.told("pair").await;
    assert!(answer.contains("AuthenticationFailed"), "{answer}");
    assert!(!home.cuff.is_connected());
}

#[tokio::test]
async fn a_stale_bond_aborts_each_connection_until_it_is_removed() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "pair", "disconnect"]).await;
    home.cuff.lose_keys();
    let watcher = Watcher::on(&home.bus).await;
    for _ in 0..2 {
        client.does(&[CUFF_ID]).await;
        let answer = client.told("connect").await;
        assert!(answer.contains("le-connection-abort-by-local"), "{answer}");
        assert!(home.cuff.is_paired());
    }
    let has_link = watcher.seen().iter().any(|it| it.ends_with(" Connected"));
    assert!(has_link, "there is a link for a moment");
    client.does(&["forget", CUFF_ID, "connect", "pair", "discover", "subscribe 2a35"]).await;
}

#[tokio::test]
async fn a_forgotten_device_is_heard_of_again() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "pair"]).await;
    home.bluez.forget(&home.cuff).await;
    assert!(!home.cuff.is_paired() && !home.cuff.is_connected());
    client.does(&[CUFF_ID, "connect", "pair"]).await;
}

#[tokio::test]
async fn readings_that_were_not_confirmed_come_again() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let [one, two, three] = [121, 122, 123].map(|systolic| home.measures(systolic));
    home.cuff.mischief(Mischief::HangUp(HangUpAt::AfterIndication(1)));
    client.does(&["scan", CUFF_ID, "connect", "discover", "listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    assert_eq!(client.told("values").await, format!("2a35:{one}"));

    home.cuff.mischief(Mischief::HangUp(HangUpAt::BeforeConfirmation));
    client.does(&[CUFF_ID]).await;
    assert_eq!(client.told("connect 1000").await, "no answer", "the hang-up came first");
    assert_eq!(client.told("values").await, format!("2a35:{two}"));

    client.does(&[CUFF_ID, "connect"]).await;
    home.cuff_hangs_up().await;
    assert_eq!(client.told("values").await, format!("2a35:{two} 2a35:{three}"));
    assert_eq!(home.confirmed(), 3);
}

#[tokio::test]
async fn a_malformed_payload_is_three_bytes() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let payload = home.measures(120);
    home.cuff.mischief(Mischief::MalformedNext);
    client.does(&["scan", CUFF_ID, "connect", "discover", "listen", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    let cut = &payload[..6];
    assert_eq!(client.told("values").await, format!("2a35:{cut}"));
    assert_eq!(hex::encode(&home.cuff.ledger().confirmed()[0].payload), cut);
}

#[tokio::test]
async fn aborted_connections_succeed_when_tried_again() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.cuff.mischief(Mischief::AbortConnections { times: 1 });
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    let answer = client.told("connect").await;
    assert!(answer.contains("le-connection-abort-by-local"), "{answer}");
    client.does(&["connect"]).await;
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_scan_and_its_sessions() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover", "disconnect", "subscribe 2a35"]).await;
    assert_eq!(home.bluez.scanning_clients(), 1);
    client.dies().await;
    home.nobody_scans().await;

    let mut other = Client::start(&home.bus).await;
    other.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    assert_eq!(home.confirmed(), 0, "nothing was subscribed by itself");
    other.does(&["subscribe 2a35"]).await;
}

#[tokio::test]
async fn a_restart_keeps_bonds_and_nothing_else() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "discover"]).await;
    client.does(&["subscribe 2a35"]).await;

    home.bluez.restart().await.expect("bluetoothd comes back");
    assert!(home.cuff.is_paired());
    assert!(!home.cuff.is_connected());
    assert_eq!(home.bluez.scanning_clients(), 0);
    let answer = client.told("subscribe 2a35").await;
    assert!(answer.contains("Unknown object"), "{answer}");

    let second = home.measures(122);
    client.does(&["scan", CUFF_ID, "listen", "connect", "discover", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    let values = client.told("values").await;
    assert!(values.ends_with(&second), "{values}");
}

#[tokio::test]
async fn a_restart_remembers_a_device_that_was_connected_to_and_no_other() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    home.bluez.restart().await.expect("bluetoothd comes back");
    assert_eq!(client.number("known").await, 0);

    home.measures(121);
    client.does(&["scan", CUFF_ID, "connect", "discover", "disconnect"]).await;
    home.bluez.restart().await.expect("bluetoothd comes back");
    assert_eq!(client.number("known").await, 1);
}

#[tokio::test]
async fn an_adapter_that_is_plugged_in_again_keeps_bonds_and_scans_for_nobody() {
    let (home, mut client) = Home::with(Cuff::new(CUFF).bonding()).await;
    home.measures(120);
    client.does(&["register-agent", "scan", CUFF_ID, "connect", "discover", "subscribe 2a35"]).await;

    home.bluez.unplug().await;
    assert!(!home.cuff.is_connected());
    assert!(client.told("connect").await.contains("nknown"), "there is no such object");
    home.bluez.plug_in().await;
    assert!(home.cuff.is_paired());
    assert_eq!(home.bluez.scanning_clients(), 0);

    let second = home.measures(122);
    client.does(&["scan", "listen", "connect", "discover", "subscribe 2a35"]).await;
    home.cuff_hangs_up().await;
    let values = client.told("values").await;
    assert!(values.ends_with(&second), "{values}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_may_go_while_it_is_being_switched() {
    let (home, _client) = Home::with(Cuff::new(CUFF)).await;
    let connection = zbus::connection::Builder::address(home.bus.address()).build().await.unwrap();
    let properties = zbus::fdo::PropertiesProxy::builder(&connection).destination("org.bluez");
    let properties = properties.path("/org/bluez/hci0").build().await.unwrap();
    let adapter: zbus::names::InterfaceName<'_> = "org.bluez.Adapter1".try_into().unwrap();
    for round in 0..200_u32 {
        // It may be too late for that: then there is no such adapter.
        let switched = async { properties.set(adapter.clone(), "Powered", &(round % 2 == 0).into()).await.is_ok() };
        // Sooner and later against the other.
        let unplugged = async {
            tokio::time::sleep(Duration::from_micros(u64::from(round) * 10)).await;
            home.bluez.unplug().await;
        };
        tokio::join!(switched, unplugged);
        home.bluez.plug_in().await;
    }
    assert_eq!(home.bluez.scanning_clients(), 0);
}

#[tokio::test]
async fn a_deaf_adapter_hears_again_once_its_scan_begins_anew() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    client.does(&["scan"]).await;
    home.bluez.deafen(Until::TheScanBeginsAnew);
    home.measures(120);
    assert_eq!(client.told(CUFF_ID).await, "nothing");
    client.does(&["stop-scan", "scan", CUFF_ID, "connect"]).await;
}

#[tokio::test]
async fn a_written_time_is_what_the_cuff_shows() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID, "connect", "discover"]).await;
    client.does(&["write 2a2b e407021d0a1e00060000"]).await;
    let shown = client.told("read 2a2b").await;
    assert!(shown.starts_with("e407021d0a1e"), "29 February 2020, half past ten: {shown}");
    let answer = client.told("write 2a2b 00").await;
    assert!(answer.contains("not permitted"), "{answer}");
}

#[tokio::test]
async fn an_oximeter_that_waits_to_be_asked_tells_all_it_keeps_and_then_says_so() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let oximeter = home.bluez.add(Oximeter::new(OXIMETER).waiting_to_be_asked());
    let at = jiff::civil::date(2026, 11, 24).at(10, 30, 0, 0);
    for oxygen_saturation in [Some(96), Some(97)] {
        oximeter.measure_at(SpotCheck { oxygen_saturation, pulse: Some(68) }, at);
    }
    client.does(&["scan", OXIMETER_ID, "connect", "discover", "listen", "subscribe 2a5e"]).await;
    let answer = client.told("write 2a52 0101").await;
    assert!(answer.contains("not permitted"), "its answers are not subscribed to: {answer}");
    client.does(&["subscribe 2a52", "write 2a52 0101"]).await;
    until("both are confirmed", || oximeter.ledger().confirmed().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let values = client.told("values").await;
    let values: Vec<_> = values.split(' ').collect();
    assert!(
        matches!(values[..], [first, second, "2a52:06000101"] if first.contains(":0360") && second.contains(":0361")),
        "{values:?}"
    );
}

#[tokio::test]
async fn a_strap_notifies_once_a_second_and_ends_the_link_after_it_was_taken_off() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let strap = home.bluez.add(Strap::new(OXIMETER).with(|habits| habits.hangs_up_after = Duration::from_secs(1)));
    strap.put_on(72);
    client.does(&["scan", OXIMETER_ID, "connect", "discover", "listen", "subscribe 2a37"]).await;
    until("three seconds were notified", || strap.ledger().streamed().sent == 3).await;
    strap.take_off();
    until("it hangs up", || !strap.is_connected()).await;
    until("it is silent", || strap.is_silent()).await;
    let values = client.told("values").await;
    assert!(values.starts_with("2a37:16485503 2a37:1648"), "{values}");
    assert!(values.ends_with("2a37:0448"), "the last is without contact: {values}");
    let streamed = strap.ledger().streamed();
    assert_eq!(streamed.sent, streamed.heard);
}

#[tokio::test]
async fn eighty_strangers_are_heard_once_a_second_each() {
    let (home, mut client) = Home::with(Cuff::new(CUFF)).await;
    let crowd = Crowd::gather(&home.bluez, 80, 1);
    client.does(&["scan"]).await;
    let (before, sent_before) = (client.number("heard").await, crowd.sent());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (heard, sent) = (client.number("heard").await - before, crowd.sent() - sent_before);

    assert_eq!(client.number("known").await, 80);
    assert!((360..=440).contains(&sent), "{sent} advertisements in 5 s");
    assert!(heard >= 4 * 80, "{heard} signals in 5 s");
    assert_eq!((crowd.count(What::Cuff), crowd.count(What::Button), crowd.count(What::Phone)), (4, 4, 32));
    assert_eq!(crowd.connected(), 0);
}

#[tokio::test]
async fn a_phone_that_calls_itself_otherwise_is_another_device_and_the_old_one_is_forgotten() {
    let options = Options { remembers_for: Duration::from_millis(600), ..Options::default() };
    let (home, mut client) = Home::with_options(Cuff::new(CUFF), options).await;
    client.does(&["scan"]).await;
    let restless = stranger::Habits {
        advertises_every: Duration::from_millis(50),
        keeps_its_address_for: Duration::from_millis(200),
    };
    let _phone = Crowd::gather_with(&home.bluez, 1, 1, &restless);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let known = client.number("known").await;
    assert!((2..=6).contains(&known), "{known} devices are known, of about 15 that it was");
}

#[tokio::test]
async fn only_a_device_that_somebody_connected_to_is_remembered() {
    let options = Options { remembers_for: Duration::from_millis(300), ..Options::default() };
    let (home, mut client) = Home::with_options(short_window(Cuff::new(CUFF)), options).await;
    home.measures(120);
    client.does(&["scan", CUFF_ID]).await;
    home.cuff_falls_silent().await;
    until_number(&mut client, "known", 0).await;

    home.measures(121);
    client.does(&[CUFF_ID, "connect", "discover", "disconnect"]).await;
    home.cuff_falls_silent().await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(client.number("known").await, 1);
}

/// One home with one cuff.
struct Home {
    bus: Bus,
    bluez: Bluez,
    cuff: Device<Cuff>,
}

impl Home {
    async fn with(cuff: Cuff) -> (Self, Client) {
        Self::with_options(cuff, Options::default()).await
    }

    async fn with_options(cuff: Cuff, options: Options) -> (Self, Client) {
        let bus = Bus::start().await.expect("a bus");
        let bluez = Bluez::start(&bus, options).await.expect("a bluetoothd");
        let cuff = bluez.add(brisk(cuff));
        let client = Client::start(&bus).await;
        (Self { bus, bluez, cuff }, client)
    }

    /// Someone measures; the answer is the payload that will be indicated.
    fn measures(&self, systolic: u16) -> String {
        let at = jiff::civil::date(2026, 11, 22).at(10, 30, 0, 0);
        self.cuff.measure_at(
            BloodPressure { systolic, diastolic: 80, mean: None, pulse: Some(72), user: None, status: 0 },
            at,
        );
        let systolic = systolic.to_le_bytes();
        format!("16{}5000ff07ea070b160a1e0048000000", hex::encode(systolic))
    }

    fn confirmed(&self) -> usize {
        self.cuff.ledger().confirmed().len()
    }

    /// Waits for the end of the link.
    async fn cuff_hangs_up(&self) {
        until("the cuff hangs up", || !self.cuff.is_connected()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    async fn cuff_falls_silent(&self) {
        until("the cuff falls silent", || self.cuff.is_silent()).await;
    }

    async fn nobody_scans(&self) {
        until("nobody scans", || self.bluez.scanning_clients() == 0).await;
    }
}

/// Quick on the air and soon gone, so that tests need not wait.
fn brisk(cuff: Cuff) -> Cuff {
    cuff.with(|habits: &mut Habits| {
        habits.advertises_every = Duration::from_millis(30);
        habits.tries_again_after = Duration::from_millis(100);
        habits.lingers = Duration::from_millis(400);
    })
}

fn short_window(cuff: Cuff) -> Cuff {
    cuff.with(|habits| habits.advertises_for = Duration::from_millis(700))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(15), wait).await;
    assert!(done.is_ok(), "waited in vain until {what}");
}

async fn until_number(client: &mut Client, order: &str, wanted: u64) {
    for _ in 0..100 {
        if client.number(order).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{order} was never {wanted}");
}

//! Ordinary days, and what ends programs on them: the scenarios of every `tests/run`.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use hempuls_tests::real_bluez::{in_a_real_home, say};
use serde_json::json;

#[test]
fn cuffs_with_and_without_a_bond_and_an_oximeter_are_read_each_time() -> Result<()> {
    in_a_real_home(|home| {
        let open = home.device("cuff", json!({}))?;
        let bonded = home.device("cuff", json!({"security": "pairs"}))?;
        // It asks for encryption by itself, and pairs the old way, as most cuffs on sale do.
        let asks = home.device("cuff", json!({"security": "asks", "secure_connections": false}))?;
        let clip = home.device("oximeter", json!({"security": "pairs"}))?;
        home.agent_moves_in()?;
        for number in 1..=2 {
            for device in [&open, &bonded, &asks, &clip] {
                home.measure(device, number)?;
            }
            for device in [&open, &bonded, &asks, &clip] {
                home.until_all_is_said(device)?;
            }
        }
        home.ends_well()
    })
}

#[test]
fn each_press_that_the_radio_heard_is_one_alarm() -> Result<()> {
    in_a_real_home(|home| {
        let button = home.device("button", json!({}))?;
        let cuff = home.device("cuff", json!({}))?;
        home.agent_moves_in()?;
        home.order_device(&button, "beacons", json!({"every": 3}))?;
        home.press(&button)?;
        sleep(Duration::from_secs(2));
        // While the agent is connecting to a cuff, and while it listens to one.
        home.measure(&cuff, 1)?;
        home.press(&button)?;
        home.until_it(&cuff, "subscribed", 1)?;
        home.press(&button)?;
        sleep(Duration::from_secs(2));
        home.ends_well()?;
        let heard = home.truth()?.heard_bursts(&button);
        ensure!(heard == 3, "the radio heard {heard} bursts of 3");
        Ok(())
    })
}

#[test]
fn a_killed_agent_loses_at_most_what_bluez_confirms_behind_its_back() -> Result<()> {
    in_a_real_home(|home| {
        let unasked = json!({"security": "pairs", "keeps_subscription": true});
        let forgets = home.device("cuff", unasked.clone())?;
        let mut keeps = unasked;
        keeps["keeps_memory"] = json!(true);
        let remembers = home.device("cuff", keeps)?;
        home.agent_moves_in()?;
        for (number, moment) in (1..).zip([None, Some("connected"), Some("speaking"), Some("confirmed"), None]) {
            home.measure(&forgets, number)?;
            home.measure(&remembers, number)?;
            if let Some(moment) = moment {
                home.agent_is_killed_when(&forgets, moment)?;
                home.agent_starts()?;
            }
            for cuff in [&forgets, &remembers] {
                home.until_all_is_said(cuff)?;
            }
        }
        let lost = home.ends()?;
        say(&format!("3 kills in the middle of a session, {} readings lost of 10: {lost:?}", lost.len()))?;
        // One at most for each kill, of the cuff that keeps nothing.
        ensure!(lost.len() <= 3, "{lost:?}");
        ensure!(home.stored(&remembers)?.len() == 5, "a cuff that keeps its memory loses nothing");
        Ok(())
    })
}

#[test]
fn a_restarted_bluetoothd_loses_at_most_what_it_confirms_for_nobody() -> Result<()> {
    in_a_real_home(|home| {
        let unasked = json!({"security": "pairs", "keeps_subscription": true});
        let cuff = home.device("cuff", unasked)?;
        let open = home.device("cuff", json!({}))?;
        let button = home.device("button", json!({}))?;
        home.agent_moves_in()?;
        let mut number = 0;
        for round in 1..=3 {
            for device in [&cuff, &open] {
                number += 1;
                home.measure(device, number)?;
            }
            match round {
                1 => sleep(Duration::from_secs(1)),
                // All is quiet.
                _ => [&cuff, &open].into_iter().try_for_each(|device| home.until_all_is_said(device))?,
            }
            if round < 3 {
                home.machine.restart_bluetoothd()?;
                home.somebody_scans()?;
            }
        }
        home.press(&button)?;
        let lost = home.ends()?;
        say(&format!("2 restarts of bluetoothd, {} readings lost of 6: {lost:?}", lost.len()))?;
        // One at most for each restart, of the cuff that speaks unasked.
        ensure!(lost.len() <= 2, "{lost:?}");
        Ok(())
    })
}

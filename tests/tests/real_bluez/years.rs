//! What happens to devices, people and lines in ten years: the scenarios of `tests/run --all`.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_tests::real_bluez::{in_a_real_home, say};
use jiff::Timestamp;
use serde_json::json;

#[test]
fn a_bonded_cuff_that_speaks_unasked_is_heard_each_time() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"security": "pairs", "keeps_subscription": true}))?;
        home.agent_moves_in()?;
        for number in 1..=3 {
            home.measure(&cuff, number)?;
            home.until_all_is_said(&cuff)?;
        }
        // A new process, for which the cuff is an old acquaintance of BlueZ.
        home.agent_is_killed()?;
        home.agent_starts()?;
        home.measure(&cuff, 4)?;
        home.until_all_is_said(&cuff)?;
        home.ends_well()
    })
}

#[test]
fn a_cuff_that_hangs_up_at_any_step_is_read_all_the_same() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"security": "pairs"}))?;
        home.agent_moves_in()?;
        for (number, step) in (1..).zip(["connected", "encrypted", "subscribed", "speaking", "confirmed"]) {
            home.habits(&cuff, json!({"hangs_up_when": step}))?;
            home.measure(&cuff, number)?;
            home.until_all_is_said(&cuff)?;
        }
        home.ends_well()
    })
}

#[test]
fn on_a_line_that_loses_packets_a_press_is_stored_before_the_backlog_and_everything_once() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"speaks_every": 0.0}))?;
        let button = home.device("button", json!({}))?;
        home.agent_moves_in()?;
        // What an old connection still holds would come first, also after the agent's end: there is none.
        home.machine.stop("agent")?;
        home.cut_the_cable()?;
        home.agent_starts()?;
        for number in 1..=150 {
            home.measure(&cuff, number)?;
        }
        home.until_all_is_said(&cuff)?;
        home.press(&button)?;
        home.until_it(&button, "burst", 1)?;
        home.cable_loses(3, 40)?;
        home.mend_the_cable()?;
        // Pressed again while the backlog drains.
        home.press(&button)?;
        home.ends_well()?;
        home.cable_is_well()?;

        let readings = home.stored(&cuff)?;
        let first_reading = readings.iter().map(|stored| stored.reading.id.as_str()).min();
        let alerts = home.alerts()?;
        let presses = alerts.iter().filter(|alert| alert.rule == "alarm_pressed").flat_map(|alert| &alert.lines);
        let first_press = presses.filter_map(|line| line.record.as_deref()).min();
        ensure!(first_press.is_some() && first_press < first_reading, "{first_press:?}, {first_reading:?}");
        Ok(())
    })
}

#[test]
fn a_cuff_that_has_lost_its_keys_is_paired_anew_and_loses_nothing() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"security": "pairs"}))?;
        home.agent_moves_in()?;
        for number in 1..=2 {
            home.measure(&cuff, number)?;
            home.until_all_is_said(&cuff)?;
        }
        // New batteries, for instance.
        home.order_device(&cuff, "lose_keys", json!({}))?;
        home.measure(&cuff, 3)?;
        home.until_all_is_said(&cuff)?;
        home.measure(&cuff, 4)?;
        home.until_all_is_said(&cuff)?;
        home.ends_well()?;
        let pairings = home.truth()?.of(&cuff, "paired").count();
        ensure!(pairings == 2, "it paired {pairings} times");
        Ok(())
    })
}

#[test]
fn a_cuff_that_insists_on_its_number_is_adopted_by_an_installer_who_types_it() -> Result<()> {
    in_a_real_home(|home| {
        home.agent_moves_in()?;
        let cuff = home.device("cuff", json!({"security": "passkey", "passkey": 4711, "patience": 20.0}))?;
        home.measure(&cuff, 1)?;
        let told = home.installer_adopts(&cuff)?;
        ensure!(told.contains("it works"), "{told}");
        home.until_all_is_said(&cuff)?;
        home.measure(&cuff, 2)?;
        home.until_all_is_said(&cuff)?;
        home.ends_well()
    })
}

#[test]
fn an_agent_that_is_stopped_while_a_number_is_waited_for_goes_on_with_it_afterwards() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"security": "passkey", "passkey": 815, "patience": 20.0}))?;
        home.agent_moves_in()?;
        home.measure(&cuff, 1)?;
        home.until_it(&cuff, "shows_passkey", 1)?;
        home.machine.stop("agent")?;
        // BlueZ ends itself when one whom it asks for a number leaves without a word.
        ensure!(home.machine.is_running("bluetoothd")?, "bluetoothd has ended itself");
        home.agent_starts()?;
        home.installer_adopts(&cuff)?;
        home.until_all_is_said(&cuff)?;
        home.ends_well()
    })
}

#[test]
fn a_cuff_whose_clock_is_wrong_is_set_right_and_its_old_reading_dated_right() -> Result<()> {
    in_a_real_home(|home| {
        let modern = home.device("cuff", json!({"slow_by": 5 * 3600, "security": "pairs"}))?;
        let old = home.device("cuff", json!({"slow_by": -90_000, "clock": "date_time"}))?;
        let none = home.device("cuff", json!({"slow_by": null, "clock": null}))?;
        home.agent_moves_in()?;
        for number in 1..=2 {
            for cuff in [&modern, &old, &none] {
                home.measure(cuff, number)?;
                home.until_all_is_said(cuff)?;
            }
        }
        home.ends_well()?;
        for cuff in [&modern, &old] {
            ensure!(home.truth()?.of(cuff, "clock_set").count() == 1, "{cuff} was not set once");
        }
        for cuff in [&modern, &old, &none] {
            for stored in home.stored(cuff)? {
                let measured: Timestamp = stored.reading.measured_at.context("it has no date")?.parse()?;
                let apart = stored.stored_at.parse::<Timestamp>()?.duration_since(measured).abs();
                ensure!(apart.as_secs() < 120, "{cuff}: stored {apart:#} after it was measured");
            }
        }
        Ok(())
    })
}

#[test]
fn two_users_of_one_cuff_are_told_apart() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({}))?;
        home.agent_moves_in()?;
        for (systolic, user) in [(131, 1), (117, 2)] {
            let values = json!({"systolic": systolic, "diastolic": 70, "user": user});
            home.order_device(&cuff, "measure", values)?;
        }
        home.until_all_is_said(&cuff)?;
        home.ends_well()?;
        let slots: Vec<_> = home.stored(&cuff)?.iter().map(|stored| stored.reading.slot).collect();
        ensure!(slots == [Some(1), Some(2)], "{slots:?}");
        Ok(())
    })
}

#[test]
fn an_adapter_that_was_pulled_out_is_used_again_once_it_is_back() -> Result<()> {
    in_a_real_home(|home| {
        let open = home.device("cuff", json!({}))?;
        let unasked = home.device("cuff", json!({"security": "pairs", "keeps_subscription": true}))?;
        let button = home.device("button", json!({}))?;
        home.agent_moves_in()?;
        for number in 1..=2 {
            for cuff in [&open, &unasked] {
                home.measure(cuff, number)?;
                home.until_all_is_said(cuff)?;
            }
            if number == 1 {
                home.machine.pull_the_radio_out()?;
                sleep(Duration::from_secs(5));
                home.machine.plug_the_radio_in()?;
                home.somebody_scans()?;
            }
        }
        home.press(&button)?;
        let lost = home.ends()?;
        say(&format!("an adapter that was away, {} readings lost of 4: {lost:?}", lost.len()))?;
        // Of the cuff that speaks unasked: BlueZ confirms it before it tells anybody.
        ensure!(lost.len() <= 1, "{lost:?}");
        Ok(())
    })
}

#[test]
fn a_bluetoothd_that_was_killed_in_the_middle_of_a_session_loses_at_most_what_it_had_confirmed() -> Result<()> {
    in_a_real_home(|home| {
        let pairs = home.device("cuff", json!({"security": "pairs"}))?;
        let remembers = home.device("cuff", json!({"security": "pairs", "keeps_memory": true}))?;
        home.agent_moves_in()?;
        let mut number = 0;
        for moment in ["connected", "speaking", "confirmed"] {
            number += 1;
            for cuff in [&pairs, &remembers] {
                home.measure(cuff, number)?;
            }
            home.bluetoothd_is_killed_when(&pairs, moment)?;
            home.somebody_scans()?;
            for cuff in [&pairs, &remembers] {
                home.until_all_is_said(cuff)?;
            }
        }
        let lost = home.ends()?;
        say(&format!(
            "bluetoothd killed 3 times in the middle of a session, {} readings lost of 6: {lost:?}",
            lost.len()
        ))?;
        ensure!(lost.len() <= 3, "{lost:?}");
        ensure!(home.stored(&remembers)?.len() == 3, "a cuff that keeps its memory loses nothing");
        Ok(())
    })
}

#[test]
fn a_strap_that_is_worn_is_one_reading_a_minute() -> Result<()> {
    in_a_real_home(|home| {
        let strap = home.device("strap", json!({}))?;
        home.agent_moves_in()?;
        home.order_device(&strap, "wear", json!({"seconds": 20}))?;
        home.until_it(&strap, "hangs_up", 1)?;
        home.ends_well()?;
        home.until_stored(&strap, 1)?;
        let stored = home.stored(&strap)?;
        let values: u32 = stored[0].reading.observations[0].spread.as_ref().map_or(0, |spread| spread.count);
        ensure!(values == 20, "{values} values of 20");
        Ok(())
    })
}

//! What happens to devices, people and lines in ten years: the scenarios of `tests/run --all`.

use anyhow::{Result, ensure};
use hempuls_tests::real_bluez::in_a_real_home;
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
fn a_cuff_that_insists_on_the_number_that_it_shows_is_paired_by_it_and_one_that_lost_its_keys_anew() -> Result<()> {
    in_a_real_home(|home| {
        let shows = home.device("cuff", json!({"security": "passkey"}))?;
        let forgetful = home.device("cuff", json!({"security": "pairs"}))?;
        let button = home.device("button", json!({}))?;
        home.agent_moves_in()?;
        home.measure(&shows, 1)?;
        home.somebody_types(&shows, "123456")?;
        home.until_all_is_said(&shows)?;
        home.measure(&shows, 2)?;
        home.measure(&forgetful, 3)?;
        for cuff in [&shows, &forgetful] {
            home.until_all_is_said(cuff)?;
        }
        home.order_device(&forgetful, "lose_keys", json!({}))?;
        home.measure(&forgetful, 4)?;
        home.until_all_is_said(&forgetful)?;
        home.press(&button)?;
        home.ends_well()
    })
}

#[test]
fn on_a_line_that_loses_packets_a_press_is_stored_before_the_backlog_and_everything_once() -> Result<()> {
    in_a_real_home(|home| {
        let cuff = home.device("cuff", json!({"speaks_every": 0.0}))?;
        let button = home.device("button", json!({}))?;
        home.agent_moves_in()?;
        home.cut_the_cable()?;
        for number in 1..=150 {
            home.measure(&cuff, number)?;
        }
        home.until_all_is_said(&cuff)?;
        home.press(&button)?;
        home.until_it(&button, "burst", 1)?;
        // What the old connection still holds would come first; after a long cut there is a new one.
        home.agent_is_killed()?;
        home.agent_starts()?;

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

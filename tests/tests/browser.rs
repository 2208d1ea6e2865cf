//! The console in a real browser: accessible, in both languages, and honest when its stream is silent.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_simulators::devices::{BloodPressure, Button, Cuff};
use hempuls_tests::{World, button, cuff, pressure};

const CUFF: &str = "F0:F1:F2:F3:F4:01";
const BUTTON: &str = "38:39:8F:70:B2:4E";
const KEY: [u8; 16] = [0x5A; 16];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_both_languages_and_says_when_it_is_not_live() -> Result<()> {
    let world = World::new().await?;
    let simulated_cuff = world.bluez.add(Cuff::new(CUFF));
    let simulated_button = world.bluez.add(Button::new(BUTTON, KEY));
    let _house = world.home("Ada Lind", &[cuff(CUFF), button(BUTTON, KEY)]).await?;
    for number in 1..=4 {
        simulated_cuff.measure(pressure(number));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    simulated_cuff.measure(BloodPressure { systolic: 195, diastolic: 116, ..pressure(0) });
    simulated_button.press();
    world.ends_well_with(5, 1).await?;

    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if !browser.join("node_modules").is_dir() {
        let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&browser).status();
        ensure!(installed.context("npm is needed: apt-get install npm")?.success(), "npm ci failed");
    }
    let seen = Command::new("node")
        .arg("check.mjs")
        .arg(world.api().base())
        .arg(world.gateway.data().join("console-login"))
        .arg(world.folder().join("screenshots"))
        .current_dir(&browser)
        .output()
        .context("node is needed: apt-get install nodejs")?;
    let said = String::from_utf8_lossy(&seen.stdout).into_owned() + &String::from_utf8_lossy(&seen.stderr);
    println!("{said}");
    ensure!(seen.status.success(), "{said}");
    Ok(())
}

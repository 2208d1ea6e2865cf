//! The console in a real browser: accessible, in both languages, and honest when its stream is silent.

#[path = "../../gateway/tests/fixture/mod.rs"]
#[allow(dead_code, reason = "the gateway's own tests look at more of it")]
mod fixture;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hempuls_gateway::clock;
use hempuls_gateway::duty::Area;
use hempuls_gateway::store::accounts::{self, Account};
use hempuls_gateway::store::{emergencies, teams};
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
    check(world.api().base(), &world.gateway.data().join("console-login"), &[])
}

/// Boxes with every trouble there is, devices nearby, and devices to be added are in no scenario at once.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_ward_where_much_is_wrong_is_accessible_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let store = hempuls_gateway::store::Store::open(&folder.path().join("store.sqlite")).await?;
    let ward = fixture::ward(store).await;
    let console = fixture::serve(&ward.store, folder.path(), SocketAddr::from(([127, 0, 0, 1], 0))).await;
    somebody_opened(&ward).await?;
    let login = folder.path().join("login");
    std::fs::write(&login, format!("{}\n{}\n", console.login.name, console.login.password))?;
    let base = format!("http://{}", console.address);
    // What pages do while things happen is seen in the other test.
    tokio::task::spawn_blocking(move || check(&base, &login, &["--pages-only"])).await??;
    console.stop().await;
    Ok(())
}

/// A member of another team has opened Ada's data in an emergency, and nobody has looked at that yet.
async fn somebody_opened(ward: &fixture::Ward) -> Result<()> {
    let now_ms = clock::now_ms();
    let mut work = ward.store.work().await?;
    let account = Account { name: "Doris Dal".into(), unit: "South".into(), password_hash: "-".into() };
    accounts::add(&mut work, &account, jiff::Timestamp::from_millisecond(now_ms)?).await?;
    let south = teams::add(&mut work, "South", Area::HealthCare, "Europe/Stockholm", now_ms).await?;
    let why = (south.as_str(), "Dottern ringer och når henne inte");
    emergencies::open(&mut work, "Doris Dal", &ward.ada, why, (now_ms - 60_000, now_ms + 60_000)).await?;
    Ok(work.commit().await?)
}

/// Looks at every page in a browser.
fn check(base: &str, login: &Path, but: &[&str]) -> Result<()> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let browser = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let installing = INSTALLING.lock();
    if !browser.join("node_modules").is_dir() {
        let installed = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&browser).status();
        ensure!(installed.context("npm is needed: apt-get install npm")?.success(), "npm ci failed");
    }
    drop(installing);
    let seen = Command::new("node")
        .arg("check.mjs")
        .arg(base)
        .arg(login)
        .args(but)
        .current_dir(&browser)
        .output()
        .context("node is needed: apt-get install nodejs")?;
    let said = String::from_utf8_lossy(&seen.stdout).into_owned() + &String::from_utf8_lossy(&seen.stderr);
    println!("{said}");
    ensure!(seen.status.success(), "{said}");
    Ok(())
}

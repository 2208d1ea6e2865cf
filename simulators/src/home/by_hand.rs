//! `hempuls-sim bluez`: a home to try an agent in, by hand.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Home, Use};
use crate::{
    bluez::{Bluez, Device, Options},
    bus::Bus,
    clock::Moment,
    devices::{Clip, Crowd, Cuff, Microlife, SpotCheck, Yonker},
    ledger::Ledger,
    mischief::Rates,
};

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cuff insists on bonding.
    #[arg(long)]
    bonding: bool,
    /// The cuff sends its whole memory each time.
    #[arg(long)]
    keeps_memory: bool,
    /// Adds devices that speak a vendor's own protocol: two finger clips and two cuffs.
    #[arg(long)]
    vendors: bool,
    /// So many strangers are on the air around the home.
    #[arg(long, default_value_t = 0)]
    strangers: usize,
    /// Faults and how often: a chance for each use of a device, or so often an hour, a day or a month, as in
    /// hang_up=5%,wedge=1%,malformed=0.02,restart_bluetoothd=2/h,adapter_off=1/d.
    #[arg(long, default_value = "", hide_default_value = true)]
    mischief: Rates,
    /// Whose body it is, who is around, and which faults come when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Starts it, says where the bus is, and does what it is told on standard input.
///
/// # Errors
/// When the bus or the BlueZ on it does not start.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let bus = Bus::start().await?;
    let bluez = Bluez::start(&bus, Options::default()).await.context("starting bluetoothd")?;
    let _strangers = Crowd::gather(&bluez, args.strangers, args.seed);
    let vendors = args.vendors.then(|| Vendors::furnish(&bluez));
    let choose = |cuff: Cuff| {
        let cuff = if args.bonding { cuff.bonding() } else { cuff };
        if args.keeps_memory { cuff.keeping_its_memory() } else { cuff }
    };
    let mut home = Home::furnish_with(bluez, args.seed, choose).with_mischief(args.mischief, args.seed);

    println!("DBUS_SYSTEM_BUS_ADDRESS={}", bus.address());
    for device in home.served() {
        let key = device.key.map(|key| format!("  key {key}")).unwrap_or_default();
        println!("{:<15} {}{key}", device.kind, device.address);
    }
    if let Some(vendors) = &vendors {
        vendors.introduce();
    }
    println!("{COMMANDS}");

    let began = Moment::now().instant;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line?,
            _ = second.tick() => {
                home.time_is(began.elapsed()).await.context("restarting bluetoothd")?;
                continue;
            }
        };
        let Some(line) = line.filter(|line| line.trim() != "quit") else { break };
        obey(line.trim(), &mut home, vendors.as_ref()).await?;
    }
    Ok(())
}

const COMMANDS: &str =
    "commands: measure, high, weigh, temperature, walk, vendors, press, battery, restart, ledger, quit";

async fn obey(command: &str, home: &mut Home, vendors: Option<&Vendors>) -> anyhow::Result<()> {
    let deeds: &[Use] = match command {
        "measure" => &[Use::BloodPressure, Use::SpotCheck],
        "high" => &[Use::HighBloodPressure],
        "weigh" => &[Use::Weight],
        "temperature" => &[Use::Temperature { has_fever: false }],
        "walk" => &[Use::Walk { takes: Duration::from_secs(90) }],
        "press" => &[Use::Press],
        _ => &[],
    };
    for deed in deeds {
        home.perform(*deed, Moment::now().wall()).await.context("restarting bluetoothd")?;
        println!("{deed:?}");
    }
    match (command, vendors) {
        _ if !deeds.is_empty() => {}
        ("vendors", Some(vendors)) => vendors.measure(home),
        ("vendors", None) => println!("start it with --vendors"),
        ("battery", _) => home.button.change_battery(),
        ("restart", _) => home.bluez.restart().await.context("restarting bluetoothd")?,
        ("ledger", _) => show_ledgers(home, vendors),
        (other, _) => println!("no such command: {other}; {COMMANDS}"),
    }
    Ok(())
}

/// Devices that speak a vendor's own protocol.
struct Vendors {
    nonin: Device<Clip>,
    berrymed: Device<Clip>,
    yonker: Device<Yonker>,
    microlife: Device<Microlife>,
}

impl Vendors {
    fn furnish(bluez: &Bluez) -> Self {
        Self {
            nonin: bluez.add(Clip::nonin("F0:F1:F2:F3:F5:01")),
            berrymed: bluez.add(Clip::berrymed("F0:F1:F2:F3:F5:02")),
            yonker: bluez.add(Yonker::new("F0:F1:F2:F3:F5:03")),
            microlife: bluez.add(Microlife::new("F0:F1:F2:F3:F5:04")),
        }
    }

    fn introduce(&self) {
        println!("pulse_oximeter  {}  dialect nonin", self.nonin.address());
        println!("pulse_oximeter  {}  dialect berrymed", self.berrymed.address());
        println!("blood_pressure  {}  dialect yonker", self.yonker.address());
        println!("blood_pressure  {}  dialect microlife", self.microlife.address());
    }

    /// The cuffs measure; the clips are put on, or taken off if they are on.
    fn measure(&self, home: &mut Home) {
        let now = Moment::now().wall();
        let vitals = home.person.measure_at(now);
        self.yonker.measure(vitals.blood_pressure);
        self.microlife.measure(vitals.blood_pressure);
        let finger: SpotCheck = vitals.spot_check;
        for clip in [&self.nonin, &self.berrymed] {
            if clip.is_connected() { clip.take_off() } else { clip.put_on(finger) }
        }
        println!("{vitals:?}");
    }

    fn ledgers(&self) -> [(&'static str, Ledger); 4] {
        [
            ("nonin", self.nonin.ledger()),
            ("berrymed", self.berrymed.ledger()),
            ("yonker", self.yonker.ledger()),
            ("microlife", self.microlife.ledger()),
        ]
    }
}

fn show_ledgers(home: &Home, vendors: Option<&Vendors>) {
    let mut ledgers = vec![
        ("cuff", home.cuff.ledger()),
        ("oximeter", home.oximeter.ledger()),
        ("thermometer", home.thermometer.ledger()),
        ("scale", home.scale.ledger()),
        ("strap", home.strap.ledger()),
        ("button", home.button.ledger()),
    ];
    ledgers.extend(vendors.into_iter().flat_map(Vendors::ledgers));
    let deeds = ledgers.iter().flat_map(|(device, ledger)| {
        ledger.entries().iter().map(move |entry| (entry.at, *device, format!("{:?}", entry.deed)))
    });
    let tricks = home.played().iter().map(|played| (played.at, "mischief", format!("{:?}", played.trick)));
    let mut lines: Vec<_> = deeds.chain(tricks).collect();
    lines.sort();
    for (at, device, deed) in lines {
        println!("{at} {device:<11} {deed}");
    }
    println!("{:?}; programs scanning: {}", home.truth(), home.bluez.scanning_clients());
}

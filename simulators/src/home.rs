//! `hempuls-sim bluez`: a home to try an agent in, by hand.

use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    bluez::{Bluez, Device, Options},
    bus::Bus,
    clock::Moment,
    devices::{Button, Crowd, Cuff, Oximeter},
    person::Person,
};

/// The key of the button, which an agent needs to be told.
const BUTTON_KEY: [u8; 16] = *b"hempuls sim key!";

/// What may be chosen.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cuff insists on bonding.
    #[arg(long)]
    bonding: bool,
    /// The cuff sends its whole memory each time.
    #[arg(long)]
    keeps_memory: bool,
    /// So many strangers are on the air around the home.
    #[arg(long, default_value_t = 0)]
    strangers: usize,
    /// Whose body it is.
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
    let mut home = Home::furnish(bluez, &args);
    println!("DBUS_SYSTEM_BUS_ADDRESS={}", bus.address());
    println!("cuff      {} 2A35", home.cuff.address());
    println!("oximeter  {} 2A5E", home.oximeter.address());
    println!("button    {} BTHome, key {}", home.button.address(), hex::encode(BUTTON_KEY));
    println!("commands: measure, high, press, battery, restart, ledger, quit");

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.trim() {
            "measure" => home.measure(),
            "high" => home.measure_high(),
            "press" => println!("{:?}", home.button.press()),
            "battery" => home.button.change_battery(),
            "restart" => home.bluez.restart().await.context("restarting bluetoothd")?,
            "ledger" => home.show_ledger(),
            "quit" => break,
            other => println!("no such command: {other}"),
        }
    }
    Ok(())
}

struct Home {
    bluez: Bluez,
    cuff: Device<Cuff>,
    oximeter: Device<Oximeter>,
    button: Device<Button>,
    person: Person,
    _strangers: Crowd,
}

impl Home {
    fn furnish(bluez: Bluez, args: &Args) -> Self {
        let mut cuff = Cuff::new("F0:F1:F2:F3:F4:F5");
        if args.bonding {
            cuff = cuff.bonding();
        }
        if args.keeps_memory {
            cuff = cuff.keeping_its_memory();
        }
        let button = Button::new("B4:35:22:F5:3D:A4", BUTTON_KEY)
            .with(|habits| habits.beacon_every = Some(Duration::from_secs(30)));
        Self {
            cuff: bluez.add(cuff),
            oximeter: bluez.add(Oximeter::new("F0:F1:F2:F3:F4:F6")),
            button: bluez.add(button),
            person: Person::seeded(args.seed),
            _strangers: Crowd::gather(&bluez, args.strangers, args.seed),
            bluez,
        }
    }

    fn measure(&mut self) {
        let vitals = self.person.measure_at(Moment::now().wall());
        println!("{:?}", vitals.blood_pressure);
        self.cuff.measure(vitals.blood_pressure);
        println!("{:?}", vitals.spot_check);
        self.oximeter.measure(vitals.spot_check);
    }

    fn measure_high(&mut self) {
        let values = self.person.high();
        println!("{values:?}");
        self.cuff.measure(values);
    }

    fn show_ledger(&self) {
        let ledgers =
            [("cuff", self.cuff.ledger()), ("oximeter", self.oximeter.ledger()), ("button", self.button.ledger())];
        let mut lines: Vec<_> = ledgers
            .iter()
            .flat_map(|(device, ledger)| ledger.entries().iter().map(move |entry| (entry.at, device, &entry.deed)))
            .collect();
        lines.sort_by_key(|(at, ..)| *at);
        for (at, device, deed) in lines {
            println!("{at} {device:<8} {deed:?}");
        }
        println!("programs scanning: {}", self.bluez.scanning_clients());
    }
}

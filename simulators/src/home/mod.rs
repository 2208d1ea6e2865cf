//! A home with a device of each kind, somebody who uses them, and, if wanted, somebody who plays tricks.
//!
//! What happens is written down by the devices and here, so that it can be held against what arrives.
//!
//! ```no_run
//! # async fn example(bluez: hempuls_simulators::bluez::Bluez) -> Result<(), Box<dyn std::error::Error>> {
//! use hempuls_simulators::home::Home;
//!
//! let rates = "hang_up=5%,wedge=1%,malformed=2%,restart_bluetoothd=1/d".parse()?;
//! let mut home = Home::furnish(bluez, 1).with_mischief(rates, 42);
//! // A month, of which a day takes ten seconds.
//! home.live("2026-10-25".parse()?, 30, 24.0 * 3600.0 / 10.0).await?;
//! home.calm().await;
//! assert!(home.truth().heard <= home.truth().measured);
//! # Ok(())
//! # }
//! ```

pub mod by_hand;
mod routine;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
};
use tokio::task::JoinSet;

pub use self::routine::{Routine, Use};
use crate::{
    air::Address,
    bluez::{Bluez, Device},
    clock::Moment,
    devices::{Button, Cuff, Oximeter, Scale, Strap, Thermometer, Weighing},
    ledger::{Deed, Ledger, Streamed},
    mischief::{Mischief, Rates, Trick, Troublemaker},
    person::Person,
    system::{Served, until},
};

const CUFF: &str = "F0:F1:F2:F3:F4:F5";
const OXIMETER: &str = "F0:F1:F2:F3:F4:F6";
const THERMOMETER: &str = "F0:F1:F2:F3:F4:F7";
const SCALE: &str = "F0:F1:F2:F3:F4:F8";
const STRAP: &str = "F0:F1:F2:F3:F4:F9";
const BUTTON: &str = "B4:35:22:F5:3D:A4";
/// How often the button says that it is alive.
const BEACON: Duration = Duration::from_secs(30);

/// A home.
#[derive(Debug)]
pub struct Home {
    /// What the home's agent hears with.
    pub bluez: Arc<Bluez>,
    /// Her cuff.
    pub cuff: Device<Cuff>,
    /// Her oximeter.
    pub oximeter: Device<Oximeter>,
    /// Her thermometer.
    pub thermometer: Device<Thermometer>,
    /// Her scale.
    pub scale: Device<Scale>,
    /// Her strap.
    pub strap: Arc<Device<Strap>>,
    /// Her button.
    pub button: Device<Button>,
    /// Who lives here.
    pub person: Person,
    key: [u8; 16],
    seed: u64,
    troublemaker: Option<Troublemaker>,
    played: Vec<Played>,
    /// What ends by itself: tricks that last, and walks.
    lasting: JoinSet<()>,
}

/// A trick that was played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub trick: Trick,
}

/// What happened in a home, by the ledgers of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Truth {
    /// Readings that were measured; those of the strap do not count here.
    pub measured: usize,
    /// Of these: sent at least once while a program listened.
    pub heard: usize,
    /// Sent and taken for delivered, but never while a program listened: BlueZ has them on its conscience.
    pub unheard: usize,
    /// Given up by a device that keeps nothing.
    pub forgotten: usize,
    /// The seconds of the strap.
    pub streamed: Streamed,
    /// Presses.
    pub pressed: usize,
    /// Presses of which at least one frame was sent while a program scanned.
    pub presses_heard: usize,
}

impl Home {
    /// A home with a device of each kind near this radio, and a person who is the same for the same seed. Its cuff needs a
    /// bond.
    #[must_use]
    pub fn furnish(bluez: impl Into<Arc<Bluez>>, seed: u64) -> Self {
        Self::furnish_with(bluez, seed, |cuff| cuff.bonding())
    }

    /// As [`furnish`](Self::furnish), with another cuff.
    #[must_use]
    pub fn furnish_with(bluez: impl Into<Arc<Bluez>>, seed: u64, change: impl FnOnce(Cuff) -> Cuff) -> Self {
        let bluez = bluez.into();
        let key = rand::random();
        let button = Button::new(BUTTON, key).with(|habits| habits.beacon_every = Some(BEACON));
        Self {
            cuff: bluez.add(change(Cuff::new(CUFF))),
            oximeter: bluez.add(Oximeter::new(OXIMETER)),
            thermometer: bluez.add(Thermometer::new(THERMOMETER)),
            scale: bluez.add(Scale::new(SCALE)),
            strap: Arc::new(bluez.add(Strap::new(STRAP))),
            button: bluez.add(button),
            person: Person::seeded(seed),
            key,
            seed,
            troublemaker: None,
            played: Vec::new(),
            lasting: JoinSet::new(),
            bluez,
        }
    }

    /// With somebody who plays tricks at these rates; the same for the same seed.
    #[must_use]
    pub fn with_mischief(mut self, rates: Rates, seed: u64) -> Self {
        self.troublemaker = Some(Troublemaker::new(rates, self.addresses().len(), seed));
        self
    }

    /// The devices, as an agent or a gateway is told of them.
    #[must_use]
    pub fn served(&self) -> Vec<Served> {
        let served = |address: &str, kind, key| Served { address: address.into(), kind, key };
        vec![
            served(CUFF, "blood_pressure", None),
            served(OXIMETER, "pulse_oximeter", None),
            served(THERMOMETER, "thermometer", None),
            served(SCALE, "weight_scale", None),
            served(STRAP, "heart_rate", None),
            served(BUTTON, "alarm_button", Some(self.key())),
        ]
    }

    /// The key of the button: 32 hexadecimal digits.
    #[must_use]
    pub fn key(&self) -> String {
        hex::encode(self.key)
    }

    /// Lives through so many days, of which an hour takes an hour divided by `speed`. What is measured carries the time of
    /// the home. Tricks that last do so in our time.
    ///
    /// # Errors
    /// When bluetoothd was restarted and does not come back.
    pub async fn live(&mut self, from: Date, days: i8, speed: f64) -> zbus::Result<()> {
        let routine = Routine::seeded(self.seed);
        let began = Moment::now().instant;
        let midnight = from.to_datetime(jiff::civil::Time::midnight());
        let end = SignedDuration::from_hours(24 * i64::from(days)).unsigned_abs();
        let uses =
            (0..days).flat_map(|day| routine.day(from.saturating_add(SignedDuration::from_hours(24 * i64::from(day)))));
        for (at, deed) in uses.map(|(at, deed)| (at, Some(deed))).chain([(midnight.saturating_add(end), None)]) {
            let until = at.duration_since(midnight).unsigned_abs();
            loop {
                let prank = self.troublemaker.as_ref().and_then(Troublemaker::next_wake).filter(|at| *at <= until);
                tokio::time::sleep_until((began + prank.unwrap_or(until).div_f64(speed)).into()).await;
                let Some(prank) = prank else { break };
                self.time_is(prank).await?;
            }
            if let Some(deed) = deed {
                self.perform(deed, at).await?;
            }
        }
        Ok(())
    }

    /// So much time of the home has passed since it began: plays the tricks that are due.
    ///
    /// # Errors
    /// When bluetoothd was restarted and does not come back.
    pub async fn time_is(&mut self, now: Duration) -> zbus::Result<()> {
        let tricks = self.troublemaker.as_mut().map(|troublemaker| troublemaker.tick(now));
        self.play(tricks.unwrap_or_default()).await
    }

    /// Uses a device when the kitchen wall's clock shows `at`, after whatever tricks are played on it.
    ///
    /// # Errors
    /// When bluetoothd was restarted and does not come back.
    pub async fn perform(&mut self, deed: Use, at: DateTime) -> zbus::Result<()> {
        let device = match deed {
            Use::BloodPressure | Use::HighBloodPressure => 0,
            Use::SpotCheck => 1,
            Use::Temperature { .. } => 2,
            Use::Weight => 3,
            Use::Walk { .. } => 4,
            Use::Press => 5,
        };
        let tricks = self.troublemaker.as_mut().map(|troublemaker| troublemaker.used(device));
        self.play(tricks.unwrap_or_default()).await?;
        match deed {
            Use::BloodPressure => _ = self.cuff.measure_at(self.person.measure_at(at).blood_pressure, at),
            Use::HighBloodPressure => _ = self.cuff.measure_at(self.person.high(), at),
            Use::SpotCheck => _ = self.oximeter.measure_at(self.person.measure_at(at).spot_check, at),
            Use::Temperature { has_fever } => {
                _ = self.thermometer.measure_at(self.person.temperature(has_fever), at);
            }
            Use::Weight => {
                let five_grams = Some(self.person.weight());
                _ = self.scale.weigh_at(Weighing { five_grams, user: Some(1), height_mm: Some(1_650) }, at);
            }
            Use::Walk { takes } => {
                self.strap.put_on(self.person.walking());
                let strap = Arc::clone(&self.strap);
                self.lasting.spawn(async move {
                    tokio::time::sleep(takes).await;
                    strap.take_off();
                });
            }
            Use::Press => _ = self.button.press(),
        }
        Ok(())
    }

    /// Waits until what lasts is over, and plays no more tricks.
    pub async fn calm(&mut self) {
        self.troublemaker = None;
        while self.lasting.join_next().await.is_some() {}
    }

    /// The tricks that were played, in order.
    #[must_use]
    pub fn played(&self) -> &[Played] {
        &self.played
    }

    /// What happened, by the ledgers.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let recorders = [self.cuff.ledger(), self.oximeter.ledger(), self.thermometer.ledger(), self.scale.ledger()];
        let button = self.button.ledger();
        let mut truth = Truth {
            streamed: self.strap.ledger().streamed(),
            pressed: button.pressed(),
            presses_heard: button.bursts().iter().filter(|burst| burst.heard > 0).count(),
            ..Truth::default()
        };
        for ledger in &recorders {
            let (heard, unheard) = delivered(ledger);
            truth.measured += ledger.measured();
            truth.heard += heard;
            truth.unheard += unheard;
            truth.forgotten += ledger.entries().iter().filter(|entry| matches!(entry.deed, Deed::Forgot(_))).count();
        }
        truth
    }

    /// Uses every device that stores once more, as one that was not reached while it advertised tells with the next
    /// measurement, and waits until each has told what it had to tell.
    ///
    /// # Errors
    /// When one has not, for all this patience, or the simulated bus is gone.
    pub async fn tell_all(&mut self, patience: Duration) -> anyhow::Result<()> {
        for deed in [Use::BloodPressure, Use::SpotCheck, Use::Weight, Use::Temperature { has_fever: false }] {
            self.perform(deed, Moment::now().wall()).await?;
        }
        until(patience, "every device has told what it had to tell", || async {
            let truth = self.truth();
            if truth.heard + truth.unheard + truth.forgotten == truth.measured && self.strap.is_silent() {
                Ok(())
            } else {
                Err(format!("{truth:?}"))
            }
        })
        .await
    }

    /// How many readings were cut off. If its confirmation was lost, such a reading was also sent whole, and is stored both
    /// ways.
    #[must_use]
    pub fn cut_off(&self) -> usize {
        let cut = |trick: &Trick| matches!(trick, Trick::Fault { mischief: Mischief::MalformedNext, .. });
        self.played.iter().filter(|played| cut(&played.trick)).count()
    }

    /// In the order in which tricks count them.
    fn addresses(&self) -> [Address; 6] {
        [
            self.cuff.address(),
            self.oximeter.address(),
            self.thermometer.address(),
            self.scale.address(),
            self.strap.address(),
            self.button.address(),
        ]
    }

    async fn play(&mut self, tricks: Vec<Trick>) -> zbus::Result<()> {
        for trick in tricks {
            self.played.push(Played { at: Moment::now().utc, trick });
            let bluez = Arc::clone(&self.bluez);
            match trick {
                Trick::Fault { device, mischief, lasts } => {
                    let address = self.addresses()[device];
                    bluez.set(address, mischief);
                    if let Some(lasts) = lasts {
                        self.lasting.spawn(async move {
                            tokio::time::sleep(lasts).await;
                            bluez.unset(address, mischief);
                        });
                    }
                }
                Trick::LoseKeys { device } => bluez.lose_keys(self.addresses()[device]),
                Trick::RestartBluetoothd => bluez.restart().await?,
                Trick::AdapterOff { lasts } => {
                    bluez.power(false).await;
                    self.lasting.spawn(async move {
                        tokio::time::sleep(lasts).await;
                        bluez.power(true).await;
                    });
                }
            }
        }
        Ok(())
    }
}

/// How many readings were sent while a program listened, and how many only while none did.
fn delivered(ledger: &Ledger) -> (usize, usize) {
    let (mut heard, mut all) = (BTreeSet::new(), BTreeSet::new());
    for entry in ledger.entries() {
        if let Deed::Confirmed { reading, reception, .. } | Deed::Notified { reading, reception } = &entry.deed {
            all.insert(*reading);
            if reception.listening > 0 {
                heard.insert(*reading);
            }
        }
    }
    (heard.len(), all.len() - heard.len())
}

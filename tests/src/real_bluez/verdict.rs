//! What the gateway knows of a home, and what must hold at the end of a scenario.

use std::collections::BTreeSet;

use anyhow::ensure;
use hempuls_simulators::system::{Alert, Books, Reading};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::home::Home;
use super::machine::Machine;
use super::truth::{Lost, Truth};

#[derive(Deserialize)]
struct Readings {
    readings: Vec<StoredReading>,
}

/// A reading in the gateway's store.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredReading {
    /// What the API says of it.
    #[serde(flatten)]
    pub reading: Reading,
    /// When it was stored, as RFC 3339 has it.
    pub stored_at: String,
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<HomesAlert>,
}

#[derive(Deserialize)]
struct HomesAlert {
    home: String,
    #[serde(flatten)]
    alert: Alert,
}

impl Home<'_> {
    // What the gateway knows.

    /// The books of every home that was ever in the machine.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn books(&mut self) -> anyhow::Result<Books> {
        self.get("/api/v1/books")
    }

    /// This device's readings in the store, oldest first.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn stored(&mut self, device: &str) -> anyhow::Result<Vec<StoredReading>> {
        Ok(all_readings(self.machine)?.into_iter().filter(|stored| stored.reading.device == device).collect())
    }

    /// Waits until this many readings of a device are in the store.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn until_stored(&mut self, device: &str, number: usize) -> anyhow::Result<()> {
        let address = device.to_owned();
        self.machine.until(&format!("{number} readings of {device} are stored"), |machine| {
            let stored = all_readings(machine)?.iter().filter(|stored| stored.reading.device == address).count();
            Ok(if stored >= number { Ok(()) } else { Err(format!("{stored} are")) })
        })
    }

    /// The alerts of this home.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub fn alerts(&mut self) -> anyhow::Result<Vec<Alert>> {
        let all: Alerts = self.get("/api/v1/alerts")?;
        Ok(all.alerts.into_iter().filter(|alert| alert.home == self.home).map(|alert| alert.alert).collect())
    }

    fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        self.machine.order(&json!({"do": "get", "path": path}))
    }

    // What must hold.

    /// What has happened in this scenario.
    ///
    /// # Errors
    /// When the machine is gone.
    pub fn truth(&mut self) -> anyhow::Result<Truth> {
        Ok(Truth::new(self.machine.ledger(self.since)?))
    }

    /// Waits until something has happened to a device this many times in this scenario.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn until_it(&mut self, device: &str, what: &str, times: usize) -> anyhow::Result<()> {
        let since = self.since;
        self.machine.until(&format!("{device}: {what} {times} times"), |machine| {
            let seen = Truth::new(machine.ledger(since)?).of(device, what).count();
            Ok(if seen >= times { Ok(()) } else { Err(format!("{seen} times")) })
        })
    }

    /// Waits until a device has said everything and is left alone.
    ///
    /// # Errors
    /// When it does not come to that.
    pub fn until_all_is_said(&mut self, device: &str) -> anyhow::Result<()> {
        let address = device.to_owned();
        self.machine.until(&format!("{device} has said everything"), |machine| {
            let left: usize = machine.order(&json!({"do": "left", "address": address}))?;
            Ok(if left == 0 { Ok(()) } else { Err(format!("{left} to say, or still connected")) })
        })
    }

    /// How a scenario ends: what each device saw confirmed is one reading in the store, each burst that the radio heard
    /// is one alarm, nothing waits, and the books balance. Gives what is missing and excused.
    ///
    /// # Errors
    /// When it does not come to that, or something is missing that nothing excuses.
    pub fn ends(&mut self) -> anyhow::Result<Vec<Lost>> {
        let devices = self.devices.clone();
        let mut lost = Vec::new();
        let mut presses = 0;
        for (address, kind) in &devices {
            match *kind {
                "alarm_button" => presses += self.bursts_heard(address)?,
                // A strap says nothing that is confirmed.
                "heart_rate" => {}
                _ => lost.extend(self.readings_arrived(address)?),
            }
        }
        let (agent, since) = (self.agent.clone(), self.alarms_before);
        self.machine.until(&format!("{presses} alarms, and nothing waits"), |machine| {
            let books: Books = machine.order(&json!({"do": "get", "path": "/api/v1/books"}))?;
            let own = || books.lines.iter().filter(|line| line.agent == agent);
            let waiting: u64 = own().map(|line| line.waiting).sum();
            let alarms = books.alarms - since;
            ensure!(alarms <= presses, "{alarms} alarms of {presses} presses");
            let balanced = own().all(|line| line.balanced && line.lost == 0) && own().count() >= 2;
            let is_done = waiting == 0 && alarms == presses && balanced;
            Ok(if is_done { Ok(()) } else { Err(format!("{alarms} alarms, {waiting} wait, {:?}", books.lines)) })
        })?;
        Ok(lost)
    }

    /// As [`Home::ends`], and nothing is missing.
    ///
    /// # Errors
    /// As there.
    pub fn ends_well(&mut self) -> anyhow::Result<()> {
        let lost = self.ends()?;
        ensure!(lost.is_empty(), "missing: {lost:?}");
        Ok(())
    }

    fn bursts_heard(&mut self, button: &str) -> anyhow::Result<u64> {
        let pressed = self.truth()?.of(button, "pressed").count();
        self.until_it(button, "burst", pressed)?;
        Ok(self.truth()?.heard_bursts(button) as u64)
    }

    fn readings_arrived(&mut self, device: &str) -> anyhow::Result<Vec<Lost>> {
        self.until_all_is_said(device)?;
        let truth = self.truth()?;
        let measured: BTreeSet<String> = truth.of(device, "measured").filter_map(|line| line.hex.clone()).collect();
        let confirmed = truth.confirmed(device);
        ensure!(measured == confirmed, "{device} has not seen everything confirmed");
        let address = device.to_owned();
        self.machine.until(&format!("what {device} saw confirmed is stored"), |machine| {
            let own = all_readings(machine)?.into_iter().filter(|stored| stored.reading.device == address);
            let stored: Vec<String> = own.map(|stored| stored.reading.raw).collect();
            for (number, payload) in stored.iter().enumerate() {
                ensure!(measured.contains(payload), "{address} never measured {payload}");
                ensure!(!stored[..number].contains(payload), "{payload} of {address} is stored twice");
            }
            let missing = confirmed.iter().filter(|payload| !stored.contains(payload));
            let (lost, late): (Vec<_>, Vec<_>) =
                missing.map(|payload| truth.excuse(&address, payload).ok_or(payload)).partition(Result::is_ok);
            if late.is_empty() {
                return Ok(Ok(lost.into_iter().flatten().collect()));
            }
            Ok(Err(format!("missing: {late:?}")))
        })
    }
}

fn all_readings(machine: &mut Machine) -> anyhow::Result<Vec<StoredReading>> {
    let all: Readings = machine.order(&json!({"do": "get", "path": "/api/v1/readings?limit=5000"}))?;
    Ok(all.readings)
}

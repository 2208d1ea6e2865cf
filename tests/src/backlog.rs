//! What an agent has on flash that could not send for a while.

use anyhow::Result;
use hempuls_agent::buffer::{Buffer, Config};
use hempuls_protocol::devices::Characteristic;
use hempuls_protocol::event::{Kind, Signal};
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Unit};

use crate::House;

/// Puts a backlog of readings of this device on the flash of an agent that does not run.
///
/// # Errors
/// When its buffer cannot be opened or does not take them.
pub async fn fill(house: &House, device: &str, backlog: u32) -> Result<()> {
    let (buffer, writer) = Buffer::open(&house.agent.state(), &Config::default())?;
    for batch in 0..backlog.div_ceil(500) {
        let numbers = batch * 500..backlog.min((batch + 1) * 500);
        let together: Vec<_> = numbers
            .map(|number| {
                let (buffer, kind) = (buffer.clone(), reading(device, number));
                tokio::spawn(async move { buffer.take(kind).await })
            })
            .collect();
        for one in together {
            one.await?.map_err(|why| anyhow::anyhow!("the buffer refused: {why:?}"))?;
        }
    }
    drop(buffer);
    writer.close();
    Ok(())
}

/// A blood pressure without a clock: each is a record of its own.
///
/// # Panics
/// If `device` is no device.
#[must_use]
pub fn reading(device: &str, number: u32) -> Kind {
    let pressure = |value| Decimal::whole(value);
    let raw = [&[0x04, 0x78, 0x00, 0x50, 0x00, 0x5D, 0x00, 0x40, 0x00][..], &number.to_be_bytes()].concat();
    let device = device.parse().expect("a device");
    Kind::Signal(Signal {
        observations: vec![
            Observation::new(Quantity::Systolic, pressure(120), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::Diastolic, pressure(80), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::MeanArterialPressure, pressure(93), Unit::MillimetreOfMercury, true),
            Observation::new(Quantity::PulseRate, pressure(64), Unit::PerMinute, true),
        ],
        ..Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, raw)
    })
}

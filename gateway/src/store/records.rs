//! Readings and alarms: one row each, with the values they hold.

use hempuls_protocol::identity::Identity;
use hempuls_protocol::observation::{Decimal, Observation, Quantity, Spread, Unit, Value};
use hempuls_protocol::times::Taken;

use super::ledger::{signed, taken_columns, trust_word, unexpected};
use super::{Connection, Reader, Row, StoreError, query};

/// A reading or an alarm, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Its id.
    pub id: String,
    /// What makes it itself.
    pub identity: Identity,
    /// A record that it may repeat.
    pub possibly_same_as: Option<String>,
    /// Whether it came with the number under which it was first taken.
    pub taken_again: bool,
    /// Which device.
    pub device: String,
    /// Which of the device's users.
    pub slot: Option<u8>,
    /// On which characteristic.
    pub characteristic: String,
    /// As received: the truth.
    pub raw: Vec<u8>,
    /// How the device's model departs from the standard.
    pub dialect: String,
    /// What the device says about its measurement, as a JSON list.
    pub marks: Option<String>,
    /// Why the payload means nothing to us.
    pub unreadable: Option<String>,
    /// What the device's clock showed.
    pub device_time: Option<String>,
    /// The device's own record number, or the frame's counter.
    pub counter: Option<u32>,
    /// How long a stream's minute was.
    pub span_ms: Option<u32>,
    /// In which connection of its device it came.
    pub session: Option<u32>,
    /// What only an alarm has.
    pub press: Option<Press>,
    /// When it was measured or pressed, where that is known.
    pub measured: Option<Measured>,
    /// When the agent took it.
    pub taken: Taken,
    /// Which agent.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// Whose it is.
    pub person: Option<String>,
    /// Its values.
    pub observations: Vec<Observation>,
}

/// What only an alarm has.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Press {
    /// The button event's code.
    pub button: u8,
    /// Whether the frame proved that it came from this button.
    pub authentic: bool,
    /// The counter was not above the last one.
    pub counter_went_back: bool,
    /// The box's flash took nothing; it was sent from memory.
    pub not_on_flash: bool,
    /// It was pressed while the box was being installed.
    pub before_enrolment: bool,
}

/// A moment, and by whose clock.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Whose clock says so.
    pub by: Clock,
    /// The clocks of its zone show this time twice, or never.
    pub is_ambiguous: bool,
}

/// Whose clock a moment is from.
#[derive(Copy, Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The device's.
    Device,
    /// The device's, put right by what it showed when it was looked at.
    DeviceCorrected,
    /// The agent's, when it received the reading.
    Reception,
}

impl Clock {
    /// Its word in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::DeviceCorrected => "device_corrected",
            Self::Reception => "reception",
        }
    }
}

/// Stores records with their values.
///
/// # Errors
/// [`StoreError`], where the store fails, or refuses one of them.
pub async fn write(work: &mut Connection, records: &[NewRecord], now_ms: i64) -> Result<(), StoreError> {
    for records in in_chunks(records) {
        let mut query = super::QueryBuilder::new(
            "INSERT INTO record (id, kind, identity, identity_class, device, slot, characteristic, raw, dialect, marks,
                unreadable, device_time, counter, span_ms, session, button, authentic, counter_went_back, measured_ms, measured_by, is_ambiguous,
                taken_boot, taken_since_boot_ms, taken_wall_ms, taken_trust, agent, home, stored_ms, person,
                possibly_same_as, taken_again, not_on_flash, before_enrolment) ",
        );
        query.push_values(records, |mut values, record| {
            values
                .push_bind(&record.id)
                .push_bind(if record.press.is_some() { "alarm" } else { "signal" })
                .push_bind(record.identity.digest().as_slice())
                .push_bind(class_word(&record.identity))
                .push_bind(&record.device)
                .push_bind(record.slot)
                .push_bind(&record.characteristic)
                .push_bind(&record.raw)
                .push_bind(&record.dialect)
                .push_bind(record.marks.as_deref())
                .push_bind(record.unreadable.as_deref())
                .push_bind(record.device_time.as_deref())
                .push_bind(record.counter)
                .push_bind(record.span_ms)
                .push_bind(record.session)
                .push_bind(record.press.map(|press| press.button))
                .push_bind(record.press.map(|press| press.authentic))
                .push_bind(record.press.map(|press| press.counter_went_back))
                .push_bind(record.measured.map(|measured| measured.at_ms))
                .push_bind(record.measured.map(|measured| measured.by.as_str()))
                .push_bind(record.measured.is_some_and(|measured| measured.is_ambiguous))
                .push_bind(record.taken.boot.0.to_vec())
                .push_bind(signed(record.taken.since_boot_ms))
                .push_bind(record.taken.wall_ms)
                .push_bind(trust_word(record.taken.trust))
                .push_bind(&record.agent)
                .push_bind(&record.home)
                .push_bind(now_ms)
                .push_bind(record.person.as_deref())
                .push_bind(record.possibly_same_as.as_deref())
                .push_bind(record.taken_again)
                .push_bind(record.press.map(|press| press.not_on_flash))
                .push_bind(record.press.map(|press| press.before_enrolment));
        });
        query.build().execute(&mut *work).await?;
    }
    let values: Vec<(&str, i64, &Observation)> = records
        .iter()
        .flat_map(|record| (0..).zip(&record.observations).map(|(place, value)| (record.id.as_str(), place, value)))
        .collect();
    write_observations(work, &values).await
}

async fn write_observations(work: &mut Connection, values: &[(&str, i64, &Observation)]) -> Result<(), StoreError> {
    for values in in_chunks(values) {
        let mut query = super::QueryBuilder::new(
            "INSERT INTO observation (record, place, quantity, mantissa, exponent, special, unit, usable,
                lowest_mantissa, lowest_exponent, highest_mantissa, highest_exponent, count) ",
        );
        query.push_values(values, |mut row, (record, place, observation)| {
            let (number, special) = match observation.value {
                Value::Number(number) => (Some(number), None),
                Value::Special(special) => (None, Some(special.to_string())),
            };
            let spread = observation.spread;
            row.push_bind(*record)
                .push_bind(*place)
                .push_bind(quantity_word(observation.quantity))
                .push_bind(number.map(|number| number.mantissa))
                .push_bind(number.map(|number| number.exponent))
                .push_bind(special)
                .push_bind(observation.unit.ucum())
                .push_bind(observation.usable)
                .push_bind(spread.map(|spread| spread.lowest.mantissa))
                .push_bind(spread.map(|spread| spread.lowest.exponent))
                .push_bind(spread.map(|spread| spread.highest.mantissa))
                .push_bind(spread.map(|spread| spread.highest.exponent))
                .push_bind(spread.map(|spread| spread.count));
        });
        query.build().execute(&mut *work).await?;
    }
    Ok(())
}

/// Cuts rows into pieces of a few sizes, so that few statements, once prepared, do for batches of every size.
pub(super) fn in_chunks<T>(rows: &[T]) -> impl Iterator<Item = &[T]> {
    const SIZES: [usize; 4] = [64, 16, 4, 1];
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rest.len())?;
        let (chunk, after) = rest.split_at(size);
        rest = after;
        Some(chunk)
    })
}

/// A reading or an alarm as the store has it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Whether it is an alarm; else it is a reading.
    pub is_alarm: bool,
    /// Which device.
    pub device: String,
    /// Which of the device's users.
    pub slot: Option<u8>,
    /// On which characteristic.
    pub characteristic: String,
    /// As received.
    pub raw: Vec<u8>,
    /// How the device's model departs from the standard.
    pub dialect: String,
    /// What the device says about its measurement, in words of [`hempuls_protocol::devices::Mark`].
    pub marks: Vec<String>,
    /// Why the payload means nothing to us, where it does not.
    pub unreadable: Option<String>,
    /// What the device's clock showed.
    pub device_time: Option<String>,
    /// When it was measured or pressed.
    pub measured_ms: Option<i64>,
    /// Whose clock says so.
    pub measured_by: Option<Clock>,
    /// The clocks of its zone show this time twice, or never.
    pub is_ambiguous: bool,
    /// When the agent took it.
    pub taken: Taken,
    /// Which agent.
    pub agent: String,
    /// In which home.
    pub home: String,
    /// When the gateway stored it.
    pub stored_ms: i64,
    /// Whose it is; none in the unassigned queue.
    pub person: Option<String>,
    /// A record that it may repeat, where nobody can tell.
    pub possibly_same_as: Option<String>,
    /// Its values.
    pub observations: Vec<Observation>,
}

impl Record {
    /// When it happened, as far as anybody knows: measured, else stored.
    #[must_use]
    pub fn when_ms(&self) -> i64 {
        self.measured_ms.unwrap_or(self.stored_ms)
    }

    /// The first value of this quantity.
    #[must_use]
    pub fn value(&self, quantity: Quantity) -> Option<&Observation> {
        self.observations.iter().find(|observation| observation.quantity == quantity)
    }
}

/// Makes records of their rows, with their values.
pub(super) async fn with_values(reader: &Reader, rows: &[Row]) -> Result<Vec<Record>, StoreError> {
    let mut records = rows.iter().map(record_of).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let values = query(
        "SELECT observation.* FROM json_each($1) CROSS JOIN observation WHERE record = value ORDER BY json_each.key, place",
    )
    .bind(serde_json::json!(ids).to_string())
    .fetch_all(reader)
    .await?;
    let mut values = values.iter().peekable();
    for record in &mut records {
        while let Some(value) = values.peek() {
            if value.try_get::<&str, _>("record")? != record.id {
                break;
            }
            record.observations.push(observation_of(value)?);
            values.next();
        }
    }
    Ok(records)
}

fn record_of(row: &Row) -> Result<Record, StoreError> {
    let marks: Option<&str> = row.try_get("marks")?;
    Ok(Record {
        id: row.try_get("id")?,
        is_alarm: row.try_get::<&str, _>("kind")? == "alarm",
        device: row.try_get("device")?,
        slot: row.try_get("slot")?,
        characteristic: row.try_get("characteristic")?,
        raw: row.try_get("raw")?,
        dialect: row.try_get("dialect")?,
        marks: marks.map(serde_json::from_str).transpose().map_err(|_| unexpected("marks"))?.unwrap_or_default(),
        unreadable: row.try_get("unreadable")?,
        device_time: row.try_get("device_time")?,
        measured_ms: row.try_get("measured_ms")?,
        measured_by: match row.try_get("measured_by")? {
            Some("device") => Some(Clock::Device),
            Some("device_corrected") => Some(Clock::DeviceCorrected),
            Some("reception") => Some(Clock::Reception),
            Some(_) | None => None,
        },
        is_ambiguous: row.try_get("is_ambiguous")?,
        taken: taken_columns(row)?,
        agent: row.try_get("agent")?,
        home: row.try_get("home")?,
        stored_ms: row.try_get("stored_ms")?,
        person: row.try_get("person")?,
        possibly_same_as: row.try_get("possibly_same_as")?,
        observations: Vec::new(),
    })
}

pub(super) fn observation_of(row: &Row) -> Result<Observation, StoreError> {
    let decimal = |mantissa, exponent| -> Result<Option<Decimal>, StoreError> {
        let (mantissa, exponent): (Option<i64>, Option<i8>) = (row.try_get(mantissa)?, row.try_get(exponent)?);
        Ok(mantissa.zip(exponent).map(|(mantissa, exponent)| Decimal::new(mantissa, exponent)))
    };
    let value = match decimal("mantissa", "exponent")? {
        Some(number) => Value::Number(number),
        None => Value::Special(special_of(row.try_get("special")?).ok_or_else(|| unexpected("special"))?),
    };
    let lowest_and_highest =
        decimal("lowest_mantissa", "lowest_exponent")?.zip(decimal("highest_mantissa", "highest_exponent")?);
    let count: Option<u32> = row.try_get("count")?;
    Ok(Observation {
        quantity: quantity_of(row.try_get("quantity")?).ok_or_else(|| unexpected("quantity"))?,
        value,
        unit: unit_of(row.try_get("unit")?).ok_or_else(|| unexpected("unit"))?,
        usable: row.try_get("usable")?,
        spread: lowest_and_highest.zip(count).map(|((lowest, highest), count)| Spread { lowest, highest, count }),
    })
}

/// Every quantity, in the protocol's order.
pub const QUANTITIES: [Quantity; 12] = [
    Quantity::Systolic,
    Quantity::Diastolic,
    Quantity::MeanArterialPressure,
    Quantity::PulseRate,
    Quantity::OxygenSaturation,
    Quantity::OximeterPulseRate,
    Quantity::PulseAmplitudeIndex,
    Quantity::HeartRate,
    Quantity::BodyTemperature,
    Quantity::BodyWeight,
    Quantity::BodyHeight,
    Quantity::BodyMassIndex,
];

/// A quantity's word in the store and in JSON.
#[must_use]
pub fn quantity_word(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Systolic => "systolic",
        Quantity::Diastolic => "diastolic",
        Quantity::MeanArterialPressure => "mean_arterial_pressure",
        Quantity::PulseRate => "pulse_rate",
        Quantity::OxygenSaturation => "oxygen_saturation",
        Quantity::OximeterPulseRate => "oximeter_pulse_rate",
        Quantity::PulseAmplitudeIndex => "pulse_amplitude_index",
        Quantity::HeartRate => "heart_rate",
        Quantity::BodyTemperature => "body_temperature",
        Quantity::BodyWeight => "body_weight",
        Quantity::BodyHeight => "body_height",
        Quantity::BodyMassIndex => "body_mass_index",
    }
}

fn quantity_of(word: &str) -> Option<Quantity> {
    QUANTITIES.into_iter().find(|quantity| quantity_word(*quantity) == word)
}

fn unit_of(ucum: &str) -> Option<Unit> {
    const UNITS: [Unit; 11] = [
        Unit::MillimetreOfMercury,
        Unit::Kilopascal,
        Unit::PerMinute,
        Unit::Percent,
        Unit::Celsius,
        Unit::Fahrenheit,
        Unit::Kilogram,
        Unit::Pound,
        Unit::Metre,
        Unit::Inch,
        Unit::KilogramPerSquareMetre,
    ];
    UNITS.into_iter().find(|unit| unit.ucum() == ucum)
}

fn special_of(word: &str) -> Option<hempuls_protocol::observation::Special> {
    use hempuls_protocol::observation::Special;
    [Special::NaN, Special::NRes, Special::PositiveInfinity, Special::NegativeInfinity, Special::Reserved]
        .into_iter()
        .find(|special| special.to_string() == word)
}

fn class_word(identity: &Identity) -> &'static str {
    match identity {
        Identity::ByDeviceTime { .. } => "device_time",
        Identity::ByCounter { .. } => "counter",
        Identity::ByNumber { .. } => "number",
    }
}

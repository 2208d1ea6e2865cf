//! Records in the memory of Omron cuffs, for whoever has a copy of that memory. The agent never reads it: it would have to
//! write to it first, and a wrong write destroys calibrations.
//!
//! Source: eigger/hass-omron, record_parsers.py and its tests, with records of a HEM-7142T2 and a HEM-7600T.

use anyhow::{Context as _, ensure};
use jiff::civil::DateTime;
use serde_json::{Value as Json, json};

/// What is taken off a systolic pressure, so that it fits a byte.
const LESS: u16 = 25;
/// A first byte above this says that the place stands empty.
const HIGHEST: u8 = 0xe1;

/// A little-endian record of the HEM-714x family.
///
/// | bytes | bits                                                                                            |
/// |-------|-------------------------------------------------------------------------------------------------|
/// | 0..4  | systolic − 25, diastolic, pulse, year − 2000 (0..6)                                             |
/// | 4..6  | u16: 0..5 hour, 5..10 day, 10..14 month, 14 irregular pulse, 15 movement                        |
/// | 6..8  | u16: 0..6 second, 6..12 minute                                                                  |
/// | 8..14 | not used here                                                                                   |
///
/// # Errors
/// When it does not have 14 bytes, or its place stands empty.
pub(crate) fn little_endian(record: &[u8]) -> anyhow::Result<Json> {
    let record: [u8; 14] = record.try_into().context("a record has 14 bytes")?;
    let [systolic, diastolic, pulse, year, ..] = record;
    let [date, time] = [4, 6].map(|place| u16::from_le_bytes([record[place], record[place + 1]]));
    ensure!(systolic <= HIGHEST && record[1..8] != [0; 7], "its place in the memory stands empty");
    let minute = (time >> 6 & 0x3f).min(59);
    let taken = moment(u16::from(year & 0x3f), date >> 10 & 0x0f, date >> 5 & 0x1f, date & 0x1f, minute, time & 0x3f);
    let flag = |bit: u16| date & 1 << bit != 0;
    Ok(shape([systolic, diastolic, pulse], taken, flag(14), flag(15)))
}

/// A big-endian record of the HEM-7322 and HEM-7600 families.
///
/// | bytes | bits                                                                                            |
/// |-------|-------------------------------------------------------------------------------------------------|
/// | 0..4  | diastolic, systolic − 25, year − 2000, pulse                                                    |
/// | 4..6  | u16: 15 movement, 14 irregular pulse, 10..14 month, 5..10 day, 0..5 hour                        |
/// | 6..8  | u16: 6..12 minute, 0..6 second                                                                  |
/// | 8..14 | not used here                                                                                   |
///
/// # Errors
/// When it does not have 14 bytes, or its time does not exist, as in a place that stands empty.
pub(crate) fn big_endian(record: &[u8]) -> anyhow::Result<Json> {
    let record: [u8; 14] = record.try_into().context("a record has 14 bytes")?;
    let [diastolic, systolic, year, pulse, ..] = record;
    let [date, time] = [4, 6].map(|place| u16::from_be_bytes([record[place], record[place + 1]]));
    let taken = moment(year.into(), date >> 10 & 0x0f, date >> 5 & 0x1f, date & 0x1f, time >> 6 & 0x3f, time & 0x3f);
    let taken = taken.context("there is no such time: its place in the memory stands empty")?;
    let flag = |bit: u16| date & 1 << bit != 0;
    Ok(shape([systolic, diastolic, pulse], Some(taken), flag(14), flag(15)))
}

/// The second may be up to 63; it counts as 59 then.
fn moment(year: u16, month: u16, day: u16, hour: u16, minute: u16, second: u16) -> Option<DateTime> {
    let year = i16::try_from(2000 + year).ok()?;
    let [month, day, hour, minute, second] = [month, day, hour, minute, second.min(59)].map(i8::try_from);
    DateTime::new(year, month.ok()?, day.ok()?, hour.ok()?, minute.ok()?, second.ok()?, 0).ok()
}

fn shape([systolic, diastolic, pulse]: [u8; 3], taken: Option<DateTime>, irregular: bool, moved: bool) -> Json {
    let timestamp = taken.map(|at| {
        json!({
            "year": at.year(), "month": at.month(), "day": at.day(),
            "hour": at.hour(), "minute": at.minute(), "second": at.second(),
        })
    });
    json!({
        "systolic": u16::from(systolic) + LESS,
        "diastolic": diastolic,
        "pulse": pulse,
        "timestamp": timestamp,
        "irregular_pulse": irregular,
        "body_movement": moved,
    })
}

//! What is odd about a payload, but no reason to refuse it.

use std::collections::BTreeSet;
use std::fmt;

/// The warnings of one payload: each once, in the order of their words.
pub type Warnings = BTreeSet<Warning>;

/// One oddity. The variants stand in the order of their words, so that sorting them sorts those too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Warning {
    /// A BTHome boolean, with this object id, is neither 0 nor 1. It counts as true.
    BadBoolean(u8),
    /// A BTHome text is not UTF-8.
    BadText,
    /// This field is outside what a living person at home can have.
    Implausible(&'static str),
    /// BTHome objects do not come in the order of their ids.
    ObjectIdsNotAscending,
    /// The pulse that came with a blood pressure cannot be used.
    PulseUnusable,
    /// Reserved bits of a Current Time's adjust reason are set.
    ReservedAdjustReason,
    /// Reserved bits of the flags are set. They add no field.
    ReservedFlags,
    /// Reserved bits of an oximeter's measurement status are set.
    ReservedMeasurementStatus,
    /// Reserved bits of an oximeter's device and sensor status are set.
    ReservedSensorStatus,
    /// Reserved bits of a cuff's measurement status are set.
    ReservedStatus,
    /// Intervals between beats were announced, and none came.
    RrFlagWithoutValues,
    /// This field holds no number, but a special value.
    Special(&'static str),
    /// The year, month or day of the time is not known: the clock was never set.
    TimestampIncomplete,
    /// There is no such time.
    TimestampInvalid,
    /// So many bytes came after the last field.
    TrailingBytes(usize),
    /// The payload ends within the BTHome object with this id.
    TruncatedObject(u8),
    /// The BTHome object id is not known, and so neither is where the next object begins.
    UnknownObject(u8),
    /// The scale could not weigh.
    Unsuccessful,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadBoolean(id) => write!(f, "bad_boolean:{id:02x}"),
            Self::BadText => f.write_str("bad_text"),
            Self::Implausible(field) => write!(f, "implausible:{field}"),
            Self::ObjectIdsNotAscending => f.write_str("object_ids_not_ascending"),
            Self::PulseUnusable => f.write_str("pulse_unusable"),
            Self::ReservedAdjustReason => f.write_str("reserved_adjust_reason"),
            Self::ReservedFlags => f.write_str("reserved_flags"),
            Self::ReservedMeasurementStatus => f.write_str("reserved_measurement_status"),
            Self::ReservedSensorStatus => f.write_str("reserved_sensor_status"),
            Self::ReservedStatus => f.write_str("reserved_status"),
            Self::RrFlagWithoutValues => f.write_str("rr_flag_without_values"),
            Self::Special(field) => write!(f, "special:{field}"),
            Self::TimestampIncomplete => f.write_str("timestamp_incomplete"),
            Self::TimestampInvalid => f.write_str("timestamp_invalid"),
            Self::TrailingBytes(count) => write!(f, "trailing_bytes:{count}"),
            Self::TruncatedObject(id) => write!(f, "truncated_object:{id:02x}"),
            Self::UnknownObject(id) => write!(f, "unknown_object:{id:02x}"),
            Self::Unsuccessful => f.write_str("unsuccessful"),
        }
    }
}

/// The warning about bytes after the last field, if there are any.
pub(crate) fn trailing(bytes: &[u8]) -> Option<Warning> {
    (!bytes.is_empty()).then_some(Warning::TrailingBytes(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_sort_as_their_words_do() {
        let all = Warnings::from([
            Warning::Unsuccessful,
            Warning::UnknownObject(0xFE),
            Warning::TruncatedObject(0x53),
            Warning::TrailingBytes(3),
            Warning::TimestampInvalid,
            Warning::TimestampIncomplete,
            Warning::Special("spo2"),
            Warning::Special("map"),
            Warning::RrFlagWithoutValues,
            Warning::ReservedStatus,
            Warning::ReservedSensorStatus,
            Warning::ReservedMeasurementStatus,
            Warning::ReservedFlags,
            Warning::ReservedAdjustReason,
            Warning::PulseUnusable,
            Warning::ObjectIdsNotAscending,
            Warning::Implausible("weight"),
            Warning::Implausible("sys_le_dia"),
            Warning::BadText,
            Warning::BadBoolean(0x2D),
            Warning::BadBoolean(0x0F),
        ]);
        let words: Vec<String> = all.iter().map(Warning::to_string).collect();
        assert!(words.is_sorted(), "{words:?}");
    }
}

//! The number and time forms of the health services, written independently of the program's own codecs, so that a
//! mistake there does not cancel itself out here.

use jiff::civil::DateTime;

/// SFLOAT "not a number".
pub(crate) const NAN: u16 = 0x07ff;

/// A whole number as SFLOAT, least significant byte first.
pub(crate) fn sfloat(value: Option<u16>) -> [u8; 2] {
    let mantissa = value.filter(|value| *value < 0x07fe).unwrap_or(NAN);
    mantissa.to_le_bytes()
}

/// Date Time: year (two bytes), month, day, hour, minute, second.
pub(crate) fn date_time(at: DateTime) -> [u8; 7] {
    let year = u16::try_from(at.year()).unwrap_or(0).to_le_bytes();
    let [month, day, hour, minute, second] =
        [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i8::unsigned_abs);
    [year[0], year[1], month, day, hour, minute, second]
}

/// Reads a Date Time; `None` when it is no date.
pub(crate) fn parse_date_time(bytes: &[u8]) -> Option<DateTime> {
    let &[year_low, year_high, month, day, hour, minute, second, ..] = bytes else {
        return None;
    };
    let year = i16::try_from(u16::from_le_bytes([year_low, year_high])).ok()?;
    let [month, day, hour, minute, second] =
        [month, day, hour, minute, second].map(|part| i8::try_from(part).unwrap_or(-1));
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_date_time_reads_back_as_written() {
        let at = date(2026, 11, 22).at(10, 30, 7, 0);
        assert_eq!(date_time(at), [0xea, 0x07, 11, 22, 10, 30, 7]);
        assert_eq!(parse_date_time(&date_time(at)), Some(at));
        assert_eq!(parse_date_time(&[0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(parse_date_time(&[0xea, 0x07]), None);
    }

    #[test]
    fn a_missing_value_is_nan() {
        assert_eq!(sfloat(Some(120)), [120, 0]);
        assert_eq!(sfloat(None), [0xff, 0x07]);
    }
}

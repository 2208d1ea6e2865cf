//! Swedish public holidays, and the eves on which people are off as on them.
//!
//! Source: lag (1989:253) om allmänna helgdagar, changed by 2004:1320 (Whit Monday out, the national day in). The eves of
//! Midsummer, Christmas and the New Year are Sundays' equals in the law on holidays (semesterlagen 1977:480, 3 a §) and in the
//! municipalities' agreements.

use jiff::civil::{Date, Weekday, date};
use jiff::{Span, ToSpan as _};

/// Whether a day is a public holiday or one of the three eves. A Sunday alone is not: shifts name weekdays.
#[must_use]
pub fn is_holiday(day: Date) -> bool {
    let is_fixed = matches!((day.month(), day.day()), (1, 1) | (1, 6) | (5, 1) | (6, 6) | (12, 24..=26) | (12, 31));
    let after_easter = |days: i64| easter(day.year()).checked_add(Span::new().days(days)).is_ok_and(|on| on == day);
    let is_saturday = day.weekday() == Weekday::Saturday;
    let is_midsummers_eve = day.weekday() == Weekday::Friday && day.month() == 6 && (19..=25).contains(&day.day());
    let is_midsummer = is_saturday && day.month() == 6 && (20..=26).contains(&day.day());
    let is_all_saints = is_saturday && matches!((day.month(), day.day()), (10, 31) | (11, 1..=6));
    let is_by_easter = [GOOD_FRIDAY, EASTER, EASTER_MONDAY, ASCENSION, WHIT_SUNDAY].into_iter().any(after_easter);
    is_fixed || is_by_easter || is_midsummers_eve || is_midsummer || is_all_saints
}

const GOOD_FRIDAY: i64 = -2;
const EASTER: i64 = 0;
const EASTER_MONDAY: i64 = 1;
const ASCENSION: i64 = 39;
const WHIT_SUNDAY: i64 = 49;

/// Easter Sunday of a year of the Gregorian calendar.
///
/// Source: the anonymous algorithm printed in Nature, 20 April 1876 (Meeus, Astronomical Algorithms, chapter 8).
fn easter(year: i16) -> Date {
    let year = i64::from(year);
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    // Days after 22 March, the earliest Easter there can be.
    let days = h + l - 7 * m;
    let earliest = date(i16::try_from(year).unwrap_or(i16::MAX), 3, 22);
    earliest.checked_add(days.days()).unwrap_or(earliest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_is_when_it_was_and_will_be() {
        let sundays = [(1818, 3, 22), (1943, 4, 25), (2000, 4, 23), (2008, 3, 23), (2024, 3, 31), (2026, 4, 5)];
        for (year, month, day) in sundays.into_iter().chain([(2027, 3, 28), (2038, 4, 25), (2049, 4, 18)]) {
            assert_eq!(easter(year), date(year, month, day));
        }
    }

    #[test]
    fn the_holidays_of_2026_are_those_of_the_almanac() {
        let mut day = date(2026, 1, 1);
        let mut holidays = Vec::new();
        while day.year() == 2026 {
            if is_holiday(day) {
                holidays.push((day.month(), day.day()));
            }
            day = day.tomorrow().unwrap();
        }
        let almanac = [
            (1, 1),   // New Year's Day
            (1, 6),   // Epiphany
            (4, 3),   // Good Friday
            (4, 5),   // Easter
            (4, 6),   // Easter Monday
            (5, 1),   // First of May
            (5, 14),  // Ascension
            (5, 24),  // Whit Sunday
            (6, 6),   // the national day
            (6, 19),  // Midsummer's Eve
            (6, 20),  // Midsummer
            (10, 31), // All Saints
            (12, 24),
            (12, 25),
            (12, 26),
            (12, 31),
        ];
        assert_eq!(holidays, almanac);
    }

    #[test]
    fn midsummer_and_all_saints_are_saturdays_of_every_year() {
        for year in 2000..2100 {
            let june = (1..=30).map(|day| date(year, 6, day)).filter(|day| day.day() > 18 && is_holiday(*day));
            let midsummer: Vec<Date> = june.collect();
            assert_eq!(midsummer.len(), 2, "{year}");
            assert_eq!(midsummer[1].weekday(), Weekday::Saturday);
            let saints = (0..7).map(|after| date(year, 10, 31) + after.days()).filter(|day| is_holiday(*day));
            assert_eq!(saints.map(Date::weekday).collect::<Vec<_>>(), [Weekday::Saturday], "{year}");
        }
    }
}

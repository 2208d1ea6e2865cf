//! By which number the registers know a person. It is kept in the gateway's store and shown to whoever asks for it there;
//! nothing else ever has it whole: written without asking for the digits, a number shows the day of birth alone.
//!
//! Source: Skatteverket, SKV 704 (personnummer) and SKV 707 (samordningsnummer); the cases of personnummer/meta. The
//! systems' names are those of the Swedish base profiles of FHIR.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// What a coordination number adds to the day.
const COORDINATION: i8 = 60;

/// A number as people write it: 10 or 12 digits, and a `-` or `+` before the last four where they like. Its check digit is
/// right and its day exists; of 10 digits the century is not known, and the day exists in 20yy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Written {
    century: Option<[u8; 2]>,
    /// Two of the year, two of the month, two of the day, three and the check digit.
    digits: [u8; 10],
    is_over_a_hundred: bool,
}

/// A personnummer, or a coordination number (samordningsnummer) of somebody who has none yet: 12 digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Personnummer([u8; 12]);

/// By which number a person is known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum IdentityNumber {
    /// The national register's.
    Register(Personnummer),
    /// A reserve number: what a region or the nation gives somebody without one. It has no rules that hold everywhere.
    Reserve(Reserve),
}

/// A reserve number and whose it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reserve {
    system: String,
    number: String,
}

/// Why something is no such number. It does not say what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoNumber {
    /// Another count of digits, or something else among them.
    #[error("a number has 10 or 12 digits, and may have - or + before the last four")]
    Form,
    /// There is no such day.
    #[error("no day has these digits")]
    Day,
    /// The birth number is 000.
    #[error("nobody has 000 after the day")]
    BirthNumber,
    /// A digit is wrong, or two are swapped.
    #[error("the last digit does not fit the others: one of them is mistyped")]
    CheckDigit,
    /// It is of somebody who is yet to be born.
    #[error("the day is yet to come")]
    ToCome,
    /// A reserve number has 1 to 32 visible characters, its system 1 to 200.
    #[error(
        "a reserve number has 1 to 32 visible characters, and a system such as {}",
        IdentityNumber::NATIONAL_RESERVE
    )]
    Reserve,
}

impl Written {
    /// Whether it is a coordination number.
    #[must_use]
    pub fn is_coordination(&self) -> bool {
        self.day() > COORDINATION
    }

    /// The whole number. Of 10 digits the century is the last one that lets it have begun, or the one before after a `+`,
    /// which is written from the year in which somebody turns a hundred.
    ///
    /// # Errors
    /// [`NoNumber::ToCome`], or [`NoNumber::Day`] where its year has no such day.
    pub fn on(&self, today: Date) -> Result<Personnummer, NoNumber> {
        let century = match self.century {
            Some(century) => century,
            None => {
                let this = today.year() - i16::from(self.is_over_a_hundred) * 100;
                let year = this - (this - i16::from(two(&self.digits[..2]))).rem_euclid(100);
                let century = i8::try_from(year / 100).map_err(|_| NoNumber::Day)?;
                [century / 10, century % 10].map(|digit| digit.unsigned_abs())
            }
        };
        if self.born(century)? > today {
            return Err(NoNumber::ToCome);
        }
        let mut digits = [0; 12];
        digits[..2].copy_from_slice(&century);
        digits[2..].copy_from_slice(&self.digits);
        Ok(Personnummer(digits))
    }

    fn day(&self) -> i8 {
        two(&self.digits[4..6])
    }

    fn born(&self, century: [u8; 2]) -> Result<Date, NoNumber> {
        let year = i16::from(two(&century)) * 100 + i16::from(two(&self.digits[..2]));
        let day = self.day() - if self.is_coordination() { COORDINATION } else { 0 };
        Date::new(year, two(&self.digits[2..4]), day).map_err(|_| NoNumber::Day)
    }
}

impl Personnummer {
    /// What FHIR calls the system of these numbers.
    pub const SYSTEM: &str = "http://electronichealth.se/identifier/personnummer";
    /// And of coordination numbers.
    pub const COORDINATION_SYSTEM: &str = "http://electronichealth.se/identifier/samordningsnummer";

    /// Whether it is a coordination number.
    #[must_use]
    pub fn is_coordination(&self) -> bool {
        two(&self.0[6..8]) > COORDINATION
    }

    /// All twelve digits. For the store, and for whoever asked to see them.
    #[must_use]
    pub fn digits(&self) -> String {
        text(&self.0)
    }
}

impl IdentityNumber {
    /// What FHIR calls the system of the nation's reserve numbers.
    pub const NATIONAL_RESERVE: &str = "http://electronichealth.se/identifier/nationelltReservnummer";

    /// A reserve number, as whoever gave it writes it.
    ///
    /// # Errors
    /// [`NoNumber::Reserve`].
    pub fn reserve(system: &str, number: &str) -> Result<Self, NoNumber> {
        let fits = |text: &str, most| {
            (1..=most).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        let registers = [Personnummer::SYSTEM, Personnummer::COORDINATION_SYSTEM];
        if !fits(system, 200) || !fits(number, 32) || registers.contains(&system) {
            return Err(NoNumber::Reserve);
        }
        Ok(Self::Reserve(Reserve { system: system.to_owned(), number: number.to_owned() }))
    }

    /// A number as the store keeps it.
    ///
    /// # Errors
    /// [`NoNumber`], where it is not one that [`system`](Self::system) and [`whole`](Self::whole) gave.
    pub fn from_stored(system: &str, whole: &str) -> Result<Self, NoNumber> {
        match system {
            Personnummer::SYSTEM | Personnummer::COORDINATION_SYSTEM => {
                let written: Written = whole.parse()?;
                let number = Self::Register(written.on(Date::MAX)?);
                (whole.len() == 12 && number.system() == system).then_some(number).ok_or(NoNumber::Form)
            }
            _ => Self::reserve(system, whole),
        }
    }

    /// Whose number it is, as FHIR has it.
    #[must_use]
    pub fn system(&self) -> &str {
        match self {
            Self::Register(number) if number.is_coordination() => Personnummer::COORDINATION_SYSTEM,
            Self::Register(_) => Personnummer::SYSTEM,
            Self::Reserve(Reserve { system, .. }) => system,
        }
    }

    /// The whole number. For the store, and for whoever asked to see it.
    #[must_use]
    pub fn whole(&self) -> String {
        match self {
            Self::Register(number) => number.digits(),
            Self::Reserve(Reserve { number, .. }) => number.clone(),
        }
    }
}

impl FromStr for Written {
    type Err = NoNumber;

    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let bytes = text.as_bytes();
        let sign = bytes.len().checked_sub(5).map(|place| bytes[place]).filter(|byte| matches!(byte, b'-' | b'+'));
        let digits: Vec<u8> = match sign {
            Some(_) => [&bytes[..bytes.len() - 5], &bytes[bytes.len() - 4..]].concat(),
            None => bytes.to_vec(),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(NoNumber::Form);
        }
        let digits: Vec<u8> = digits.into_iter().map(|digit| digit - b'0').collect();
        let (century, digits) = match digits.len() {
            10 => (None, digits.as_slice()),
            12 => (Some([digits[0], digits[1]]), &digits[2..]),
            _ => return Err(NoNumber::Form),
        };
        let digits = digits.try_into().map_err(|_| NoNumber::Form)?;
        let written = Self { century, digits, is_over_a_hundred: sign == Some(b'+') };
        written.born(century.unwrap_or([2, 0]))?;
        if written.digits[6..9] == [0, 0, 0] {
            return Err(NoNumber::BirthNumber);
        }
        if !luhn(&written.digits).is_multiple_of(10) {
            return Err(NoNumber::CheckDigit);
        }
        Ok(written)
    }
}

/// Every second digit twice, beginning with the first; then all digits of that. A multiple of ten where none is mistyped.
fn luhn(digits: &[u8; 10]) -> u8 {
    let doubled = |(place, digit): (usize, &u8)| if place % 2 == 0 { digit * 2 } else { *digit };
    digits.iter().enumerate().map(doubled).map(|product| product / 10 + product % 10).sum()
}

/// The number of two digits.
fn two(digits: &[u8]) -> i8 {
    digits.iter().fold(0, |number, digit| number * 10 + (*digit).min(9).cast_signed())
}

fn text(digits: &[u8]) -> String {
    digits.iter().map(|digit| char::from(b'0' + digit)).collect()
}

impl fmt::Display for Personnummer {
    /// Masked: the day of birth, and dots.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-••••", text(&self.0[..8]))
    }
}

impl fmt::Display for IdentityNumber {
    /// Masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Register(number) => number.fmt(f),
            Self::Reserve(_) => f.write_str("••••"),
        }
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(••••)")
    }
}

impl fmt::Debug for Personnummer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Personnummer({self})")
    }
}

impl fmt::Debug for IdentityNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const TODAY: Date = date(2026, 11, 24);

    #[test]
    fn the_century_of_ten_digits_follows_from_the_sign_and_from_today() {
        for (written, whole) in [
            ("121212-1212", "201212121212"),
            ("121212+1212", "191212121212"),
            ("1212121212", "201212121212"),
            ("460823-9986", "194608239986"),
            ("19121212-1212", "191212121212"),
            ("20121212+1212", "201212121212"),
        ] {
            let written: Written = written.parse().unwrap();
            assert_eq!(written.on(TODAY).unwrap().digits(), whole);
        }
    }

    #[test]
    fn nobody_is_born_tomorrow_or_on_a_day_that_never_was() {
        let of_this_day: Written = "200002292399".parse().unwrap();
        assert_eq!(of_this_day.on(date(2000, 2, 29)).unwrap().to_string(), "20000229-••••");
        assert_eq!(of_this_day.on(date(2000, 2, 28)), Err(NoNumber::ToCome));
        let in_1900: Written = "000229+2399".parse().unwrap();
        assert_eq!(in_1900.on(TODAY), Err(NoNumber::Day), "1900 had no such day");
    }

    #[test]
    fn a_refusal_says_what_is_wrong_and_not_what_was_written() {
        for (written, why) in [
            ("1912-1212", NoNumber::Form),
            ("19121212 1212", NoNumber::Form),
            ("", NoNumber::Form),
            ("19121212-121a", NoNumber::Form),
            ("191213121212", NoNumber::Day),
            ("197000601234", NoNumber::Day),
            ("201509160006", NoNumber::BirthNumber),
            ("191212121213", NoNumber::CheckDigit),
        ] {
            let refused = written.parse::<Written>().unwrap_err();
            assert_eq!(refused, why, "{written}");
            assert!(written.is_empty() || !refused.to_string().contains(written));
        }
    }

    #[test]
    fn a_coordination_number_has_a_system_of_its_own() {
        let number = IdentityNumber::Register("197302889931".parse::<Written>().unwrap().on(TODAY).unwrap());
        assert_eq!(
            (number.system(), number.to_string().as_str()),
            (Personnummer::COORDINATION_SYSTEM, "19730288-••••")
        );
        assert_eq!(IdentityNumber::from_stored(number.system(), &number.whole()), Ok(number.clone()));
        assert_eq!(IdentityNumber::from_stored(Personnummer::SYSTEM, &number.whole()), Err(NoNumber::Form));
    }

    #[test]
    fn a_reserve_number_is_taken_as_it_is_and_shows_nothing() {
        let number = IdentityNumber::reserve("urn:oid:1.2.752.97.3.1.3", "991212A1B2").unwrap();
        assert_eq!((number.whole().as_str(), number.to_string().as_str()), ("991212A1B2", "••••"));
        assert_eq!(format!("{number:?}"), "IdentityNumber(••••)");
        assert_eq!(IdentityNumber::from_stored(number.system(), &number.whole()), Ok(number));
        for wrong in ["", "99 12", &"9".repeat(33)] {
            assert_eq!(IdentityNumber::reserve(IdentityNumber::NATIONAL_RESERVE, wrong), Err(NoNumber::Reserve));
        }
        assert_eq!(IdentityNumber::reserve(Personnummer::SYSTEM, "12"), Err(NoNumber::Reserve), "it has rules");
    }

    proptest! {
        #[test]
        fn a_number_shows_its_last_four_digits_to_nobody_who_did_not_ask(
            year in 1890..2026i16, day in 1..=365i16, coordination in any::<bool>(), birth_number in 1..=999u16,
        ) {
            let born = Date::new(year, 1, 1).unwrap().saturating_add(jiff::Span::new().days(day - 1));
            let day = born.day() + if coordination { COORDINATION } else { 0 };
            let nine = format!("{:04}{:02}{day:02}{birth_number:03}", born.year(), born.month());
            let valid: Vec<Written> = (0..10).filter_map(|check| format!("{nine}{check}").parse().ok()).collect();
            prop_assert_eq!(valid.len(), 1, "one check digit fits");
            let number = valid[0].on(TODAY).unwrap();
            prop_assert!(number.digits().starts_with(&nine));
            prop_assert_eq!(number.is_coordination(), coordination);
            let shown = format!("{number} {number:?} {:?} {:?}", valid[0], IdentityNumber::Register(number));
            let beside_the_day = shown.replace(&number.digits()[..8], "");
            prop_assert!(!beside_the_day.contains(|c: char| c.is_ascii_digit()), "{}", shown);
            let short: Written = format!("{}{}{}", &number.digits()[2..8], if year <= 1926 { '+' } else { '-' },
                &number.digits()[8..]).parse().unwrap();
            prop_assert_eq!(short.on(TODAY), Ok(number));
        }

        #[test]
        fn a_mistyped_digit_is_always_noticed(place in 0..10usize, by in 1..10u8) {
            let mut digits = *b"4608239986";
            digits[place] = (digits[place] - b'0' + by) % 10 + b'0';
            let text = std::str::from_utf8(&digits).unwrap();
            prop_assert!(text.parse::<Written>().is_err());
        }
    }
}

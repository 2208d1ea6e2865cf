//! How often each fault comes to pass, as one writes it on a command line: `hang_up=0.05,wedge=1%,restart_bluetoothd=2/d`.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// A fault by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prank {
    /// A device hangs up at some step of its next link.
    HangUp,
    /// One of the next calls on a device is never answered.
    Wedge,
    /// The next value a device sends is cut off.
    Malformed,
    /// The next connections to a device fail.
    Abort,
    /// A device advertises but takes no connection, for a while.
    Mute,
    /// A device seems to have no services, for a while.
    NoServices,
    /// A device loses its keys.
    LoseKeys,
    /// BlueZ signals a device again and again, for a while.
    Chatter,
    /// bluetoothd is restarted.
    RestartBluetoothd,
    /// The adapter is switched off, for a while.
    AdapterOff,
}

impl Prank {
    /// Every one there is.
    pub const ALL: [Self; 10] = [
        Self::HangUp,
        Self::Wedge,
        Self::Malformed,
        Self::Abort,
        Self::Mute,
        Self::NoServices,
        Self::LoseKeys,
        Self::Chatter,
        Self::RestartBluetoothd,
        Self::AdapterOff,
    ];

    /// Its name on a command line: `hang_up`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HangUp => "hang_up",
            Self::Wedge => "wedge",
            Self::Malformed => "malformed",
            Self::Abort => "abort",
            Self::Mute => "mute",
            Self::NoServices => "no_services",
            Self::LoseKeys => "lose_keys",
            Self::Chatter => "chatter",
            Self::RestartBluetoothd => "restart_bluetoothd",
            Self::AdapterOff => "adapter_off",
        }
    }

    /// Whether it is played on one device, rather than on the whole home.
    #[must_use]
    pub fn is_on_a_device(self) -> bool {
        !matches!(self, Self::RestartBluetoothd | Self::AdapterOff)
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// With this chance, 0 to 1, each time a device is used: only for what is played on a device.
    EachUse(f64),
    /// So often an hour, in the time of the home.
    EachHour(f64),
}

/// How often each fault comes to pass. What is not named does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates(BTreeMap<Prank, Rate>);

impl Rates {
    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// With this one as well.
    #[must_use]
    pub fn with(mut self, prank: Prank, rate: Rate) -> Self {
        self.0.insert(prank, rate);
        self
    }

    /// How often this one.
    #[must_use]
    pub fn of(&self, prank: Prank) -> Option<Rate> {
        self.0.get(&prank).copied()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Prank, Rate)> {
        self.0.iter().map(|(prank, rate)| (*prank, *rate))
    }
}

/// What was written is no list of rates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fault and how often, such as hang_up=0.05, wedge=1% or restart_bluetoothd=2/d; there are {names}",
    names = Prank::ALL.map(Prank::as_str).join(", "))]
pub struct NotARate(String);

impl FromStr for Rates {
    type Err = NotARate;

    /// A chance for each use (`0.05` or `5%`), or so often an hour, a day or a month (`2/h`, `2/d`, `2/m`).
    fn from_str(text: &str) -> Result<Self, NotARate> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| one(part).ok_or_else(|| NotARate(part.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

fn one(part: &str) -> Option<(Prank, Rate)> {
    let (name, often) = part.split_once('=')?;
    let prank = Prank::ALL.into_iter().find(|prank| prank.as_str() == name.trim())?;
    let number = |digits: &str| digits.trim().parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let rate = match (often.split_once('/'), often.split_once('%')) {
        (Some((times, "h")), _) => Rate::EachHour(number(times)?),
        (Some((times, "d")), _) => Rate::EachHour(number(times)? / 24.0),
        (Some((times, "m")), _) => Rate::EachHour(number(times)? / (24.0 * 30.0)),
        (None, Some((percent, ""))) => Rate::EachUse(number(percent)? / 100.0),
        (None, None) => Rate::EachUse(number(often)?),
        (Some(_) | None, _) => return None,
    };
    let is_possible = match rate {
        Rate::EachUse(chance) => chance <= 1.0 && prank.is_on_a_device(),
        Rate::EachHour(_) => true,
    };
    is_possible.then_some((prank, rate))
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(prank, rate): (Prank, Rate)| match rate {
            Rate::EachUse(chance) => format!("{}={chance}", prank.as_str()),
            Rate::EachHour(times) => format!("{}={times}/h", prank.as_str()),
        };
        f.write_str(&self.all().map(part).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        let rates: Rates = "hang_up=0.05, wedge=1%,restart_bluetoothd=2/d,adapter_off=0.5/h".parse().unwrap();
        assert_eq!(rates.of(Prank::HangUp), Some(Rate::EachUse(0.05)));
        assert_eq!(rates.of(Prank::Wedge), Some(Rate::EachUse(0.01)));
        assert_eq!(rates.of(Prank::RestartBluetoothd), Some(Rate::EachHour(2.0 / 24.0)));
        assert_eq!(rates.of(Prank::Mute), None);
        assert_eq!(rates.to_string().parse(), Ok(rates));
        assert_eq!("".parse(), Ok(Rates::none()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for nonsense in ["hang_up", "hang_up=", "hang_up=2", "hang_up=-1", "hang_up=1/w", "sneeze=1", "wedge=5%%"] {
            assert!(nonsense.parse::<Rates>().is_err(), "{nonsense}");
        }
        let refused = "adapter_off=0.1".parse::<Rates>().unwrap_err();
        assert!(refused.to_string().contains("restart_bluetoothd=2/d"), "{refused}");
    }
}

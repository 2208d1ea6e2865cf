//! Three clocks, never mixed (P6): the device's, the agent's with how far it can be trusted, and the gateway's.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// How far the agent's wall clock can be trusted.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum Trust {
    /// It was never set since this boot.
    #[n(0)]
    Unknown,
    /// It shows a possible time, but nobody vouches for it.
    #[n(1)]
    Estimated,
    /// A time server keeps it.
    #[n(2)]
    Synchronised,
}

/// One boot of the agent's machine, as the kernel names it (`/proc/sys/kernel/random/boot_id`).
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct BootId(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 16],
);

/// When the agent took something, by its own clocks.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Taken {
    /// Which boot `since_boot_ms` counts from.
    #[n(0)]
    pub boot: BootId,
    /// Milliseconds since that boot; never jumps.
    #[n(1)]
    pub since_boot_ms: u64,
    /// Wall clock, in milliseconds since 1970-01-01T00:00:00Z.
    #[n(2)]
    pub wall_ms: Option<i64>,
    /// How far the wall clock can be trusted.
    #[n(3)]
    pub trust: Trust,
}

impl Taken {
    /// The time between two moments, or `None` where they cannot be compared:
    /// different boots, and not both with a wall clock that may be right.
    #[must_use]
    pub fn apart(&self, other: &Self) -> Option<Duration> {
        if self.boot == other.boot {
            return Some(Duration::from_millis(self.since_boot_ms.abs_diff(other.since_boot_ms)));
        }
        let comparable = self.trust != Trust::Unknown && other.trust != Trust::Unknown;
        let (a, b) = (self.wall_ms?, other.wall_ms?);
        comparable.then(|| Duration::from_millis(a.abs_diff(b)))
    }

    /// The wall clock, where it may be right.
    #[must_use]
    pub fn trusted_wall_ms(&self) -> Option<i64> {
        self.wall_ms.filter(|_| self.trust != Trust::Unknown)
    }
}

/// What a device's own clock showed: a wall-clock time without zone, complete and possible. It may still be wrong.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceTime(pub DateTime);

impl DeviceTime {
    /// A clock that shows a year before this was never set (health devices in use are younger).
    pub const FIRST_BELIEVABLE_YEAR: i16 = 2015;

    /// Whether the clock was set at all.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.0.year() >= Self::FIRST_BELIEVABLE_YEAR
    }
}

impl fmt::Display for DeviceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<C> Encode<C> for DeviceTime {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceTime {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let text = d.str()?;
        text.parse().map(Self).map_err(|_| minicbor::decode::Error::message("not a date and time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(boot: u8, since_boot_ms: u64, wall_ms: Option<i64>, trust: Trust) -> Taken {
        Taken { boot: BootId([boot; 16]), since_boot_ms, wall_ms, trust }
    }

    #[test]
    fn moments_of_one_boot_are_compared_by_the_clock_that_never_jumps() {
        let before_the_jump = taken(1, 1_000, Some(0), Trust::Unknown);
        let after_the_jump = taken(1, 4_000, Some(1_800_000_000_000), Trust::Synchronised);
        assert_eq!(before_the_jump.apart(&after_the_jump), Some(Duration::from_secs(3)));
    }

    #[test]
    fn moments_of_two_boots_are_compared_only_by_clocks_that_may_be_right() {
        let a = taken(1, 9, Some(1_800_000_000_000), Trust::Estimated);
        let b = taken(2, 9, Some(1_800_000_002_000), Trust::Synchronised);
        assert_eq!(a.apart(&b), Some(Duration::from_secs(2)));
        assert_eq!(a.apart(&Taken { trust: Trust::Unknown, ..b }), None);
        assert_eq!(a.apart(&Taken { wall_ms: None, ..b }), None);
    }
}

//! By which time a certificate is judged, on a box whose clock may be wrong (P6).
//!
//! A wrong clock must not lock the agent out, and must not let an expired certificate in. What is certain is that some
//! moments have passed: the one at which the program was built, and those that were learned since. A clock that a time
//! server keeps is believed from there on. Of any other clock nothing is known but that it is not earlier than that, so
//! that a certificate is good if it is good at any moment from there on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hempuls_protocol::times::{Taken, Trust};
use rustls::pki_types::CertificateDer;

use crate::clock;
use crate::files::{self, Readers};

/// The life of a certificate, in seconds since 1970.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// Its first second.
    pub from: i64,
    /// Its last second.
    pub until: i64,
}

impl Life {
    /// The life of this certificate.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
        let validity = parsed.validity();
        Ok(Self { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() })
    }

    /// The time by which a certificate of this life is to be judged: a moment of its life, if it may be one now.
    #[must_use]
    pub fn judged_at(self, passed: i64, clock: &Taken) -> i64 {
        match (clock.trust, clock.wall_ms) {
            (Trust::Synchronised, Some(wall_ms)) => passed.max(seconds(wall_ms)),
            (Trust::Unknown | Trust::Estimated, Some(wall_ms)) => {
                seconds(wall_ms).max(self.from).min(self.until).max(passed)
            }
            (Trust::Unknown | Trust::Estimated | Trust::Synchronised, None) => self.from.max(passed),
        }
    }
}

/// When the program was built, in seconds since 1970.
#[must_use]
pub fn built() -> i64 {
    env!("HEMPULS_BUILT_S").parse().expect("the build script writes a number")
}

/// What is written down is at most so old, in seconds: flash is not worn for more.
const WRITTEN_EVERY_S: i64 = 24 * 60 * 60;

/// The latest moment that is known to have passed. Clones know the same.
#[derive(Clone, Debug)]
pub struct Passed(Arc<Known>);

#[derive(Debug)]
struct Known {
    file: PathBuf,
    moments: Mutex<Moments>,
}

#[derive(Copy, Clone, Debug)]
struct Moments {
    /// In seconds since 1970.
    passed: i64,
    written: i64,
    /// The last second of the server's certificate that was last judged good.
    vouched_until: i64,
}

impl Passed {
    /// What is known in this folder. A file that says nothing sensible is as good as none.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        let file = folder.join("time-passed");
        let written = files::read_if_there(&file).ok().flatten().and_then(|text| read(&text)).unwrap_or(0);
        let moments = Moments { passed: written.max(built()), written, vouched_until: built() };
        Self(Arc::new(Known { file, moments: Mutex::new(moments) }))
    }

    /// The moment, in seconds since 1970.
    #[must_use]
    pub fn moment(&self) -> i64 {
        self.moments().passed
    }

    /// What time it is, as far as it is known for sure, in seconds since 1970: it may be later.
    #[must_use]
    pub fn now(&self) -> i64 {
        let clock = clock::taken();
        match (clock.trust, clock.wall_ms) {
            (Trust::Synchronised, Some(wall_ms)) => self.moment().max(seconds(wall_ms)),
            (Trust::Unknown | Trust::Estimated, _) | (Trust::Synchronised, None) => self.moment(),
        }
    }

    /// The time by which a certificate is to be judged, in seconds since 1970.
    ///
    /// # Errors
    /// When it is no certificate.
    pub fn judge(&self, certificate: &CertificateDer<'_>) -> Result<i64, String> {
        Ok(Life::of(certificate)?.judged_at(self.moment(), &clock::taken()))
    }

    /// A server showed this certificate, and it was found good.
    pub fn vouched_for_by(&self, certificate: &CertificateDer<'_>) {
        if let Ok(life) = Life::of(certificate) {
            self.moments().vouched_until = life.until;
        }
    }

    /// The gateway says what time it is, in milliseconds since 1970, over a connection that is secure. It is believed no
    /// further than its certificate reaches, and no further than a time server: whoever is wrong for a day must not lock
    /// anybody out for years.
    pub fn gateway_says(&self, now_ms: i64) {
        let clock = clock::taken();
        let mut moments = self.moments();
        moments.passed = moments.passed.max(certain(now_ms, moments.vouched_until, &clock));
        if moments.passed - moments.written >= WRITTEN_EVERY_S {
            drop(moments);
            self.write();
        }
    }

    /// Writes down what is known: the program ends.
    pub fn write(&self) {
        let passed = self.moment();
        match self.try_write(passed) {
            Ok(()) => self.moments().written = passed,
            Err(error) => tracing::warn!(%error, "which time has passed cannot be written down"),
        }
    }

    fn try_write(&self, passed: i64) -> io::Result<()> {
        if self.moments().written == passed {
            return Ok(());
        }
        files::replace(&self.0.file, written(passed).as_bytes(), Readers::All)
    }

    fn moments(&self) -> MutexGuard<'_, Moments> {
        self.0.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A digit that is not what was written there would lock the agent out: with the number goes its CRC-32.
fn written(passed: i64) -> String {
    let passed = passed.to_string();
    let sum = crc32fast::hash(passed.as_bytes());
    format!("{passed} {sum:08x}\n")
}

fn read(text: &str) -> Option<i64> {
    let passed = text.split_whitespace().next()?.parse().ok()?;
    (written(passed) == text).then_some(passed)
}

/// The latest moment that has certainly passed, by all who know.
fn certain(gateway_ms: i64, vouched_until: i64, clock: &Taken) -> i64 {
    let said = seconds(gateway_ms).min(vouched_until);
    match (clock.trust, clock.wall_ms) {
        (Trust::Synchronised, Some(wall_ms)) => said.min(seconds(wall_ms)),
        (Trust::Unknown | Trust::Estimated, _) | (Trust::Synchronised, None) => said,
    }
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::times::BootId;

    use super::*;

    const YEAR: i64 = 31_557_600;
    /// The time that has passed.
    const PASSED: i64 = 56 * YEAR;
    const GOOD: Life = Life { from: PASSED - 100, until: PASSED + 100 };
    const EXPIRED: Life = Life { from: PASSED - 200, until: PASSED - 100 };
    const LATER: Life = Life { from: PASSED + 100, until: PASSED + 300 };

    #[test]
    fn a_wrong_clock_locks_nobody_out_and_lets_nothing_expired_in() {
        use Trust::{Estimated, Synchronised, Unknown};
        for (trust, wall, life, is_good, why) in [
            (Synchronised, PASSED + 50, GOOD, true, "all is well"),
            (Synchronised, PASSED + 150, GOOD, false, "it has expired, and the clock is right"),
            (Synchronised, PASSED - 50, EXPIRED, false, "a time server that is wrong brings nothing back"),
            (Synchronised, 0, GOOD, true, "nor does one that says 1970 lock out"),
            (Synchronised, PASSED + 50, LATER, false, "it is not valid yet, and the clock is right"),
            (Unknown, 0, GOOD, true, "a boot in 1970"),
            (Unknown, 0, LATER, true, "a boot in 1970, years after the last time that was known"),
            (Unknown, 0, EXPIRED, false, "a boot in 1970 brings nothing back"),
            (Estimated, 129 * YEAR, GOOD, true, "a clock in 2099"),
            (Estimated, 129 * YEAR, EXPIRED, false, "it had expired before what is known to have passed"),
            (Estimated, PASSED - 150, EXPIRED, false, "a clock that was set back brings nothing back"),
            (Estimated, PASSED + 50, GOOD, true, "a clock that nobody keeps and that is right"),
        ] {
            let at = life.judged_at(PASSED, &clock_at(trust, wall));
            assert_eq!((life.from..=life.until).contains(&at), is_good, "{why}");
            assert!(at >= PASSED, "{why}: judged by a time before one that has passed");
        }
    }

    #[test]
    fn a_certificate_is_good_to_its_last_second() {
        for (passed, is_good) in [(GOOD.until, true), (GOOD.until + 1, false)] {
            let at = GOOD.judged_at(passed, &clock_at(Trust::Unknown, 0));
            assert_eq!((GOOD.from..=GOOD.until).contains(&at), is_good);
        }
    }

    #[test]
    fn who_is_wrong_for_a_day_does_not_lock_the_agent_out_for_years() {
        let (wall, far) = (PASSED + 50, (PASSED + 10 * YEAR) * 1_000);
        assert_eq!(certain(far, PASSED + 100, &clock_at(Trust::Estimated, wall)), PASSED + 100);
        assert_eq!(certain(far, far, &clock_at(Trust::Synchronised, wall)), wall);
        assert_eq!(certain(wall * 1_000, far, &clock_at(Trust::Synchronised, far / 1_000)), wall);
        assert_eq!(certain(wall * 1_000, far, &clock_at(Trust::Unknown, 0)), wall);
    }

    #[test]
    fn what_has_passed_is_written_down_once_a_day_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("time-passed");
        let passed = Passed::in_folder(folder.path());
        assert_eq!(passed.moment(), built());
        passed.moments().vouched_until = i64::MAX;
        // Whatever this machine's clock is worth, it is after the build.
        let learn = |seconds: i64| passed.gateway_says((built() + seconds) * 1_000);
        learn(1);
        assert!(file.exists(), "for the first time");
        let known = passed.moment();
        learn(0);
        assert_eq!(passed.moment(), known, "time does not go back");
        passed.moments().passed = built() + 10;
        assert_eq!(Passed::in_folder(folder.path()).moment(), known);
        passed.write();
        assert_eq!(Passed::in_folder(folder.path()).moment(), built() + 10);
        for damaged in ["tomorrow", &std::fs::read_to_string(&file).unwrap().replacen('1', "9", 1)] {
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(Passed::in_folder(folder.path()).moment(), built(), "{damaged}");
        }
    }

    fn clock_at(trust: Trust, wall: i64) -> Taken {
        Taken { boot: BootId([0; 16]), since_boot_ms: 0, wall_ms: Some(wall * 1_000), trust }
    }
}

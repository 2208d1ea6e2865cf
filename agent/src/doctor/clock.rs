//! What time it is, and who vouches for it.

use hempuls_protocol::times::Trust;
use jiff::Timestamp;

use super::Finding;
use crate::clock;
use crate::control::status::Status;

/// What the clock shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    wall_ms: Option<i64>,
    trust: Trust,
    /// The running agent knows the time from its gateway.
    gateway_vouches: bool,
}

const ABOUT: &str = "Clock";

pub(super) fn look(status: Option<&Status>) -> Facts {
    let now = clock::taken();
    let knows_better = |status: &Status| now.trust == Trust::Unknown && status.clock_trust != "unknown";
    Facts { wall_ms: now.wall_ms, trust: now.trust, gateway_vouches: status.is_some_and(knows_better) }
}

pub(super) fn judge(facts: &Facts) -> Finding {
    let shown = facts.wall_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let shows = shown.map_or_else(|| "no time".to_owned(), |shown| shown.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let advice = "systemctl enable --now systemd-timesyncd; it needs the network, and port 123 outwards";
    match facts.trust {
        Trust::Synchronised => Finding::good(ABOUT, format!("{shows}, kept by a time server")),
        Trust::Estimated => {
            let said = format!("{shows}; no time server has set the clock since the box was switched on");
            Finding::odd(ABOUT, said, advice)
        }
        Trust::Unknown if facts.gateway_vouches => {
            let said = format!("the box's own clock shows {shows}; the agent goes by its gateway's");
            Finding::odd(ABOUT, said, advice)
        }
        Trust::Unknown => {
            let said =
                format!("it shows {shows}, which is not the time. Readings are taken, and dated when it is known");
            Finding::bad(ABOUT, said, advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_who_vouches_for_it() {
        for (trust, gateway_vouches, verdict) in [
            (Trust::Synchronised, false, Verdict::Good),
            (Trust::Estimated, false, Verdict::Odd),
            (Trust::Unknown, true, Verdict::Odd),
            (Trust::Unknown, false, Verdict::Bad),
        ] {
            let finding = judge(&Facts { wall_ms: Some(600_000), trust, gateway_vouches });
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.said.contains("1970-01-01 00:10 UTC"), "{finding:?}");
        }
    }
}

//! One case: open, claimed by a named human, closed. Nothing here knows of rules, stores or screens.
//!
//! Promised (P7): it has an owner, or it is before the whole team; a person who asks again is heard at once, in the
//! same case; a claim silences it, but not for ever.

use super::{Finding, Line, Severity, Weight};

/// A person who presses again is before the whole team again when whoever claimed her case has said nothing of it for
/// longer than this.
pub const CLAIM_HOLDS_MS: i64 = 10 * 60 * 1000;

/// More of the same rings again after this long.
///
/// Source: clinical-rules §9.3.
pub const QUIET_MS: i64 = 12 * 60 * 60 * 1000;

/// Who ends a case that another one tells of.
const OURSELVES: &str = "Hempuls";

/// One case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    /// Where it stands.
    pub state: State,
    /// How soon someone must act.
    pub severity: Severity,
    /// Whether the rule is as sure as it can be.
    pub confirmed: bool,
    /// When it last rang.
    pub rung_ms: i64,
    /// When who claimed it last had it before her eyes.
    pub seen_ms: Option<i64>,
}

/// Where a case stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// It is before the whole team.
    Open,
    /// A named human takes care of it.
    Claimed(Claim),
    /// It is dealt with.
    Closed {
        /// Who closed it.
        by: String,
        /// When.
        at_ms: i64,
    },
}

/// Who takes care of a case, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who.
    pub by: String,
    /// Since when.
    pub at_ms: i64,
    /// When who claimed it said that somebody is on the way.
    pub on_the_way_ms: Option<i64>,
}

impl Claim {
    /// When who claimed it last said what she does about it.
    fn last_word_ms(&self) -> i64 {
        self.on_the_way_ms.map_or(self.at_ms, |on_the_way| on_the_way.max(self.at_ms))
    }
}

/// The case's state does not allow that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It has an owner.
    #[error("{0} has claimed it")]
    Claimed(String),
    /// It has no owner: nobody closes what nobody took care of.
    #[error("nobody has claimed it yet; claim it first")]
    Unclaimed,
    /// It is dealt with.
    #[error("{0} has closed it")]
    Closed(String),
}

impl Alert {
    /// A case that just opened.
    #[must_use]
    pub fn new(finding: &Finding, now_ms: i64) -> Self {
        Self {
            state: State::Open,
            severity: finding.severity,
            confirmed: finding.confirmed,
            rung_ms: now_ms,
            seen_ms: None,
        }
    }

    /// Whether its owner has yet to see what it last rang for.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.seen_ms.is_none_or(|seen| seen < self.rung_ms)
    }

    /// Takes up one more finding. Returns what the story says of the case itself.
    pub fn take_up(&mut self, finding: &Finding, now_ms: i64) -> Vec<Line> {
        let is_worse = finding.severity > self.severity || (finding.confirmed && !self.confirmed);
        self.severity = self.severity.max(finding.severity);
        self.confirmed |= finding.confirmed;
        match finding.weight {
            Weight::AskedAgain => {
                self.ring(now_ms);
                self.reopen_after_long_claim(now_ms).into_iter().collect()
            }
            Weight::More => {
                if is_worse || now_ms - self.rung_ms >= QUIET_MS {
                    self.ring(now_ms);
                }
                Vec::new()
            }
            Weight::Summary => Vec::new(),
        }
    }

    /// A named human takes care of it.
    ///
    /// # Errors
    /// [`NotNow`], where it is closed, or somebody else does.
    pub fn claim(&mut self, by: &str, now_ms: i64) -> Result<Line, NotNow> {
        let on_the_way_ms = match &self.state {
            State::Claimed(claim) if claim.by != by => return Err(NotNow::Claimed(claim.by.clone())),
            State::Closed { by, .. } => return Err(NotNow::Closed(by.clone())),
            State::Claimed(claim) => claim.on_the_way_ms,
            State::Open => None,
        };
        self.state = State::Claimed(Claim { by: by.to_owned(), at_ms: now_ms, on_the_way_ms });
        self.seen_ms = Some(now_ms);
        Ok(Line::Claimed { by: by.to_owned() })
    }

    /// Who claimed it says that somebody is on the way to the person.
    ///
    /// # Errors
    /// [`NotNow`], where nobody or somebody else claimed it, or it is closed.
    pub fn say_on_the_way(&mut self, by: &str, now_ms: i64) -> Result<Line, NotNow> {
        match &mut self.state {
            State::Open => Err(NotNow::Unclaimed),
            State::Closed { by, .. } => Err(NotNow::Closed(by.clone())),
            State::Claimed(claim) if claim.by != by => Err(NotNow::Claimed(claim.by.clone())),
            State::Claimed(claim) => {
                claim.on_the_way_ms = Some(now_ms);
                self.seen_ms = Some(now_ms);
                Ok(Line::OnTheWay { by: by.to_owned() })
            }
        }
    }

    /// Somebody has it before her eyes. It counts when she is the one who claimed it.
    pub fn see(&mut self, who: &str, now_ms: i64) {
        match &self.state {
            State::Claimed(claim) if claim.by == who && self.is_unseen() => self.seen_ms = Some(now_ms),
            State::Claimed(_) | State::Open | State::Closed { .. } => {}
        }
    }

    /// It is dealt with.
    ///
    /// # Errors
    /// [`NotNow`], where nobody claimed it, or it is closed already.
    pub fn close(&mut self, by: &str, note: &str, now_ms: i64) -> Result<Line, NotNow> {
        match &self.state {
            State::Open => Err(NotNow::Unclaimed),
            State::Closed { by, .. } => Err(NotNow::Closed(by.clone())),
            State::Claimed(_) => {
                self.state = State::Closed { by: by.to_owned(), at_ms: now_ms };
                Ok(Line::Closed { by: by.to_owned(), note: note.to_owned() })
            }
        }
    }

    /// Another case tells of it from here on. Who has claimed it keeps it. Says whether it ends.
    pub fn fold(&mut self, now_ms: i64) -> bool {
        let is_open = self.state == State::Open;
        if is_open {
            self.state = State::Closed { by: OURSELVES.to_owned(), at_ms: now_ms };
        }
        is_open
    }

    /// Later than anything seen, so that what was seen in the same millisecond rings too.
    fn ring(&mut self, now_ms: i64) {
        self.rung_ms = self.seen_ms.map_or(now_ms, |seen| now_ms.max(seen + 1));
    }

    fn reopen_after_long_claim(&mut self, now_ms: i64) -> Option<Line> {
        let State::Claimed(claim) = &self.state else { return None };
        if now_ms - claim.last_word_ms() <= CLAIM_HOLDS_MS {
            return None;
        }
        let line = Line::Reopened { claimed_by: claim.by.clone(), claimed_ms: claim.at_ms };
        self.state = State::Open;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::alarm_pressed;

    const MINUTE: i64 = 60_000;

    #[test]
    fn a_press_while_the_claim_is_fresh_rings_its_claimer_and_nobody_else() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", MINUTE).unwrap();
        assert!(!alert.is_unseen());

        assert_eq!(alert.take_up(&press(), 11 * MINUTE), []);

        assert!(alert.is_unseen());
        assert_eq!(alert.state, State::Claimed(Claim { by: "Anna".into(), at_ms: MINUTE, on_the_way_ms: None }));
        alert.see("Bengt", 12 * MINUTE);
        assert!(alert.is_unseen(), "somebody else has seen it");
        alert.see("Anna", 12 * MINUTE);
        assert!(!alert.is_unseen());
    }

    #[test]
    fn a_press_after_a_long_claim_is_before_the_whole_team_with_the_earlier_claim_in_its_story() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", MINUTE).unwrap();

        let story = alert.take_up(&press(), 11 * MINUTE + 1);

        assert_eq!(story, [Line::Reopened { claimed_by: "Anna".into(), claimed_ms: MINUTE }]);
        assert_eq!(alert.state, State::Open);
        assert_eq!(alert.rung_ms, 11 * MINUTE + 1);
        alert.claim("Bengt", 12 * MINUTE).unwrap();
    }

    #[test]
    fn a_press_in_the_very_millisecond_of_the_claim_still_rings() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", MINUTE).unwrap();
        alert.take_up(&press(), MINUTE);
        assert!(alert.is_unseen());
    }

    #[test]
    fn more_of_the_same_stays_quiet_for_twelve_hours_unless_it_is_worse() {
        let reading = |severity, confirmed| Finding { severity, confirmed, weight: Weight::More, ..press() };
        let mut alert = Alert::new(&reading(Severity::Low, false), 0);

        alert.take_up(&reading(Severity::Low, false), MINUTE);
        assert_eq!(alert.rung_ms, 0);
        alert.take_up(&reading(Severity::Medium, true), 2 * MINUTE);
        assert_eq!((alert.rung_ms, alert.severity, alert.confirmed), (2 * MINUTE, Severity::Medium, true));
        alert.take_up(&reading(Severity::Low, false), 3 * MINUTE);
        assert_eq!((alert.rung_ms, alert.severity, alert.confirmed), (2 * MINUTE, Severity::Medium, true));
        alert.take_up(&reading(Severity::Low, false), 2 * MINUTE + QUIET_MS);
        assert_eq!(alert.rung_ms, 2 * MINUTE + QUIET_MS);
    }

    #[test]
    fn nobody_closes_what_nobody_took_care_of_and_nobody_takes_a_claim_away() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.close("Anna", "", 1), Err(NotNow::Unclaimed));
        alert.claim("Anna", 2).unwrap();
        assert_eq!(alert.claim("Bengt", 3), Err(NotNow::Claimed("Anna".into())));
        alert.close("Bengt", "was there", 4).unwrap();
        assert_eq!(alert.claim("Anna", 5), Err(NotNow::Closed("Bengt".into())));
        assert_eq!(alert.close("Anna", "", 6), Err(NotNow::Closed("Bengt".into())));
    }

    #[test]
    fn only_who_took_it_says_that_somebody_is_on_the_way_and_that_holds_her_claim() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.say_on_the_way("Anna", 1), Err(NotNow::Unclaimed));
        alert.claim("Anna", 2).unwrap();
        assert_eq!(alert.say_on_the_way("Bengt", 3), Err(NotNow::Claimed("Anna".into())));
        alert.say_on_the_way("Anna", CLAIM_HOLDS_MS).unwrap();
        assert_eq!(alert.take_up(&press(), CLAIM_HOLDS_MS + MINUTE), []);
        assert!(matches!(&alert.state, State::Claimed(claim) if claim.on_the_way_ms == Some(CLAIM_HOLDS_MS)));
        assert_eq!(alert.take_up(&press(), 2 * CLAIM_HOLDS_MS + 1).len(), 1);
        assert_eq!(alert.state, State::Open);
        alert.claim("Bengt", 3 * CLAIM_HOLDS_MS).unwrap();
        assert!(matches!(&alert.state, State::Claimed(claim) if claim.on_the_way_ms.is_none()));
        alert.close("Bengt", "", 3 * CLAIM_HOLDS_MS).unwrap();
        assert_eq!(alert.say_on_the_way("Bengt", 3 * CLAIM_HOLDS_MS), Err(NotNow::Closed("Bengt".into())));
    }

    fn press() -> Finding {
        alarm_pressed::finding(alarm_pressed::Press::at(0, 0))
    }
}

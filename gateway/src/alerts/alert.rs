//! One case: open, claimed by a named human, closed. Nothing here knows of rules, stores or screens.
//!
//! Promised (P7): it is before the whole team, or it has one owner and a time at which it goes back; a person who asks
//! again is heard at once, in the same case; a claim silences it, but not for ever. A named human closes it, and says
//! what came of it.

use super::outcome::Outcome;
use super::patience::Config;
use super::{Finding, Line, Severity, Weight};

/// A person who presses again is before the whole team again when whoever claimed her case has said nothing of it for
/// longer than this.
pub const CLAIM_HOLDS_MS: i64 = 10 * 60 * 1000;

/// More of the same rings again after this long.
///
/// Source: clinical-rules §9.3.
pub const QUIET_MS: i64 = 12 * 60 * 60 * 1000;

/// Who ends a case that another one tells of.
pub const OURSELVES: &str = "Hempuls";

/// The owner is warned so long before her case goes back to the team, or in the last quarter of her time.
const WARNING_MS: i64 = 10 * 60 * 1000;

/// A case that got worse so often before its owner saw it is before the whole team again.
const WORSE_AT_MOST: u32 = 2;

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
        /// What came of it; unknown of a case that another one tells of, and of those from before it was asked for.
        outcome: Option<Outcome>,
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
    /// Her last word: when she claimed it, said something of it, or saw it.
    pub said_ms: i64,
    /// It is before the whole team again then, unless she says something.
    pub goes_back_ms: i64,
    /// How often it got worse since she last saw it.
    pub worse: u32,
}

impl Claim {
    fn new(by: &str, holds_ms: i64, now_ms: i64) -> Self {
        let goes_back_ms = now_ms.saturating_add(holds_ms);
        Self { by: by.to_owned(), at_ms: now_ms, on_the_way_ms: None, said_ms: now_ms, goes_back_ms, worse: 0 }
    }

    /// From when on its owner is warned that it goes back.
    #[must_use]
    pub fn warns_ms(&self) -> i64 {
        let last_quarter = self.goes_back_ms.saturating_sub(self.said_ms) / 4;
        self.goes_back_ms - last_quarter.clamp(0, WARNING_MS)
    }

    fn hears_of_her(&mut self, holds_ms: i64, now_ms: i64) {
        self.said_ms = now_ms;
        self.goes_back_ms = now_ms.saturating_add(holds_ms);
        self.worse = 0;
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
    /// It is not dealt with: there is nothing to open again.
    #[error("it is not closed")]
    NotClosed,
    /// It was closed too long ago.
    #[error("it was closed too long ago to be opened again; what is new opens a case of its own")]
    TooLate,
    /// Some words are missing that it takes.
    #[error("it takes a sentence in words")]
    NoWords,
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
    pub fn take_up(&mut self, finding: &Finding, patience: &Config, now_ms: i64) -> Option<Line> {
        let is_worse = finding.severity > self.severity || (finding.confirmed && !self.confirmed);
        self.severity = self.severity.max(finding.severity);
        self.confirmed |= finding.confirmed;
        match finding.weight {
            Weight::AskedAgain => self.ring(now_ms),
            Weight::More if is_worse || now_ms - self.rung_ms >= QUIET_MS => self.ring(now_ms),
            Weight::More | Weight::Summary => return None,
        }
        let reopened = match finding.weight {
            Weight::AskedAgain => self.reopen_after_long_claim(now_ms),
            Weight::More | Weight::Summary => None,
        };
        reopened.or_else(|| is_worse.then(|| self.break_through(patience, now_ms)).flatten())
    }

    /// A named human takes care of it.
    ///
    /// # Errors
    /// [`NotNow`], where it is closed, or somebody else does.
    pub fn claim(&mut self, by: &str, patience: &Config, now_ms: i64) -> Result<Line, NotNow> {
        let on_the_way_ms = match &self.state {
            State::Open => None,
            State::Claimed(_) | State::Closed { .. } => self.claim_of(by)?.on_the_way_ms,
        };
        let claim = Claim::new(by, patience.claim_holds_ms(self.severity), now_ms);
        self.state = State::Claimed(Claim { on_the_way_ms, ..claim });
        self.seen(now_ms);
        Ok(Line::Claimed { by: by.to_owned() })
    }

    /// Who claimed it says that somebody is on the way to the person.
    ///
    /// # Errors
    /// [`NotNow`], where nobody or somebody else claimed it, or it is closed.
    pub fn say_on_the_way(&mut self, by: &str, patience: &Config, now_ms: i64) -> Result<Line, NotNow> {
        self.claim_of(by)?.on_the_way_ms = Some(now_ms);
        self.see(by, patience, now_ms);
        Ok(Line::OnTheWay { by: by.to_owned() })
    }

    /// Somebody has it before her eyes. It counts when she is the one who claimed it.
    pub fn see(&mut self, who: &str, patience: &Config, now_ms: i64) {
        let holds_ms = patience.claim_holds_ms(self.severity);
        if let Ok(claim) = self.claim_of(who) {
            claim.hears_of_her(holds_ms, now_ms);
            self.seen(now_ms);
        }
    }

    /// Its owner gives it to somebody else, whose it is at once: it rings for her.
    ///
    /// # Errors
    /// [`NotNow`], where she is not its owner, or it is hers already.
    pub fn hand_over(&mut self, by: &str, to: &str, patience: &Config, now_ms: i64) -> Result<Line, NotNow> {
        let on_the_way_ms = self.claim_of(by)?.on_the_way_ms;
        if to == by {
            return Err(NotNow::Claimed(by.to_owned()));
        }
        let claim = Claim::new(to, patience.claim_holds_ms(self.severity), now_ms);
        self.state = State::Claimed(Claim { on_the_way_ms, ..claim });
        self.ring_anew(now_ms);
        Ok(Line::HandedOver { by: by.to_owned(), to: to.to_owned() })
    }

    /// Its owner cannot take care of it: it is before the whole team again.
    ///
    /// # Errors
    /// [`NotNow`], where she is not its owner, or does not say why.
    pub fn give_back(&mut self, by: &str, why: &str, now_ms: i64) -> Result<Line, NotNow> {
        self.claim_of(by)?;
        worded(why)?;
        self.put_before_the_team(now_ms);
        Ok(Line::GivenBack { by: by.to_owned(), why: why.to_owned() })
    }

    /// Somebody writes something about it, also when it is dealt with. An owner's note is a word of hers.
    ///
    /// # Errors
    /// [`NotNow::NoWords`], where it is empty.
    pub fn note(&mut self, by: &str, note: &str, patience: &Config, now_ms: i64) -> Result<Line, NotNow> {
        worded(note)?;
        self.see(by, patience, now_ms);
        Ok(Line::Noted { by: by.to_owned(), note: note.to_owned() })
    }

    /// It is dealt with.
    ///
    /// # Errors
    /// [`NotNow`], where nobody claimed it, it is closed already, or its outcome takes words.
    pub fn close(&mut self, by: &str, outcome: Outcome, note: &str, now_ms: i64) -> Result<Line, NotNow> {
        match &self.state {
            State::Open => return Err(NotNow::Unclaimed),
            State::Closed { by, .. } => return Err(NotNow::Closed(by.clone())),
            State::Claimed(_) => {}
        }
        if outcome.takes_words() {
            worded(note)?;
        }
        self.state = State::Closed { by: by.to_owned(), at_ms: now_ms, outcome: Some(outcome) };
        Ok(Line::Closed { by: by.to_owned(), outcome: Some(outcome), note: note.to_owned() })
    }

    /// A named human opens a closed case again: it is before the whole team.
    ///
    /// # Errors
    /// [`NotNow`], where it is not closed, was so too long ago, or she does not say why.
    pub fn reopen(&mut self, by: &str, why: &str, patience: &Config, now_ms: i64) -> Result<Line, NotNow> {
        let State::Closed { at_ms, .. } = self.state else { return Err(NotNow::NotClosed) };
        if now_ms.saturating_sub(at_ms) > patience.reopen_ms() {
            return Err(NotNow::TooLate);
        }
        worded(why)?;
        self.put_before_the_team(now_ms);
        Ok(Line::OpenedAgain { by: by.to_owned(), why: why.to_owned() })
    }

    /// Another case tells of it from here on. Who has claimed it keeps it. Says whether it ends.
    pub fn fold(&mut self, now_ms: i64) -> bool {
        let is_open = self.state == State::Open;
        if is_open {
            self.state = State::Closed { by: OURSELVES.to_owned(), at_ms: now_ms, outcome: None };
        }
        is_open
    }

    /// Time has passed. Where its owner has said nothing of it for too long, it is before the whole team again; the story
    /// says so.
    pub fn tick(&mut self, now_ms: i64) -> Option<Line> {
        let State::Claimed(claim) = &self.state else { return None };
        if now_ms < claim.goes_back_ms {
            return None;
        }
        let line = Line::ClaimLapsed { claimed_by: claim.by.clone(), said_ms: claim.said_ms };
        self.put_before_the_team(now_ms);
        Some(line)
    }

    /// When to call [`Alert::tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        match &self.state {
            State::Claimed(claim) => Some(claim.goes_back_ms),
            State::Open | State::Closed { .. } => None,
        }
    }

    fn claim_of(&mut self, who: &str) -> Result<&mut Claim, NotNow> {
        match &mut self.state {
            State::Open => Err(NotNow::Unclaimed),
            State::Closed { by, .. } => Err(NotNow::Closed(by.clone())),
            State::Claimed(claim) if claim.by != who => Err(NotNow::Claimed(claim.by.clone())),
            State::Claimed(claim) => Ok(claim),
        }
    }

    /// It was seen, also what it rang for in the same millisecond.
    fn seen(&mut self, now_ms: i64) {
        self.seen_ms = Some(now_ms.max(self.rung_ms));
    }

    /// Later than anything seen, so that what was seen in the same millisecond rings too.
    fn ring(&mut self, now_ms: i64) {
        self.rung_ms = self.seen_ms.map_or(now_ms, |seen| now_ms.max(seen + 1)).max(self.rung_ms);
    }

    /// As [`Alert::ring`], and later than it ever rang: whoever was told of that ring is told of this one too.
    fn ring_anew(&mut self, now_ms: i64) {
        self.seen(self.seen_ms.unwrap_or(self.rung_ms));
        self.ring(now_ms);
    }

    fn put_before_the_team(&mut self, now_ms: i64) {
        self.state = State::Open;
        self.ring_anew(now_ms);
    }

    fn reopen_after_long_claim(&mut self, now_ms: i64) -> Option<Line> {
        let State::Claimed(claim) = &self.state else { return None };
        if now_ms - claim.said_ms <= CLAIM_HOLDS_MS {
            return None;
        }
        let line = Line::Reopened { claimed_by: claim.by.clone(), claimed_ms: claim.at_ms };
        self.put_before_the_team(now_ms);
        Some(line)
    }

    /// It got worse, and rings its owner. Where that goes on unseen, it is before the whole team.
    fn break_through(&mut self, patience: &Config, now_ms: i64) -> Option<Line> {
        let holds_ms = patience.claim_holds_ms(self.severity);
        let State::Claimed(claim) = &mut self.state else { return None };
        claim.worse += 1;
        claim.goes_back_ms = claim.goes_back_ms.min(now_ms.saturating_add(holds_ms));
        if claim.worse < WORSE_AT_MOST {
            return None;
        }
        let line = Line::WorseUnseen { claimed_by: claim.by.clone() };
        self.put_before_the_team(now_ms);
        Some(line)
    }
}

fn worded(words: &str) -> Result<(), NotNow> {
    if words.trim().is_empty() { Err(NotNow::NoWords) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::rules::alarm_pressed;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;

    #[test]
    fn a_press_while_the_claim_is_fresh_rings_its_claimer_and_nobody_else() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", &usual(), MINUTE).unwrap();
        assert!(!alert.is_unseen());

        assert_eq!(alert.take_up(&press(), &usual(), 11 * MINUTE), None);

        assert!(alert.is_unseen());
        assert_eq!(owner(&alert), Some("Anna"));
        alert.see("Bengt", &usual(), 12 * MINUTE);
        assert!(alert.is_unseen(), "somebody else has seen it");
        alert.see("Anna", &usual(), 12 * MINUTE);
        assert!(!alert.is_unseen());
    }

    #[test]
    fn a_press_after_a_long_claim_is_before_the_whole_team_with_the_earlier_claim_in_its_story() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", &usual(), MINUTE).unwrap();

        let story = alert.take_up(&press(), &usual(), 11 * MINUTE + 1);

        assert_eq!(story, Some(Line::Reopened { claimed_by: "Anna".into(), claimed_ms: MINUTE }));
        assert_eq!(alert.state, State::Open);
        assert!(alert.rung_ms > 11 * MINUTE && alert.is_unseen());
        alert.claim("Bengt", &usual(), 12 * MINUTE).unwrap();
    }

    #[test]
    fn a_press_in_the_very_millisecond_of_the_claim_still_rings() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", &usual(), MINUTE).unwrap();
        alert.take_up(&press(), &usual(), MINUTE);
        assert!(alert.is_unseen());
    }

    #[test]
    fn more_of_the_same_stays_quiet_for_twelve_hours_unless_it_is_worse() {
        let reading = |severity, confirmed| Finding { severity, confirmed, weight: Weight::More, ..press() };
        let mut alert = Alert::new(&reading(Severity::Low, false), 0);

        alert.take_up(&reading(Severity::Low, false), &usual(), MINUTE);
        assert_eq!(alert.rung_ms, 0);
        alert.take_up(&reading(Severity::Medium, true), &usual(), 2 * MINUTE);
        assert_eq!((alert.rung_ms, alert.severity, alert.confirmed), (2 * MINUTE, Severity::Medium, true));
        alert.take_up(&reading(Severity::Low, false), &usual(), 3 * MINUTE);
        assert_eq!((alert.rung_ms, alert.severity, alert.confirmed), (2 * MINUTE, Severity::Medium, true));
        alert.take_up(&reading(Severity::Low, false), &usual(), 2 * MINUTE + QUIET_MS);
        assert_eq!(alert.rung_ms, 2 * MINUTE + QUIET_MS);
    }

    #[test]
    fn nobody_closes_what_nobody_took_care_of_and_nobody_takes_a_claim_away() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.close("Anna", Outcome::NoActionNeeded, "", 1), Err(NotNow::Unclaimed));
        alert.claim("Anna", &usual(), 2).unwrap();
        assert_eq!(alert.claim("Bengt", &usual(), 3), Err(NotNow::Claimed("Anna".into())));
        alert.close("Bengt", Outcome::HelpedOnSite, "was there", 4).unwrap();
        assert_eq!(alert.claim("Anna", &usual(), 5), Err(NotNow::Closed("Bengt".into())));
        assert_eq!(alert.close("Anna", Outcome::NoActionNeeded, "", 6), Err(NotNow::Closed("Bengt".into())));
    }

    #[test]
    fn only_who_took_it_says_that_somebody_is_on_the_way_and_that_holds_her_claim() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.say_on_the_way("Anna", &usual(), 1), Err(NotNow::Unclaimed));
        alert.claim("Anna", &usual(), 2).unwrap();
        assert_eq!(alert.say_on_the_way("Bengt", &usual(), 3), Err(NotNow::Claimed("Anna".into())));
        alert.say_on_the_way("Anna", &usual(), CLAIM_HOLDS_MS).unwrap();
        assert_eq!(alert.take_up(&press(), &usual(), CLAIM_HOLDS_MS + MINUTE), None);
        assert!(matches!(&alert.state, State::Claimed(claim) if claim.on_the_way_ms == Some(CLAIM_HOLDS_MS)));
        assert!(alert.take_up(&press(), &usual(), 2 * CLAIM_HOLDS_MS + 1).is_some());
        assert_eq!(alert.state, State::Open);
        alert.claim("Bengt", &usual(), 3 * CLAIM_HOLDS_MS).unwrap();
        assert!(matches!(&alert.state, State::Claimed(claim) if claim.on_the_way_ms.is_none()));
        alert.close("Bengt", Outcome::NoActionNeeded, "", 3 * CLAIM_HOLDS_MS).unwrap();
        assert_eq!(alert.say_on_the_way("Bengt", &usual(), 3 * CLAIM_HOLDS_MS), Err(NotNow::Closed("Bengt".into())));
    }

    #[test]
    fn a_silent_owner_loses_it_to_the_whole_team_and_any_word_of_hers_holds_it() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", &usual(), 0).unwrap();
        assert_eq!((alert.next_wake(), alert.tick(30 * MINUTE - 1)), (Some(30 * MINUTE), None));
        alert.say_on_the_way("Anna", &usual(), 20 * MINUTE).unwrap();
        alert.note("Bengt", "the door code is changed", &usual(), 40 * MINUTE).unwrap();
        assert_eq!(alert.next_wake(), Some(50 * MINUTE), "somebody else's note is no word of hers");
        alert.note("Anna", "at the door", &usual(), 45 * MINUTE).unwrap();
        alert.see("Anna", &usual(), 50 * MINUTE);
        let State::Claimed(claim) = &alert.state else { panic!() };
        assert_eq!((claim.warns_ms(), claim.goes_back_ms), (80 * MINUTE - 450_000, 80 * MINUTE));

        let story = alert.tick(80 * MINUTE);

        assert_eq!(story, Some(Line::ClaimLapsed { claimed_by: "Anna".into(), said_ms: 50 * MINUTE }));
        assert_eq!((&alert.state, alert.rung_ms, alert.next_wake()), (&State::Open, 80 * MINUTE, None));
        assert_eq!(alert.tick(81 * MINUTE), None);
    }

    #[test]
    fn who_is_given_it_has_it_at_once_and_it_rings_for_her() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.hand_over("Anna", "Bengt", &usual(), 1), Err(NotNow::Unclaimed));
        alert.claim("Anna", &usual(), MINUTE).unwrap();
        alert.say_on_the_way("Anna", &usual(), MINUTE).unwrap();
        assert_eq!(alert.hand_over("Bengt", "Cilla", &usual(), 2), Err(NotNow::Claimed("Anna".into())));

        alert.hand_over("Anna", "Bengt", &usual(), MINUTE).unwrap();

        assert!(alert.is_unseen() && owner(&alert) == Some("Bengt"));
        assert!(matches!(&alert.state, State::Claimed(claim) if claim.on_the_way_ms == Some(MINUTE)));
        assert_eq!(alert.next_wake(), Some(31 * MINUTE));
        assert_eq!(alert.give_back("Anna", "tired", 2 * MINUTE), Err(NotNow::Claimed("Bengt".into())));
        alert.see("Bengt", &usual(), 2 * MINUTE);
        assert!(!alert.is_unseen());
    }

    #[test]
    fn what_is_given_back_rings_again_in_the_same_millisecond_too() {
        let mut alert = Alert::new(&press(), 0);
        alert.claim("Anna", &usual(), 0).unwrap();
        assert_eq!(alert.give_back("Anna", " ", 0), Err(NotNow::NoWords));
        alert.give_back("Anna", "another alarm", 0).unwrap();
        assert_eq!((&alert.state, alert.rung_ms), (&State::Open, 1));
    }

    #[test]
    fn worse_rings_its_owner_at_once_and_worse_again_unseen_the_whole_team() {
        let reading = |severity, confirmed| Finding { severity, confirmed, weight: Weight::More, ..press() };
        let mut alert = Alert::new(&reading(Severity::Low, false), 0);
        alert.claim("Anna", &usual(), 0).unwrap();
        assert_eq!(alert.next_wake(), Some(24 * HOUR));

        assert_eq!(alert.take_up(&reading(Severity::Medium, false), &usual(), HOUR), None);
        assert!(alert.is_unseen() && owner(&alert) == Some("Anna"));
        assert_eq!(alert.next_wake(), Some(5 * HOUR));
        alert.see("Anna", &usual(), HOUR);
        assert_eq!(alert.take_up(&reading(Severity::High, false), &usual(), 2 * HOUR), None, "she saw the first");
        assert_eq!(alert.next_wake(), Some(2 * HOUR + 30 * MINUTE), "high and unseen, it is the team's");

        let story = alert.take_up(&reading(Severity::High, true), &usual(), 2 * HOUR + MINUTE);
        assert_eq!(story, Some(Line::WorseUnseen { claimed_by: "Anna".into() }));
        assert_eq!((&alert.state, alert.severity), (&State::Open, Severity::High));
    }

    #[test]
    fn what_is_closed_can_be_opened_again_for_a_while_by_who_says_why() {
        let mut alert = Alert::new(&press(), 0);
        assert_eq!(alert.reopen("Anna", "again", &usual(), 1), Err(NotNow::NotClosed));
        alert.claim("Anna", &usual(), 1).unwrap();
        assert_eq!(alert.close("Anna", Outcome::CouldNotBeReached, "", 2), Err(NotNow::NoWords));
        alert.close("Anna", Outcome::CouldNotBeReached, "the neighbour looks after her", 2).unwrap();
        alert.note("Bengt", "she called", &usual(), 3).unwrap();
        assert_eq!(alert.reopen("Bengt", "", &usual(), 3), Err(NotNow::NoWords));
        assert_eq!(alert.reopen("Bengt", "late", &usual(), 3 + 24 * HOUR), Err(NotNow::TooLate));
        alert.reopen("Bengt", "she fell again", &usual(), 2 + 24 * HOUR).unwrap();
        assert_eq!((&alert.state, alert.rung_ms), (&State::Open, 2 + 24 * HOUR));
    }

    fn usual() -> Config {
        Config::default()
    }

    fn owner(alert: &Alert) -> Option<&str> {
        match &alert.state {
            State::Claimed(claim) => Some(&claim.by),
            State::Open | State::Closed { .. } => None,
        }
    }

    fn press() -> Finding {
        alarm_pressed::finding(alarm_pressed::Press::at(0, 0))
    }
}

//! Which notifications a channel's worker takes up next, when it has so many hands. Nothing here knows of stores.
//!
//! Promised (P4): a recipient whose peer is slow or dead holds up nobody else. What is not urgent never takes the last free
//! hands, and what is urgent and was tried in vain leaves some, so that a fresh press finds one. A silent test has one hand of
//! its own, takes none of another's, and waits while anything urgent does.

use super::Recipient;
use crate::alerts::Severity;

/// So many attempts of a channel are under way at most.
pub const HANDS: usize = 32;

/// Of them, so many are kept free for what is urgent.
const KEPT_FREE: usize = 16;

/// Of these, so many for what is urgent and was not tried yet.
const KEPT_FOR_FRESH: usize = 8;

/// So many attempts are under way to one recipient at most: for what is urgent, for what is and was tried in vain, and for
/// all else.
pub const FOR_ONE: usize = 4;
const FOR_ONE_TRIED: usize = 3;
const FOR_ONE_NOT_URGENT: usize = 1;

/// An attempt that is under way, or could be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flight {
    /// The notification.
    pub delivery: String,
    /// To whom.
    pub to: Recipient,
    /// How soon someone must act.
    pub urgency: Severity,
    /// Whether it was tried before.
    pub is_tried: bool,
    /// Whether it is a silent test.
    pub is_test: bool,
}

/// Those of the waiting, the most pressing first, that there are hands for.
pub fn take_up<'a>(waiting: &'a [Flight], under_way: &[Flight]) -> Vec<&'a Flight> {
    let mut taken: Vec<&Flight> = Vec::new();
    let is_urgent = |flight: &Flight| flight.urgency == Severity::High && !flight.is_test;
    let waits_urgently = waiting.iter().any(is_urgent);
    for flight in waiting {
        if under_way.iter().any(|other| other.delivery == flight.delivery) {
            continue;
        }
        let all = under_way.iter().chain(taken.iter().copied()).filter(|other| other.is_test == flight.is_test);
        let to_same = all.clone().filter(|other| other.to == flight.to).count();
        let (hands, for_one) = match flight.urgency {
            _ if flight.is_test => (usize::from(!waits_urgently), 1),
            Severity::High if flight.is_tried => (HANDS - KEPT_FOR_FRESH, FOR_ONE_TRIED),
            Severity::High => (HANDS, FOR_ONE),
            Severity::Medium | Severity::Low => (HANDS - KEPT_FREE, FOR_ONE_NOT_URGENT),
        };
        if all.count() < hands && to_same < for_one {
            taken.push(flight);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_finds_a_hand_while_a_hundred_recipients_are_slow() {
        let low: Vec<Flight> = (0..100).map(|n| flight(n, n, Severity::Low)).collect();
        let under_way: Vec<Flight> = take_up(&low, &[]).into_iter().cloned().collect();
        assert_eq!(under_way.len(), HANDS - KEPT_FREE);
        assert_eq!(take_up(&low, &under_way), Vec::<&Flight>::new());

        let press = [flight(100, 100, Severity::High)];
        assert_eq!(take_up(&press, &under_way).len(), 1);
    }

    #[test]
    fn a_slow_recipient_holds_up_nobody_else_and_still_gets_a_press() {
        let to_same: Vec<Flight> = (0..50).map(|n| flight(n, 0, Severity::Medium)).collect();
        let mut under_way: Vec<Flight> = take_up(&to_same, &[]).into_iter().cloned().collect();
        assert_eq!(under_way.len(), 1);
        assert_eq!(take_up(&[flight(60, 1, Severity::Low)], &under_way).len(), 1);
        let press = flight(61, 0, Severity::High);
        assert_eq!(take_up(std::slice::from_ref(&press), &under_way).len(), 1);
        under_way.push(press.clone());
        assert_eq!(take_up(&[press], &under_way), Vec::<&Flight>::new(), "it is under way already");
    }

    #[test]
    fn a_fresh_press_finds_a_hand_while_earlier_ones_are_tried_again_at_dead_recipients() {
        let tried = |n, to| Flight { is_tried: true, ..flight(n, to, Severity::High) };
        let again: Vec<Flight> = (0..80).map(|n| tried(n, n / 4)).collect();
        let under_way: Vec<Flight> = take_up(&again, &[]).into_iter().cloned().collect();
        assert_eq!(under_way.len(), HANDS - KEPT_FOR_FRESH);

        for to in [0, 99] {
            let fresh = [flight(100, to, Severity::High)];
            assert_eq!(take_up(&fresh, &under_way).len(), 1, "to {to}");
        }
    }

    #[test]
    fn silent_tests_have_one_hand_of_their_own_and_it_rests_while_a_press_waits() {
        let test = |n, to| Flight { is_test: true, ..flight(n, to, Severity::Low) };
        let tests: Vec<Flight> = (0..50).map(|n| test(n, n)).collect();
        let under_way: Vec<Flight> = take_up(&tests, &[]).into_iter().cloned().collect();
        assert_eq!(under_way.len(), 1);
        assert_eq!(take_up(&tests, &under_way), Vec::<&Flight>::new());

        let presses: Vec<Flight> = (100..140).map(|n| flight(n, n / 4, Severity::High)).collect();
        let taken: Vec<&Flight> = take_up(&presses, &under_way);
        assert_eq!(taken.len(), HANDS, "a test under way takes none of their hands");
        let mut waiting = vec![flight(100, 0, Severity::High)];
        waiting.extend(tests);
        assert_eq!(take_up(&waiting, &[]), [&waiting[0]], "no test begins beside it");
    }

    fn flight(delivery: u32, to: u32, urgency: Severity) -> Flight {
        Flight {
            delivery: delivery.to_string(),
            to: Recipient::Address(to.to_string()),
            urgency,
            is_tried: false,
            is_test: false,
        }
    }
}

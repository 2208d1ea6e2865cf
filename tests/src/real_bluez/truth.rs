//! What really happened, as devices and the message bus saw it.

use std::collections::BTreeSet;

use super::machine::Line;

/// From BlueZ passing a value on until it is on flash: what a kill in between costs. Measured in the machine: 50 to
/// 150 ms when it has little to do.
const WINDOW_MS: u64 = 2_000;

/// The ledger of one scenario.
#[derive(Clone, Debug)]
pub struct Truth(Vec<Line>);

/// Why a reading that a device saw confirmed could not be saved by any program.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lost {
    /// BlueZ confirmed it while no program was subscribed, and passed it on to nobody.
    ConfirmedForNobody,
    /// The agent was killed between BlueZ's passing it on and its being on flash.
    KilledInTheWindow,
}

impl Truth {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        Self(lines)
    }

    /// Everything that happened, in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// What happened to one device: every line of this kind.
    pub fn of<'a>(&'a self, device: &'a str, what: &'a str) -> impl DoubleEndedIterator<Item = &'a Line> {
        self.0.iter().filter(move |line| line.what == what && line.device.as_deref() == Some(device))
    }

    /// The payloads that a device sent and saw confirmed, each once.
    #[must_use]
    pub fn confirmed(&self, device: &str) -> BTreeSet<String> {
        self.of(device, "confirmed").filter_map(|line| line.hex.clone()).collect()
    }

    /// The bursts of this button in which the radio was listening.
    #[must_use]
    pub fn heard_bursts(&self, button: &str) -> usize {
        self.of(button, "burst").filter(|line| line.heard > Some(0)).count()
    }

    /// Why this payload may be missing; `None` when nothing excuses it.
    ///
    /// One that a device sent several times must have been lost each time.
    #[must_use]
    pub fn excuse(&self, device: &str, payload: &str) -> Option<Lost> {
        let is_it = |line: &&Line| line.hex.as_deref() == Some(payload);
        let mut passed_on = self.of(device, "passed_on").filter(is_it).peekable();
        if passed_on.peek().is_none() {
            return Some(Lost::ConfirmedForNobody);
        }
        let deaths = || self.0.iter().filter(|line| line.what == "ending" && line.program.as_deref() == Some("agent"));
        let is_excused = |line: &Line| deaths().any(|death| death.at.abs_diff(line.at) <= WINDOW_MS);
        passed_on.all(is_excused).then_some(Lost::KilledInTheWindow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, what: &str, hex: &str) -> Line {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (device, program) = if what == "ending" { ("", "agent") } else { ("cuff", "") };
        let (device, program) = (text(device), text(program));
        Line { n: 0, at, what: what.into(), device, program, hex: text(hex), heard: None, on: None }
    }

    fn excuse(lines: &[(u64, &str, &str)]) -> Option<Lost> {
        Truth(lines.iter().map(|(at, what, hex)| line(*at, what, hex)).collect()).excuse("cuff", "aa")
    }

    #[test]
    fn what_bluez_passed_on_to_a_living_agent_has_no_excuse() {
        assert_eq!(excuse(&[(1_000, "passed_on", "aa"), (9_000, "ending", "")]), None);
    }

    #[test]
    fn what_bluez_passed_on_to_nobody_is_excused() {
        assert_eq!(excuse(&[(1_000, "confirmed", "aa"), (1_000, "passed_on", "bb")]), Some(Lost::ConfirmedForNobody));
    }

    #[test]
    fn what_the_kill_came_upon_is_excused_but_not_what_was_sent_again_afterwards() {
        let killed = [(1_000, "passed_on", "aa"), (1_050, "ending", "")];
        assert_eq!(excuse(&killed), Some(Lost::KilledInTheWindow));
        assert_eq!(excuse(&[killed[0], killed[1], (20_000, "passed_on", "aa")]), None);
    }
}

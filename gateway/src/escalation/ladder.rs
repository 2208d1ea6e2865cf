//! Which rung of its escalation an alert has come to. Nothing here knows of rosters, channels or stores.
//!
//! Promised (P7): while nobody takes it, it climbs: each rung is told and waited for, a rung that nobody can be reached on
//! is passed at once, and the last that somebody can be reached on is told again and again. Once all rungs are through, that
//! nobody has answered is said as loudly. It ends only when it is stopped.

use crate::delivery::{Channel, Recipient};
use crate::wording::Lang;

/// How far one alert has climbed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ladder {
    /// The ring that is told of: when the alert last rang.
    pub ring_ms: i64,
    /// The rung that is told next; from 0. All are through where there is none.
    pub next: u32,
    /// How often all rungs were through.
    pub round: u32,
    /// When the next rung is told; `None` where it is stopped.
    pub due_ms: Option<i64>,
    /// It rang again while it climbed: whom it rang for first is to be told once more.
    pub rang_again: bool,
    /// Somebody was told since it began to climb.
    pub has_told: bool,
    /// Since when all rungs are through, and nobody has answered.
    pub unanswered_ms: Option<i64>,
}

/// One way to reach somebody now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Whom, as she is called in the story.
    pub name: String,
    /// Where.
    pub to: Recipient,
    /// Over which channel.
    pub channel: Channel,
    /// In which language.
    pub lang: Lang,
}

/// A rung as it is at this moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rung {
    /// Whom it reaches, over each of their channels.
    pub reach: Vec<Reach>,
    /// Until when an answer of theirs is waited for, if they are told now.
    pub waits_until_ms: i64,
}

/// What happens to the alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input<'a> {
    /// It is before the team, and rings.
    Rang {
        /// When, as the alert has it.
        ring_ms: i64,
    },
    /// Somebody has taken it, or it is closed.
    Stopped,
    /// Time has passed.
    Tick {
        /// All rungs, as they are now.
        rungs: &'a [Rung],
    },
}

/// What is to be done about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Tell these people.
    Tell {
        /// Which rung they are on, from 0.
        rung: u32,
        /// How often all rungs were through.
        round: u32,
        /// Whom.
        to: Vec<Reach>,
    },
    /// Say that nobody can be reached on a rung.
    Pass {
        /// Which.
        rung: u32,
    },
    /// Say that nobody has answered.
    NobodyAnswered {
        /// How often all rungs were through.
        round: u32,
        /// Whether anybody was told at all.
        has_told: bool,
    },
}

/// So long a plan without a rung waits.
const EMPTY_WAITS_MS: i64 = 60_000;

impl Ladder {
    /// One that nobody has climbed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { ring_ms: 0, next: 0, round: 0, due_ms: None, rang_again: false, has_told: false, unanswered_ms: None }
    }

    /// Takes what happened into account.
    pub fn handle(&mut self, input: &Input<'_>, now_ms: i64) -> Vec<Effect> {
        match input {
            Input::Rang { ring_ms } => {
                self.rang(*ring_ms, now_ms);
                Vec::new()
            }
            Input::Stopped => {
                *self = Self { ring_ms: self.ring_ms, ..Self::new() };
                Vec::new()
            }
            Input::Tick { rungs } => self.tick(rungs, now_ms),
        }
    }

    /// When to call again with [`Input::Tick`] if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        self.due_ms.map(|due| if self.rang_again { due.min(self.ring_ms) } else { due })
    }

    /// Where it climbs already, it goes on: who presses each minute must not keep it on its first rung.
    fn rang(&mut self, ring_ms: i64, now_ms: i64) {
        let is_climbing = self.due_ms.is_some();
        self.ring_ms = ring_ms;
        if is_climbing {
            self.rang_again = self.next > 0;
        } else {
            *self = Self { ring_ms, due_ms: Some(now_ms), ..Self::new() };
        }
    }

    fn tick(&mut self, rungs: &[Rung], now_ms: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.due_ms.is_none() {
            return effects;
        }
        if std::mem::take(&mut self.rang_again) {
            match (0..self.next).zip(rungs).find(|(_, rung)| !rung.reach.is_empty()) {
                Some((place, rung)) => {
                    effects.push(Effect::Tell { rung: place, round: self.round, to: rung.reach.clone() });
                }
                // Nobody it came by can be told: the next one is, at once.
                None if (self.next as usize) < rungs.len() => self.due_ms = Some(now_ms),
                None => {}
            }
        }
        if self.due_ms.is_some_and(|due| due > now_ms) {
            return effects;
        }
        // One rung at a time, however long nobody ran: each has its time to answer.
        for (place, rung) in (0..).zip(rungs).skip(self.next as usize) {
            self.next = place + 1;
            if !rung.reach.is_empty() {
                self.has_told = true;
                self.due_ms = Some(rung.waits_until_ms);
                effects.push(Effect::Tell { rung: place, round: self.round, to: rung.reach.clone() });
                return effects;
            }
            effects.push(Effect::Pass { rung: place });
        }
        self.all_through(rungs, now_ms, &mut effects);
        effects
    }

    fn all_through(&mut self, rungs: &[Rung], now_ms: i64, effects: &mut Vec<Effect>) {
        self.round += 1;
        self.unanswered_ms.get_or_insert(now_ms);
        effects.push(Effect::NobodyAnswered { round: self.round, has_told: self.has_told });
        let last = (0..).zip(rungs).filter(|(_, rung)| !rung.reach.is_empty()).last();
        self.due_ms = Some(match last {
            Some((place, rung)) => {
                self.has_told = true;
                effects.push(Effect::Tell { rung: place, round: self.round, to: rung.reach.clone() });
                rung.waits_until_ms
            }
            None => rungs.last().map_or(now_ms + EMPTY_WAITS_MS, |rung| rung.waits_until_ms),
        });
    }
}

impl Default for Ladder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn an_unanswered_alarm_climbs_to_the_next_person_and_a_claim_ends_that() {
        let mut night = Night::with_rungs(&["Anna", "Berit", "the whole team"]);
        night.rings(0);
        assert_eq!(night.at(0), ["tell Anna"]);
        assert_eq!(night.at(MINUTE - 1), [""; 0]);
        assert_eq!(night.at(MINUTE), ["tell Berit"]);
        night.ladder.handle(&Input::Stopped, MINUTE + 1);
        assert_eq!((night.at(5 * MINUTE), night.ladder.next_wake()), (vec![], None));
        night.rings(6 * MINUTE);
        assert_eq!(night.at(6 * MINUTE), ["tell Anna"], "given back, it begins anew");
    }

    #[test]
    fn nobody_answered_is_said_each_time_and_the_last_rung_is_told_again_and_again() {
        let mut night = Night::with_rungs(&["Anna", "the whole team"]);
        night.rings(0);
        night.at(0);
        assert_eq!(night.at(MINUTE), ["tell the whole team"]);
        for round in 1..=3 {
            let said = night.at((round + 1) * MINUTE);
            assert_eq!(said, [format!("nobody answered {round}"), "tell the whole team".to_owned()]);
        }
        assert_eq!(night.ladder.unanswered_ms, Some(2 * MINUTE));
    }

    #[test]
    fn a_rung_that_nobody_can_be_reached_on_is_passed_at_once() {
        let mut night = Night::with_rungs(&["", "", "Cilla", ""]);
        night.rings(0);
        assert_eq!(night.at(0), ["pass 0", "pass 1", "tell Cilla"]);
        assert_eq!(night.at(MINUTE), ["pass 3", "nobody answered 1", "tell Cilla"]);
        let mut night = Night::with_rungs(&["", ""]);
        night.rings(0);
        assert_eq!(night.at(0), ["pass 0", "pass 1", "nobody told 1"]);
        assert_eq!(night.at(MINUTE), ["nobody told 2"]);
        let mut night = Night::with_rungs(&[]);
        night.rings(0);
        assert_eq!(night.at(0), ["nobody told 1"]);
    }

    #[test]
    fn who_presses_again_is_heard_at_once_and_does_not_keep_the_alarm_on_its_first_rung() {
        let mut night = Night::with_rungs(&["Anna", "Berit"]);
        night.rings(0);
        night.at(0);
        night.rings(50_000);
        assert_eq!(night.ladder.next_wake(), Some(50_000));
        assert_eq!(night.at(50_000), ["tell Anna"]);
        assert_eq!(night.at(MINUTE), ["tell Berit"]);
        night.rings(MINUTE);
        night.rungs[0].reach.clear();
        assert_eq!(night.at(MINUTE), ["tell Berit"]);
        let mut night = Night::with_rungs(&["Anna", "Berit"]);
        night.rings(0);
        night.at(0);
        night.rungs[0].reach.clear();
        night.rings(10_000);
        assert_eq!(night.at(10_000), ["tell Berit"], "who was told has gone: the next one is, at once");
        let mut night = Night::with_rungs(&["", ""]);
        night.rings(0);
        night.at(0);
        night.rings(1);
        assert_eq!(night.at(1), [""; 0], "that nobody can be told has just been said");
    }

    #[test]
    fn a_gateway_that_was_away_for_hours_tells_one_rung_and_waits_for_it() {
        let mut night = Night::with_rungs(&["Anna", "Berit", "Cilla"]);
        night.rings(0);
        night.at(0);
        assert_eq!(night.at(300 * MINUTE), ["tell Berit"]);
        assert_eq!(night.at(300 * MINUTE), [""; 0]);
        assert_eq!(night.ladder.next_wake(), Some(301 * MINUTE));
    }

    struct Night {
        ladder: Ladder,
        rungs: Vec<Rung>,
    }

    impl Night {
        fn with_rungs(names: &[&str]) -> Self {
            let reach = |name: &str| Reach {
                name: name.to_owned(),
                to: Recipient::Member(name.to_owned()),
                channel: Channel::Sms,
                lang: Lang::Sv,
            };
            let some = |name: &&str| Some(*name).filter(|name| !name.is_empty()).map(reach).into_iter().collect();
            let rungs = names.iter().map(|name| Rung { reach: some(name), waits_until_ms: 0 }).collect();
            Self { ladder: Ladder::new(), rungs }
        }

        fn rings(&mut self, at_ms: i64) {
            self.ladder.handle(&Input::Rang { ring_ms: at_ms }, at_ms);
        }

        fn at(&mut self, now_ms: i64) -> Vec<String> {
            for rung in &mut self.rungs {
                rung.waits_until_ms = now_ms + MINUTE;
            }
            let effects = self.ladder.handle(&Input::Tick { rungs: &self.rungs }, now_ms);
            let say = |effect: Effect| match effect {
                Effect::Tell { to, .. } => format!("tell {}", to[0].name),
                Effect::Pass { rung } => format!("pass {rung}"),
                Effect::NobodyAnswered { round, has_told: true } => format!("nobody answered {round}"),
                Effect::NobodyAnswered { round, has_told: false } => format!("nobody told {round}"),
            };
            effects.into_iter().map(say).collect()
        }
    }
}

//! What can be done in the demonstration.

use std::fmt;

use clap::ValueEnum;

/// One thing to do.
#[derive(Copy, Clone, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Step {
    /// Ada measures her blood pressure.
    Measure,
    /// Ada measures her oxygen saturation.
    SpotCheck,
    /// Ada stands on the scale.
    Weigh,
    /// Ada measures her temperature.
    Temperature,
    /// Three high blood pressures within the time that repeats may take.
    High,
    /// Ada presses her alarm button.
    Press,
    /// The network between the home and the gateway is cut.
    Cut,
    /// It is mended.
    Restore,
    /// The gateway is killed (SIGKILL) and started again.
    KillGateway,
    /// The agent is killed (SIGKILL) and started again.
    KillAgent,
    /// Shows the books.
    Books,
    /// Ends the demonstration.
    Quit,
}

/// The key for each step, and what it does, in words.
pub(super) const KEYS: &[(char, Step, &str)] = &[
    ('m', Step::Measure, "measure the blood pressure now"),
    ('o', Step::SpotCheck, "measure the oxygen saturation now"),
    ('w', Step::Weigh, "stand on the scale"),
    ('t', Step::Temperature, "measure the temperature now"),
    ('h', Step::High, "three high blood pressures"),
    ('p', Step::Press, "press the alarm button"),
    ('c', Step::Cut, "cut the network"),
    ('r', Step::Restore, "restore the network"),
    ('g', Step::KillGateway, "kill the gateway and start it again"),
    ('a', Step::KillAgent, "kill the agent (-9) and start it again"),
    ('b', Step::Books, "show the books"),
    ('q', Step::Quit, "quit"),
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, _, what) = KEYS.iter().find(|(_, step, _)| step == self).expect("every step has a key");
        f.write_str(what)
    }
}

//! Single keys from the terminal, without waiting for Enter.

use std::io::IsTerminal as _;

use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::io::{AsyncReadExt as _, Stdin};

/// The keys a person presses. The terminal is put back when this goes away.
pub(super) struct Keys {
    input: Stdin,
    before: Option<Termios>,
}

impl Keys {
    pub(super) fn new() -> std::io::Result<Self> {
        let before = if std::io::stdin().is_terminal() {
            let before = tcgetattr(stdin())?;
            let mut single = before.clone();
            single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(stdin(), OptionalActions::Now, &single)?;
            Some(before)
        } else {
            None
        };
        Ok(Self { input: tokio::io::stdin(), before })
    }

    /// The next key; none when there will be no more.
    pub(super) async fn next(&mut self) -> Option<char> {
        self.input.read_u8().await.ok().map(char::from)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nobody left to tell if the terminal is gone.
            tcsetattr(stdin(), OptionalActions::Now, before).ok();
        }
    }
}

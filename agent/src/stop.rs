//! The word that the program ends.

use tokio::sync::watch;

/// Says the word. Dropping it says it too.
pub struct Stopper(watch::Sender<bool>);

/// Hears the word.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// The program ends.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Nothing ends yet.
    #[must_use]
    pub fn new() -> (Stopper, Self) {
        let (stopper, stop) = watch::channel(false);
        (Stopper(stopper), Self(stop))
    }

    /// Waits for the word.
    pub async fn asked(&mut self) {
        // Nobody left to say it has said it.
        drop(self.0.wait_for(|stop| *stop).await);
    }
}

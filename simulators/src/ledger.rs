//! What a simulated device did, written down by itself: the truth that the other end is held against.

use jiff::Timestamp;

use crate::{air::Reception, clock::Moment};

/// One measurement a device made, numbered from 1 in the order it made them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingId(pub u32);

/// One press of a button, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PressId(pub u32);

/// One thing a device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Measured a body.
    Measured(ReadingId),
    /// Sent a stored reading.
    Indicated {
        /// Which one.
        reading: ReadingId,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// Saw a reading confirmed by BlueZ, whether or not any program had heard it.
    Confirmed {
        /// Which one.
        reading: ReadingId,
        /// The bytes that went over the air.
        payload: Vec<u8>,
        /// Who was there to hear it.
        reception: Reception,
    },
    /// Notified a reading, which nobody confirms.
    Notified {
        /// Which one.
        reading: ReadingId,
        /// Who was there to hear it.
        reception: Reception,
    },
    /// Gave a reading up that nobody came for, because it keeps none or had to make room.
    Forgot(ReadingId),
    /// Somebody put it on.
    PutOn,
    /// Somebody took it off.
    TakenOff,
    /// Notified values of a stream.
    Streamed(Streamed),
    /// A person pressed it.
    Pressed(PressId),
    /// Sent the whole burst of a press.
    BurstSent {
        /// Which press.
        press: PressId,
        /// The service data, the same in every frame.
        payload: Vec<u8>,
        /// How often it was sent.
        frames: u32,
        /// In how many of them at least one program was scanning.
        heard: u32,
    },
    /// Sent a supervision beacon.
    Beacon(Reception),
    /// A central connected.
    Connected,
    /// The link ended.
    Disconnected,
    /// A new battery: counters start again.
    BatteryChanged,
}

/// Values of a stream that were notified within one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streamed {
    /// How many.
    pub sent: u32,
    /// How many of them at least one program listened to.
    pub heard: u32,
}

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by a clock that goes right.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
}

/// A reading that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// When.
    pub at: Timestamp,
    /// Which one.
    pub reading: ReadingId,
    /// The bytes that went over the air.
    pub payload: Vec<u8>,
    /// Who was there to hear it.
    pub reception: Reception,
}

/// A press whose burst was sent to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burst {
    /// When the last frame was sent.
    pub at: Timestamp,
    /// Which press.
    pub press: PressId,
    /// The service data.
    pub payload: Vec<u8>,
    /// How often it was sent.
    pub frames: u32,
    /// In how many of them at least one program was scanning.
    pub heard: u32,
}

/// Everything a device did, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// All lines.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many measurements were made.
    #[must_use]
    pub fn measured(&self) -> usize {
        self.count(|deed| matches!(deed, Deed::Measured(_)))
    }

    /// How many times the button was pressed.
    #[must_use]
    pub fn pressed(&self) -> usize {
        self.count(|deed| matches!(deed, Deed::Pressed(_)))
    }

    /// How many links there were.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.count(|deed| matches!(deed, Deed::Connected))
    }

    /// How many values of a stream were sent, and how many of them somebody listened to.
    #[must_use]
    pub fn streamed(&self) -> Streamed {
        let streamed = self.entries.iter().filter_map(|entry| match entry.deed {
            Deed::Streamed(streamed) => Some(streamed),
            _ => None,
        });
        streamed
            .fold(Streamed::default(), |sum, one| Streamed { sent: sum.sent + one.sent, heard: sum.heard + one.heard })
    }

    /// How many supervision beacons were sent.
    #[must_use]
    pub fn beacons(&self) -> usize {
        self.count(|deed| matches!(deed, Deed::Beacon(_)))
    }

    /// Every confirmation; a reading sent twice is there twice.
    #[must_use]
    pub fn confirmed(&self) -> Vec<Confirmed> {
        let confirmed = |entry: &Entry| match &entry.deed {
            Deed::Confirmed { reading, payload, reception } => {
                Some(Confirmed { at: entry.at, reading: *reading, payload: payload.clone(), reception: *reception })
            }
            _ => None,
        };
        self.entries.iter().filter_map(confirmed).collect()
    }

    /// Every press whose burst was sent to its end.
    #[must_use]
    pub fn bursts(&self) -> Vec<Burst> {
        let burst = |entry: &Entry| match &entry.deed {
            Deed::BurstSent { press, payload, frames, heard } => {
                Some(Burst { at: entry.at, press: *press, payload: payload.clone(), frames: *frames, heard: *heard })
            }
            _ => None,
        };
        self.entries.iter().filter_map(burst).collect()
    }

    pub(crate) fn note(&mut self, deed: Deed, now: Moment) {
        self.entries.push(Entry { at: now.utc, deed });
    }

    /// One more value of a stream; a second of them is one line.
    pub(crate) fn note_streamed(&mut self, was_heard: bool, now: Moment) {
        let second = |at: Timestamp| at.as_second();
        let heard = u32::from(was_heard);
        match self.entries.last_mut() {
            Some(Entry { at, deed: Deed::Streamed(streamed) }) if second(*at) == second(now.utc) => {
                streamed.sent += 1;
                streamed.heard += heard;
            }
            Some(_) | None => self.note(Deed::Streamed(Streamed { sent: 1, heard }), now),
        }
    }

    fn count(&self, is_wanted: impl Fn(&Deed) -> bool) -> usize {
        let deeds = self.entries.iter().map(|entry| &entry.deed);
        deeds.filter(|deed| is_wanted(deed)).count()
    }
}

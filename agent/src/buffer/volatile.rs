//! Alarms that flash refused: sent at once from memory, under an epoch that ends with the program (P4).
//!
//! The only exception to P1. As soon as flash takes them they are taken there, under new numbers and with this origin.

use std::collections::VecDeque;

use hempuls_protocol::event::{Content, Event, Kind, Origin};
use hempuls_protocol::ids::{DeviceId, Epoch, Sequence};
use minicbor::bytes::ByteVec;

use super::{LaneState, Room, Volatile};

/// The alarms in memory, oldest first. The gateway has everything before them.
pub(super) struct Memory {
    epoch: Epoch,
    last: Sequence,
    alarms: VecDeque<Alarm>,
}

/// An alarm in memory.
#[derive(Clone)]
pub(super) struct Alarm {
    /// The bytes of its content, which says that it was not on flash.
    pub(super) content: Vec<u8>,
    /// The button's counter, which is to become durable with it.
    pub(super) counter: Option<(DeviceId, u32)>,
}

/// More than anybody presses while a card is replaced.
const MOST: usize = 1_000;

impl Memory {
    pub(super) fn new() -> Self {
        Self { epoch: Epoch(rand::random()), last: Sequence::NONE, alarms: VecDeque::new() }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn state(&self) -> Volatile {
        let receipted_through = self.receipted();
        let alarm = LaneState { oldest_kept: receipted_through.next(), receipted_through, last: self.last };
        Volatile { epoch: self.epoch, alarm }
    }

    /// Takes an alarm, unless there are too many or it is none.
    pub(super) fn take(&mut self, content: &[u8], counter: Option<(DeviceId, u32)>) -> Option<Origin> {
        let Ok(Content { taken, kind: Kind::Alarm(mut alarm) }) = Content::from_bytes(content) else { return None };
        if self.alarms.len() >= MOST {
            return None;
        }
        alarm.not_on_flash = true;
        let content = Content { taken, kind: Kind::Alarm(alarm) }.to_bytes().into();
        self.alarms.push_back(Alarm { content, counter });
        self.last = self.last.next();
        Some(Origin { epoch: self.epoch, sequence: self.last })
    }

    /// The gateway, or flash, has everything through this number.
    pub(super) fn forget(&mut self, through: Sequence) {
        while self.receipted() < through.min(self.last) {
            self.alarms.pop_front();
        }
    }

    /// What waits, with its numbers.
    pub(super) fn waiting(&self) -> Vec<(Origin, Alarm)> {
        let numbers = (self.receipted().0 + 1..).map(|n| Origin { epoch: self.epoch, sequence: Sequence(n) });
        numbers.zip(self.alarms.iter().cloned()).collect()
    }

    /// The bytes of consecutive events, as they travel, from one that is there on.
    pub(super) fn read(&self, first: Sequence, last: Sequence, room: Room) -> Vec<ByteVec> {
        let mut bytes = 0;
        self.waiting()
            .into_iter()
            .filter(|(number, _)| (first..=last).contains(&number.sequence))
            .map(|(number, alarm)| {
                Event { sequence: number.sequence, origin: None, content: alarm.content.into() }.to_bytes()
            })
            .take(room.events)
            .take_while(|event| {
                let is_first = bytes == 0;
                bytes += event.len();
                is_first || bytes <= room.bytes
            })
            .collect()
    }

    fn receipted(&self) -> Sequence {
        Sequence(self.last.0 - self.alarms.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use hempuls_protocol::devices::Characteristic;
    use hempuls_protocol::event::{self, Signal};
    use hempuls_protocol::times::{BootId, Taken, Trust};

    use super::*;

    const ALL: Room = Room { events: 100, bytes: 1 << 20 };

    #[test]
    fn an_alarm_in_memory_says_so_and_stays_until_it_is_receipted() {
        let mut memory = Memory::new();
        let taken: Vec<_> = (1..=3).map(|n| memory.take(&press(n), None).unwrap().sequence).collect();
        assert_eq!(taken, [1, 2, 3].map(Sequence));
        memory.forget(Sequence(1));
        memory.forget(Sequence(1));
        let events = memory.read(Sequence(2), Sequence(3), ALL);
        let second = Event::from_bytes(&events[0], Sequence(2)).unwrap();
        let Kind::Alarm(alarm) = Content::from_bytes(&second.content).unwrap().kind else { panic!("no alarm") };
        assert_eq!((events.len(), alarm.counter, alarm.not_on_flash), (2, Some(2), true));
        memory.forget(Sequence(9));
        assert_eq!(memory.take(&press(4), None).unwrap().sequence, Sequence(4), "no number is given out twice");
    }

    #[test]
    fn an_envelope_of_alarms_is_no_larger_than_there_is_room() {
        let mut memory = Memory::new();
        assert!((1..=9).all(|n| memory.take(&press(n), None).is_some()));
        let one = memory.read(Sequence(1), Sequence(9), Room { events: 9, bytes: 0 });
        assert_eq!(one.len(), 1, "one goes out, however large");
        let some = memory.read(Sequence(1), Sequence(9), Room { events: 9, bytes: one[0].len() * 3 });
        assert_eq!(some.len(), 3);
        assert_eq!(memory.read(Sequence(1), Sequence(9), Room { events: 2, ..ALL }).len(), 2);
    }

    #[test]
    fn nothing_but_an_alarm_is_kept_in_memory_and_not_more_than_anybody_presses() {
        let mut memory = Memory::new();
        let device = "F0:F1:F2:F3:F4:F5".parse().unwrap();
        let reading = Kind::Signal(Signal::heard(device, Characteristic::BLOOD_PRESSURE_MEASUREMENT, vec![1]));
        assert_eq!(memory.take(&content(reading), None), None);
        let taken = (0..2_000).filter(|n| memory.take(&press(*n), None).is_some()).count();
        assert_eq!(taken, MOST);
    }

    fn press(counter: u32) -> Vec<u8> {
        let device = "38:39:8F:70:B2:4E".parse().unwrap();
        content(Kind::Alarm(event::Alarm { counter: Some(counter), ..event::Alarm::pressed(device, vec![1]) }))
    }

    fn content(kind: Kind) -> Vec<u8> {
        let taken = Taken { boot: BootId([1; 16]), since_boot_ms: 1, wall_ms: None, trust: Trust::Unknown };
        Content { taken, kind }.to_bytes().into()
    }
}

//! What a believed frame says.

use crate::codec::{Warning, Warnings};

use super::frame::{Address, Frame};
use super::objects::{self, ButtonEvent, Object, ObjectValue};

/// What a frame says that is from the enrolled device, as far as that can be known: a plain one could be from anyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The address in the frame.
    pub address: Option<Address>,
    /// The device sends only when something happens.
    pub trigger_based: bool,
    /// Of an encrypted frame.
    pub counter: Option<u32>,
    /// The bytes of the objects.
    pub plaintext: Vec<u8>,
    /// The objects, up to the first that could not be read.
    pub objects: Vec<Object>,
    /// What is odd about the frame.
    pub warnings: Warnings,
}

/// Someone pressed a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Press {
    /// Which button of the device, counted from 0.
    pub button: usize,
    /// How it was pressed. A value that is not known is a press too, to be noted.
    pub event: ButtonEvent,
}

impl Contents {
    pub(super) fn read(frame: &Frame, plaintext: Vec<u8>, counter: Option<u32>) -> Self {
        let (objects, mut warnings) = objects::read(&plaintext);
        warnings.extend((frame.reserved_info != 0).then_some(Warning::ReservedFlags));
        Self { address: frame.address, trigger_based: frame.trigger_based, counter, plaintext, objects, warnings }
    }

    /// The buttons that were pressed. Any event but `none` is a press: a frail person may only manage a short one, and
    /// a new firmware may have new events.
    pub fn presses(&self) -> impl Iterator<Item = Press> {
        self.values(0x3A)
            .filter_map(|value| match value {
                ObjectValue::Button(event) => Some(*event),
                _ => None,
            })
            .enumerate()
            .filter(|(_, event)| *event != ButtonEvent::None)
            .map(|(button, event)| Press { button, event })
    }

    /// Whether any button was pressed. A frame in which none was is a sign of life.
    pub fn is_press(&self) -> bool {
        self.presses().next().is_some()
    }

    /// The number of the packet, the same in all repeats of one frame on air.
    pub fn packet_id(&self) -> Option<u8> {
        self.byte(0x00)
    }

    /// How full the battery is, in percent.
    pub fn battery(&self) -> Option<u8> {
        self.byte(0x01)
    }

    fn byte(&self, id: u8) -> Option<u8> {
        self.values(id).find_map(|value| match value {
            ObjectValue::Number(number) => u8::try_from(number.mantissa).ok(),
            _ => None,
        })
    }

    fn values(&self, id: u8) -> impl Iterator<Item = &ObjectValue> {
        self.objects.iter().filter(move |object| object.id == id).map(|object| &object.value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Enrolled;
    use super::*;

    #[test]
    fn each_button_is_told_apart_by_its_place() {
        let presses: Vec<Press> = contents("403a003a013a03").presses().collect();
        let pressed = |button, event| Press { button, event };
        assert_eq!(presses, [pressed(1, ButtonEvent::Press), pressed(2, ButtonEvent::TriplePress)]);
    }

    #[test]
    fn a_beacon_is_a_sign_of_life_and_no_press() {
        let beacon = contents("440023015e3a00");
        assert_eq!((beacon.is_press(), beacon.battery(), beacon.packet_id()), (false, Some(94), Some(0x23)));
    }

    #[test]
    fn an_event_nobody_knows_is_a_press() {
        assert!(contents("403afe").is_press());
    }

    fn contents(hex: &str) -> Contents {
        let frame = Frame::decode(&hex::decode(hex).expect("hex")).expect("a frame");
        frame.open(&Enrolled::default()).expect("plain")
    }
}

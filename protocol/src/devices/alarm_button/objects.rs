//! The objects of BTHome v2: an id, and a value whose size follows from it.

use std::fmt;

use crate::codec::{DecodeError, Reader, Warning, Warnings};
use crate::observation::Decimal;

/// One value of a BTHome device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: u8,
    /// What the id stands for.
    pub name: &'static str,
    /// Its value.
    pub value: ObjectValue,
}

/// The value of an [`Object`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectValue {
    /// An exact number, in the unit of its id.
    Number(Decimal),
    /// Yes or no.
    Boolean(bool),
    /// What happened to a button.
    Button(ButtonEvent),
    /// What happened to a dimmer.
    Dimmer {
        /// Which way it was turned.
        event: DimmerEvent,
        /// How far.
        steps: i8,
    },
    /// A text, or `None` where it is not UTF-8.
    Text(Option<String>),
    /// Bytes that only their maker understands.
    Raw(Vec<u8>),
    /// A version such as `1.0.23`.
    Version(String),
}

/// What happened to a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ButtonEvent {
    /// Nothing: a sign of life, or an untouched button beside the one that was pressed.
    None,
    /// Pressed.
    Press,
    /// Pressed twice.
    DoublePress,
    /// Pressed three times.
    TriplePress,
    /// Pressed long.
    LongPress,
    /// Pressed long twice.
    LongDoublePress,
    /// Pressed long three times.
    LongTriplePress,
    /// Held down.
    HoldPress,
    /// Something that is not defined. Shelly firmware before 1.0.23 says "held" so.
    Unknown(u8),
}

impl ButtonEvent {
    /// The byte on air.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0x00,
            Self::Press => 0x01,
            Self::DoublePress => 0x02,
            Self::TriplePress => 0x03,
            Self::LongPress => 0x04,
            Self::LongDoublePress => 0x05,
            Self::LongTriplePress => 0x06,
            Self::HoldPress => 0x80,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u8> for ButtonEvent {
    fn from(code: u8) -> Self {
        match code {
            0x00 => Self::None,
            0x01 => Self::Press,
            0x02 => Self::DoublePress,
            0x03 => Self::TriplePress,
            0x04 => Self::LongPress,
            0x05 => Self::LongDoublePress,
            0x06 => Self::LongTriplePress,
            0x80 => Self::HoldPress,
            unknown => Self::Unknown(unknown),
        }
    }
}

/// `press`, `double_press`, …; `unknown:fe`.
impl fmt::Display for ButtonEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Press => f.write_str("press"),
            Self::DoublePress => f.write_str("double_press"),
            Self::TriplePress => f.write_str("triple_press"),
            Self::LongPress => f.write_str("long_press"),
            Self::LongDoublePress => f.write_str("long_double_press"),
            Self::LongTriplePress => f.write_str("long_triple_press"),
            Self::HoldPress => f.write_str("hold_press"),
            Self::Unknown(code) => write!(f, "unknown:{code:02x}"),
        }
    }
}

/// Which way a dimmer was turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DimmerEvent {
    /// Not at all.
    None,
    /// To the left.
    RotateLeft,
    /// To the right.
    RotateRight,
    /// Something that is not defined.
    Unknown(u8),
}

impl From<u8> for DimmerEvent {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::None,
            1 => Self::RotateLeft,
            2 => Self::RotateRight,
            unknown => Self::Unknown(unknown),
        }
    }
}

/// `none`, `rotate_left`, `rotate_right`; `unknown:07`.
impl fmt::Display for DimmerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::RotateLeft => f.write_str("rotate_left"),
            Self::RotateRight => f.write_str("rotate_right"),
            Self::Unknown(code) => write!(f, "unknown:{code:02x}"),
        }
    }
}

/// The objects a one-button device sends: packet id, battery in percent, and what happened to the button.
pub fn announce(packet_id: u8, battery: u8, event: ButtonEvent) -> Vec<u8> {
    vec![0x00, packet_id, 0x01, battery, 0x3A, event.code()]
}

/// Reads objects up to the first whose id is not known or which is cut: behind it nothing can be found.
pub(super) fn read(plaintext: &[u8]) -> (Vec<Object>, Warnings) {
    let mut bytes = Reader::new(plaintext);
    let mut objects = Vec::new();
    let mut warnings = Warnings::new();
    let mut highest = 0;
    while let Ok(id) = bytes.u8("object id") {
        if id < highest {
            warnings.insert(Warning::ObjectIdsNotAscending);
        }
        highest = id;
        let Some((name, form)) = known(id) else {
            warnings.insert(Warning::UnknownObject(id));
            break;
        };
        let Ok((value, oddity)) = form.read(id, &mut bytes) else {
            warnings.insert(Warning::TruncatedObject(id));
            break;
        };
        warnings.extend(oddity);
        objects.push(Object { id, name, value });
    }
    (objects, warnings)
}

/// How a value is written.
#[derive(Clone, Copy)]
enum Form {
    /// A number of 1 to 4 bytes, to be multiplied.
    Unsigned {
        bytes: u8,
        factor: Decimal,
    },
    /// The same, in two's complement.
    Signed {
        bytes: u8,
        factor: Decimal,
    },
    Boolean,
    Button,
    Dimmer,
    Text,
    Raw,
    /// Numbers of one byte each, the last of them first.
    Version {
        bytes: u8,
    },
}

impl Form {
    fn read(self, id: u8, bytes: &mut Reader<'_>) -> Result<(ObjectValue, Option<Warning>), DecodeError> {
        let value = match self {
            Self::Unsigned { bytes: width, factor } => number(i64::from(unsigned(bytes, width)?), factor),
            Self::Signed { bytes: width, factor } => {
                let unused_bits = 32 - 8 * u32::from(width);
                let extended = (unsigned(bytes, width)? << unused_bits) as i32 >> unused_bits;
                number(i64::from(extended), factor)
            }
            Self::Boolean => {
                let byte = bytes.u8("boolean")?;
                return Ok((ObjectValue::Boolean(byte != 0), (byte > 1).then_some(Warning::BadBoolean(id))));
            }
            Self::Button => ObjectValue::Button(bytes.u8("button")?.into()),
            Self::Dimmer => {
                let [event, steps] = bytes.array("dimmer")?;
                ObjectValue::Dimmer { event: event.into(), steps: steps as i8 }
            }
            Self::Text => {
                let text = String::from_utf8(counted(bytes)?).ok();
                let oddity = text.is_none().then_some(Warning::BadText);
                return Ok((ObjectValue::Text(text), oddity));
            }
            Self::Raw => ObjectValue::Raw(counted(bytes)?),
            Self::Version { bytes: width } => {
                let parts = (0..width).map(|_| bytes.u8("version")).collect::<Result<Vec<u8>, _>>()?;
                let dotted: Vec<String> = parts.iter().rev().map(u8::to_string).collect();
                ObjectValue::Version(dotted.join("."))
            }
        };
        Ok((value, None))
    }
}

fn number(raw: i64, factor: Decimal) -> ObjectValue {
    ObjectValue::Number(Decimal::new(raw * factor.mantissa, factor.exponent))
}

fn unsigned(bytes: &mut Reader<'_>, width: u8) -> Result<u32, DecodeError> {
    match width {
        1 => bytes.u8("number").map(u32::from),
        2 => bytes.u16("number").map(u32::from),
        3 => bytes.u24("number"),
        _ => bytes.u32("number"),
    }
}

/// A length byte, and so many bytes.
fn counted(bytes: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let length = bytes.u8("length")?;
    (0..length).map(|_| bytes.u8("text")).collect()
}

/// The name and form of an object id.
///
/// Source: BTHome v2 format, bthome.io, "Sensor data", "Binary sensor data", "Events" and "Device information".
fn known(id: u8) -> Option<(&'static str, Form)> {
    let unsigned = |bytes, exponent| Form::Unsigned { bytes, factor: Decimal::new(1, exponent) };
    let signed = |bytes, exponent| Form::Signed { bytes, factor: Decimal::new(1, exponent) };
    Some(match id {
        0x00 => ("packet_id", unsigned(1, 0)),
        0x01 => ("battery", unsigned(1, 0)),
        0x02 => ("temperature", signed(2, -2)),
        0x03 => ("humidity", unsigned(2, -2)),
        0x04 => ("pressure", unsigned(3, -2)),
        0x05 => ("illuminance", unsigned(3, -2)),
        0x06 => ("mass_kg", unsigned(2, -2)),
        0x07 => ("mass_lb", unsigned(2, -2)),
        0x08 => ("dew_point", signed(2, -2)),
        0x09 => ("count", unsigned(1, 0)),
        0x0A => ("energy", unsigned(3, -3)),
        0x0B => ("power", unsigned(3, -2)),
        0x0C => ("voltage", unsigned(2, -3)),
        0x0D => ("pm2_5", unsigned(2, 0)),
        0x0E => ("pm10", unsigned(2, 0)),
        0x0F => ("generic", Form::Boolean),
        0x10 => ("power_on", Form::Boolean),
        0x11 => ("opening", Form::Boolean),
        0x12 => ("co2", unsigned(2, 0)),
        0x13 => ("tvoc", unsigned(2, 0)),
        0x14 => ("moisture", unsigned(2, -2)),
        0x15 => ("battery_low", Form::Boolean),
        0x16 => ("battery_charging", Form::Boolean),
        0x17 => ("carbon_monoxide", Form::Boolean),
        0x18 => ("cold", Form::Boolean),
        0x19 => ("connectivity", Form::Boolean),
        0x1A => ("door", Form::Boolean),
        0x1B => ("garage_door", Form::Boolean),
        0x1C => ("gas_detected", Form::Boolean),
        0x1D => ("heat", Form::Boolean),
        0x1E => ("light", Form::Boolean),
        0x1F => ("lock", Form::Boolean),
        0x20 => ("moisture_detected", Form::Boolean),
        0x21 => ("motion", Form::Boolean),
        0x22 => ("moving", Form::Boolean),
        0x23 => ("occupancy", Form::Boolean),
        0x24 => ("plug", Form::Boolean),
        0x25 => ("presence", Form::Boolean),
        0x26 => ("problem", Form::Boolean),
        0x27 => ("running", Form::Boolean),
        0x28 => ("safety", Form::Boolean),
        0x29 => ("smoke", Form::Boolean),
        0x2A => ("sound", Form::Boolean),
        0x2B => ("tamper", Form::Boolean),
        0x2C => ("vibration", Form::Boolean),
        0x2D => ("window", Form::Boolean),
        0x2E => ("humidity", unsigned(1, 0)),
        0x2F => ("moisture", unsigned(1, 0)),
        0x3A => ("button", Form::Button),
        0x3C => ("dimmer", Form::Dimmer),
        0x3D => ("count", unsigned(2, 0)),
        0x3E => ("count", unsigned(4, 0)),
        0x3F => ("rotation", signed(2, -1)),
        0x40 => ("distance_mm", unsigned(2, 0)),
        0x41 => ("distance_m", unsigned(2, -1)),
        0x42 => ("duration", unsigned(3, -3)),
        0x43 => ("current", unsigned(2, -3)),
        0x44 => ("speed", unsigned(2, -2)),
        0x45 => ("temperature", signed(2, -1)),
        0x46 => ("uv_index", unsigned(1, -1)),
        0x47 => ("volume_l", unsigned(2, -1)),
        0x48 => ("volume_ml", unsigned(2, 0)),
        0x49 => ("flow", unsigned(2, -3)),
        0x4A => ("voltage", unsigned(2, -1)),
        0x4B => ("gas", unsigned(3, -3)),
        0x4C => ("gas", unsigned(4, -3)),
        0x4D => ("energy", unsigned(4, -3)),
        0x4E => ("volume_l", unsigned(4, -3)),
        0x4F => ("water_l", unsigned(4, -3)),
        0x50 => ("timestamp", unsigned(4, 0)),
        0x51 => ("acceleration", unsigned(2, -3)),
        0x52 => ("gyroscope", unsigned(2, -3)),
        0x53 => ("text", Form::Text),
        0x54 => ("raw", Form::Raw),
        0x55 => ("volume_storage_l", unsigned(4, -3)),
        0x56 => ("conductivity", unsigned(2, 0)),
        0x57 => ("temperature", signed(1, 0)),
        0x58 => ("temperature", Form::Signed { bytes: 1, factor: Decimal::new(35, -2) }),
        0x59 => ("count", signed(1, 0)),
        0x5A => ("count", signed(2, 0)),
        0x5B => ("count", signed(4, 0)),
        0x5C => ("power", signed(4, -2)),
        0x5D => ("current", signed(2, -3)),
        0x5E => ("direction", unsigned(2, -2)),
        0x5F => ("precipitation", unsigned(2, -1)),
        0x60 => ("channel", unsigned(1, 0)),
        0x61 => ("rotational_speed", unsigned(2, 0)),
        0x62 => ("speed", signed(4, -6)),
        0x63 => ("acceleration", signed(4, -6)),
        0x64 => ("light_level", unsigned(1, 0)),
        0xF0 => ("device_type_id", unsigned(2, 0)),
        0xF1 => ("firmware_version", Form::Version { bytes: 4 }),
        0xF2 => ("firmware_version", Form::Version { bytes: 3 }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_firmware_version_is_sent_last_number_first() {
        let (objects, _) = read(&[0xF2, 23, 0, 1, 0xF1, 4, 3, 2, 1]);
        let versions = ["1.0.23", "1.2.3.4"].map(|version| ObjectValue::Version(version.to_owned()));
        assert_eq!(objects.into_iter().map(|object| object.value).collect::<Vec<_>>().as_slice(), versions.as_slice());
        let (_, warnings) = read(&[0xF2, 23, 0, 1, 0xF1, 4, 3, 2, 1]);
        assert_eq!(warnings, Warnings::from([Warning::ObjectIdsNotAscending]));
    }

    #[test]
    fn what_stands_before_a_cut_object_is_kept() {
        let (objects, warnings) = read(&[0x3A, 0x01, 0x50, 1, 2, 3]);
        assert_eq!(objects.len(), 1);
        assert_eq!(warnings, Warnings::from([Warning::TruncatedObject(0x50)]));
    }

    #[test]
    fn oddities_are_kept_as_values() {
        let (objects, warnings) = read(&[0x1A, 2, 0x3C, 1, 0xFD, 0x53, 1, 0xFF, 0x54, 2, 1, 2]);
        let values: Vec<ObjectValue> = objects.into_iter().map(|object| object.value).collect();
        let dimmer = ObjectValue::Dimmer { event: DimmerEvent::RotateLeft, steps: -3 };
        assert_eq!(values, [ObjectValue::Boolean(true), dimmer, ObjectValue::Text(None), ObjectValue::Raw(vec![1, 2])]);
        assert_eq!(warnings, Warnings::from([Warning::BadBoolean(0x1A), Warning::BadText]));
    }

    #[test]
    fn signed_numbers_of_every_width_keep_their_sign() {
        let (objects, _) = read(&[0x57, 0xEA, 0x5A, 0xEA, 0xEA, 0x5B, 0xFF, 0xFF, 0xFF, 0xFF]);
        let values: Vec<ObjectValue> = objects.into_iter().map(|object| object.value).collect();
        let whole = |number| ObjectValue::Number(Decimal::whole(number));
        assert_eq!(values, [whole(-22), whole(-5398), whole(-1)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_some_point(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            read(&bytes);
        }

        #[test]
        fn every_button_event_has_its_byte(code: u8) {
            prop_assert_eq!(ButtonEvent::from(code).code(), code);
        }
    }
}

//! What such a cuff is told.

use jiff::civil;

/// A command. There are no others here than these, which change nothing but the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// To set its clock to this.
    SetTime(civil::DateTime),
    /// To send what it keeps of the user it is set to.
    ReadAll,
    /// To hang up.
    Goodbye,
}

/// A write takes at most so many bytes.
const WRITE: usize = 20;

impl Command {
    /// The frame: header, length of what follows (u16, big-endian), command and operands, sum of all bytes before (u8).
    pub fn to_bytes(self) -> Vec<u8> {
        let command = match self {
            Self::SetTime(time) => {
                let year = (time.year() - 2000).clamp(0, 255) as u8;
                let parts = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
                [vec![0x0D, year], parts.map(i8::unsigned_abs).to_vec()].concat()
            }
            Self::ReadAll => vec![0, 0, 0, 0, 0, 0, 0, 0xFD],
            Self::Goodbye => vec![0x04],
        };
        let length = u16::try_from(command.len() + 1).expect("commands are short").to_be_bytes();
        let mut bytes = [&[0x4D, 0xFF][..], &length, &command].concat();
        bytes.push(super::frame::sum(&bytes));
        bytes
    }

    /// The frame in pieces that one write takes.
    pub fn writes(self) -> Vec<Vec<u8>> {
        self.to_bytes().chunks(WRITE).map(<[u8]>::to_vec).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_that_such_cuffs_were_seen_to_obey() {
        let at = civil::date(2024, 6, 15).at(14, 30, 45, 0);
        assert_eq!(Command::SetTime(at).to_bytes(), [77, 255, 0, 8, 13, 24, 6, 15, 14, 30, 45, 231]);
        assert_eq!(Command::ReadAll.to_bytes(), [77, 255, 0, 9, 0, 0, 0, 0, 0, 0, 0, 253, 82]);
        assert_eq!(Command::Goodbye.to_bytes(), [77, 255, 0, 2, 4, 82]);
        assert_eq!(Command::ReadAll.writes(), [Command::ReadAll.to_bytes()]);
    }
}

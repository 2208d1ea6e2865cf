//! Packets out of a serial line, however it was cut.

use super::{Packet, SYNC};

/// Finds packets. Holds back at most the four bytes of one that has only begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packets(Vec<u8>);

impl Packets {
    /// The packets that these bytes complete. What is out of step is passed over.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for byte in bytes {
            if byte & SYNC != 0 {
                self.0.clear();
            } else if self.0.is_empty() {
                continue;
            }
            self.0.push(*byte);
            if self.0.len() == Packet::LENGTH {
                packets.push(std::mem::take(&mut self.0));
            }
        }
        packets
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: [u8; 15] = [0x86, 1, 5, 72, 97, 0x86, 2, 5, 72, 97, 0xC6, 3, 5, 73, 97];

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_line_is_cut(cuts in proptest::collection::vec(1_usize..15, 0..6)) {
            let mut packets = Packets::default();
            let (mut rest, mut found) = (&LINE[..], Vec::new());
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                found.extend(packets.hear(now));
                rest = later;
            }
            found.extend(packets.hear(rest));
            prop_assert_eq!(found.concat(), LINE);
        }

        #[test]
        fn whatever_comes_only_whole_packets_are_given(line in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut packets = Packets::default();
            for packet in packets.hear(&line) {
                prop_assert!(Packet::decode(&packet).is_ok());
            }
            prop_assert!(packets.0.len() < Packet::LENGTH);
        }
    }

    #[test]
    fn a_line_that_is_joined_late_is_found_at_the_next_packet() {
        assert_eq!(Packets::default().hear(&LINE[3..]).concat(), LINE[5..]);
    }
}

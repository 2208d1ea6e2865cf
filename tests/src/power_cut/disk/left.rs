//! What is on a disk after the power failed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use rand::Rng as _;
use rand::rngs::StdRng;

use super::{Altered, Disk, File, Node, put, rename, size};

/// How much of what was not synced the disk has written all the same.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Luck {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// Each sector with this likelihood, and of lengths and names as it comes.
    Some(f64),
}

const SECTOR: u64 = 512;

impl Disk {
    /// Writes what is left after a power cut into an empty folder.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn leave(&self, into: &Path, luck: Luck, chance: &mut StdRng) -> io::Result<()> {
        self.leave_node(0, into, luck, chance)
    }

    fn leave_node(&self, node: usize, into: &Path, luck: Luck, chance: &mut StdRng) -> io::Result<()> {
        match &self.nodes[node] {
            Node::Folder(folder) => {
                fs::create_dir_all(into)?;
                let mut names = folder.durable.clone();
                for naming in folder.pending.iter().take(luck.of(folder.pending.len(), chance)).cloned() {
                    rename(&mut names, naming);
                }
                names.iter().try_for_each(|(name, child)| self.leave_node(*child, &into.join(name), luck, chance))
            }
            Node::File(file) => file.leave(into, luck, chance),
        }
    }
}

impl File {
    fn leave(&self, into: &Path, luck: Luck, chance: &mut StdRng) -> io::Result<()> {
        let mut sectors: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (nth, change) in self.pending.iter().enumerate() {
            if let Altered::Bytes { at, bytes } = &change.what {
                let end = at + bytes.len() as u64;
                (at / SECTOR..end.div_ceil(SECTOR)).for_each(|sector| sectors.entry(sector).or_default().push(nth));
            }
        }
        let mut bytes = self.durable.clone();
        for (sector, changes) in sectors {
            for nth in changes.iter().take(luck.of(changes.len(), chance)) {
                let Altered::Bytes { at, bytes: written } = &self.pending[*nth].what else { continue };
                let (from, to) = ((sector * SECTOR).max(*at), ((sector + 1) * SECTOR).min(at + written.len() as u64));
                let (first, last) = (size(from - at), size(to - at));
                put(&mut bytes, from, &written[first..last]);
            }
        }
        let mut length = self.durable.len() as u64;
        for change in self.pending.iter().take(luck.of(self.pending.len(), chance)) {
            length = match &change.what {
                Altered::Bytes { at, bytes } => length.max(at + bytes.len() as u64),
                Altered::Length(length) => *length,
            };
        }
        bytes.truncate(size(length));
        let mut file = fs::File::create(into)?;
        // What is empty at the end takes no room here either.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        file.write_all(&bytes[..used])?;
        file.set_len(length)
    }
}

impl Luck {
    /// Whichever comes.
    pub fn any(chance: &mut StdRng) -> Self {
        match chance.random_range(0..8) {
            0 | 1 => Self::None,
            2 => Self::All,
            3 => Self::Some(0.1),
            4 => Self::Some(0.9),
            _ => Self::Some(0.5),
        }
    }

    /// How many of so many things, in their order, came to pass.
    fn of(self, count: usize, chance: &mut StdRng) -> usize {
        match self {
            Self::None => 0,
            Self::All => count,
            Self::Some(likelihood) if chance.random_bool(likelihood) => chance.random_range(0..=count),
            Self::Some(_) => 0,
        }
    }
}

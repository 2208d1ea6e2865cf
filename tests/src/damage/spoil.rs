//! What flash does to files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};

const PAGE: usize = 4096;

/// Spoils something in a state folder, and says what. `older` is the same folder at an earlier time.
///
/// # Errors
/// When the folder cannot be read or written.
pub fn something(state: &Path, older: &Path, chance: &mut StdRng) -> anyhow::Result<String> {
    let mut files = files(state)?;
    files.retain(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0) && !path.ends_with("reserve"));
    let databases = files.iter().filter(|path| path.ends_with("db")).cloned().collect::<Vec<_>>();
    // Most of all is in the database.
    let path = if chance.random_bool(0.7) { databases.choose(chance) } else { files.choose(chance) };
    let path = path.context("a folder with something in it")?;
    let mut bytes = fs::read(path)?;
    let length = bytes.len();
    let what = match chance.random_range(0..14) {
        0..4 => {
            let bits = chance.random_range(1..9);
            for _ in 0..bits {
                let bit = chance.random_range(0..length * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            format!("{bits} bits are flipped")
        }
        4..7 => {
            let (from, to) = pages(length, chance);
            let fill = *[0, 0, 0, 0xFF].choose(chance).context("a list")?;
            bytes[from..to].fill(fill);
            format!("{from}..{to} is full of {fill:#04x}")
        }
        7 => {
            let (from, to) = pages(length, chance);
            chance.fill(&mut bytes[from..to]);
            format!("{from}..{to} is anything")
        }
        8 => {
            let to = chance.random_range(0..length);
            bytes.truncate(to);
            format!("it ends at {to} of {length}")
        }
        9 => {
            let mut more = vec![0; chance.random_range(1..100_000)];
            chance.fill(&mut more[..]);
            bytes.extend_from_slice(&more);
            format!("{} bytes follow it", more.len())
        }
        10 => {
            let ((from, to), (other, _)) = (pages(length, chance), pages(length, chance));
            let count = (to - from).min(length - other);
            let moved = bytes[from..from + count].to_vec();
            bytes[other..other + count].copy_from_slice(&moved);
            format!("{count} bytes from {from} are also at {other}")
        }
        11 => {
            bytes.fill(0);
            "it is full of zeros".into()
        }
        12 => {
            let of_older = self::files(older)?.into_iter().filter(|file| file.file_name() == path.file_name());
            let older = of_older.choose(chance);
            bytes = older.map_or(Ok(Vec::new()), fs::read)?;
            "it is an older one, or empty".into()
        }
        _ => {
            fs::remove_file(path)?;
            return Ok(format!("{} is gone", path.display()));
        }
    };
    fs::write(path, bytes)?;
    Ok(format!("{}: {what}", path.strip_prefix(state)?.display()))
}

/// Some pages of a file.
fn pages(length: usize, chance: &mut StdRng) -> (usize, usize) {
    let first = chance.random_range(0..length.div_ceil(PAGE));
    let count = if chance.random_bool(0.7) { 1 } else { chance.random_range(1..40) };
    (first * PAGE, ((first + count) * PAGE).min(length))
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

//! Files that must be on the disk before anything is said about them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// Makes a folder for its owner alone.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Copies a file, for its owner alone, onto the disk.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    settle(to)
}

/// Writes a file, for its owner alone, onto the disk.
pub(super) fn write(file: &Path, text: &str) -> io::Result<()> {
    fs::write(file, text)?;
    settle(file)
}

/// Makes a file its owner's alone, and sees it onto the disk.
pub(super) fn settle(file: &Path) -> io::Result<()> {
    let open = File::open(file)?;
    open.set_permissions(Permissions::from_mode(0o600))?;
    open.sync_all()
}

/// Sees onto the disk which files a folder has.
pub(super) fn settle_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// How large a file is, and its SHA-256 in hexadecimal digits.
pub(super) fn digest(file: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut digest, mut bytes) = (File::open(file)?, Sha256::new(), 0);
    let mut piece = vec![0; 1 << 20];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok((bytes, hex::encode(digest.finalize())));
        }
        digest.update(&piece[..length]);
        bytes += length as u64;
    }
}

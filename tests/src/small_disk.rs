//! A small disk under an agent's state folder: one that can be filled, or that turns read-only as a worn-out card does.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use tempfile::NamedTempFile;

use crate::copy_folder;

/// A disk of 32 MiB that holds one folder.
pub struct SmallDisk {
    folder: PathBuf,
    /// Its bytes.
    image: NamedTempFile,
}

impl SmallDisk {
    /// Moves a folder onto a disk of its own. None where this user may not mount: the scenario cannot be played there,
    /// which is said, and is an error where `CI=true`.
    ///
    /// # Errors
    /// When the folder cannot be copied.
    pub fn under(folder: &Path) -> anyhow::Result<Option<Self>> {
        let image = NamedTempFile::new()?;
        image.as_file().set_len(32 << 20)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image.path())).context("package e2fsprogs")?;
        let before = tempfile::tempdir()?;
        copy_folder(folder, before.path())?;
        let disk = Self { folder: folder.to_owned(), image };
        if let Err(error) = disk.mount() {
            // Not with println, which is only shown when a test fails.
            let note =
                format!("NOT CHECKED: what a full or read-only disk does. This mounts small disks ({error:#})\n");
            std::io::stdout().write_all(note.as_bytes())?;
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            ensure!(!is_ci, "CI must check what a full or read-only disk does");
            return Ok(None);
        }
        copy_folder(before.path(), folder)?;
        run(Command::new("sync").arg("--file-system").arg(folder))?;
        Ok(Some(disk))
    }

    fn mount(&self) -> anyhow::Result<()> {
        let options = ["-t", "ext4", "-o", "loop,errors=remount-ro"];
        run(Command::new("mount").args(options).arg(self.image.path()).arg(&self.folder))
    }

    /// Leaves no byte.
    ///
    /// # Errors
    /// When there is none to begin with.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler())?;
        for size in [64 << 10, 4 << 10] {
            while file.write_all(&vec![0x5A; size]).is_ok() {}
        }
        Ok(())
    }

    /// Leaves at most so many bytes, which an operator would call full.
    ///
    /// # Errors
    /// When it cannot be told how many there are, or they cannot be taken.
    pub fn fill_but(&self, bytes: usize) -> anyhow::Result<()> {
        let said = Command::new("stat").args(["--file-system", "--format", "%a %S"]).arg(&self.folder).output()?;
        let said = String::from_utf8(said.stdout)?;
        let (blocks, size) = said.trim().split_once(' ').context("blocks and their size")?;
        let free = blocks.parse::<usize>()? * size.parse::<usize>()?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler())?;
        Ok(file.write_all(&vec![0x5A; free.saturating_sub(bytes)])?)
    }

    /// Gives back what was taken.
    ///
    /// # Errors
    /// When it is not there.
    pub fn empty(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// The kernel finds an error on it, and turns it read-only.
    ///
    /// # Errors
    /// When the kernel cannot be told to.
    pub fn fail(&self) -> anyhow::Result<()> {
        let source = Command::new("findmnt").args(["-no", "SOURCE"]).arg(&self.folder).output()?;
        let device = String::from_utf8(source.stdout)?;
        let name = Path::new(device.trim()).file_name().context("a device")?;
        Ok(std::fs::write(Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error"), "worn out")?)
    }

    /// What the start of the box does to a disk that failed. Nobody may use it meanwhile.
    ///
    /// # Errors
    /// When somebody does.
    pub fn is_mounted_again(&self) -> anyhow::Result<()> {
        run(Command::new("umount").arg(&self.folder))?;
        self.mount()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

//! What a process costs, as the kernel counts it.

use std::path::Path;

use anyhow::Context as _;

/// Proportional memory (PSS), in MiB.
///
/// # Errors
/// When the process is gone.
pub fn memory_mib(id: u32) -> anyhow::Result<f64> {
    Ok(counted(Path::new(&format!("/proc/{id}/smaps_rollup")), "Pss:")? as f64 / 1024.0)
}

/// File descriptors that are open.
///
/// # Errors
/// When the process is gone.
pub fn open_files(id: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{id}/fd"))?.count())
}

/// How often all threads of a process have slept, and so were woken.
///
/// # Errors
/// When the process is gone.
pub fn woken(id: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        sum += counted(&thread?.path().join("status"), "voluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

/// For how long all threads of a process have run, in nanoseconds, by the scheduler's own books.
///
/// # Errors
/// When the process is gone.
pub fn scheduled_ns(id: u32) -> anyhow::Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let line = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += line.split_whitespace().next().context("a number")?.parse::<u64>()?;
    }
    Ok(sum)
}

/// The first number behind `name` in one of the kernel's files of names and numbers.
///
/// # Errors
/// When it is not there.
pub fn counted(file: &Path, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("{name} in {file:?}"))?;
    line.split_whitespace().next().context("a number")?.parse().context("a number")
}

/// The size of the files in a folder and below, in bytes.
///
/// # Errors
/// When it cannot be read.
pub fn folder_size(folder: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { folder_size(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}

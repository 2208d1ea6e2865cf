//! The flash under the state folder: room, whether it takes anything, and whose the files are.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::Finding;

/// What there is.
#[derive(Debug)]
pub(super) struct Facts {
    /// Bytes free, for the agent; none where the folder is not there.
    free: Option<u64>,
    read_only: bool,
    /// What came of writing a small file.
    written: io::Result<()>,
    /// Files that do not belong to the owner of the folder.
    strangers: Vec<PathBuf>,
    /// What was set aside as damaged.
    aside: Vec<String>,
    /// Bytes of the alarms' reserve.
    reserve: u64,
}

const ABOUT: &str = "Flash";
const RESERVE: u64 = 4 << 20;
/// Below this the agent refuses readings.
const FULL: u64 = 8 << 20;
const NEARLY_FULL: u64 = 64 << 20;

pub(super) fn look(state: &Path) -> Facts {
    let stat = statvfs(state).ok();
    let owner = fs::metadata(state).ok().map(|folder| folder.uid());
    let files = walk(state);
    let names: BTreeSet<String> = fs::read_dir(state)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    Facts {
        free: stat.as_ref().map(|stat| stat.f_bavail * stat.f_frsize),
        read_only: stat.is_some_and(|stat| stat.f_flag.contains(StatVfsMountFlags::RDONLY)),
        written: write(state),
        strangers: files.into_iter().filter(|(_, uid)| Some(*uid) != owner).map(|(path, _)| path).collect(),
        aside: names.into_iter().filter(|name| name.contains(".bad")).collect(),
        reserve: fs::metadata(state.join("reserve")).map_or(0, |file| file.len()),
    }
}

fn write(state: &Path) -> io::Result<()> {
    let file = state.join("doctor.tmp");
    let written = fs::File::create(&file).and_then(|mut file| {
        io::Write::write_all(&mut file, &[0; 4096])?;
        file.sync_all()
    });
    // Where it could not be made there is none.
    drop(fs::remove_file(file));
    written
}

/// Every file under a folder, with its owner.
fn walk(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries {
        let Ok(about) = entry.metadata() else { continue };
        found.push((entry.path(), about.uid()));
        if about.is_dir() {
            found.extend(walk(&entry.path()));
        }
    }
    found
}

pub(super) fn judge(facts: &Facts, state: &Path) -> Vec<Finding> {
    let mut findings = vec![judge_room(facts, state)];
    if let Some(stranger) = facts.strangers.first() {
        let said = format!("{} does not belong to the user whose folder it is in", stranger.display());
        let advice = format!("chown -R --reference={0} {0}", state.display());
        findings.push(Finding::bad("Files", said, advice));
    }
    if !facts.aside.is_empty() {
        findings.push(Finding::odd(
            "Files",
            format!("set aside as damaged: {}; what could be saved of it was", facts.aside.join(", ")),
            "the card wears out or lost power badly: replace it soon. The files may be removed then",
        ));
    }
    findings
}

fn judge_room(facts: &Facts, state: &Path) -> Finding {
    let folder = state.display();
    let Some(free) = facts.free else {
        let said = format!("there is no folder {folder} yet; the agent makes it when it first starts");
        return Finding::unknown(ABOUT, said);
    };
    let mib = free >> 20;
    if facts.read_only {
        let said =
            format!("{folder} is on a disk that has become read-only: readings are refused, alarms sent from memory");
        return Finding::bad(ABOUT, said, "the card is worn out or was damaged: replace it; see dmesg");
    }
    match &facts.written {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let said = format!("{folder} has {mib} MiB free; this user may not look further");
            return Finding { advice: Some("sudo hempuls-agent doctor".into()), ..Finding::unknown(ABOUT, said) };
        }
        Err(error) if free >= FULL => {
            let said = format!("{folder} takes nothing ({error}), though it has {mib} MiB free");
            return Finding::bad(ABOUT, said, "the card is worn out or was damaged: replace it; see dmesg");
        }
        Err(_) | Ok(()) => {}
    }
    let make_room = "make room: journalctl --vacuum-size=50M; apt-get clean";
    if free < FULL {
        let said = format!("{folder} has {mib} MiB free: readings are refused, and alarms use their reserve");
        Finding::bad(ABOUT, said, make_room)
    } else if facts.reserve < RESERVE {
        Finding::odd(ABOUT, format!("{folder} has {mib} MiB free, but the alarms' reserve is not there"), make_room)
    } else if free < NEARLY_FULL {
        Finding::odd(ABOUT, format!("{folder} has {mib} MiB free"), make_room)
    } else {
        Finding::good(ABOUT, format!("{folder} has {mib} MiB free and takes what it is given"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn good() -> Facts {
        Facts {
            free: Some(1 << 30),
            read_only: false,
            written: Ok(()),
            strangers: Vec::new(),
            aside: Vec::new(),
            reserve: RESERVE,
        }
    }

    #[test]
    fn each_thing_a_flash_can_lack_is_told_from_the_others() {
        let error = |kind| Err(io::Error::from(kind));
        for (facts, verdict, named) in [
            (good(), Verdict::Good, "1024 MiB"),
            (Facts { free: None, ..good() }, Verdict::Unknown, "no folder"),
            (Facts { read_only: true, ..good() }, Verdict::Bad, "read-only"),
            (Facts { written: error(io::ErrorKind::Other), ..good() }, Verdict::Bad, "takes nothing"),
            (Facts { written: error(io::ErrorKind::PermissionDenied), ..good() }, Verdict::Unknown, "may not look"),
            (
                Facts { written: error(io::ErrorKind::StorageFull), free: Some(0), ..good() },
                Verdict::Bad,
                "alarms use their reserve",
            ),
            (Facts { reserve: 0, ..good() }, Verdict::Odd, "reserve is not there"),
            (Facts { free: Some(20 << 20), ..good() }, Verdict::Odd, "20 MiB"),
            (Facts { strangers: vec!["/s/identity".into()], ..good() }, Verdict::Bad, "/s/identity does not belong"),
            (Facts { aside: vec!["buffer.bad-1".into()], ..good() }, Verdict::Odd, "buffer.bad-1"),
        ] {
            let findings = judge(&facts, Path::new("/s"));
            let worst = findings.iter().max_by_key(|finding| finding.verdict).unwrap();
            assert!(worst.verdict == verdict && worst.said.contains(named), "{named}: {worst:?}");
        }
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("settings.bad"), "x").unwrap();
        let facts = look(state.path());
        assert!(facts.written.is_ok() && facts.aside == ["settings.bad"] && facts.strangers.is_empty(), "{facts:?}");
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1);
    }
}

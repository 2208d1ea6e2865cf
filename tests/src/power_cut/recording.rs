//! What a program really asked of its disk, in order: its system calls, as `strace` saw them.
//!
//! A line is written when a call returns, or twice, when it begins and when it returns, if another thread did something
//! meanwhile. `strace` lets neither the call nor what follows it happen before it has noted it, so that the order of
//! these lines is the order in which things happened. What the program says on its standard output is among them.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// One moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A call began.
    Begins(Call),
    /// The call that began as the n-th moment returned without an error.
    Ends {
        /// Which moment that was.
        begun: usize,
        /// What it returned.
        result: u64,
    },
}

/// A call that can change what is on the disk, or that says something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Opens a name, relative to a folder that is open.
    Open {
        /// The open folder; none for an absolute path.
        at: Option<u64>,
        /// The path.
        path: String,
        /// May make it.
        create: bool,
        /// Makes it empty.
        truncate: bool,
    },
    /// Closes.
    Close(u64),
    /// Writes, at a place or where the last one ended.
    Write {
        /// Where to.
        file: u64,
        /// What.
        bytes: Vec<u8>,
        /// The place.
        at: Option<u64>,
    },
    /// Sets where the next write goes.
    Seek(u64),
    /// Makes a file's bytes, or a folder's names, durable.
    Sync(u64),
    /// Sets a file's length.
    SetLength {
        /// Which.
        file: u64,
        /// How long.
        length: u64,
    },
    /// Gives a file room.
    Allocate {
        /// Which.
        file: u64,
        /// How long it is at least.
        length: u64,
    },
    /// Gives another name.
    Rename {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
    },
    /// Takes a name away.
    Remove {
        /// The open folder; none for an absolute path.
        at: Option<u64>,
        /// The path.
        path: String,
    },
    /// Makes a folder.
    MakeFolder(String),
    /// Promises nothing.
    Nothing,
    /// Anything else: an error, where it is about the disk that is recorded.
    Unknown {
        /// Its line.
        line: String,
        /// The file it is about.
        file: Option<u64>,
    },
}

/// What `strace` is to see. What is not understood below is an error where it touches the recorded folder.
const CALLS: &str = "openat,open,creat,close,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,\
                     ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,lseek,\
                     dup,dup2,dup3,link,linkat,symlink,symlinkat,copy_file_range,sendfile,splice,sync,syncfs,\
                     io_uring_setup,msync";

/// Runs a program to its end and records it.
///
/// # Errors
/// When `strace` is not there or may not do its work, the program fails, or a line is not understood.
pub fn record(program: &mut Command, log: &Path) -> anyhow::Result<Vec<Moment>> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-xx", "-s", "1048576", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"]);
    strace.arg(log).arg(program.get_program()).args(program.get_args());
    let output = strace
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("strace (Debian package strace) records what the agent writes")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the recorded program failed, or strace may not trace here: {complaint}");
    let text = std::fs::read_to_string(log).context("reading what strace saw")?;
    read(&text)
}

fn read(text: &str) -> anyhow::Result<Vec<Moment>> {
    let mut moments = Vec::new();
    let mut unfinished: HashMap<&str, usize> = HashMap::new();
    for line in text.lines() {
        let (thread, rest) = line.split_once(' ').context("a line without a thread")?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let begun = unfinished.remove(thread).with_context(|| format!("resumed before it began: {line}"))?;
            if let Some(result) = result(resumed)? {
                moments.push(Moment::Ends { begun, result });
            } else if let Moment::Begins(call) = &mut moments[begun] {
                // It failed: it has changed nothing.
                *call = Call::Nothing;
            }
        } else if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, moments.len());
            moments.push(Moment::Begins(call(begun.trim_end(), line)?));
        } else if let Some(result) = result(rest)? {
            let begun = moments.len();
            moments.push(Moment::Begins(call(rest, line)?));
            moments.push(Moment::Ends { begun, result });
        }
    }
    Ok(moments)
}

/// What a finished call returned; none where it failed.
fn result(line: &str) -> anyhow::Result<Option<u64>> {
    let (_, result) = line.rsplit_once(" = ").with_context(|| format!("a call without a result: {line}"))?;
    let number = result.split_whitespace().next().unwrap_or_default();
    if number.starts_with('-') || number == "?" {
        return Ok(None);
    }
    let parsed = number.strip_prefix("0x").map_or_else(|| number.parse(), |hex| u64::from_str_radix(hex, 16));
    parsed.map(Some).with_context(|| format!("a result that is no number: {line}"))
}

fn call(text: &str, line: &str) -> anyhow::Result<Call> {
    let (name, arguments) = text.split_once('(').with_context(|| format!("no call: {line}"))?;
    let arguments = Arguments::of(arguments);
    let descriptor = |n: usize| arguments.number(n).with_context(|| format!("argument {n} of {line}"));
    let path = |n: usize| arguments.text(n).with_context(|| format!("argument {n} of {line}"));
    Ok(match name {
        "openat" => {
            let flags = arguments.0.get(2).copied().unwrap_or_default();
            let has = |flag: &str| flags.split('|').any(|each| each == flag);
            Call::Open { at: arguments.folder(0), path: path(1)?, create: has("O_CREAT"), truncate: has("O_TRUNC") }
        }
        "close" => Call::Close(descriptor(0)?),
        "write" => Call::Write { file: descriptor(0)?, bytes: arguments.bytes(1)?, at: None },
        "pwrite64" => Call::Write { file: descriptor(0)?, bytes: arguments.bytes(1)?, at: Some(descriptor(3)?) },
        "lseek" => Call::Seek(descriptor(0)?),
        "fsync" | "fdatasync" => Call::Sync(descriptor(0)?),
        "ftruncate" => Call::SetLength { file: descriptor(0)?, length: descriptor(1)? },
        "fallocate" => Call::Allocate { file: descriptor(0)?, length: descriptor(2)? + descriptor(3)? },
        "rename" => Call::Rename { from: path(0)?, to: path(1)? },
        "renameat" | "renameat2" => Call::Rename { from: path(1)?, to: path(3)? },
        "unlink" | "rmdir" => Call::Remove { at: None, path: path(0)? },
        "unlinkat" => Call::Remove { at: arguments.folder(0), path: path(1)? },
        "mkdir" => Call::MakeFolder(path(0)?),
        "mkdirat" => Call::MakeFolder(path(1)?),
        // It starts writing and waits, but neither the file's length nor the disk's own cache is its business.
        "sync_file_range" => Call::Nothing,
        _ => Call::Unknown { line: line.chars().take(200).collect(), file: arguments.number(0) },
    })
}

/// The arguments of a call, as they are printed.
struct Arguments<'a>(Vec<&'a str>);

impl<'a> Arguments<'a> {
    /// With all text in hexadecimal, a comma only separates.
    fn of(text: &'a str) -> Self {
        let end = text.rfind(')').unwrap_or(text.len());
        Self(text[..end].split(", ").collect())
    }

    fn number(&self, n: usize) -> Option<u64> {
        self.0.get(n)?.trim_end_matches(',').parse().ok()
    }

    /// The folder that a path is relative to; none for the working folder, where only absolute paths are used.
    fn folder(&self, n: usize) -> Option<u64> {
        self.number(n)
    }

    fn text(&self, n: usize) -> Option<String> {
        String::from_utf8(self.bytes(n).ok()?).ok()
    }

    fn bytes(&self, n: usize) -> anyhow::Result<Vec<u8>> {
        let quoted = self.0.get(n).context("an argument is missing")?.trim_end_matches(',');
        let hex = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let Some(hex) = hex else { bail!("text that was cut short: {quoted:.80}") };
        hex.split("\\x").skip(1).map(|byte| Ok(u8::from_str_radix(byte, 16)?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_overlap_begin_and_end_where_they_did() {
        let log = r#"11 openat(AT_FDCWD, "\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 5
12 pwrite64(5, "\x01\x02", 2, 512 <unfinished ...>
11 fdatasync(5)                     = 0
12 <... pwrite64 resumed>)           = 2
11 write(1, "\x6f\x6b", 2)          = 2
11 openat(AT_FDCWD, "\x2f\x62", O_RDONLY) = -1 ENOENT (No such file or directory)
11 +++ exited with 0 +++
"#;
        let open = Call::Open { at: None, path: "/a".into(), create: true, truncate: false };
        let write = Call::Write { file: 5, bytes: vec![1, 2], at: Some(512) };
        let said = Call::Write { file: 1, bytes: b"ok".to_vec(), at: None };
        assert_eq!(
            read(log).unwrap(),
            [
                Moment::Begins(open),
                Moment::Ends { begun: 0, result: 5 },
                Moment::Begins(write),
                Moment::Begins(Call::Sync(5)),
                Moment::Ends { begun: 3, result: 0 },
                Moment::Ends { begun: 2, result: 2 },
                Moment::Begins(said),
                Moment::Ends { begun: 6, result: 2 },
            ]
        );
    }

    #[test]
    fn a_call_that_nobody_knows_is_kept_as_it_is() {
        let moments = read("7 sendfile(5, 6, NULL, 9) = 9\n").unwrap();
        assert!(matches!(&moments[0], Moment::Begins(Call::Unknown { file: Some(5), .. })), "{moments:?}");
    }
}

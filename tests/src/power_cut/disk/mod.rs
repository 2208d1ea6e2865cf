//! A disk that promises no more than it must, and what is on it after the power failed.
//!
//! | what was done and not synced             | what is left of it                                             |
//! |------------------------------------------|----------------------------------------------------------------|
//! | bytes written                            | each sector of 512 bytes as it was after any of the writes     |
//! | a file's length changed                  | any of its lengths                                             |
//! | names made, changed, taken away          | of each folder the first few, in their order                   |
//!
//! A sync makes durable what had returned before it began, once it has returned: of a file its bytes and length, of a
//! folder its names. ext4 and f2fs promise more: both keep the order of names across folders, ext4 makes a file's name
//! durable with its bytes and, as it is shipped, writes bytes before the length that shows them. Nothing here leans on
//! that.

mod left;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::Lie;
use super::recording::{Call, Moment};
use anyhow::{Context as _, bail, ensure};

pub use self::left::Luck;

/// A folder on a disk, as its program sees it and as the disk has it.
pub struct Disk {
    /// Where the program believes it is.
    root: PathBuf,
    nodes: Vec<Node>,
    open: HashMap<u64, Open>,
    /// What moments that have begun are about.
    begun: HashMap<usize, Begun>,
    lie: Option<Lie>,
    /// Syncs so far.
    syncs: u64,
    /// Syncs that the lie puts off.
    put_off: Vec<(usize, Vec<usize>)>,
}

/// A file or a folder, whatever its name. The root is the first.
enum Node {
    File(File),
    Folder(Folder),
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// How long the program believes it to be.
    length: u64,
}

struct Change {
    what: Altered,
    is_done: bool,
}

enum Altered {
    Bytes { at: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Default)]
struct Folder {
    durable: BTreeMap<String, usize>,
    pending: Vec<Naming>,
}

#[derive(Clone)]
enum Naming {
    Give(String, usize),
    Take(String),
    Move(String, String),
}

struct Open {
    node: usize,
    place: u64,
}

enum Begun {
    Change {
        node: usize,
        nth: usize,
    },
    /// How much of what is pending had returned when the sync began.
    Sync {
        node: usize,
        done: Vec<usize>,
    },
}

impl Disk {
    /// A disk that holds this folder, durable as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holding(root: &Path, lie: Option<Lie>) -> anyhow::Result<Self> {
        let mut disk = Self {
            root: root.to_owned(),
            nodes: Vec::new(),
            open: HashMap::new(),
            begun: HashMap::new(),
            lie,
            syncs: 0,
            put_off: Vec::new(),
        };
        disk.load(root)?;
        Ok(disk)
    }

    fn load(&mut self, path: &Path) -> anyhow::Result<usize> {
        let number = self.nodes.len();
        if path.is_dir() {
            self.nodes.push(Node::Folder(Folder::default()));
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let name = entry.file_name().into_string().map_err(|name| anyhow::anyhow!("{name:?}"))?;
                let child = self.load(&entry.path())?;
                self.folder(number)?.durable.insert(name, child);
            }
        } else {
            let durable = fs::read(path)?;
            let length = durable.len() as u64;
            self.nodes.push(Node::File(File { durable, pending: Vec::new(), length }));
        }
        Ok(number)
    }

    /// Lets the next moment happen.
    ///
    /// # Errors
    /// When it cannot have happened on this disk, or is nothing this disk knows.
    pub fn pass(&mut self, nth: usize, moments: &[Moment]) -> anyhow::Result<()> {
        match &moments[nth] {
            Moment::Begins(call) => self.begin(nth, call),
            Moment::Ends { begun, result } => match &moments[*begun] {
                Moment::Begins(call) => self.end(*begun, call, *result),
                Moment::Ends { .. } => bail!("the end of an end"),
            },
        }
    }

    /// Bytes can be on the disk as soon as their writing begins.
    fn begin(&mut self, nth: usize, call: &Call) -> anyhow::Result<()> {
        if let Call::Sync(_) = call {
            for (node, done) in std::mem::take(&mut self.put_off) {
                self.sync(node, &done)?;
            }
        }
        let change = match call {
            Call::Write { file, bytes, at } => self.open.get_mut(file).map(|open| {
                let place = at.unwrap_or(open.place);
                if at.is_none() {
                    open.place += bytes.len() as u64;
                }
                (open.node, Altered::Bytes { at: place, bytes: bytes.clone() })
            }),
            Call::SetLength { file, length } => self.open.get(file).map(|open| (open.node, Altered::Length(*length))),
            Call::Allocate { file, length } => match self.open.get(file).map(|open| open.node) {
                None => None,
                Some(node) => Some((node, Altered::Length(self.file(node)?.length.max(*length)))),
            },
            Call::Sync(file) => {
                if let Some(node) = self.open.get(file).map(|open| open.node) {
                    let done = match &self.nodes[node] {
                        Node::File(file) => {
                            let done = file.pending.iter().enumerate().filter(|(_, change)| change.is_done);
                            done.map(|(place, _)| place).collect()
                        }
                        Node::Folder(folder) => (0..folder.pending.len()).collect(),
                    };
                    self.begun.insert(nth, Begun::Sync { node, done });
                }
                None
            }
            Call::Unknown { line, file } => {
                let is_here = file.is_some_and(|file| self.open.contains_key(&file));
                ensure!(!is_here, "nobody knows what this does to a disk: {line}");
                None
            }
            Call::Open { .. } | Call::Close(_) | Call::Seek(_) | Call::Rename { .. } => None,
            Call::Remove { .. } | Call::MakeFolder(_) | Call::Nothing => None,
        };
        if let Some((node, what)) = change {
            let file = self.file(node)?;
            file.length = match &what {
                Altered::Bytes { at, bytes } => file.length.max(at + bytes.len() as u64),
                Altered::Length(length) => *length,
            };
            file.pending.push(Change { what, is_done: false });
            let place = file.pending.len() - 1;
            self.begun.insert(nth, Begun::Change { node, nth: place });
        }
        Ok(())
    }

    fn end(&mut self, begun: usize, call: &Call, result: u64) -> anyhow::Result<()> {
        match self.begun.remove(&begun) {
            Some(Begun::Change { node, nth }) => {
                let change = &mut self.file(node)?.pending[nth];
                change.is_done = true;
                if let (Altered::Bytes { bytes, .. }, Call::Write { .. }) = (&change.what, call) {
                    ensure!(bytes.len() as u64 == result, "a write that was cut short");
                }
            }
            Some(Begun::Sync { node, done }) => {
                self.syncs += 1;
                let is_folder = matches!(self.nodes[node], Node::Folder(_));
                match self.lie {
                    Some(Lie::NoSyncOfFolders) if is_folder => {}
                    Some(Lie::NoSyncOfFiles) if !is_folder => {}
                    Some(Lie::EveryFourthSync) if self.syncs.is_multiple_of(4) => {}
                    Some(Lie::SyncAfterTheWord) if !is_folder => self.put_off.push((node, done)),
                    Some(_) | None => self.sync(node, &done)?,
                }
            }
            None => {}
        }
        match call {
            Call::Open { at, path, create, truncate } => {
                // A number that is given out anew was closed without a word: by the end of a program.
                self.open.remove(&result);
                if let Some((folder, name)) = self.find(*at, path)? {
                    let node = match (self.present(folder)?.get(&name).copied(), name.as_str()) {
                        (Some(node), _) => node,
                        (None, "") => folder,
                        (None, _) => {
                            ensure!(*create, "{path} is opened and not there");
                            self.nodes.push(Node::File(File::default()));
                            let node = self.nodes.len() - 1;
                            self.folder(folder)?.pending.push(Naming::Give(name, node));
                            node
                        }
                    };
                    if *truncate {
                        let file = self.file(node)?;
                        file.length = 0;
                        file.pending.push(Change { what: Altered::Length(0), is_done: true });
                    }
                    self.open.insert(result, Open { node, place: 0 });
                }
            }
            Call::Close(file) => drop(self.open.remove(file)),
            Call::Seek(file) => {
                if let Some(open) = self.open.get_mut(file) {
                    open.place = result;
                }
            }
            Call::Rename { from, to } => {
                if let (Some((folder, from)), Some((other, to))) = (self.find(None, from)?, self.find(None, to)?) {
                    ensure!(folder == other, "{from} moves to another folder");
                    self.folder(folder)?.pending.push(Naming::Move(from, to));
                }
            }
            Call::Remove { at, path } => {
                if let Some((folder, name)) = self.find(*at, path)? {
                    self.folder(folder)?.pending.push(Naming::Take(name));
                }
            }
            Call::MakeFolder(path) => {
                if let Some((folder, name)) = self.find(None, path)? {
                    self.nodes.push(Node::Folder(Folder::default()));
                    let node = self.nodes.len() - 1;
                    self.folder(folder)?.pending.push(Naming::Give(name, node));
                }
            }
            Call::Write { .. } | Call::Sync(_) | Call::SetLength { .. } | Call::Allocate { .. } => {}
            Call::Nothing | Call::Unknown { .. } => {}
        }
        Ok(())
    }

    /// What had returned when the sync began is durable.
    fn sync(&mut self, node: usize, done: &[usize]) -> anyhow::Result<()> {
        match &mut self.nodes[node] {
            Node::Folder(folder) => {
                for naming in folder.pending.drain(..done.len()) {
                    rename(&mut folder.durable, naming);
                }
            }
            Node::File(file) => {
                for place in done {
                    alter(&mut file.durable, &file.pending[*place].what);
                }
                let mut place = 0;
                file.pending.retain(|_| {
                    place += 1;
                    !done.contains(&(place - 1))
                });
                // Those that are still being written are found under other numbers.
                for begun in self.begun.values_mut() {
                    match begun {
                        Begun::Change { node: of, nth } if *of == node => {
                            *nth -= done.iter().filter(|place| **place < *nth).count();
                        }
                        Begun::Sync { node: of, done: others } if *of == node => forget(others, done),
                        Begun::Change { .. } | Begun::Sync { .. } => {}
                    }
                }
                for (of, others) in &mut self.put_off {
                    if *of == node {
                        forget(others, done);
                    }
                }
            }
        }
        Ok(())
    }

    /// The folder and the name that a path is about; none outside of the disk.
    fn find(&mut self, at: Option<u64>, path: &str) -> anyhow::Result<Option<(usize, String)>> {
        if let Some(at) = at {
            let Some(folder) = self.open.get(&at).map(|open| open.node) else { return Ok(None) };
            return Ok(Some((folder, path.to_owned())));
        }
        let Ok(inside) = Path::new(path).strip_prefix(&self.root) else { return Ok(None) };
        let names: Vec<String> = inside.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        let Some((name, folders)) = names.split_last() else { return Ok(Some((0, String::new()))) };
        let mut folder = 0;
        for each in folders {
            folder = *self.present(folder)?.get(each).with_context(|| format!("{path}: {each} is not there"))?;
        }
        Ok(Some((folder, name.clone())))
    }

    fn folder(&mut self, node: usize) -> anyhow::Result<&mut Folder> {
        match &mut self.nodes[node] {
            Node::Folder(folder) => Ok(folder),
            Node::File(_) => bail!("a file is used as a folder"),
        }
    }

    fn file(&mut self, node: usize) -> anyhow::Result<&mut File> {
        match &mut self.nodes[node] {
            Node::File(file) => Ok(file),
            Node::Folder(_) => bail!("a folder is used as a file"),
        }
    }

    /// The names in a folder, as the program sees them.
    fn present(&mut self, node: usize) -> anyhow::Result<BTreeMap<String, usize>> {
        let folder = self.folder(node)?;
        let mut names = folder.durable.clone();
        for naming in folder.pending.iter().cloned() {
            rename(&mut names, naming);
        }
        Ok(names)
    }
}

/// Takes out of a list what is durable, and gives the rest their new places.
fn forget(places: &mut Vec<usize>, done: &[usize]) {
    places.retain(|place| !done.contains(place));
    for place in places {
        *place -= done.iter().filter(|gone| **gone < *place).count();
    }
}

fn alter(bytes: &mut Vec<u8>, change: &Altered) {
    match change {
        Altered::Bytes { at, bytes: written } => put(bytes, *at, written),
        Altered::Length(length) => bytes.resize(size(*length), 0),
    }
}

fn put(bytes: &mut Vec<u8>, at: u64, written: &[u8]) {
    let end = size(at) + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[size(at)..end].copy_from_slice(written);
}

fn rename(names: &mut BTreeMap<String, usize>, naming: Naming) {
    match naming {
        Naming::Give(name, node) => drop(names.insert(name, node)),
        Naming::Take(name) => drop(names.remove(&name)),
        Naming::Move(from, to) => {
            if let Some(node) = names.remove(&from) {
                names.insert(to, node);
            }
        }
    }
}

fn size(length: u64) -> usize {
    usize::try_from(length).expect("a file that fits into memory")
}

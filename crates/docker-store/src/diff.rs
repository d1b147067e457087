//! The files of one layer, as overlay2 keeps them.
//!
//! Source: moby/go-archive, `diff.go`, `archive.go` and `archive_linux.go`. A whiteout becomes a
//! character device 0:0 of the hidden name, an opaque mark an attribute of its folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use kraken_foundation::{Context, Error, Job, Kind, Result, text};
use kraken_oci::{Entries, Entry as LayerEntry, EntryKind};
use kraken_overlay::{Content, Device, Entry, Kind as OverlayKind, Node};
use kraken_tar::{Stretch, Time};
use sha2::{Digest, Sha256};

use crate::places::Places;
use crate::tar_split::{Checksum, TarSplit};

/// How much of a content is read at a time, in bytes.
const BLOCK: usize = 1 << 20;
/// The attribute of a folder in which lower layers have nothing any more, and its value.
const OPAQUE: (&str, &[u8]) = ("trusted.overlay.opaque", b"y");
/// The mode of a folder that no entry names.
const IMPLIED: u16 = 0o755;
/// The end mark of an archive: two blocks of zeros.
const END_MARK: u64 = 1024;

/// What the database says of a layer.
pub(crate) struct LaidLayer {
    /// The bytes of all files and of all links' targets, each inode once.
    pub(crate) size: u64,
    /// The packed `tar-split` record.
    pub(crate) tar_split: Vec<u8>,
}

/// A layer while it is laid.
struct Layer<'a> {
    tar: Arc<File>,
    /// The path of the archive, for messages.
    path: &'a Path,
    /// What is laid so far, by path in the layer.
    entries: BTreeMap<Vec<u8>, Entry>,
    /// The first name of each file that has several.
    first_names: BTreeMap<Vec<u8>, Vec<u8>>,
    opaque: Vec<Vec<u8>>,
    split: TarSplit,
    /// Up to where the archive is in `split`.
    recorded: u64,
    time: i64,
}

/// Lays the layer in the archive at `tar` below `place` (`overlay2/…/diff`).
///
/// # Errors
/// When the archive cannot be read or has what no layer may have.
pub(crate) fn lay(places: &mut Places, place: &str, tar: &Path, job: Job<'_>) -> Result<LaidLayer> {
    let file = File::open(tar).doing("opening", tar)?;
    let mut entries = Entries::new(BufReader::new(file.try_clone().doing("opening", tar)?))?;
    let mut layer = Layer {
        tar: Arc::new(file),
        path: tar,
        entries: BTreeMap::new(),
        first_names: BTreeMap::new(),
        opaque: Vec::new(),
        split: TarSplit::new(),
        recorded: 0,
        time: places.time(),
    };
    let task = job.task("laying out an image's layer", Some(entries.archive_size()));
    let size = entries.archive_size();
    for entry in &mut entries {
        job.interrupt.check()?;
        let before = layer.recorded;
        layer.take(&entry?, places, place)?;
        task.advance(layer.recorded - before);
    }
    layer.end(size)?;
    layer.finish(places, place)
}

impl Layer<'_> {
    fn take(&mut self, entry: &LayerEntry, places: &Places, place: &str) -> Result<()> {
        self.raw(entry.content.offset)?;
        let Stretch { length, .. } = entry.content;
        let mut checksum = Checksum::new();
        let content = match entry.kind {
            EntryKind::File => self.content(entry.content, &mut checksum)?,
            // Docker keeps no content of anything else, and gives none back.
            _ => Content::from([]),
        };
        let is_file = entry.kind == EntryKind::File;
        let size = if is_file { length } else { 0 };
        self.split
            .file(&entry.name, size, checksum)
            .doing("recording", self.path)?;
        if is_file {
            self.recorded = entry.content.end();
        }
        let kind = match &entry.kind {
            EntryKind::GlobalHeader => return Ok(()),
            EntryKind::Opaque => {
                self.opaque.push(entry.path.clone());
                self.folder_of(&joined(&entry.path, b"x"));
                return Ok(());
            }
            EntryKind::Whiteout => {
                let whiteout = Entry::node(Node::WHITEOUT, 0, self.time).owned_by(entry.uid, entry.gid);
                self.folder_of(&entry.path);
                self.entries.insert(entry.path.clone(), whiteout);
                return Ok(());
            }
            EntryKind::HardLink { target } => return self.hard_link(entry, target, places, place),
            EntryKind::Folder => OverlayKind::Directory,
            EntryKind::File => OverlayKind::File(content),
            EntryKind::Symlink { target } => OverlayKind::Symlink(target.clone()),
            EntryKind::Character(device) => OverlayKind::Node(Node::Character(number(*device))),
            EntryKind::Block(device) => OverlayKind::Node(Node::Block(number(*device))),
            EntryKind::Fifo => OverlayKind::Node(Node::Pipe),
        };
        // Docker makes the layer's root folder itself.
        if entry.path.is_empty() {
            return Ok(());
        }
        let mut laid = Entry::absent();
        laid.kind = kind;
        self.dress(&mut laid, entry)?;
        self.folder_of(&entry.path);
        self.entries.insert(entry.path.clone(), laid);
        Ok(())
    }

    /// Gives a laid entry what an entry of the archive says of it.
    fn dress(&self, laid: &mut Entry, entry: &LayerEntry) -> Result<()> {
        laid.mode = entry.mode;
        (laid.uid, laid.gid) = (entry.uid, entry.gid);
        // Docker takes times before 1970 as 1970.
        let Time { seconds, nanoseconds } = match entry.mtime.seconds {
            ..0 => Time::default(),
            _ => entry.mtime,
        };
        (laid.mtime, laid.mtime_nanoseconds) = (seconds, nanoseconds);
        for (name, value) in &entry.xattrs {
            let Ok(name) = std::str::from_utf8(name) else {
                let text = format!(
                    "{}: an extended attribute has a name that is not UTF-8",
                    self.shown(&entry.path)
                );
                return Err(Error::new(Kind::Unsupported, text));
            };
            laid.xattrs.insert(name.to_owned(), value.clone());
        }
        Ok(())
    }

    /// Adds another name. What the archive says of it holds for all names, as in Docker: owner,
    /// mode and time are those of the file.
    fn hard_link(&mut self, entry: &LayerEntry, target: &[u8], places: &Places, place: &str) -> Result<()> {
        let first = self.first_names.get(target).cloned().unwrap_or_else(|| target.to_vec());
        let Some(mut laid) = self.entries.remove(&first) else {
            let text = format!("{}: it is a hard link to what is not there", self.shown(&entry.path));
            return Err(Error::new(Kind::Damaged, text));
        };
        self.dress(&mut laid, entry)?;
        let mut link = laid.clone();
        link.kind = OverlayKind::HardLink(places.path(&joined(place.as_bytes(), &first))?);
        link.xattrs.clear();
        self.entries.insert(first.clone(), laid);
        self.folder_of(&entry.path);
        self.entries.insert(entry.path.clone(), link);
        self.first_names.insert(entry.path.clone(), first);
        Ok(())
    }

    /// Makes the folders in which a path lies, where no entry has named them.
    fn folder_of(&mut self, path: &[u8]) {
        let mut at = path;
        while let Some(slash) = at.iter().rposition(|byte| *byte == b'/') {
            at = &at[..slash];
            if self.entries.contains_key(at) {
                break;
            }
            self.entries.insert(at.to_vec(), Entry::directory(IMPLIED, self.time));
        }
    }

    /// Reads a content once, for its hash and its checksum; the bytes stay in the archive.
    fn content(&self, content: Stretch, checksum: &mut Checksum) -> Result<Content> {
        let Stretch { offset, length } = content;
        let (mut hash, mut at) = (Sha256::new(), 0);
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(BLOCK).min(BLOCK)];
        while at < length {
            let count = usize::try_from(length - at).unwrap_or(BLOCK).min(BLOCK);
            let piece = &mut buffer[..count];
            self.tar.read_exact_at(piece, offset + at).doing("reading", self.path)?;
            hash.update(&*piece);
            checksum.update(piece);
            at += count as u64;
        }
        Ok(Content::Stored {
            file: self.tar.clone(),
            offset,
            len: length,
            sha256: hash.finalize().into(),
        })
    }

    /// Records headers and padding up to `end`.
    fn raw(&mut self, end: u64) -> Result<()> {
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(self.recorded)).map_err(std::io::Error::other)?];
        self.tar
            .read_exact_at(&mut bytes, self.recorded)
            .doing("reading", self.path)?;
        self.split.segment(&bytes).doing("recording", self.path)?;
        self.recorded = end.max(self.recorded);
        Ok(())
    }

    /// Records what is behind the last entry: the end mark, then the rest in pieces.
    fn end(&mut self, size: u64) -> Result<()> {
        let mark = self.recorded.next_multiple_of(512).saturating_add(END_MARK);
        self.raw(mark.min(size))?;
        while self.recorded < size {
            self.raw((self.recorded + BLOCK as u64).min(size))?;
        }
        Ok(())
    }

    fn finish(mut self, places: &mut Places, place: &str) -> Result<LaidLayer> {
        let mut root = Entry::directory(IMPLIED, self.time);
        for folder in std::mem::take(&mut self.opaque) {
            let entry = match folder.is_empty() {
                true => Some(&mut root),
                false => self.entries.get_mut(&folder),
            };
            let Some(entry) = entry.filter(|entry| entry.kind == OverlayKind::Directory) else {
                let text = format!("{}: only a folder can be opaque", self.shown(&folder));
                return Err(Error::new(Kind::Damaged, text));
            };
            entry.xattrs.insert(OPAQUE.0.to_owned(), OPAQUE.1.to_vec());
        }
        places.put(place.as_bytes(), root)?;
        let mut size = 0;
        for (path, entry) in self.entries {
            size += match &entry.kind {
                OverlayKind::File(content) => content.len(),
                OverlayKind::Symlink(target) => target.len() as u64,
                _ => 0,
            };
            places.put(&joined(place.as_bytes(), &path), entry)?;
        }
        Ok(LaidLayer {
            size,
            tar_split: self.split.finish().doing("recording", self.path)?,
        })
    }

    fn shown(&self, path: &[u8]) -> String {
        let path = text::line(&String::from_utf8_lossy(path));
        format!("reading the layer {}: /{path}", self.path.display())
    }
}

fn number(device: kraken_tar::Device) -> Device {
    Device {
        major: device.major,
        minor: device.minor,
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match folder.is_empty() {
        true => name.to_vec(),
        false => [folder, b"/", name].concat(),
    }
}

//! Reads a `.deb` (deb(5)): an `ar` archive of `debian-binary`, `control.tar` and `data.tar`.
//! Nothing in it is trusted.

pub mod ar;
mod control;
mod data;
mod error;
mod extended;
mod packing;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

pub use control::{ControlFile, ControlFiles};
pub(super) use data::Measure;
pub use data::{Body, DataEntry, Scratch, Sink};
pub use error::DebError;
pub(super) use error::{bad, bad_entry, not_stored};

use error::unreadable;
use kraken_foundation::{Error, Result};
use packing::unpacked;

/// The maximum size of a package's files together, in bytes. Debian's largest packages have some
/// 3 GiB.
const MOST_DATA: u64 = 6 << 30;
/// The maximum size of its control files together, in bytes.
const MOST_CONTROL: u64 = 64 << 20;
/// The size of an ext4 block, in bytes.
const BLOCK: u64 = 4096;

/// An opened `.deb`: its control files are read, its data is not.
pub struct Deb {
    path: PathBuf,
    /// `control.tar`.
    pub control: ControlFiles,
    data: BufReader<File>,
    name: String,
    size: u64,
}

/// What a package needs of a root file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes, in whole blocks of 4096.
    pub bytes: u64,
    /// Files, folders and links.
    pub inodes: u64,
}

impl Deb {
    /// Opens a `.deb` and reads its control files.
    ///
    /// # Errors
    /// When it is not a package, or not a trustworthy one ([`DebError`]).
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(unreadable(path))?;
        let total = file.metadata().map_err(unreadable(path))?.len();
        let mut input = BufReader::with_capacity(256 << 10, file);
        ar::begin(&mut input).map_err(unreadable(path))?;
        let mut left = total.saturating_sub(8);
        let version = member(&mut input, path, &mut left)?;
        if version.name != "debian-binary" || version.size > 64 {
            return Err(bad(path, "its first member is not debian-binary"));
        }
        let text = take(&mut input, version.size, path)?;
        if !text.starts_with(b"2.") {
            return Err(bad(path, "its format is not version 2"));
        }
        let packed = member(&mut input, path, &mut left)?;
        let control = {
            let part = (&mut input).take(packed.size);
            let reader = unpacked(&packed.name, "control.tar", part, MOST_CONTROL)
                .map_err(unreadable(path))?
                .ok_or_else(|| unknown(path, "control.tar", &packed.name))?;
            ControlFiles::read(reader, path)?
        };
        seek_behind(&mut input, path, total - left)?;
        let data = loop {
            let next = member(&mut input, path, &mut left)?;
            // Members whose names begin with an underscore are reserved for other programs
            // (deb(5)).
            if !next.name.starts_with('_') {
                break next;
            }
            seek_behind(&mut input, path, total - left)?;
        };
        Ok(Self {
            path: path.to_owned(),
            control,
            data: input,
            name: data.name,
            size: data.size,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the files of the package, in their order; their bytes go to `sink`.
    ///
    /// # Errors
    /// When it is damaged ([`DebError`]), also for entries that no image takes: devices, pipes,
    /// paths that lead out, names that are not UTF-8. An error of `visit` ends the reading.
    pub fn files(self, sink: &mut dyn Sink, visit: &mut dyn FnMut(DataEntry) -> Result<()>) -> Result<()> {
        let path = &self.path;
        let part = self.data.take(self.size);
        let mut reader = unpacked(&self.name, "data.tar", part, MOST_DATA)
            .map_err(unreadable(path))?
            .ok_or_else(|| unknown(path, "data.tar", &self.name))?;
        data::read(&mut reader, path, sink, visit)?;
        // Reads to the end, so that the check of the packing covers all of it.
        io::copy(&mut reader, &mut io::sink()).map_err(unreadable(path))?;
        Ok(())
    }
}

/// Returns the control file of a `.deb` as text.
///
/// # Errors
/// When it is not a package, or not a trustworthy one ([`DebError`]).
pub fn control_text(path: &Path) -> Result<String> {
    Ok(Deb::open(path)?.control.control)
}

/// Returns what a `.deb` needs of a root file system; reads all of it.
///
/// # Errors
/// When it is not a package, or not a trustworthy one ([`DebError`]).
pub fn measure(path: &Path) -> Result<Need> {
    let deb = Deb::open(path)?;
    let mut measuring = Measuring::begin(&deb.control);
    deb.files(&mut Measure, &mut |entry: DataEntry| {
        measuring.add(&entry);
        Ok(())
    })?;
    Ok(measuring.end())
}

/// Adds up what a package needs of a root file system, while it is read.
#[derive(Debug)]
pub(super) struct Measuring {
    need: Need,
    /// Bytes of names: in the folder, in dpkg's list, and in our record.
    names: u64,
}

impl Measuring {
    /// Starts with dpkg's own files of the package; the list of files and the status grow with it.
    pub(super) fn begin(control: &ControlFiles) -> Self {
        let mut need = Need {
            bytes: blocks(control.control.len() as u64) + 2 * BLOCK,
            inodes: 1,
        };
        for file in control.others.values() {
            need.bytes += blocks(file.bytes.len() as u64);
            need.inodes += 1;
        }
        Self { need, names: 0 }
    }

    /// Adds a file.
    pub(super) fn add(&mut self, entry: &DataEntry) {
        self.need.inodes += 1;
        self.names += 2 * entry.path.as_str().len() as u64 + 256;
        self.need.bytes += match &entry.body {
            Body::File { len, .. } => blocks(*len),
            Body::Directory => BLOCK,
            Body::Symlink(target) if target.len() > 59 => BLOCK,
            Body::Symlink(_) | Body::HardLink(_) => 0,
        };
        self.need.bytes += if entry.xattrs.is_empty() { 0 } else { BLOCK };
    }

    /// Returns the sum.
    pub(super) fn end(self) -> Need {
        Need {
            bytes: self.need.bytes + blocks(self.names),
            inodes: self.need.inodes,
        }
    }
}

fn blocks(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

/// Reads the header of the next member. The member must exist, and so must all its bytes.
fn member(input: &mut impl Read, path: &Path, left: &mut u64) -> Result<ar::Member> {
    let member = ar::next(input)
        .map_err(unreadable(path))?
        .ok_or_else(|| bad(path, "it ends before its data"))?;
    let whole = 60 + member.size;
    *left = left
        .checked_sub(whole)
        .ok_or_else(|| bad(path, &format!("it is cut off: {} is not all there", member.name)))?;
    if ar::padding(member.size) == 1 {
        *left = left.saturating_sub(1);
    }
    Ok(member)
}

/// Reads a small member and its padding.
fn take(input: &mut impl Read, size: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let whole = size + ar::padding(size);
    input.take(whole).read_to_end(&mut bytes).map_err(unreadable(path))?;
    bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok(bytes)
}

/// Seeks to the byte behind a member, `at` bytes into the file (its padding included), however much
/// of the member was read.
fn seek_behind(input: &mut BufReader<File>, path: &Path, at: u64) -> Result<()> {
    io::Seek::seek(input, io::SeekFrom::Start(at)).map_err(unreadable(path))?;
    Ok(())
}

fn unknown(path: &Path, wanted: &str, found: &str) -> Error {
    let found: String = found.chars().take(32).collect();
    bad(
        path,
        &format!("its member {found:?} is not a {wanted} that we know (plain, .gz, .xz or .zst)"),
    )
}

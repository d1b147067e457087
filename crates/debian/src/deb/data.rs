//! `data.tar`: the files of a package, with owner, mode, time and extended attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use md5::Md5;
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::error::{bad, bad_entry, not_stored, unreadable};
use super::extended::Extended;
use kraken_foundation::Result;
use kraken_overlay::{Content, EntryPath};

/// The maximum number of files of a package.
const MOST_ENTRIES: usize = 1_000_000;
/// Bytes handled at a time.
const BLOCK: usize = 256 << 10;

/// A file, link or folder of a package.
#[derive(Clone, Debug)]
pub struct DataEntry {
    /// Its path.
    pub path: EntryPath,
    /// Its type, with its contents.
    pub body: Body,
    /// Permission bits.
    pub mode: u16,
    /// Owner, by number and by name; the name has precedence where the image knows it.
    pub owner: (u32, String),
    /// Group, likewise.
    pub group: (u32, String),
    /// Modification time, in seconds since 1970-01-01 UTC.
    pub mtime: i64,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The type of an entry, with its contents.
#[derive(Clone, Debug)]
pub enum Body {
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// The number of bytes.
        len: u64,
        /// Their MD5, for dpkg's lists.
        md5: [u8; 16],
    },
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink(String),
    /// Another name of an earlier file.
    HardLink(EntryPath),
}

/// Stores the bytes of files.
pub trait Sink {
    /// Takes bytes of the current file.
    ///
    /// # Errors
    /// When writing fails.
    fn take(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends the current file and returns its bytes as a content with this hash.
    fn finish(&mut self, len: u64, sha256: [u8; 32]) -> Content;
}

/// Keeps the bytes of all files in one unnamed temporary file.
pub struct Scratch {
    file: Arc<File>,
    begin: u64,
    end: u64,
}

impl Scratch {
    /// Makes the temporary file in a folder that has enough space.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: Arc::new(tempfile::tempfile_in(folder)?),
            begin: 0,
            end: 0,
        })
    }
}

impl Sink for Scratch {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn finish(&mut self, len: u64, sha256: [u8; 32]) -> Content {
        let offset = std::mem::replace(&mut self.begin, self.end);
        Content::Stored {
            file: self.file.clone(),
            offset,
            len,
            sha256,
        }
    }
}

/// Keeps nothing: for callers that only need sizes.
pub(crate) struct Measure;

impl Sink for Measure {
    fn take(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: u64, _: [u8; 32]) -> Content {
        Content::from([])
    }
}

/// Reads all entries of a `data.tar`.
pub(super) fn read(
    reader: &mut dyn Read,
    path: &Path,
    sink: &mut dyn Sink,
    visit: &mut dyn FnMut(DataEntry) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(reader);
    let mut seen = BTreeSet::new();
    let mut files = BTreeSet::new();
    let mut before = Extended::default();
    for entry in archive.entries().map_err(unreadable(path))?.raw(true) {
        let mut entry = entry.map_err(unreadable(path))?;
        if before.take(&mut entry).map_err(unreadable(path))? {
            continue;
        }
        let extended = std::mem::take(&mut before);
        let raw = extended.path(&entry);
        let Some(place) = place(&raw).map_err(|why| bad_entry(path, &raw, &why))? else {
            continue;
        };
        if !seen.insert(place.clone()) || seen.len() > MOST_ENTRIES {
            return Err(bad_entry(path, &raw, "is there twice, or one of too many"));
        }
        let names = Names {
            path,
            raw: &raw,
            place: &place,
        };
        let body = body(&mut entry, &extended, &names, sink, &files)?;
        if matches!(body, Body::File { .. }) {
            files.insert(place.clone());
        }
        let header = entry.header();
        let id = |value: io::Result<u64>| {
            let id = value.map_err(unreadable(path))?;
            u32::try_from(id).map_err(|_| bad_entry(path, &raw, "has an owner that cannot be"))
        };
        let name = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        visit(DataEntry {
            path: place,
            body,
            mode: (header.mode().map_err(unreadable(path))? & 0o7777) as u16,
            owner: (id(header.uid())?, name(header.username_bytes())),
            group: (id(header.gid())?, name(header.groupname_bytes())),
            mtime: extended.mtime(&entry).map_err(unreadable(path))?,
            xattrs: extended.xattrs(),
        })?;
    }
    match before.is_empty() {
        true => Ok(()),
        false => Err(bad(path, "it ends after a long name that belongs to no entry")),
    }
}

/// Returns the path of an entry; `None` for the root folder itself.
fn place(raw: &[u8]) -> Result<Option<EntryPath>, String> {
    let text = std::str::from_utf8(raw).map_err(|_| "has a name that is not UTF-8")?;
    if text.starts_with('/') {
        return Err("has an absolute path".into());
    }
    let text = text.strip_prefix("./").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() || text == "." {
        return Ok(None);
    }
    if text.contains('\n') {
        // dpkg's own lists have a path on each line.
        return Err("has a line break in its name".into());
    }
    EntryPath::new(text).map(Some).map_err(|error| error.to_string())
}

/// What an entry is called.
struct Names<'a> {
    /// The package's file.
    path: &'a Path,
    /// The entry's name as the archive has it.
    raw: &'a [u8],
    /// The same inside the image.
    place: &'a EntryPath,
}

fn body<R: Read>(
    entry: &mut tar::Entry<'_, R>,
    extended: &Extended,
    names: &Names<'_>,
    sink: &mut dyn Sink,
    files: &BTreeSet<EntryPath>,
) -> Result<Body> {
    let Names { path, raw, place } = *names;
    let refuse = |why: &str| bad_entry(path, raw, why);
    let target = |entry: &tar::Entry<'_, R>| {
        let bytes = extended.target(entry).ok_or_else(|| refuse("is a link to nothing"))?;
        String::from_utf8(bytes).map_err(|_| refuse("is a link to a name that is not UTF-8"))
    };
    if !extended.has_one_size(entry.header().entry_size().map_err(unreadable(path))?) {
        return Err(refuse("has two sizes"));
    }
    match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => file(entry, path, sink),
        EntryType::Directory => Ok(Body::Directory),
        EntryType::Symlink => {
            let target = target(entry)?;
            match leads_out(place, &target) {
                Some(why) => Err(refuse(why)),
                None => Ok(Body::Symlink(target)),
            }
        }
        EntryType::Link => {
            let other = self::place(target(entry)?.as_bytes())
                .map_err(|why| refuse(&format!("is a link to what {why}")))?
                .filter(|other| files.contains(other))
                .ok_or_else(|| refuse("is a hard link to something that is not a file of the package"))?;
            Ok(Body::HardLink(other))
        }
        EntryType::Block | EntryType::Char => Err(refuse("is a device node, which no package may bring into an image")),
        EntryType::Fifo => Err(refuse("is a pipe, which no package may bring into an image")),
        EntryType::GNUSparse => Err(refuse("is a sparse file, which no package has")),
        _ => Err(refuse("is of a kind that no package has")),
    }
}

/// Returns why a symbolic link at `place` must not lead to `target`.
fn leads_out(place: &EntryPath, target: &str) -> Option<&'static str> {
    if target.is_empty() || target.len() > 4095 || target.contains('\0') {
        return Some("is a symbolic link to what cannot be a name");
    }
    if target.starts_with('/') {
        // Inside the image, `/` is the image's own root.
        return None;
    }
    let mut depth = place.as_str().matches('/').count() - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return Some("is a symbolic link that leads out of the root"),
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    None
}

fn file<R: Read>(entry: &mut tar::Entry<'_, R>, path: &Path, sink: &mut dyn Sink) -> Result<Body> {
    let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
    let mut buffer = vec![0; BLOCK];
    let mut len = 0;
    loop {
        let count = entry.read(&mut buffer).map_err(unreadable(path))?;
        if count == 0 {
            break;
        }
        sha256.update(&buffer[..count]);
        md5.update(&buffer[..count]);
        sink.take(&buffer[..count]).map_err(not_stored)?;
        len += count as u64;
    }
    if len != entry.header().entry_size().map_err(unreadable(path))? {
        return Err(bad(path, "it is cut off in the middle of a file"));
    }
    Ok(Body::File {
        content: sink.finish(len, sha256.finalize().into()),
        len,
        md5: md5.finalize().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::Kind;

    struct FullDisk;

    impl Sink for FullDisk {
        fn take(&mut self, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn finish(&mut self, _: u64, _: [u8; 32]) -> Content {
            Content::from([])
        }
    }

    #[test]
    fn a_disk_without_room_is_not_taken_for_an_unreadable_package() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        builder.append_data(&mut header, "usr/a", &b"text"[..]).unwrap();
        let tar = builder.into_inner().unwrap();
        let path = Path::new("a.deb");
        let error = read(&mut &tar[..], path, &mut FullDisk, &mut |_| Ok(())).unwrap_err();
        let said = error.to_string();
        assert_eq!(error.kind(), Kind::Full, "{said}");
        assert!(said.starts_with("unpacking into a temporary file: "), "{said}");
    }
}

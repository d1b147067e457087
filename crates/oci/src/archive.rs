//! Tar archives with images: a file in them by its name, without unpacking them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use kraken_fetch::{Downloads, packing};
use kraken_foundation::{Context, Error, Kind, Result};
use kraken_tar::{Member, Members, Stretch, Type};

use crate::range::FileRange;

/// The maximum number of files in an archive.
const MOST_MEMBERS: usize = 100_000;

/// The maximum size of an archive in bytes, unpacked.
const MOST_BYTES: u64 = 64 << 30;

/// The most links that lead to one file.
const MOST_LINKS: u32 = 8;

/// An archive, and where its files are in it.
#[derive(Debug)]
pub(crate) struct Archive {
    /// The archive, unpacked.
    path: PathBuf,
    members: BTreeMap<String, Found>,
}

/// A file of an archive.
#[derive(Debug)]
enum Found {
    Bytes(Stretch),
    /// A link to another file, by its name in the archive.
    Link(String),
}

impl Archive {
    /// Reads which files an archive has; a packed one (gzip, zstd, xz) is unpacked into the cache
    /// first.
    ///
    /// # Errors
    /// When it cannot be read, or is not a tar archive.
    pub(crate) fn open(path: &Path, downloads: &Downloads<'_>) -> Result<Self> {
        let head = FileRange::whole(path)?.head(6)?;
        if head.starts_with(b"BZh") {
            let text = format!(
                "reading {}: it is packed with bzip2, which is not supported",
                path.display()
            );
            return Err(Error::new(Kind::Unsupported, text).with_help("unpack it first: bunzip2 FILE"));
        }
        let path = match packing(&head) {
            Some(format) => downloads.unpacked(path, format, MOST_BYTES)?.path,
            None => path.to_owned(),
        };
        let members = read(&path).quoted(|| format!("reading {} as a tar archive", path.display()))?;
        Ok(Self { path, members })
    }

    /// Returns where a file is; `None` when the archive does not have it.
    ///
    /// # Errors
    /// When a link leads to nothing, or in a circle.
    pub(crate) fn get(&self, name: &str) -> Result<Option<FileRange>> {
        let mut at = name;
        for _ in 0..=MOST_LINKS {
            match self.members.get(at) {
                Some(Found::Bytes(Stretch { offset, length })) => {
                    return Ok(Some(FileRange {
                        path: self.path.clone(),
                        offset: *offset,
                        length: *length,
                    }));
                }
                Some(Found::Link(target)) => at = target,
                None if at == name => return Ok(None),
                None => break,
            }
        }
        let text = format!(
            "reading {}: {name:?} in it is a link to nothing, or a circle of links",
            self.path.display()
        );
        Err(Error::new(Kind::Damaged, text))
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Found>> {
    let mut tar = Members::new(File::open(path).doing("opening", path)?)?;
    let mut members = BTreeMap::new();
    while let Some(member) = tar.next_member()? {
        let Some((name, found)) = found(&member)? else { continue };
        if members.len() >= MOST_MEMBERS {
            return Err(Error::new(Kind::Unsupported, "it has more than 100,000 files"));
        }
        if members.insert(name.clone(), found).is_some() {
            return Err(Error::new(Kind::Damaged, format!("{name:?} is in it twice")));
        }
    }
    Ok(members)
}

/// Returns a file of the archive with its name; `None` for folders and for names that no image has.
fn found(member: &Member) -> Result<Option<(String, Found)>> {
    let Some(name) = std::str::from_utf8(&member.name).ok().and_then(|name| within("", name)) else {
        return Ok(None);
    };
    let link = |folder: &str| {
        let target = std::str::from_utf8(&member.link)
            .ok()
            .and_then(|target| within(folder, target));
        // What leads out of the archive leads to nothing.
        Found::Link(target.unwrap_or_default())
    };
    let found = match member.kind {
        Type::File if member.is_sparse => {
            return Err(Error::new(
                Kind::Unsupported,
                format!("{name:?} in it is a sparse file"),
            ));
        }
        Type::File => Found::Bytes(member.content),
        Type::Symlink => link(name.rsplit_once('/').map_or("", |(folder, _)| folder)),
        Type::HardLink => link(""),
        _ => return Ok(None),
    };
    Ok(Some((name, found)))
}

/// Returns a path inside the archive without `.` and `..`; `None` for one that leads out of it.
pub(crate) fn within(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

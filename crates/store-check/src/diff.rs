//! The files of a layer beside its archive: what the archive says of each, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use kraken_tar::pax;
use tar::EntryType;

use crate::archive::{Archive, bad};
use crate::files::{FileKind, Stat, StoreFiles};

/// The maximum size of a long name or of PAX records, in bytes.
const MOST_EXTENSION: u64 = 1 << 20;
/// The prefix of whiteouts, and the mark of an opaque folder.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The attribute of an opaque folder.
const OPAQUE_XATTR: &[u8] = b"trusted.overlay.opaque";
/// How PAX records name attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Attributes that overlayfs and Linux Security Modules keep for themselves.
const NOT_OF_THE_ARCHIVE: [&[u8]; 4] = [
    b"trusted.overlay.origin",
    b"trusted.overlay.impure",
    b"security.selinux",
    b"security.ima",
];
/// The most differences that are listed for a layer.
const MOST_LISTED: usize = 20;

/// What the archive says of a path.
#[derive(Clone, Debug, Default)]
struct Wanted {
    kind: Option<FileKind>,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: Option<i64>,
    size: u64,
    target: Vec<u8>,
    device: u64,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The path of the file of which it is another name.
    same_as: Option<Vec<u8>>,
    /// A folder that no entry names: what it has is Docker's.
    is_implied: bool,
    is_opaque: bool,
}

/// Header extensions before an entry.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What came out of a layer.
pub(crate) struct ReadLayer {
    /// The SHA-256 of its archive.
    pub(crate) sha256: [u8; 32],
    /// The bytes of all its files and links' targets, each inode once.
    pub(crate) size: u64,
    /// The number of its files and folders.
    pub(crate) entries: usize,
}

/// Reads the archive of a layer whose files are in `folder`, and compares each file with what the
/// archive says; adds what differs to `wrong`.
///
/// # Errors
/// When the archive cannot be made again: a file is missing or damaged, or the record is.
pub(crate) fn compare(
    files: &dyn StoreFiles,
    folder: &[u8],
    archive: Archive<'_>,
    wrong: &mut Vec<String>,
) -> io::Result<ReadLayer> {
    let mut tar = tar::Archive::new(archive);
    let mut wanted: BTreeMap<Vec<u8>, Wanted> = BTreeMap::new();
    let mut extended = Extended::default();
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => extended.name = Some(until_nul(text(&mut entry)?)),
            EntryType::GNULongLink => extended.link = Some(until_nul(text(&mut entry)?)),
            EntryType::XHeader => extended.take(&text(&mut entry)?)?,
            EntryType::XGlobalHeader => {}
            _ => add(&mut wanted, &entry, std::mem::take(&mut extended))?,
        }
    }
    let sha256 = tar.into_inner().finish()?;
    let mut listed = Vec::new();
    let size = beside(files, folder, &wanted, &mut listed)?;
    let more = listed.len().saturating_sub(MOST_LISTED);
    listed.truncate(MOST_LISTED);
    wrong.append(&mut listed);
    if more > 0 {
        wrong.push(format!("{more} more files of the layer differ"));
    }
    Ok(ReadLayer {
        sha256,
        size,
        entries: wanted.len(),
    })
}

fn text<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(MOST_EXTENSION).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

impl Extended {
    fn take(&mut self, records: &[u8]) -> io::Result<()> {
        for record in pax::records(records) {
            let record = record?;
            let number = || std::str::from_utf8(record.value).ok()?.parse().ok();
            match record.key {
                b"path" => self.name = Some(record.value.to_vec()),
                b"linkpath" => self.link = Some(record.value.to_vec()),
                b"uid" => self.uid = number(),
                b"gid" => self.gid = number(),
                b"mtime" => self.mtime = pax::Time::parse(record.value).map(|time| time.seconds),
                key => {
                    if let Some(name) = key.strip_prefix(XATTR) {
                        self.xattrs.insert(name.to_vec(), record.value.to_vec());
                    }
                }
            }
        }
        Ok(())
    }
}

fn add<R: Read>(
    wanted: &mut BTreeMap<Vec<u8>, Wanted>,
    entry: &tar::Entry<'_, R>,
    extended: Extended,
) -> io::Result<()> {
    let header = entry.header();
    let name = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let path = clean(&name);
    let Some(last) = path.rsplit(|byte| *byte == b'/').next().filter(|last| !last.is_empty()) else {
        return Ok(()); // the root folder is Docker's
    };
    let folder = &path[..path.len() - last.len()];
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    for at in 1..path.len() {
        if path[at] == b'/' {
            wanted.entry(path[..at].to_vec()).or_insert_with(implied);
        }
    }
    if last == OPAQUE {
        wanted.entry(folder.to_vec()).or_insert_with(implied).is_opaque = true;
        return Ok(());
    }
    let old = header.as_old();
    let id = |own: Option<u32>, header: io::Result<u64>| match own {
        Some(own) => Ok(own),
        None => u32::try_from(header?).map_err(|_| bad("an owner is larger than any can be".into())),
    };
    let mut file = Wanted {
        mode: (or_blank(&old.mode, header.mode())? & 0o7777) as u16,
        uid: id(extended.uid, or_blank(&old.uid, header.uid()))?,
        gid: id(extended.gid, or_blank(&old.gid, header.gid()))?,
        xattrs: extended.xattrs,
        ..Wanted::default()
    };
    if let Some(hidden) = last.strip_prefix(WHITEOUT) {
        file.kind = Some(FileKind::Character);
        file.mode = 0;
        file.xattrs.clear();
        let hidden = [folder, if folder.is_empty() { b"" } else { b"/" }, hidden].concat();
        wanted.insert(hidden, file);
        return Ok(());
    }
    let mtime = match extended.mtime {
        Some(mtime) => mtime,
        None => or_blank(&old.mtime, header.mtime())?.cast_signed(),
    };
    file.mtime = Some(mtime.max(0));
    let link = || {
        let own = || header.link_name_bytes().unwrap_or_default().into_owned();
        extended.link.clone().unwrap_or_else(own)
    };
    let device = || -> io::Result<u64> {
        let major = u64::from(header.device_major()?.unwrap_or_default());
        Ok(major << 32 | u64::from(header.device_minor()?.unwrap_or_default()))
    };
    file.kind = Some(match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => FileKind::File,
        EntryType::Directory => FileKind::Folder,
        EntryType::Symlink => {
            file.target = link();
            FileKind::Symlink
        }
        EntryType::Fifo => FileKind::Pipe,
        EntryType::Char => {
            file.device = device()?;
            FileKind::Character
        }
        EntryType::Block => {
            file.device = device()?;
            FileKind::Block
        }
        EntryType::Link => return other_name(wanted, path, &clean(&link()), file),
        other => return Err(bad(format!("it has an entry of the kind {other:?}"))),
    });
    if file.kind == Some(FileKind::File) {
        file.size = header.entry_size()?;
    }
    file.is_opaque = wanted.get(&path).is_some_and(|before| before.is_opaque);
    wanted.insert(path, file);
    Ok(())
}

/// Returns a number of a header. An empty field is 0, as in Docker.
fn or_blank<T: Default>(field: &[u8], number: io::Result<T>) -> io::Result<T> {
    match field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        true => Ok(T::default()),
        false => number,
    }
}

/// Adds another name of a file. What is said of the last name holds for all of them.
fn other_name(wanted: &mut BTreeMap<Vec<u8>, Wanted>, path: Vec<u8>, target: &[u8], last: Wanted) -> io::Result<()> {
    let first = match wanted.get(target) {
        Some(Wanted {
            same_as: Some(first), ..
        }) => first.clone(),
        Some(_) => target.to_vec(),
        None => {
            return Err(bad(format!(
                "{:?} is another name of nothing",
                target.escape_ascii().to_string()
            )));
        }
    };
    if let Some(file) = wanted.get_mut(&first) {
        (file.uid, file.gid, file.mtime) = (last.uid, last.gid, last.mtime);
        file.mode = last.mode;
        file.xattrs.extend(last.xattrs);
    }
    let name = Wanted {
        same_as: Some(first),
        ..Wanted::default()
    };
    wanted.insert(path, name);
    Ok(())
}

fn implied() -> Wanted {
    Wanted {
        kind: Some(FileKind::Folder),
        mode: 0o755,
        is_implied: true,
        ..Wanted::default()
    }
}

fn clean(name: &[u8]) -> Vec<u8> {
    let parts = name
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    parts.collect::<Vec<_>>().join(&b'/')
}

/// Compares the files in `folder` with those wanted; returns the bytes of all of them.
fn beside(
    files: &dyn StoreFiles,
    folder: &[u8],
    wanted: &BTreeMap<Vec<u8>, Wanted>,
    wrong: &mut Vec<String>,
) -> io::Result<u64> {
    let place = |path: &[u8]| [folder, b"/", path].concat();
    let mut counted = BTreeSet::new();
    let mut size = 0;
    let mut folders = vec![Vec::new()];
    for (path, file) in wanted {
        let shown = path.escape_ascii();
        let Some(found) = files.stat(&place(path))? else {
            wrong.push(format!("/{shown} is missing"));
            continue;
        };
        match found.kind {
            FileKind::Folder => folders.push(path.clone()),
            FileKind::File | FileKind::Symlink if counted.insert(found.inode) => size += found.size,
            _ => {}
        }
        if let Some(first) = &file.same_as {
            let same = files
                .stat(&place(first))?
                .is_some_and(|first| first.inode == found.inode);
            if !same {
                wrong.push(format!("/{shown} should be another name of /{}", first.escape_ascii()));
            }
            continue;
        }
        let mut differs = differences(file, &found);
        if found.kind == FileKind::Symlink && files.target(&place(path))? != file.target {
            differs.push("leads elsewhere".into());
        }
        if !differs.is_empty() {
            wrong.push(format!("/{shown} {}", differs.join(", ")));
        }
    }
    // What the archive does not have.
    for inside in folders {
        let at = if inside.is_empty() {
            folder.to_vec()
        } else {
            place(&inside)
        };
        for name in files.list(&at)? {
            let path = match inside.is_empty() {
                true => name,
                false => [&inside, &b"/"[..], &name].concat(),
            };
            if !wanted.contains_key(&path) {
                wrong.push(format!("/{} is not in the layer's archive", path.escape_ascii()));
            }
        }
    }
    Ok(size)
}

fn differences(file: &Wanted, found: &Stat) -> Vec<String> {
    let mut differs = Vec::new();
    if file.kind != Some(found.kind) {
        let kind = file.kind.unwrap_or(FileKind::Other);
        return vec![format!("is of the kind {:?} and should be {kind:?}", found.kind)];
    }
    if found.kind != FileKind::Symlink && found.mode != file.mode {
        differs.push(format!("has mode {:04o} and should have {:04o}", found.mode, file.mode));
    }
    if (found.uid, found.gid) != (file.uid, file.gid) {
        differs.push(format!(
            "belongs to {}:{} and should belong to {}:{}",
            found.uid, found.gid, file.uid, file.gid
        ));
    }
    if file.mtime.is_some_and(|mtime| mtime != found.mtime) {
        differs.push("has another time".into());
    }
    if found.device != file.device && matches!(found.kind, FileKind::Character | FileKind::Block) {
        differs.push("has another device number".into());
    }
    let is_opaque = found.xattrs.get(OPAQUE_XATTR).is_some_and(|value| value == b"y");
    if is_opaque != file.is_opaque {
        differs.push(match is_opaque {
            true => "hides what lower layers have in it and should not".into(),
            false => "should hide what lower layers have in it".into(),
        });
    }
    let own = |name: &Vec<u8>| name != OPAQUE_XATTR && !NOT_OF_THE_ARCHIVE.contains(&&name[..]);
    let have: BTreeMap<_, _> = found.xattrs.iter().filter(|(name, _)| own(name)).collect();
    if have != file.xattrs.iter().collect() && !file.is_implied {
        differs.push("has other extended attributes".into());
    }
    differs
}

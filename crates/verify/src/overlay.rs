//! Compares the files of an image with the overlay that they should have come from.

use super::report::ImageReport;
use kraken_disk::{FileTree, NodeType};
use kraken_foundation::Result;
use kraken_overlay::{Content, Entry, EntryPath, Kind, Overlay, Volume};

/// The name of the check.
const CHECK: &str = "files";
/// FAT stores times in steps of two seconds (Microsoft's FAT specification, `DIR_WrtTime`).
const FAT_TIME_STEP: u64 = 2;

/// Compares every entry of `expected` with the two trees. Adds a finding for each difference.
pub(crate) fn compare(expected: &Overlay, boot: &dyn FileTree, root: &dyn FileTree, report: &mut ImageReport) {
    report.begin(CHECK);
    for (volume, path, entry) in expected.iter() {
        let tree = match volume {
            Volume::Boot => boot,
            Volume::Root => root,
        };
        let place = format!("{volume}:{path}");
        report.files_compared += 1;
        match differences(volume, path, entry, tree) {
            Ok(list) => {
                for message in list {
                    report.find(CHECK, place.clone(), message);
                }
            }
            Err(error) => report.find(CHECK, place, error.to_string()),
        }
    }
}

fn differences(volume: Volume, path: &EntryPath, entry: &Entry, tree: &dyn FileTree) -> Result<Vec<String>> {
    let path = path.as_str();
    let found = tree.metadata(path)?;
    let wanted = match &entry.kind {
        Kind::Absent => {
            return Ok(match found {
                Some(metadata) if metadata.node != NodeType::Directory => vec!["is there and should not be".into()],
                _ => vec![],
            });
        }
        // The folder may exist if it is not empty.
        Kind::AbsentIfEmpty => return Ok(vec![]),
        Kind::File(_) | Kind::HardLink(_) => NodeType::File,
        Kind::Directory | Kind::DirectoryIfMissing => NodeType::Directory,
        Kind::Symlink(_) => NodeType::Symlink,
        Kind::Node(_) => NodeType::Other,
    };
    let Some(found) = found else {
        return Ok(vec!["is missing".into()]);
    };
    if found.node != wanted {
        return Ok(vec![format!("is {} and should be {}", name(found.node), name(wanted))]);
    }
    let mut list = Vec::new();
    match &entry.kind {
        Kind::File(wanted) => list.extend(content(path, wanted, found.size, tree)?),
        Kind::HardLink(other) => {
            let same = tree.read(path, u64::MAX)? == tree.read(other.as_str(), u64::MAX)?;
            list.extend((!same).then(|| format!("should be another name of {other}")));
        }
        Kind::Symlink(target) => {
            let seen = tree.read_link(path)?.unwrap_or_default();
            if seen.as_bytes() != *target {
                let target = String::from_utf8_lossy(target);
                list.push(format!("points to {seen:?} and should point to {target:?}"));
            }
        }
        Kind::Directory | Kind::DirectoryIfMissing | Kind::Node(_) | Kind::Absent | Kind::AbsentIfEmpty => {}
    }
    let owned = !matches!(entry.kind, Kind::HardLink(_) | Kind::DirectoryIfMissing);
    if volume == Volume::Root && owned {
        if found.mode != entry.mode && wanted != NodeType::Symlink {
            list.push(format!(
                "has mode {:04o} and should have {:04o}",
                found.mode, entry.mode
            ));
        }
        if (found.uid, found.gid) != (entry.uid, entry.gid) {
            list.push(format!(
                "belongs to {}:{} and should belong to {}:{}",
                found.uid, found.gid, entry.uid, entry.gid
            ));
        }
    }
    if let (Kind::File(_), Some(seen)) = (&entry.kind, found.mtime) {
        let tolerance = if volume == Volume::Boot { FAT_TIME_STEP } else { 0 };
        if seen.abs_diff(entry.mtime) > tolerance {
            list.push(format!(
                "was modified at {seen} and should have been at {} (seconds since 1970)",
                entry.mtime
            ));
        }
    }
    Ok(list)
}

fn content(path: &str, wanted: &Content, size: u64, tree: &dyn FileTree) -> Result<Option<String>> {
    if size != wanted.len() {
        return Ok(Some(format!("has {size} bytes and should have {}", wanted.len())));
    }
    let wanted = match wanted.read() {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Some(format!("cannot be compared: {error}"))),
    };
    let seen = tree.read(path, size)?.unwrap_or_default();
    if seen[..] == wanted[..] {
        return Ok(None);
    }
    let at = seen
        .iter()
        .zip(wanted.iter())
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| seen.len().min(wanted.len()));
    let line = wanted[..at.min(wanted.len())]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1;
    // The bytes themselves are not shown, because they may be a secret.
    Ok(Some(format!("has another content, first at byte {at} (line {line})")))
}

fn name(node: NodeType) -> &'static str {
    match node {
        NodeType::File => "a file",
        NodeType::Directory => "a directory",
        NodeType::Symlink => "a symbolic link",
        NodeType::Other => "a device, socket or pipe",
    }
}

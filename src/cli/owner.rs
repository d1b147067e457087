//! Whose files are: as root, the cache, the project and the receipts may lie in an ordinary user's folders (sudo, doas, su, a container).
//! What root made there becomes that user's, who could not go on otherwise.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kraken_flash::base::Cache;
use kraken_flash::card::Receipts;
use kraken_flash::packages::lock::LOCK;
use kraken_flash::workspace::{CONFIG, PRIVATE_KEY, PUBLIC_KEY};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid};

use super::Session;

/// What this program makes in its cache folder.
const IN_CACHE: &[&str] = &[
    "downloads",
    "raw",
    "index",
    "locks",
    "golden",
    "debian",
    "singles",
    "boot",
    "consoles",
];
/// Folders in folders at most.
const DEPTH: u32 = 8;

/// Gives what root made to the owners of the folders that it lies in; does nothing for anybody else than root. `output` is a folder of
/// images. What goes wrong is said: nothing else depends on it.
pub(super) fn give_back(session: &Session, output: Option<&Path>) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let project = match session.global.config.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders: Vec<(PathBuf, &[&str])> = vec![(project, &[CONFIG, LOCK, PRIVATE_KEY, PUBLIC_KEY])];
    folders.extend(Cache::place().ok().map(|place| (place, IN_CACHE)));
    folders.extend(Receipts::state().map(|place| (place, &["receipts"][..])));
    for (folder, names) in &folders {
        report(
            session,
            folder,
            give(folder, |dir, owner| {
                names
                    .iter()
                    .try_for_each(|name| entry(dir, OsStr::new(name), owner, DEPTH))
            }),
        );
    }
    if let Some(output) = output {
        report(session, output, give(output, |dir, owner| inside(dir, owner, 0)));
    }
}

/// The same for one file that was just made.
pub(super) fn give_back_file(session: &Session, file: &Path) {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return;
    };
    if rustix::process::geteuid().is_root() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        report(session, folder, give(folder, |dir, owner| entry(dir, name, owner, 0)));
    }
}

fn report(session: &Session, folder: &Path, result: io::Result<()>) {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => session.progress.note(&format!(
            "warning: what was made as root in {} could not be given to its owner: {error}",
            folder.display()
        )),
        _ => {}
    }
}

/// Whom things belong to.
#[derive(Clone, Copy)]
struct Owner {
    uid: Uid,
    gid: Gid,
}

/// Does something for the owner of a folder, unless that is root. A folder that root made belongs to the owner of the one that it is in.
fn give(folder: &Path, what: impl FnOnce(&OwnedFd, Owner) -> io::Result<()>) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let dir = open(CWD, folder.as_os_str())?;
    let own = rustix::fs::fstat(&dir)?;
    let (uid, gid) = match own.st_uid {
        0 => {
            let Some(above) = folder.parent() else { return Ok(()) };
            let above = above.metadata()?;
            (above.uid(), above.gid())
        }
        uid => (uid, own.st_gid),
    };
    if uid == 0 {
        return Ok(());
    }
    let owner = Owner {
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
    };
    if own.st_uid == 0 {
        rustix::fs::fchown(&dir, Some(owner.uid), Some(owner.gid))?;
    }
    what(&dir, owner)
}

fn open(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // The folder itself may be reached by a link of its owner's; nothing in it is.
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// An entry of a folder with all that is in it, if it is root's. A file with a second name could be anybody's, and is left alone.
fn entry(dir: &OwnedFd, name: &OsStr, owner: Owner, depth: u32) -> io::Result<()> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // Not made, or gone again.
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if depth > 0 => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = rustix::fs::openat(dir, name, flags, Mode::empty())?;
            if stat.st_uid == 0 {
                rustix::fs::fchown(&below, Some(owner.uid), Some(owner.gid))?;
            }
            inside(&below, owner, depth - 1)
        }
        FileType::RegularFile if stat.st_uid == 0 && stat.st_nlink == 1 => {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            Ok(rustix::fs::chownat(dir, name, Some(owner.uid), Some(owner.gid), flags)?)
        }
        _ => Ok(()),
    }
}

/// All that is in a folder, but what is being worked on by this or another run: such names begin with a dot.
fn inside(dir: &OwnedFd, owner: Owner, depth: u32) -> io::Result<()> {
    for found in Dir::read_from(dir)? {
        let found = found?;
        let name: &CStr = found.file_name();
        if !name.to_bytes().starts_with(b".") {
            entry(dir, OsStr::from_bytes(name.to_bytes()), owner, depth)?;
        }
    }
    Ok(())
}

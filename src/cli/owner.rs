//! The owners of files: as root, the cache, the project, the receipts and the images may lie in an
//! ordinary user's folders (sudo, doas, su, a container). What root made there is given to that
//! user, who could not continue otherwise. What existed before keeps its owner.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kraken_fetch::Cache;
use kraken_flash::card::Receipts;
use kraken_flash::output::{MANIFEST, Manifest, SUMS};
use kraken_flash::packages::lock::LOCK;
use kraken_spec::workspace::{CONFIG, PRIVATE_KEY, PUBLIC_KEY};
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
/// The largest depth of folders that is followed.
const DEPTH: u32 = 8;

/// Gives what root made to the owners of the folders that it lies in; does nothing when the user is
/// not root. `output` is a folder of images. An error is only a warning: nothing else depends on
/// it.
pub(super) fn give_back(session: &Session, output: Option<&Path>) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for folder in session.missing.folders() {
        report(session, folder, hand_on(folder));
    }
    let project = match session.global.config.as_deref().and_then(Path::parent) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let files = |names: Vec<String>| {
        move |dir: &OwnedFd, owner| names.iter().try_for_each(|name| entry(dir, OsStr::new(name), owner, 0))
    };
    let of_project = [CONFIG, LOCK, PRIVATE_KEY, PUBLIC_KEY].map(str::to_owned).to_vec();
    report(session, &project, give(&project, files(of_project)));
    if let Some(output) = output {
        report(session, output, give(output, files(images(output))));
    }
    let mut own: Vec<(PathBuf, &[&str])> = Vec::new();
    own.extend(Cache::place().ok().map(|place| (place, IN_CACHE)));
    own.extend(Receipts::state().map(|place| (place, &["receipts"][..])));
    for (folder, names) in &own {
        let all = |dir: &OwnedFd, owner| {
            names
                .iter()
                .try_for_each(|name| entry(dir, OsStr::new(name), owner, DEPTH))
        };
        // These folders belong to this program, also when an earlier run of root's has made them.
        let whole = || {
            hand_on(&folder.canonicalize()?)?;
            give(folder, all)
        };
        report(session, folder, whole());
    }
}

/// Returns the files that `build` made in a folder, by its manifest.
fn images(output: &Path) -> Vec<String> {
    let mut names = vec![MANIFEST.to_owned(), SUMS.to_owned()];
    // A manifest that cannot be read is one that `build` refused: it made no image beside it.
    let manifest = Manifest::read(output).ok().flatten();
    for node in manifest.into_iter().flat_map(|manifest| manifest.nodes) {
        names.push(format!("{}.img.bmap", node.id.hostname));
        names.push(node.file);
    }
    // The names come from a file: they must not lead to another folder.
    names.retain(|name| !name.contains('/'));
    names
}

/// Does the same for one file that was just made.
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

/// The user and the group that own something.
#[derive(Clone, Copy)]
struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    /// Returns the owner of a folder; `None` where it is root.
    fn of(dir: &OwnedFd) -> io::Result<Option<Self>> {
        let own = rustix::fs::fstat(dir)?;
        Ok((own.st_uid != 0).then(|| Self {
            uid: Uid::from_raw(own.st_uid),
            gid: Gid::from_raw(own.st_gid),
        }))
    }
}

/// Calls `what` with a folder and its owner, unless that is root.
fn give(folder: &Path, what: impl FnOnce(&OwnedFd, Owner) -> io::Result<()>) -> io::Result<()> {
    // A link of the owner's may lead to the folder itself; inside the folder no link is followed.
    let dir = open(CWD, folder.as_os_str(), OFlags::empty())?;
    match Owner::of(&dir)? {
        Some(owner) => what(&dir, owner),
        None => Ok(()),
    }
}

/// Gives a folder of root's to the owner of its parent folder.
fn hand_on(folder: &Path) -> io::Result<()> {
    let (Some(above), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Ok(());
    };
    let above = open(CWD, above.as_os_str(), OFlags::empty())?;
    let Some(owner) = Owner::of(&above)? else { return Ok(()) };
    let dir = open(&above, name, OFlags::NOFOLLOW)?;
    match Owner::of(&dir)? {
        None => Ok(rustix::fs::fchown(&dir, Some(owner.uid), Some(owner.gid))?),
        Some(_) => Ok(()),
    }
}

fn open(dir: impl AsFd, name: &OsStr, more: OFlags) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// Gives away an entry of a folder with all that it contains, if it belongs to root. A file with a
/// second name may belong to another user, and keeps its owner.
fn entry(dir: &OwnedFd, name: &OsStr, owner: Owner, depth: u32) -> io::Result<()> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // It was not made, or was removed again.
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory if depth > 0 => {
            let below = open(dir, name, OFlags::NOFOLLOW)?;
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

/// Gives away all that is in a folder, except what this or another run is still working on: such
/// names begin with a dot.
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

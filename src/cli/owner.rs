//! Whose files are: as root, the cache, the project, the receipts and the images may lie in an ordinary user's folders (sudo, doas, su, a
//! container). What root made there becomes that user's, who could not go on otherwise; what was there before is not given away.

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
/// Folders in folders at most.
const DEPTH: u32 = 8;

/// Gives what root made to the owners of the folders that it lies in; does nothing for anybody else than root. `output` is a folder of
/// images. What goes wrong is said: nothing else depends on it.
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
        // These are this program's own, also when an earlier run of root's has made them.
        let whole = || {
            hand_on(&folder.canonicalize()?)?;
            give(folder, all)
        };
        report(session, folder, whole());
    }
}

/// The files that `build` made in a folder, by its manifest.
fn images(output: &Path) -> Vec<String> {
    let mut names = vec![MANIFEST.to_owned(), SUMS.to_owned()];
    for node in Manifest::read(output).into_iter().flat_map(|manifest| manifest.nodes) {
        names.push(format!("{}.img.bmap", node.hostname));
        names.push(node.file);
    }
    // Names from a file: they must not lead anywhere else.
    names.retain(|name| !name.contains('/'));
    names
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

impl Owner {
    /// Whose a folder is; none where it is root's.
    fn of(dir: &OwnedFd) -> io::Result<Option<Self>> {
        let own = rustix::fs::fstat(dir)?;
        Ok((own.st_uid != 0).then(|| Self {
            uid: Uid::from_raw(own.st_uid),
            gid: Gid::from_raw(own.st_gid),
        }))
    }
}

/// Does something for the owner of a folder, unless that is root.
fn give(folder: &Path, what: impl FnOnce(&OwnedFd, Owner) -> io::Result<()>) -> io::Result<()> {
    // The folder itself may be reached by a link of its owner's; nothing in it is.
    let dir = open(CWD, folder.as_os_str(), OFlags::empty())?;
    match Owner::of(&dir)? {
        Some(owner) => what(&dir, owner),
        None => Ok(()),
    }
}

/// Gives a folder of root's to the owner of the one that it lies in.
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

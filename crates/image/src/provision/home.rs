//! The user's home: where it may be, and its contents.

use kraken_disk::{FileTree, NodeType, real_path};
use kraken_foundation::{Context as _, Result};
use kraken_overlay::Entry;
use kraken_spec::User;

use super::error;
use super::image::Draft;

/// How deep and how large `/etc/skel` may be.
const SKEL_DEPTH: usize = 8;
const SKEL_FILES: usize = 1000;

/// Returns whether a folder can be a user's home. It will belong to that user, so it must not be
/// one that the system needs.
pub(super) fn is_home(path: &str) -> bool {
    const SYSTEMS: [&str; 15] = [
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib64",
        "nonexistent",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "tmp",
        "usr",
        "lost+found",
    ];
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    path.starts_with('/')
        && parts.len() >= 2
        && parts.iter().all(|part| !matches!(*part, "" | "." | ".."))
        && !SYSTEMS.contains(&parts[0])
}

/// Returns the real path of a home, which may be a symbolic link.
pub(super) fn home_place(root: &dyn FileTree, home: &str) -> Result<String> {
    let place = real_path(root, home).context(|| error::READING)?;
    match is_home(&place) {
        true => Ok(place),
        false => Err(error::image(
            home,
            &format!(
                "it leads to {place}, which cannot be a user's home; correct the base image, or choose another [user] name"
            ),
        )),
    }
}

/// The numeric owner and group of files.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Makes the home: the files of `/etc/skel` (an existing file stays as it is), and the authorised
/// keys.
pub(super) fn home_folder(draft: &mut Draft<'_>, user: &User, home: &str, owner: Owner) -> Result<()> {
    let Owner { uid, gid } = owner;
    let time = draft.ctx.clock_floor;
    let folder = |mode| Entry::directory(mode, time).owned_by(uid, gid);
    draft.root(home, folder(0o700))?;
    let mut budget = SKEL_FILES;
    copy_skel(draft, "/etc/skel", home, owner, SKEL_DEPTH, &mut budget)?;
    let mut keys = String::new();
    for key in &user.ssh_keys {
        if key.chars().any(char::is_control) {
            return Err(error::control("authorized_keys", "user.ssh-keys"));
        }
        keys.push_str(key.trim());
        keys.push('\n');
    }
    draft.root(&format!("{home}/.ssh"), folder(0o700))?;
    let file = Entry::file(keys.into_bytes(), 0o600, time).owned_by(uid, gid);
    draft.root(&format!("{home}/.ssh/authorized_keys"), file)
}

/// For every so many bytes, a file counts as one more file against the skeleton's budget.
const SKEL_BYTES_A_FILE: usize = 16 << 10;

fn copy_skel(
    draft: &mut Draft<'_>,
    from: &str,
    to: &str,
    owner: Owner,
    depth: usize,
    budget: &mut usize,
) -> Result<()> {
    let root = draft.ctx.root;
    for name in root.list(from).context(|| error::READING)? {
        let (source, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        *budget = budget.saturating_sub(1);
        if depth == 0 || *budget == 0 {
            return Err(error::image(
                from,
                "it has too many files or folders to be a skeleton; correct the base image",
            ));
        }
        // A file that the image already has in the home stays; otherwise the skeleton's is copied.
        let kept = if root.metadata(&target).context(|| error::READING)?.is_some() {
            &target
        } else {
            &source
        };
        let Some(meta) = root.metadata(kept).context(|| error::READING)? else {
            continue;
        };
        let time = draft.ctx.clock_floor;
        let entry = match meta.node {
            NodeType::Directory => Entry::directory(meta.mode, time),
            NodeType::File => {
                // A skeleton is a handful of small texts. Sparse files and hard links could make it
                // huge at no cost to the image.
                *budget = budget.saturating_sub(usize::try_from(meta.size).unwrap_or(usize::MAX) / SKEL_BYTES_A_FILE);
                Entry::file(
                    root.read(kept, 4 << 20).context(|| error::READING)?.unwrap_or_default(),
                    meta.mode,
                    time,
                )
            }
            NodeType::Symlink => Entry::symlink(
                root.read_link(kept).context(|| error::READING)?.unwrap_or_default(),
                time,
            ),
            NodeType::Other => continue,
        };
        draft.root(&target, entry.owned_by(owner.uid, owner.gid))?;
        if meta.node == NodeType::Directory {
            copy_skel(draft, &source, &target, owner, depth - 1, budget)?;
        }
    }
    Ok(())
}

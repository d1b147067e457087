//! Reads and edits text files of the image: one place for limits, links and ownership.

use kraken_disk::{FileTree, Metadata, real_path};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

use super::{Context, ProvisionError};

/// The largest file of the image that is edited, in bytes.
const MAX_EDITED: u64 = 4 << 20;

/// What one call makes: the overlay that grows, with the time all its entries carry.
pub(super) struct Draft<'a> {
    pub(super) ctx: &'a Context<'a>,
    pub(super) overlay: Overlay,
}

impl<'a> Draft<'a> {
    pub(super) fn new(ctx: &'a Context<'a>) -> Self {
        Self {
            ctx,
            overlay: Overlay::new(),
        }
    }

    /// A new file owned by root.
    pub(super) fn file(&mut self, path: &str, text: impl Into<Vec<u8>>, mode: u16) -> Result<(), ProvisionError> {
        let entry = Entry::file(text.into(), mode, self.ctx.clock_floor);
        self.root(path, entry)
    }

    /// A file of the boot volume.
    pub(super) fn boot_file(&mut self, path: &str, text: impl Into<Vec<u8>>) -> Result<(), ProvisionError> {
        let entry = Entry::file(text.into(), 0o755, self.ctx.clock_floor);
        self.overlay.insert(Volume::Boot, EntryPath::new(path)?, entry);
        Ok(())
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), ProvisionError> {
        self.root(path, Entry::symlink(target, self.ctx.clock_floor))
    }

    /// Any entry of the root volume.
    pub(super) fn root(&mut self, path: &str, entry: Entry) -> Result<(), ProvisionError> {
        self.overlay.insert(Volume::Root, EntryPath::new(path)?, entry);
        Ok(())
    }

    /// A system file of the image with new content, at its real path. Owner and mode are those that Debian gives it, whatever the image
    /// has: root, and for a file that others may not read the group `shadow`. So `check` can tell when they were changed.
    pub(super) fn edited(&mut self, path: &str, text: String, mode: u16) -> Result<(), ProvisionError> {
        let real = real_path(self.ctx.root, path)?;
        let gid = match mode & 0o007 {
            0 => shadow_group(self.ctx.root)?,
            _ => 0,
        };
        let entry = Entry::file(text.into_bytes(), mode, self.ctx.clock_floor).owned_by(0, gid);
        self.root(&real, entry)
    }
}

/// The number of the group `shadow` in the image; 0, root's, when it has none.
fn shadow_group(root: &dyn FileTree) -> Result<u32, ProvisionError> {
    let groups = text(root, "/etc/group")?.unwrap_or_default();
    let line = groups.lines().find_map(|line| line.strip_prefix("shadow:"));
    Ok(line
        .and_then(|line| line.split(':').nth(1))
        .and_then(|gid| gid.parse().ok())
        .unwrap_or(0))
}

/// How the block that kraken-flash keeps in a file of the image begins and ends.
pub(super) const BEGIN: &str = "# BEGIN kraken-flash";
pub(super) const END: &str = "# END kraken-flash";

/// A text without our block, each line ended by a newline.
pub(super) fn without_block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.split_terminator('\n') {
        inside |= line.starts_with(BEGIN);
        if !inside {
            out.push_str(line);
            out.push('\n');
        }
        inside &= !line.starts_with(END);
    }
    out
}

/// A text file of a tree, links followed; `None` when there is none.
pub(super) fn text(tree: &dyn FileTree, path: &str) -> Result<Option<String>, ProvisionError> {
    let real = real_path(tree, path)?;
    let Some(bytes) = tree.read(&real, MAX_EDITED)? else {
        return Ok(None);
    };
    String::from_utf8(bytes).map(Some).map_err(|_| ProvisionError::Image {
        path: path.to_owned(),
        why: "it is not UTF-8 text; mend it in the base image".to_owned(),
    })
}

/// What stands at a path, links followed.
pub(super) fn stat(tree: &dyn FileTree, path: &str) -> Result<Option<Metadata>, ProvisionError> {
    Ok(tree.metadata(&real_path(tree, path)?)?)
}

/// Whether anything stands at a path, links followed.
pub(super) fn exists(tree: &dyn FileTree, path: &str) -> Result<bool, ProvisionError> {
    Ok(stat(tree, path)?.is_some())
}

/// The first of some paths that exists.
pub(super) fn first<'p>(tree: &dyn FileTree, paths: &[&'p str]) -> Result<Option<&'p str>, ProvisionError> {
    for path in paths {
        if exists(tree, path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

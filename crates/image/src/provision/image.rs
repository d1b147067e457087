//! Reads and edits text files of the image: the one place for limits, links and ownership.

use kraken_disk::{FileTree, Metadata, real_path};
use kraken_foundation::{Context as _, Result};
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

use super::{Context, error};

/// The largest file of the image that is edited, in bytes.
const MAX_EDITED: u64 = 4 << 20;

/// An overlay in the making, with the time of all its entries.
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

    /// Adds a new file owned by root.
    pub(super) fn file(&mut self, path: &str, text: impl Into<Vec<u8>>, mode: u16) -> Result<()> {
        let entry = Entry::file(text.into(), mode, self.ctx.clock_floor);
        self.root(path, entry)
    }

    /// Adds a file of the boot volume.
    pub(super) fn boot_file(&mut self, path: &str, text: impl Into<Vec<u8>>) -> Result<()> {
        let entry = Entry::file(text.into(), 0o755, self.ctx.clock_floor);
        self.overlay
            .insert(Volume::Boot, EntryPath::new(path).map_err(error::bad_path)?, entry);
        Ok(())
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.root(path, Entry::symlink(target, self.ctx.clock_floor))
    }

    /// Adds any entry of the root volume.
    pub(super) fn root(&mut self, path: &str, entry: Entry) -> Result<()> {
        self.overlay
            .insert(Volume::Root, EntryPath::new(path).map_err(error::bad_path)?, entry);
        Ok(())
    }

    /// Adds a system file of the image with new content, at its real path. Owner and mode are those
    /// of Debian, whatever the image has: root, and the group `shadow` for a file that others may
    /// not read. So `check` can detect when they were changed.
    pub(super) fn edited(&mut self, path: &str, text: String, mode: u16) -> Result<()> {
        let real = real_path(self.ctx.root, path).context(|| error::READING)?;
        let gid = match mode & 0o007 {
            0 => shadow_group(self.ctx.root)?,
            _ => 0,
        };
        let entry = Entry::file(text.into_bytes(), mode, self.ctx.clock_floor).owned_by(0, gid);
        self.root(&real, entry)
    }
}

/// Returns the number of the group `shadow` in the image; 0, root's, when it has none.
fn shadow_group(root: &dyn FileTree) -> Result<u32> {
    let groups = text(root, "/etc/group")?.unwrap_or_default();
    let line = groups.lines().find_map(|line| line.strip_prefix("shadow:"));
    Ok(line
        .and_then(|line| line.split(':').nth(1))
        .and_then(|gid| gid.parse().ok())
        .unwrap_or(0))
}

/// The first and the last line of the block that kraken-flash keeps in a file of the image.
pub(super) const BEGIN: &str = "# BEGIN kraken-flash";
pub(super) const END: &str = "# END kraken-flash";

/// Returns a text without our block, each line ended by a newline.
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

/// Reads a text file of a tree, following links; `None` when it does not exist.
pub(super) fn text(tree: &dyn FileTree, path: &str) -> Result<Option<String>> {
    let real = real_path(tree, path).context(|| error::READING)?;
    let Some(bytes) = tree.read(&real, MAX_EDITED).context(|| error::READING)? else {
        return Ok(None);
    };
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| error::image(path, "it is not UTF-8 text; correct it in the base image"))
}

/// Returns what is at a path, following links.
pub(super) fn stat(tree: &dyn FileTree, path: &str) -> Result<Option<Metadata>> {
    tree.metadata(&real_path(tree, path).context(|| error::READING)?)
        .context(|| error::READING)
}

/// Returns whether a path exists, following links.
pub(super) fn exists(tree: &dyn FileTree, path: &str) -> Result<bool> {
    Ok(stat(tree, path)?.is_some())
}

/// Returns the first of some paths that exists.
pub(super) fn first<'p>(tree: &dyn FileTree, paths: &[&'p str]) -> Result<Option<&'p str>> {
    for path in paths {
        if exists(tree, path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

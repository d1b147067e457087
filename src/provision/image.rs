//! Reads and edits text files of the image: one place for limits, links and ownership.

use crate::disk::{FileTree, Metadata, NodeType, real_path};
use crate::overlay::{Entry, EntryPath, Overlay, Volume};

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

    /// A file of the image with new content: its real path, mode and owner stay; a new one gets `mode`, root.
    pub(super) fn edited(&mut self, path: &str, text: String, mode: u16) -> Result<(), ProvisionError> {
        let real = real_path(self.ctx.root, path)?;
        let entry = match self.ctx.root.metadata(&real)? {
            Some(meta) if meta.node == NodeType::File => {
                // What others may not read when new, they may not read when old either.
                let kept = if mode & 0o007 == 0 { meta.mode & mode } else { meta.mode };
                Entry::file(text.into_bytes(), kept, self.ctx.clock_floor).owned_by(meta.uid, meta.gid)
            }
            _ => Entry::file(text.into_bytes(), mode, self.ctx.clock_floor),
        };
        self.root(&real, entry)
    }
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

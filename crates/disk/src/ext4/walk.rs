//! The way from a path to what it leads to in an ext4 volume that is written to.

use fs_ext4::Error as Ext4Error;

use super::place::{Found, Place, SplitPath, Spot};
use super::write::{Ext4Writer, ROOT};
use super::write_error::{failed, shown, wrap};
use kraken_foundation::{Kind, Result};

/// The maximum number of symbolic links on the way to one directory, as in the kernel.
const MAX_LINKS: u32 = 40;

impl Ext4Writer {
    /// Returns the directory that holds `path`'s last component. When it is missing, makes it if
    /// `make` is set, else returns `None`.
    pub(super) fn parent(&self, path: &[u8], make: bool) -> Result<Option<Place>> {
        let mut trail = vec![Place {
            inode: ROOT,
            path: Vec::new(),
        }];
        let parts =
            |path: &[u8]| -> Vec<Vec<u8>> { path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect() };
        let mut todo = parts(SplitPath::of(path)?.parents);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let Some(here) = trail.last().cloned() else { break };
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    // The parent of the root is the root: a link cannot lead out.
                    if trail.len() > 1 {
                        trail.pop();
                    }
                    continue;
                }
                _ => (),
            }
            let Some(found) = self.lookup(&here, &name, path)? else {
                if !make {
                    return Ok(None);
                }
                let inode = self.make_parent(&here, &name, path)?;
                trail.push(Place {
                    inode,
                    path: here.child(&name),
                });
                continue;
            };
            if found.inode.is_dir() {
                trail.push(Place {
                    inode: found.number,
                    path: here.child(&name),
                });
            } else if found.inode.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(failed(
                        Kind::Damaged,
                        "resolving",
                        path,
                        "too many symbolic links on the way",
                    ));
                }
                let target = self.target(found.number, path)?;
                if target.starts_with(b"/") {
                    trail.truncate(1);
                }
                todo.extend(parts(&target));
            } else if make {
                return Err(failed(
                    Kind::Conflict,
                    "resolving",
                    path,
                    &format!("{} is a file, not a directory", shown(&here.child(&name))),
                ));
            } else {
                return Ok(None);
            }
        }
        Ok(trail.pop())
    }

    pub(super) fn target(&self, inode: u32, path: &[u8]) -> Result<Vec<u8>> {
        self.fs.read_link_ino(inode).map_err(wrap("resolving", path))
    }

    pub(super) fn lookup(&self, directory: &Place, name: &[u8], path: &[u8]) -> Result<Option<Found>> {
        let number = match self.fs.lookup_at(directory.inode, name) {
            Ok(number) => number,
            Err(Ext4Error::NotFound) => return Ok(None),
            Err(error) => return Err(wrap("looking up", path)(error)),
        };
        let inode = self.fs.stat_ino(number).map_err(wrap("looking up", path))?;
        Ok(Some(Found { number, inode }))
    }

    fn make_parent(&self, here: &Place, name: &[u8], path: &[u8]) -> Result<u32> {
        let inode = self
            .fs
            .apply_mkdir_at(here.inode, name, 0o755)
            .map_err(wrap("making the parents of", path))?;
        Ok(inode)
    }

    /// Returns where the entry at a path is to be written; makes missing parents.
    pub(super) fn spot<'p>(&self, path: &'p [u8]) -> Result<Spot<'p>> {
        let name = SplitPath::of(path)?.name;
        let parent = self
            .parent(path, true)?
            .ok_or_else(|| failed(Kind::NotFound, "resolving", path, "its parent is missing"))?;
        let found = self.lookup(&parent, name, path)?;
        Ok(Spot { parent, name, found })
    }
}

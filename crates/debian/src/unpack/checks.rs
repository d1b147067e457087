//! What a package must not do to the image, to other packages, and to itself; and where dpkg does
//! nothing.

use std::collections::BTreeMap;

use super::database::{ADMIN, Key};
use super::error::{self, overwrites};
use super::package::Package;
use super::work::Work;
use crate::deb::{Body, DataEntry, bad_entry};
use kraken_disk::{NodeType, real_path};
use kraken_foundation::Result;
use kraken_overlay::{Content, EntryPath, Kind, Volume};

impl Work<'_> {
    /// Whether nothing needs to be done for an entry: for a folder where there is one, or a link to
    /// one, and for a link where there is a folder or the same link to one. dpkg never turns one
    /// into the other.
    pub(super) fn is_there(&self, place: &EntryPath, body: &Body) -> Result<bool> {
        let found = self.root.metadata(place.as_str())?.map(|found| found.node);
        let laid = self.overlay.get(Volume::Root, place).map(|entry| &entry.kind);
        let laid_folder = matches!(laid, Some(Kind::DirectoryIfMissing));
        match body {
            Body::Symlink(_) if laid_folder || laid.is_none() && found == Some(NodeType::Directory) => Ok(true),
            Body::Symlink(target) if laid.is_none() && found == Some(NodeType::Symlink) => {
                if self.root.read_link(place.as_str())?.as_ref() != Some(target) {
                    return Ok(false);
                }
                let real = real_path(self.root, place.as_str())?;
                Ok(self.root.metadata(&real)?.map(|found| found.node) == Some(NodeType::Directory))
            }
            _ => Ok(false),
        }
    }

    /// Refuses a path below a symbolic link that a package of this run brings, since it could end
    /// anywhere, and a path below a file, since it is impossible.
    pub(super) fn refuse_planted(
        &self,
        package: &Package,
        path: &EntryPath,
        own: &BTreeMap<&EntryPath, &Body>,
    ) -> Result<()> {
        let refuse = |why: &str| Err(bad_entry(&package.path, path.as_str().as_bytes(), why));
        let mut parent = path.parent();
        while let Some(folder) = parent {
            match own.get(&folder) {
                // Checked separately.
                Some(Body::Directory) => {}
                Some(Body::Symlink(_)) => {
                    return refuse("lies below a symbolic link that a package brings, and could end anywhere");
                }
                Some(_) => return refuse("lies below a file"),
                None => match self.overlay.get(Volume::Root, &folder).map(|entry| &entry.kind) {
                    Some(Kind::Symlink(_)) => {
                        return refuse("lies below a symbolic link that a package brings, and could end anywhere");
                    }
                    Some(Kind::File(_) | Kind::HardLink(_)) => return refuse("lies below a file"),
                    Some(_) => {}
                    None if self.is_file(&folder)? => return refuse("lies below a file of the image"),
                    None => {}
                },
            }
            parent = folder.parent();
        }
        Ok(())
    }

    fn is_file(&self, path: &EntryPath) -> Result<bool> {
        let found = self.root.metadata(path.as_str())?.map(|found| found.node);
        Ok(matches!(found, Some(NodeType::File | NodeType::Other)))
    }

    /// Refuses different files at one path. The same package of two architectures shares files,
    /// which must be equal when it has the same version.
    pub(super) fn refuse_unequal(&self, package: &Package, entry: &DataEntry, place: &EntryPath) -> Result<()> {
        let Body::File { content, .. } = &entry.body else {
            return Ok(());
        };
        let owners = self
            .database
            .owners
            .get(entry.path.as_str())
            .map_or(&[][..], Vec::as_slice);
        let other = |owner: &&Key| owner.name == package.key.name && owner.architecture != package.key.architecture;
        let same_version = |owner: &&Key| {
            let known = self.database.packages.get(*owner);
            known.is_some_and(|known| known.same && known.is_unpacked() && known.version == package.version)
        };
        let Some(owner) = owners.iter().find(|owner| other(owner) && same_version(owner)) else {
            return Ok(());
        };
        let equal = match self.overlay.get(Volume::Root, place).map(|entry| &entry.kind) {
            Some(Kind::File(laid)) => laid == content,
            Some(_) => false,
            None => match self.root.read(place.as_str(), content.len()) {
                Ok(Some(bytes)) => Content::from(bytes) == *content,
                // It was removed.
                Ok(None) => true,
                // The existing file is longer.
                Err(_) => false,
            },
        };
        match equal {
            true => Ok(()),
            false => Err(overwrites(
                &package.key.name,
                entry.path.as_str(),
                format_args!("{}:{}", owner.name, owner.architecture),
            )),
        }
    }

    /// Refuses dpkg's own files: only this program writes them here.
    pub(super) fn refuse_database(&self, package: &Package, place: &EntryPath, body: &Body) -> Result<()> {
        let folder = matches!(body, Body::Directory);
        match !folder && self.real(place.as_str())?.starts_with(&format!("{ADMIN}/")) {
            true => Err(bad_entry(
                &package.path,
                place.as_str().as_bytes(),
                "is among dpkg's own files",
            )),
            false => Ok(()),
        }
    }

    pub(super) fn refuse_shape(&self, package: &Package, place: &EntryPath, body: &Body) -> Result<()> {
        let shape = |why: &str| error::shape(&package.key.name, place, why);
        let found = self.root.metadata(place.as_str())?.map(|found| found.node);
        match (body, found) {
            (Body::Directory, None | Some(NodeType::Directory)) => {}
            (Body::Directory, Some(NodeType::Symlink)) => {
                let real = real_path(self.root, place.as_str())?;
                let target = self.root.metadata(&real)?.map(|found| found.node);
                if target != Some(NodeType::Directory) {
                    return Err(shape("should be a folder, and is a symbolic link that leads to none"));
                }
            }
            (Body::Directory, Some(_)) => return Err(shape("should be a folder, and is a file")),
            (_, Some(NodeType::Directory)) => return Err(shape("should be a file, and is a folder")),
            _ => {}
        }
        // What other packages of this run put there.
        let laid = self.overlay.get(Volume::Root, place).map(|entry| &entry.kind);
        match (body, laid) {
            (Body::Directory, Some(Kind::File(_) | Kind::HardLink(_) | Kind::Symlink(_))) => {
                Err(shape("should be a folder, and another package has a file there"))
            }
            (Body::File { .. } | Body::HardLink(_) | Body::Symlink(_), Some(Kind::DirectoryIfMissing)) => {
                Err(shape("should be a file, and another package has a folder there"))
            }
            _ => Ok(()),
        }
    }
}

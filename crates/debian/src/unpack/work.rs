//! The state of the work: what all steps of unpacking packages read and change.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{Conffile, Database, Key};
use super::error::entry_path;
use super::filter::PathFilter;
use super::preinst::Preinst;
use kraken_disk::{FileTree, real_path};
use kraken_foundation::Result;
use kraken_overlay::{Entry, Overlay, Volume};

/// The state of the work.
pub(super) struct Work<'a> {
    pub(super) root: &'a dyn FileTree,
    pub(super) database: Database,
    pub(super) overlay: Overlay,
    pub(super) preinsts: Vec<Preinst>,
    /// The mtime of files that no package brings, in seconds since 1970-01-01 UTC.
    pub(super) time: i64,
    /// The paragraphs that are new or changed.
    pub(super) stanzas: BTreeMap<Key, String>,
    pub(super) baked: BTreeSet<Key>,
    /// Packages that lost files to others.
    pub(super) robbed: BTreeSet<Key>,
    /// Triggers that packages of the image have to run, in the order in which they were activated.
    pub(super) pending: BTreeMap<Key, Vec<String>>,
    /// Packages of this run, and those whose triggers must be run before they count as installed.
    pub(super) awaited: BTreeMap<Key, Vec<String>>,
    /// Of the package that is being unpacked: hashes that the image has of its conffiles.
    pub(super) known_hashes: BTreeMap<String, String>,
    /// Likewise: conffiles of the previous version that it does not have any longer.
    pub(super) obsolete: Vec<Conffile>,
    /// What the image's dpkg leaves out.
    pub(super) filter: PathFilter,
    /// Files of `triggers` that changed.
    pub(super) interests: BTreeSet<String>,
}

impl<'a> Work<'a> {
    pub(super) fn begin(root: &'a dyn FileTree, time: i64) -> Result<Self> {
        Ok(Self {
            root,
            database: Database::read(root)?,
            overlay: Overlay::new(),
            preinsts: Vec::new(),
            time,
            stanzas: BTreeMap::new(),
            baked: BTreeSet::new(),
            robbed: BTreeSet::new(),
            pending: BTreeMap::new(),
            awaited: BTreeMap::new(),
            known_hashes: BTreeMap::new(),
            obsolete: Vec::new(),
            filter: PathFilter::read(root)?,
            interests: BTreeSet::new(),
        })
    }

    /// Puts an entry for the root volume into the overlay.
    pub(super) fn put(&mut self, path: &str, entry: Entry) -> Result<()> {
        self.overlay.insert(Volume::Root, entry_path(path)?, entry);
        Ok(())
    }

    /// Returns a path with the links on the way to it resolved.
    pub(super) fn real(&self, path: &str) -> Result<String> {
        match path.rsplit_once('/') {
            Some((parent, name)) if !parent.is_empty() => Ok(format!(
                "{}/{name}",
                real_path(self.root, parent)?.trim_end_matches('/')
            )),
            _ => Ok(path.to_owned()),
        }
    }
}

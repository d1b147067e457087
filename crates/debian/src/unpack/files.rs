//! Where the files of a package go: diversions, overrides, conffiles, and files of other packages.

use std::collections::{BTreeMap, BTreeSet};

use super::database::{Conffile, Key};
use super::error::{entry_path, overwrites};
use super::package::{Old, Package};
use super::stanza;
use super::work::Work;
use crate::deb::{Body, DataEntry, bad_entry};
use crate::relation::relations;
use kraken_disk::NodeType;
use kraken_foundation::Result;
use kraken_overlay::{Entry, EntryPath, Kind, Volume};

/// The ending that dpkg gives a conffile that is not configured yet.
const NEW: &str = ".dpkg-new";

fn paths_of(entries: &[DataEntry]) -> impl Iterator<Item = &str> {
    entries.iter().map(|entry| entry.path.as_str())
}

impl Work<'_> {
    /// Unpacks the files, and records their owners.
    pub(super) fn files(&mut self, package: &Package, entries: &[DataEntry]) -> Result<()> {
        let paths: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        if let Some(missing) = package.conffiles.has.iter().find(|path| !paths.contains(path.as_str())) {
            return Err(bad_entry(
                &package.path,
                missing.as_bytes(),
                "is a conffile that the package does not have",
            ));
        }
        let mut once = BTreeSet::new();
        if let Some(twice) = package.conffiles.all().find(|path| !once.insert(*path)) {
            return Err(bad_entry(&package.path, twice.as_bytes(), "is a conffile twice"));
        }
        for entry in entries
            .iter()
            .filter(|entry| once.contains(&entry.path.as_str().to_owned()))
        {
            if !matches!(entry.body, Body::File { .. }) {
                return Err(bad_entry(
                    &package.path,
                    entry.path.as_str().as_bytes(),
                    "is a conffile, and no file",
                ));
            }
        }
        self.hashes(package);
        let mut places = BTreeMap::new();
        // Paths that this package puts into the image, and those that other packages keep.
        let (mut brought, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let own: BTreeMap<_, _> = entries.iter().map(|entry| (&entry.path, &entry.body)).collect();
        for entry in entries {
            let path = entry.path.as_str();
            self.refuse_planted(package, &entry.path, &own)?;
            self.activate_path(path, package);
            let place = self.place(package, &entry.path)?;
            self.refuse_database(package, &place, &entry.body)?;
            let there = self.is_there(&place, &entry.body)?;
            let folder = matches!(entry.body, Body::Directory);
            if !there && !folder && self.belongs_to_others(package, path)? {
                kept.insert(path);
                continue;
            }
            if self.filter.leaves_out(entry) {
                continue;
            }
            self.refuse_unequal(package, entry, &place)?;
            brought.insert(path);
            if !there {
                self.refuse_shape(package, &place, &entry.body)?;
                places.insert(entry.path.clone(), place);
            }
        }
        for entry in entries {
            if let Some(place) = places.get(&entry.path) {
                if let Body::HardLink(other) = &entry.body
                    && !places.contains_key(other)
                {
                    let why =
                        "is a hard link to a file that the image's dpkg is set to leave out, or that is another's";
                    return Err(bad_entry(&package.path, entry.path.as_str().as_bytes(), why));
                }
                let laid = self.laid(entry, &places);
                // All names of a file have one owner, mode and time: those of the last one, as dpkg
                // sets them.
                if let Kind::HardLink(other) = &laid.kind
                    && let Some(first) = self.overlay.get(Volume::Root, other)
                {
                    let first = Entry {
                        kind: first.kind.clone(),
                        xattrs: first.xattrs.clone(),
                        ..laid.clone()
                    };
                    self.lay(&other.clone(), first);
                }
                self.lay(place, laid);
            }
        }
        self.obsolete = self.obsolete(package, &paths)?;
        self.remove_obsolete(package, &brought)?;
        self.remove_conffiles(package)?;
        let mut list = vec!["/.".to_owned()];
        list.extend(paths_of(entries).filter(|path| !kept.contains(path)).map(str::to_owned));
        list.extend(self.obsolete.iter().map(|conffile| conffile.path.clone()));
        self.own(package, list);
        Ok(())
    }

    /// Whether the file belongs to a package that keeps it, because it replaces this one. A package
    /// that this one replaces loses the file.
    fn belongs_to_others(&mut self, package: &Package, path: &str) -> Result<bool> {
        let diverter = self.database.diversions.get(path).map(|(_, by)| by.clone());
        if diverter.as_ref() == Some(&package.key.name) {
            // The two files have different places.
            return Ok(false);
        }
        self.refuse_diverted_to(package, path)?;
        let mut owners = self.database.owners.get(path).cloned().unwrap_or_default();
        // The file of the package that diverts stays in its place; the files of all others go
        // elsewhere.
        owners.retain(|owner| Some(&owner.name) != diverter.as_ref());
        for owner in owners {
            if owner.name == package.key.name || self.gave_up(&owner, path) {
                continue;
            }
            let theirs = self
                .database
                .packages
                .get(&owner)
                .map_or_else(String::new, |known| known.replaces.clone());
            if self.replaces(&package.replaces, &owner) {
                self.take_over(path, &owner, package.conffiles.contains(path));
            } else if self.replaces_new(&theirs, package) {
                return Ok(true);
            } else {
                return Err(overwrites(&package.key.name, path, owner.name));
            }
        }
        Ok(false)
    }

    /// Refuses a file at a place to which another package's file is diverted.
    fn refuse_diverted_to(&self, package: &Package, path: &str) -> Result<()> {
        let mut diversions = self.database.diversions.iter();
        match diversions.find(|(_, (other, by))| other == path && *by != package.key.name) {
            None => Ok(()),
            Some((from, _)) => Err(overwrites(
                &package.key.name,
                path,
                format_args!("the diversion of {from}"),
            )),
        }
    }

    /// Whether a package, with this `Replaces`, may take files of another one.
    fn replaces(&self, replaces: &str, other: &Key) -> bool {
        let Some(known) = self.database.packages.get(other) else {
            return false;
        };
        let Ok(groups) = relations(replaces, &self.database.architecture) else {
            return false;
        };
        groups.iter().flatten().any(|relation| {
            relation.name == other.name && relation.version.is_none_or(|range| range.accepts(&known.version))
        })
    }

    fn replaces_new(&self, replaces: &str, package: &Package) -> bool {
        let groups = relations(replaces, &self.database.architecture).unwrap_or_default();
        groups.iter().flatten().any(|relation| {
            relation.name == package.key.name && relation.version.is_none_or(|range| range.accepts(&package.version))
        })
    }

    /// Whether a package only has the path in its list because the file was never removed: the
    /// package was removed itself, or has a conffile there that it does not want any longer.
    fn gave_up(&self, owner: &Key, path: &str) -> bool {
        self.database.packages.get(owner).is_some_and(|known| {
            let conffile = known.conffiles.iter().find(|conffile| conffile.path == path);
            !known.is_unpacked() || conffile.is_some_and(Conffile::is_obsolete)
        })
    }

    fn take_over(&mut self, path: &str, owner: &Key, as_conffile: bool) {
        if let Some(known) = self.database.packages.get_mut(owner).filter(|_| as_conffile) {
            let text = stanza::with_obsolete(self.stanzas.get(owner).unwrap_or(&known.text), path);
            known.text.clone_from(&text);
            self.stanzas.insert(owner.clone(), text);
        }
        if let Some(owners) = self.database.owners.get_mut(path) {
            owners.retain(|other| other != owner);
        }
        if let Some(list) = self.database.lists.get_mut(owner) {
            list.retain(|other| other != path);
        }
        self.robbed.insert(owner.clone());
    }

    /// Returns where a file goes: elsewhere when another package diverts it, under a name of its
    /// own when it is a conffile.
    fn place(&self, package: &Package, path: &EntryPath) -> Result<EntryPath> {
        let diverted = self
            .database
            .diversions
            .get(path.as_str())
            .filter(|(_, by)| *by != package.key.name);
        let place = diverted.map_or(path.as_str(), |(other, _)| other);
        if !package.conffiles.contains(path.as_str()) {
            return entry_path(place);
        }
        entry_path(&format!("{place}{NEW}"))
    }

    /// Returns the entry of the overlay.
    fn laid(&self, entry: &DataEntry, places: &BTreeMap<EntryPath, EntryPath>) -> Entry {
        let number = |(number, name): &(u32, String), names: &std::collections::HashMap<String, u32>| {
            names.get(name).copied().unwrap_or(*number)
        };
        let mut uid = number(&entry.owner, &self.database.users);
        let mut gid = number(&entry.group, &self.database.groups);
        let mut mode = entry.mode;
        if let Some((user, group, octal)) = self.database.overrides.get(entry.path.as_str()) {
            let given = |text: &str, names: &std::collections::HashMap<String, u32>| match text.strip_prefix('#') {
                Some(number) => number.parse().ok(),
                None => names.get(text).copied(),
            };
            uid = given(user, &self.database.users).unwrap_or(uid);
            gid = given(group, &self.database.groups).unwrap_or(gid);
            mode = u16::from_str_radix(octal, 8).unwrap_or(mode) & 0o7777;
        }
        let kind = match &entry.body {
            Body::File { content, .. } => Kind::File(content.clone()),
            Body::Directory => Kind::DirectoryIfMissing,
            Body::Symlink(target) => Kind::Symlink(target.clone().into_bytes()),
            Body::HardLink(other) => Kind::HardLink(places.get(other).unwrap_or(other).clone()),
        };
        let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { mode };
        Entry {
            kind,
            mode,
            uid,
            gid,
            mtime: entry.mtime,
            mtime_nanoseconds: 0,
            xattrs: entry.xattrs.clone(),
        }
    }

    fn lay(&mut self, place: &EntryPath, entry: Entry) {
        let there = self.overlay.get(Volume::Root, place).map(|entry| &entry.kind);
        // The first package with a folder decides its mode and owner, as with dpkg.
        if entry.kind == Kind::DirectoryIfMissing && there == Some(&Kind::DirectoryIfMissing) {
            return;
        }
        self.overlay.insert(Volume::Root, place.clone(), entry);
    }

    /// Removes the files of the replaced version that the new one does not have and that no other
    /// package owns; folders only when they are empty.
    fn remove_obsolete(&mut self, package: &Package, brought: &BTreeSet<&str>) -> Result<()> {
        let Some(Old { key, known }) = &package.old else {
            return Ok(());
        };
        let list = self.database.lists.remove(key).unwrap_or_default();
        for path in &list {
            if let Some(owners) = self.database.owners.get_mut(path) {
                owners.retain(|owner| owner != key);
            }
        }
        // One file can have two names in two versions: /lib/x and /usr/lib/x.
        let mut real = BTreeSet::new();
        for path in brought {
            real.insert(self.real(path)?);
        }
        for path in list.iter().rev().filter(|path| !brought.contains(path.as_str())) {
            if path == "/." {
                continue;
            }
            self.activate_path(path, package);
            let is_conffile = known.conffiles.iter().any(|conffile| conffile.path == *path);
            let owned = self.database.owners.get(path).is_some_and(|owners| !owners.is_empty());
            if is_conffile || owned || real.contains(&self.real(path)?) {
                continue;
            }
            let diverted = self.database.diversions.get(path).filter(|(_, by)| *by != key.name);
            let place = diverted.map_or(path, |(other, _)| other).clone();
            match self.root.metadata(&place)?.map(|found| found.node) {
                None => {}
                Some(NodeType::Directory) => self.put(&place, Entry::absent_if_empty())?,
                Some(_) => self.put(&place, Entry::absent())?,
            }
        }
        Ok(())
    }

    fn own(&mut self, package: &Package, list: Vec<String>) {
        for path in &list {
            let owners = self.database.owners.entry(path.clone()).or_default();
            if !owners.contains(&package.key) {
                owners.push(package.key.clone());
            }
        }
        self.database.lists.insert(package.key.clone(), list);
    }
}

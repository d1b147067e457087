//! Conffiles (deb-conffiles(5)), and the checksums that dpkg keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::package::Package;
use super::work::Work;
use crate::deb::{Body, DataEntry};
use crate::md5sum;
use kraken_foundation::Result;
use kraken_overlay::Entry;

/// The value in the place of the hash of a conffile that was never configured.
const NEW: &str = "newconffile";
/// The flag, before the path in `conffiles` and behind the hash in the status, of a conffile that
/// the new version wants removed.
pub(super) const REMOVED: &str = "remove-on-upgrade";

/// Returns the paths of the file `conffiles`: those that the package has, and those that it wants
/// removed.
pub(super) fn parse(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut has, mut removes) = (Vec::new(), Vec::new());
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        match line.strip_prefix(REMOVED).map(str::trim_start) {
            Some(path) => removes.push(path.to_owned()),
            None => has.push(line.to_owned()),
        }
    }
    (has, removes)
}

impl Work<'_> {
    /// Records the hashes of conffiles in the image, whichever package put them there.
    pub(super) fn hashes(&mut self, package: &Package) {
        self.known_hashes.clear();
        for path in package.conffiles.iter().chain(&package.removes) {
            let owners = self.database.owners.get(path).map_or(&[][..], Vec::as_slice);
            let lines = owners.iter().filter_map(|owner| self.database.packages.get(owner));
            let found = lines
                .flat_map(|known| &known.conffiles)
                .find(|(other, _)| other == path);
            if let Some((_, rest)) = found {
                let hash = rest.split(' ').next().unwrap_or_default().to_owned();
                self.known_hashes.insert(path.clone(), hash);
            }
        }
    }

    /// Returns conffiles of the previous version that the new version does not have any longer, not
    /// even as ordinary files, and that are in the image: path and hash, in dpkg's order, which is
    /// that of the old list from its end.
    pub(super) fn obsolete(&self, package: &Package, paths: &BTreeSet<&str>) -> Result<Vec<(String, String)>> {
        let Some((key, known)) = &package.old else {
            return Ok(Vec::new());
        };
        let list = self.database.lists.get(key).map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        for path in list.iter().rev() {
            let Some((_, rest)) = known.conffiles.iter().find(|(other, _)| other == path) else {
                continue;
            };
            let gone = paths.contains(path.as_str()) || package.removes.contains(path);
            if !gone && self.root.metadata(path)?.is_some() {
                found.push((path.clone(), rest.split(' ').next().unwrap_or_default().to_owned()));
            }
        }
        Ok(found)
    }

    /// Removes conffiles that the new version wants removed; one that was changed locally is kept
    /// under another name.
    pub(super) fn remove_conffiles(&mut self, package: &Package) -> Result<()> {
        for path in &package.removes {
            let Some(found) = self.root.metadata(path)? else {
                continue;
            };
            let bytes = self.root.read(path, 1 << 30)?.unwrap_or_default();
            // A file of no package belongs to the user.
            if self.known_hashes.get(path) != Some(&md5sum(&bytes)) {
                let mut entry = Entry::file(bytes, found.mode, found.mtime.unwrap_or(self.time));
                (entry.uid, entry.gid) = (found.uid, found.gid);
                self.put(&format!("{path}.dpkg-old"), entry)?;
            }
            self.put(path, Entry::absent())?;
        }
        Ok(())
    }

    /// Returns the field `Conffiles` of the status, each line with a blank before it: known hashes
    /// are kept, new files are marked, and so are those that are to be removed or are not conffiles
    /// any longer.
    pub(super) fn conffile_lines(&self, package: &Package) -> Result<String> {
        let mut lines = String::new();
        for line in package
            .control
            .text("conffiles", &package.path)?
            .lines()
            .map(str::trim_end)
        {
            let (path, flag) = match line.strip_prefix(REMOVED) {
                Some(path) => (path.trim_start(), REMOVED),
                None => (line, ""),
            };
            if !path.is_empty() {
                let hash = self.known_hashes.get(path).map_or(NEW, String::as_str);
                lines.push_str(format!(" {path} {hash} {flag}").trim_end());
                lines.push('\n');
            }
        }
        for (path, hash) in &self.obsolete {
            lines.push_str(&format!(" {path} {hash} obsolete\n"));
        }
        Ok(lines)
    }

    /// Makes the file `md5sums` of a package that brings none, as dpkg does.
    pub(super) fn md5sums(&self, entries: &[DataEntry]) -> String {
        let mut sums = BTreeMap::new();
        let mut lines = String::new();
        for entry in entries.iter().filter(|entry| !self.filter.leaves_out(entry)) {
            let sum = match &entry.body {
                Body::File { md5, .. } => Some(*md5),
                Body::HardLink(other) => sums.get(other).copied(),
                _ => None,
            };
            if let Some(sum) = sum {
                sums.insert(entry.path.clone(), sum);
                lines.push_str(&format!("{}  {}\n", hex::encode(sum), &entry.path.as_str()[1..]));
            }
        }
        lines
    }
}

//! Conffiles (deb-conffiles(5)), and the checksums that dpkg keeps.

use std::collections::{BTreeMap, BTreeSet};

use super::database::Conffile;
use super::package::{Old, Package, REMOVED};
use super::work::Work;
use crate::deb::{Body, DataEntry};
use crate::md5sum;
use kraken_foundation::Result;
use kraken_overlay::Entry;

/// The value in the place of the hash of a conffile that was never configured.
const NEW: &str = "newconffile";

impl Work<'_> {
    /// Records the hashes of conffiles in the image, whichever package put them there.
    pub(super) fn hashes(&mut self, package: &Package) {
        self.known_hashes.clear();
        for path in package.conffiles.all() {
            let owners = self.database.owners.get(path).map_or(&[][..], Vec::as_slice);
            let lines = owners.iter().filter_map(|owner| self.database.packages.get(owner));
            let found = lines
                .flat_map(|known| &known.conffiles)
                .find(|conffile| conffile.path == *path);
            if let Some(conffile) = found {
                self.known_hashes.insert(path.clone(), conffile.hash().to_owned());
            }
        }
    }

    /// Returns conffiles of the previous version that the new version does not have any longer, not
    /// even as ordinary files, and that are in the image. The order is dpkg's, which is that of the
    /// old list from its end.
    pub(super) fn obsolete(&self, package: &Package, paths: &BTreeSet<&str>) -> Result<Vec<Conffile>> {
        let Some(Old { key, known }) = &package.old else {
            return Ok(Vec::new());
        };
        let list = self.database.lists.get(key).map_or(&[][..], Vec::as_slice);
        let mut found = Vec::new();
        for path in list.iter().rev() {
            let Some(conffile) = known.conffiles.iter().find(|conffile| conffile.path == *path) else {
                continue;
            };
            let gone = paths.contains(path.as_str()) || package.conffiles.removes.contains(path);
            if !gone && self.root.metadata(path)?.is_some() {
                found.push(conffile.clone());
            }
        }
        Ok(found)
    }

    /// Removes conffiles that the new version wants removed; one that was changed locally is kept
    /// under another name.
    pub(super) fn remove_conffiles(&mut self, package: &Package) -> Result<()> {
        for path in &package.conffiles.removes {
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
        for conffile in &self.obsolete {
            lines.push_str(&format!(" {} {} obsolete\n", conffile.path, conffile.hash()));
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

//! Unpacks packages as `dpkg --unpack` does: writes their files, and dpkg's database as it is
//! afterwards. Nothing is run.
//!
//! The script that dpkg would run before a package is unpacked (its preinst) is listed, and the
//! node runs it on its first boot before `dpkg --configure -a`. The scripts of a version that is
//! replaced (prerm and postrm) are not run at all: they stop services, which do not run in an
//! image, and clean up behind versions that never ran here.

mod checks;
mod conffiles;
mod database;
mod error;
mod files;
mod filter;
mod outcome;
mod package;
mod preinst;
mod scripts;
mod stanza;
mod triggers;
mod work;

use std::path::{Path, PathBuf};

pub use filter::PathFilter;
pub use outcome::Unpacked;
pub use preinst::Preinst;

use database::{ADMIN, Key, Known, info_name};
use package::{ConffilePaths, Old, Package};
use scripts::Switch;
use work::Work;

use super::deb::{Body, DataEntry, Deb, Measure, Measuring, Need, Scratch, Sink, not_stored};
use kraken_disk::FileTree;
use kraken_foundation::Result;
use kraken_foundation::interrupt::Interrupt;
use kraken_overlay::Entry;

/// Unpacks `debs` over `root`, one after the other. Their files are kept in an unnamed file in the
/// folder `scratch`. Files of dpkg's database that no package brings get the mtime `time` (seconds
/// since 1970-01-01 UTC).
///
/// # Errors
/// When a package cannot be used or does not fit; the message names it.
pub fn unpack(
    root: &dyn FileTree,
    debs: &[PathBuf],
    scratch: &Path,
    time: i64,
    interrupt: &Interrupt,
) -> Result<Unpacked> {
    let mut work = Work::begin(root, time)?;
    let mut scratch = Scratch::new(scratch).map_err(not_stored)?;
    for path in debs {
        interrupt.check()?;
        work.package(path, &mut scratch)?;
    }
    work.outcome()
}

/// Checks whether packages can be unpacked over an image, without keeping any of their files.
pub struct DryRun<'a>(Work<'a>);

impl<'a> DryRun<'a> {
    /// Begins a dry run over `root`.
    ///
    /// # Errors
    /// When dpkg's database cannot be read.
    pub fn begin(root: &'a dyn FileTree) -> Result<Self> {
        Ok(Self(Work::begin(root, 0)?))
    }

    /// Adds a package; returns what it needs of the root file system.
    ///
    /// # Errors
    /// When it cannot be used ([`DebError`](crate::deb::DebError)), or does not fit.
    pub fn package(&mut self, path: &Path) -> Result<Need> {
        self.0.package(path, &mut Measure)
    }

    /// Ends the dry run.
    ///
    /// # Errors
    /// When the packages do not fit together.
    pub fn end(self) -> Result<()> {
        self.0.outcome().map(drop)
    }
}

impl Work<'_> {
    /// Unpacks one package; returns what it needs of the root file system.
    fn package(&mut self, path: &Path, sink: &mut dyn Sink) -> Result<Need> {
        let deb = Deb::open(path)?;
        let control = deb.control.clone();
        let paragraph = control.paragraph(path)?;
        let field = |name: &str| paragraph.get(name).unwrap_or_default().to_owned();
        let key = Key {
            name: field("Package"),
            architecture: field("Architecture"),
        };
        let same = paragraph.get("Multi-Arch") == Some("same");
        self.refuse(&key, control.text("preinst", path).unwrap_or_default())?;
        let old = self.old(&key, same);
        if old.as_ref().is_some_and(|old| old.known.is_unpacked()) {
            self.refuse_switches(&key.name, control.text("preinst", path).unwrap_or_default())?;
        }
        let conffiles = ConffilePaths::parse(control.text("conffiles", path)?);
        let package = Package {
            version: stanza::version(&field("Version")),
            same,
            replaces: field("Replaces"),
            conffiles,
            control,
            path: path.to_owned(),
            old,
            key,
        };
        let mut entries = Vec::new();
        let mut measuring = Measuring::begin(&package.control);
        deb.files(sink, &mut |entry: DataEntry| {
            measuring.add(&entry);
            entries.push(entry);
            Ok(())
        })?;
        // As in dpkg: symbolic links after everything else.
        entries.sort_by_key(|entry| matches!(entry.body, Body::Symlink(_)));
        self.activations(&package)?;
        self.files(&package, &entries)?;
        self.info(&package, &entries)?;
        self.interests(&package)?;
        self.status(&package)?;
        self.baked.insert(package.key);
        Ok(measuring.end())
    }

    fn refuse(&self, key: &Key, preinst: &str) -> Result<()> {
        let Key {
            name: package,
            architecture,
        } = key;
        let own = architecture == "all"
            || *architecture == self.database.architecture
            || self.database.foreign.contains(architecture);
        if !own {
            let image = &self.database.architecture;
            return Err(error::other_architecture(package, architecture, image));
        }
        if self.baked.contains(key) {
            return Err(error::twice(package));
        }
        match scripts::diverts(preinst) {
            true => Err(error::diverts(package)),
            false => Ok(()),
        }
    }

    /// Refuses a package whose preinst turns a folder into a link, or the other way round: that
    /// must happen before the package is unpacked.
    fn refuse_switches(&self, package: &str, preinst: &str) -> Result<()> {
        for Switch { path, was } in scripts::switches(preinst) {
            let found = self.root.metadata(path.trim_end_matches('/'))?;
            if found.is_some_and(|found| found.node == was) {
                return Err(error::switches(package, &path));
            }
        }
        Ok(())
    }

    /// Returns what the image has under this name: the same package in another version, or the rest
    /// of one that was removed.
    fn old(&self, key: &Key, same: bool) -> Option<Old> {
        let found = |key: &Key| {
            let known = self.database.packages.get(key)?.clone();
            Some(Old {
                key: key.clone(),
                known,
            })
        };
        let any = || {
            // Only `Multi-Arch: same` packages can be installed more than once.
            let other =
                |(other, known): &(&Key, &Known)| other.name == key.name && !same && !known.same && known.is_unpacked();
            let (other, _) = self.database.packages.iter().find(other)?;
            found(other)
        };
        found(key).or_else(any).filter(|old| old.known.state != "not-installed")
    }

    /// Writes the paragraph in dpkg's status, and records what the first boot must run.
    fn status(&mut self, package: &Package) -> Result<()> {
        let (key, old) = (&package.key, package.old.as_ref());
        let paragraph = package.control.paragraph(&package.path)?;
        let configured = old.and_then(|Old { known, .. }| match known.state.as_str() {
            "installed" | "triggers-pending" | "triggers-awaited" => Some(known.version.clone()),
            _ => known.config_version.clone(),
        });
        let conffiles = self.conffile_lines(package)?;
        let text = stanza::unpacked(&paragraph, configured.as_deref(), &conffiles);
        if package.control.others.contains_key("preinst") {
            let arguments = match old {
                None => "install".to_owned(),
                Some(Old { known, .. }) if !known.is_unpacked() => {
                    format!("install {} {}", known.version, package.version)
                }
                Some(Old { known, .. }) => format!("upgrade {} {}", known.version, package.version),
            };
            self.preinsts.push(Preinst {
                script: format!("{}.preinst", info_name(key, package.same)),
                package: key.name.clone(),
                architecture: key.architecture.clone(),
                arguments,
            });
        }
        if let Some(Old { key: other, .. }) = old.filter(|old| old.key != *key) {
            self.database.packages.remove(other);
            let place = self.database.order.iter().position(|listed| listed == other);
            if let Some(place) = place {
                self.database.order[place] = key.clone();
            }
        } else if old.is_none() {
            self.database.order.retain(|listed| listed != key);
            self.database.order.push(key.clone());
        }
        let known = Known {
            version: package.version.clone(),
            state: "unpacked".into(),
            same: package.same,
            config_version: configured,
            conffiles: database::conffiles(&conffiles),
            replaces: package.replaces.clone(),
            pending: Vec::new(),
            text: text.clone(),
        };
        // No package waits for its pending triggers any longer: it will be configured again.
        self.pending.remove(key);
        for whom in self.awaited.values_mut() {
            whom.retain(|name| *name != info_name(key, package.same));
        }
        self.database.packages.insert(key.clone(), known);
        self.stanzas.insert(key.clone(), text);
        Ok(())
    }

    /// Writes the package's files in `info`; removes those of the version that it replaces.
    fn info(&mut self, package: &Package, entries: &[DataEntry]) -> Result<()> {
        let name = info_name(&package.key, package.same);
        if let Some(Old { key, known }) = &package.old {
            let prefix = format!("{}.", info_name(key, known.same));
            for file in self.root.list(&format!("{ADMIN}/info"))? {
                let member = file.strip_prefix(&prefix).filter(|member| !member.contains('.'));
                if member.is_some() {
                    self.put(&format!("{ADMIN}/info/{file}"), Entry::absent())?;
                }
            }
        }
        for (member, file) in &package.control.others {
            let entry = Entry::file(file.bytes.clone(), file.mode, file.mtime);
            self.put(&format!("{ADMIN}/info/{name}.{member}"), entry)?;
        }
        if !package.control.others.contains_key("md5sums") {
            // Also an empty one: `dpkg --audit` reports a missing one.
            let sums = self.md5sums(entries).into_bytes();
            self.put(
                &format!("{ADMIN}/info/{name}.md5sums"),
                Entry::file(sums, 0o644, self.time),
            )?;
        }
        let list = self.database.lists.get(&package.key).cloned().unwrap_or_default();
        let entry = Entry::file((list.join("\n") + "\n").into_bytes(), 0o644, self.time);
        self.put(&format!("{ADMIN}/info/{name}.list"), entry)
    }
}

//! Lays packages out as `dpkg --unpack` does: their files, and dpkg's database as it is afterwards. Nothing is run.
//!
//! What dpkg would run before a package is unpacked (its preinst script) is listed, for the node to run on its first boot before
//! `dpkg --configure -a`. The scripts of a version that is replaced (prerm and postrm) are not run at all: they stop services,
//! which do not run in an image, and clean up behind versions that never ran here.

mod checks;
mod conffiles;
mod database;
mod error;
mod files;
mod filter;
mod outcome;
mod scripts;
mod stanza;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use error::UnpackError;
pub use filter::PathFilter;

use database::{ADMIN, Database, Key, Known, info_name};
use files::Package;

use super::deb::{Body, DataEntry, Deb, Measure, Measuring, Need, Scratch, Sink};
use super::relation::relations;
use kraken_disk::FileTree;
use kraken_foundation::interrupt::Interrupt;
use kraken_overlay::{Entry, EntryPath, Overlay, Volume};

/// What comes of unpacking.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// The packages' files and dpkg's database, for the root volume.
    pub overlay: Overlay,
    /// What is to be run before the packages are configured, in this order.
    pub preinsts: Vec<Preinst>,
}

/// A preinst script that could not be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preinst {
    /// Its file in `/var/lib/dpkg/info`.
    pub script: String,
    /// The package.
    pub package: String,
    /// Its architecture.
    pub architecture: String,
    /// What dpkg calls it with: `install`, `install OLD NEW`, or `upgrade OLD NEW` (deb-preinst(5)).
    pub arguments: String,
}

impl Preinst {
    /// The line that the first boot reads: the four fields with tabs between them.
    pub fn line(&self) -> String {
        format!(
            "{}\t{}\t{}\t{}\n",
            self.script, self.package, self.architecture, self.arguments
        )
    }
}

/// The state of the work.
struct Work<'a> {
    root: &'a dyn FileTree,
    database: Database,
    overlay: Overlay,
    preinsts: Vec<Preinst>,
    /// The mtime of what no package brings, in seconds since 1970-01-01 UTC.
    time: i64,
    /// The paragraphs that are new or changed.
    stanzas: BTreeMap<Key, String>,
    baked: BTreeSet<Key>,
    /// Packages that lost files to others.
    robbed: BTreeSet<Key>,
    /// Triggers that packages of the image have to run, in the order in which they were activated.
    pending: BTreeMap<Key, Vec<String>>,
    /// Packages of this run, and those whose triggers must be run before they count as installed.
    awaited: BTreeMap<Key, Vec<String>>,
    /// Of the package that is being laid out: hashes that the image has of its conffiles.
    known_hashes: BTreeMap<String, String>,
    /// Likewise: conffiles of the version before that it has no longer, and their hashes.
    obsolete: Vec<(String, String)>,
    /// What the image's dpkg leaves out.
    filter: PathFilter,
    /// Files of `triggers` that changed.
    interests: BTreeSet<String>,
}

/// Lays `debs` out over `root`, one after the other. Their files wait in an unnamed file in `scratch`, a folder. Files of dpkg's database that no
/// package brings get the mtime `time` (seconds since 1970-01-01 UTC).
///
/// # Errors
/// [`UnpackError`], naming the package.
pub fn unpack(
    root: &dyn FileTree,
    debs: &[PathBuf],
    scratch: &Path,
    time: i64,
    interrupt: &Interrupt,
) -> Result<Unpacked, UnpackError> {
    let mut work = Work::begin(root, time)?;
    let mut scratch = Scratch::new(scratch).map_err(UnpackError::Scratch)?;
    for path in debs {
        interrupt.check()?;
        work.package(path, &mut scratch)?;
    }
    work.outcome()
}

/// Finds out whether packages can be laid out over an image, without keeping any of their files.
pub struct DryRun<'a>(Work<'a>);

impl<'a> DryRun<'a> {
    /// Over `root`.
    ///
    /// # Errors
    /// [`UnpackError`] when dpkg's database cannot be read.
    pub fn begin(root: &'a dyn FileTree) -> Result<Self, UnpackError> {
        Ok(Self(Work::begin(root, 0)?))
    }

    /// One more package; gives what it takes of the root file system.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn package(&mut self, path: &Path) -> Result<Need, UnpackError> {
        self.0.package(path, &mut Measure)
    }

    /// All are there.
    ///
    /// # Errors
    /// [`UnpackError`] when they do not go together.
    pub fn end(self) -> Result<(), UnpackError> {
        self.0.outcome().map(drop)
    }
}

impl<'a> Work<'a> {
    fn begin(root: &'a dyn FileTree, time: i64) -> Result<Self, UnpackError> {
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

    /// Lays one package out; gives what it takes of the root file system.
    fn package(&mut self, path: &Path, sink: &mut dyn Sink) -> Result<Need, UnpackError> {
        let deb = Deb::open(path)?;
        let control = deb.control.clone();
        let paragraph = control.paragraph(path)?;
        let field = |name: &str| paragraph.get(name).unwrap_or_default().to_owned();
        let key = (field("Package"), field("Architecture"));
        let same = paragraph.get("Multi-Arch") == Some("same");
        self.refuse(&key, control.text("preinst", path).unwrap_or_default())?;
        let old = self.old(&key, same);
        if old.as_ref().is_some_and(|(_, known)| known.is_unpacked()) {
            self.refuse_switches(&key.0, control.text("preinst", path).unwrap_or_default())?;
        }
        let (conffiles, removes) = conffiles::parse(control.text("conffiles", path)?);
        let package = Package {
            version: stanza::version(&field("Version")),
            same,
            replaces: field("Replaces"),
            conffiles,
            removes,
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
            Ok::<_, UnpackError>(())
        })?;
        // As dpkg has it: symbolic links after everything else.
        entries.sort_by_key(|entry| matches!(entry.body, Body::Symlink(_)));
        self.activations(&package)?;
        self.files(&package, &entries)?;
        self.info(&package, &entries)?;
        self.interests(&package)?;
        self.status(&package)?;
        self.baked.insert(package.key);
        Ok(measuring.end())
    }

    fn refuse(&self, key: &Key, preinst: &str) -> Result<(), UnpackError> {
        let (package, architecture) = key.clone();
        let own = architecture == "all"
            || architecture == self.database.architecture
            || self.database.foreign.contains(&architecture);
        if !own {
            let image = self.database.architecture.clone();
            return Err(UnpackError::Architecture {
                package,
                architecture,
                image,
            });
        }
        if self.baked.contains(key) {
            return Err(UnpackError::Twice { package });
        }
        match scripts::diverts(preinst) {
            true => Err(UnpackError::Diverts { package }),
            false => Ok(()),
        }
    }

    /// A folder that becomes a link, or the other way round, has to become it before the package is unpacked.
    fn refuse_switches(&self, package: &str, preinst: &str) -> Result<(), UnpackError> {
        for (path, was) in scripts::switches(preinst) {
            let found = self.root.metadata(path.trim_end_matches('/'))?;
            if found.is_some_and(|found| found.node == was) {
                return Err(UnpackError::Switches {
                    package: package.to_owned(),
                    path,
                });
            }
        }
        Ok(())
    }

    /// What the image has under this name: the same package in another version, or what is left of one that was removed.
    fn old(&self, key: &Key, same: bool) -> Option<(Key, Known)> {
        let found = |key: &Key| Some((key.clone(), self.database.packages.get(key)?.clone()));
        let any = || {
            // Only `Multi-Arch: same` packages can be there more than once.
            let other =
                |(other, known): &(&Key, &Known)| other.0 == key.0 && !same && !known.same && known.is_unpacked();
            let (other, _) = self.database.packages.iter().find(other)?;
            found(other)
        };
        found(key)
            .or_else(any)
            .filter(|(_, known)| known.state != "not-installed")
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
            relation.name == other.0
                && relation
                    .version
                    .is_none_or(|(operator, wanted)| operator.holds(&known.version, wanted))
        })
    }

    /// The paragraph in dpkg's status, and what the first boot runs.
    fn status(&mut self, package: &Package) -> Result<(), UnpackError> {
        let (key, old) = (&package.key, package.old.as_ref());
        let paragraph = package.control.paragraph(&package.path)?;
        let configured = old.and_then(|(_, known)| match known.state.as_str() {
            "installed" | "triggers-pending" | "triggers-awaited" => Some(known.version.clone()),
            _ => known.config_version.clone(),
        });
        let conffiles = self.conffile_lines(package)?;
        let text = stanza::unpacked(&paragraph, configured.as_deref(), &conffiles);
        if package.control.others.contains_key("preinst") {
            let arguments = match old {
                None => "install".to_owned(),
                Some((_, known)) if !known.is_unpacked() => format!("install {} {}", known.version, package.version),
                Some((_, known)) => format!("upgrade {} {}", known.version, package.version),
            };
            self.preinsts.push(Preinst {
                script: format!("{}.preinst", info_name(key, package.same)),
                package: key.0.clone(),
                architecture: key.1.clone(),
                arguments,
            });
        }
        if let Some((other, _)) = old.filter(|(other, _)| other != key) {
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
            conffiles: lines_of(&conffiles),
            replaces: package.replaces.clone(),
            pending: Vec::new(),
            text: text.clone(),
        };
        // Whatever it had to run, nobody waits for it any longer: it will be configured anew.
        self.pending.remove(key);
        for whom in self.awaited.values_mut() {
            whom.retain(|name| *name != info_name(key, package.same));
        }
        self.database.packages.insert(key.clone(), known);
        self.stanzas.insert(key.clone(), text);
        Ok(())
    }

    /// The package's files in `info`; those of the version that it replaces go.
    fn info(&mut self, package: &Package, entries: &[DataEntry]) -> Result<(), UnpackError> {
        let name = info_name(&package.key, package.same);
        if let Some((key, known)) = &package.old {
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
            // Also an empty one: dpkg misses it otherwise (`dpkg --audit`).
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

    fn put(&mut self, path: &str, entry: Entry) -> Result<(), UnpackError> {
        self.overlay.insert(Volume::Root, EntryPath::new(path)?, entry);
        Ok(())
    }
}

/// Path and the rest of each line of the field `Conffiles`.
fn lines_of(conffiles: &str) -> Vec<(String, String)> {
    let lines = conffiles.lines().filter_map(|line| line.trim().split_once(' '));
    lines.map(|(path, rest)| (path.to_owned(), rest.to_owned())).collect()
}

//! Checks the packages baked into an image: they must be those of `kraken.lock`, dpkg must know
//! them, and each of their files must match the image's record and dpkg's own md5sums.

use std::collections::{BTreeMap, BTreeSet};

use super::report::ImageReport;
use super::volumes::ImageVolume;
use super::xattrs;
use kraken_debian::control::{Paragraph, paragraphs};
use kraken_debian::{PathFilter, md5sum};
use kraken_disk::{FileTree, NodeType};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Result, Sha256Hash};
use kraken_image::packages::lock::LockedSet;
use kraken_image::packages::{PackagesRecord, RECORD, Recorded, RecordedFile, RecordedPackage, are_asked_for};
use kraken_overlay::{EntryPath, Overlay, Volume};
use kraken_spec::Cluster;

const CHECK: &str = "packages";
/// The largest text file of dpkg, in bytes.
const TEXT: u64 = 64 << 20;
/// How many wrong files are named.
const SHOWN: usize = 20;

/// What the packages of an image are compared with.
#[derive(Clone, Copy, Default)]
pub(super) struct Against<'a> {
    /// The packages of `kraken.lock` for this base. The outer `None` means that there is no lock
    /// file to compare with.
    pub(super) lock: Option<Option<&'a LockedSet>>,
    /// The SHA-256 of the record, as the manifest has it.
    pub(super) record_sha256: Option<Sha256Hash>,
    /// The cluster of kraken.toml, which may ask for packages.
    pub(super) cluster: Option<&'a Cluster>,
    /// Files that were laid over the packages' own. They are compared elsewhere.
    pub(super) overlay: Option<&'a Overlay>,
}

/// Returns whether an image without packages lacks some. The base may already contain everything
/// that the cluster asks for, which the lock file shows. But a lock file that was made for another
/// kraken.toml does not show anything.
fn none_baked_is_wrong(lock: Option<&LockedSet>, cluster: Option<&Cluster>) -> bool {
    match (lock, cluster) {
        (Some(bake), Some(cluster)) if !bake.request.is_of(cluster) => are_asked_for(cluster),
        (Some(bake), _) => !bake.packages.is_empty(),
        (None, cluster) => cluster.is_some_and(are_asked_for),
    }
}

/// Checks the packages. Returns the list of them.
pub(super) fn verify(
    volume: ImageVolume<'_>,
    root: &dyn FileTree,
    against: Against<'_>,
    report: &mut ImageReport,
    interrupt: &Interrupt,
) -> Result<Vec<RecordedPackage>> {
    let record = match PackagesRecord::read(root) {
        Ok(record) => record,
        Err(error) => {
            report.begin(CHECK);
            report.find(CHECK, place(RECORD), error.to_string());
            return Ok(Vec::new());
        }
    };
    let Some(record) = record else {
        let missing = none_baked_is_wrong(against.lock.flatten(), against.cluster);
        if missing {
            report.begin(CHECK);
            report.find(CHECK, "", "kraken.toml asks for packages, and none is baked in");
        }
        return Ok(Vec::new());
    };
    report.begin(CHECK);
    compare_lock(&record, against, report);
    if let (Some(wanted), Ok(Some(bytes))) = (against.record_sha256, root.read(RECORD, TEXT * 4))
        && Sha256Hash::of(&bytes) != wanted
    {
        report.find(CHECK, place(RECORD), "is not the record that the manifest names");
    }
    if let Err(error) = files(root, &record, against.overlay, report, interrupt)? {
        report.find(CHECK, "", error.to_string());
    }
    xattrs::compare(volume, &record, report)?;
    Ok(record.packages)
}

fn place(path: &str) -> String {
    format!("{}:{path}", Volume::Root)
}

/// Checks that the packages are those of the lock file.
fn compare_lock(record: &PackagesRecord, against: Against<'_>, report: &mut ImageReport) {
    let Some(lock) = against.lock else { return };
    let Some(bake) = lock else {
        return report.find(
            CHECK,
            "",
            "kraken.lock has no packages for the base of this image, which has some baked in; get the lock file of its build",
        );
    };
    if against.cluster.is_some_and(|cluster| !bake.request.is_of(cluster)) {
        report.find(
            CHECK,
            "",
            "kraken.lock was made for other packages than kraken.toml asks for; build the image again",
        );
    }
    let key = |name: &str, architecture: &str| format!("{name}:{architecture}");
    let mut wanted: BTreeMap<String, (&str, Sha256Hash)> = bake
        .packages
        .iter()
        .map(|p| (key(&p.name, &p.architecture), (p.version.as_str(), p.sha256)))
        .collect();
    for package in &record.packages {
        let found = (package.version.as_str(), package.sha256);
        let message = match wanted.remove(&key(&package.name, &package.architecture)) {
            None => "is baked in, and kraken.lock does not list it".to_owned(),
            Some(locked) if locked.0 != found.0 => {
                format!("is baked in as version {}, and kraken.lock has {}", found.0, locked.0)
            }
            Some(locked) if locked.1 != found.1 => "comes from another .deb than kraken.lock has".to_owned(),
            Some(_) => continue,
        };
        report.find(CHECK, "", format!("{} {message}", package.name));
    }
    for name in wanted.into_keys() {
        report.find(CHECK, "", format!("{name} is in kraken.lock, and not baked in"));
    }
}

/// Adds findings, but names only the first [`SHOWN`] of them.
struct Few<'a> {
    report: &'a mut ImageReport,
    count: usize,
}

impl Few<'_> {
    fn find(&mut self, path: &str, message: String) {
        self.count += 1;
        if self.count <= SHOWN {
            self.report.find(CHECK, place(path), message);
        }
    }
}

/// Checks every recorded file, and every file of dpkg's own lists.
fn files(
    root: &dyn FileTree,
    record: &PackagesRecord,
    overlay: Option<&Overlay>,
    report: &mut ImageReport,
    interrupt: &Interrupt,
) -> Result<Result<()>> {
    let mut sums = match md5sums(root, record) {
        Ok(sums) => sums,
        Err(error) => return Ok(Err(error)),
    };
    let filter = match PathFilter::read(root) {
        Ok(filter) => Some(filter),
        Err(error) => {
            report.find(CHECK, "root:/etc/dpkg", error.to_string());
            None
        }
    };
    let left_out = |path: &str| filter.as_ref().is_some_and(|filter| filter.leaves_out_file(path));
    let hidden = |path: &str| {
        let path = EntryPath::new(path).ok();
        path.is_some_and(|path| overlay.is_some_and(|overlay| overlay.get(Volume::Root, &path).is_some()))
    };
    let mut few = Few { report, count: 0 };
    for file in &record.files {
        interrupt.check()?;
        let sum = sums.remove(&file.path);
        if hidden(&file.path) {
            continue;
        }
        few.report.files_compared += 1;
        match differences(root, file, sum.as_deref()) {
            Ok(None) => {}
            Ok(Some(message)) => few.find(&file.path, message),
            Err(error) => few.find(&file.path, error.to_string()),
        }
    }
    for (path, sum) in sums {
        interrupt.check()?;
        if hidden(&path) {
            continue;
        }
        match hashes(root, &path) {
            Ok(Some(found)) if found.md5 == sum => {}
            Ok(Some(_)) => few.find(&path, "is not what dpkg's md5sums say".into()),
            // dpkg's lists also name files that the image's dpkg is set to leave out.
            Ok(None) if left_out(&path) => {}
            Ok(None) => few.find(&path, "is missing, and dpkg's md5sums list it".into()),
            Err(error) => few.find(&path, error.to_string()),
        }
    }
    let more = few.count.saturating_sub(SHOWN);
    if more > 0 {
        report.find(CHECK, "", format!("and {more} more files"));
    }
    Ok(known_to_dpkg(root, record, report))
}

fn differences(root: &dyn FileTree, file: &RecordedFile, sum: Option<&str>) -> Result<Option<String>> {
    let Some(found) = root.metadata(&file.path)? else {
        return Ok(match file.what {
            Recorded::Nothing => None,
            _ => Some("is missing".into()),
        });
    };
    let wrong = match (&file.what, found.node) {
        (Recorded::Nothing, _) => Some("is there and should not be".into()),
        (Recorded::File { size, .. }, NodeType::File) if *size != found.size => {
            Some(format!("has {} bytes and should have {size}", found.size))
        }
        (Recorded::File { sha256, .. }, NodeType::File) => match hashes(root, &file.path)? {
            Some(found) if found.sha256 != *sha256 => Some("has another content than was baked in".into()),
            Some(found) if sum.is_some_and(|sum| sum != found.md5) => Some("is not what dpkg's md5sums say".into()),
            _ => None,
        },
        (Recorded::Name(other), NodeType::File) => match (hashes(root, &file.path)?, hashes(root, other)?) {
            (Some(one), Some(two)) if one == two => None,
            _ => Some(format!("should be a second name of {other}")),
        },
        (Recorded::Link(target), NodeType::Symlink) => {
            let seen = root.read_link(&file.path)?.unwrap_or_default();
            (seen != *target).then(|| format!("points to {seen:?} and should point to {target:?}"))
        }
        // As in dpkg, a link to a folder may stand in place of a folder.
        (Recorded::Folder, NodeType::Directory | NodeType::Symlink) => None,
        _ => Some("is of another kind than what was baked in".into()),
    };
    if wrong.is_some() {
        return Ok(wrong);
    }
    if !file.mode.is_empty() && found.node != NodeType::Symlink && format!("{:04o}", found.mode) != file.mode {
        return Ok(Some(format!(
            "has mode {:04o} and should have {}",
            found.mode, file.mode
        )));
    }
    let owned = !file.mode.is_empty() || matches!(file.what, Recorded::Link(_));
    if owned && (found.uid, found.gid) != file.owner {
        let (uid, gid) = file.owner;
        return Ok(Some(format!(
            "belongs to {}:{} and should belong to {uid}:{gid}",
            found.uid, found.gid
        )));
    }
    Ok(None)
}

/// The hashes of a file.
#[derive(PartialEq, Eq)]
struct Hashes {
    sha256: Sha256Hash,
    /// In hexadecimal, as dpkg writes it.
    md5: String,
}

/// Returns the hashes of a file; `None` if there is no such file.
fn hashes(root: &dyn FileTree, path: &str) -> Result<Option<Hashes>> {
    let bytes = root.read(path, u64::MAX)?;
    Ok(bytes.map(|bytes| Hashes {
        sha256: Sha256Hash::of(&bytes),
        md5: md5sum(&bytes),
    }))
}

/// Returns the sums of the packages' files from dpkg's own lists: absolute path → MD5 in
/// hexadecimal. Diverted files and conffiles are listed under their other name.
fn md5sums(root: &dyn FileTree, record: &PackagesRecord) -> Result<BTreeMap<String, String>> {
    let diversions = text(root, "/var/lib/dpkg/diversions")?;
    let lines: Vec<&str> = diversions.lines().collect();
    let recorded: BTreeSet<&str> = record.files.iter().map(|file| file.path.as_str()).collect();
    let mut sums = BTreeMap::new();
    for package in &record.packages {
        let (name, arch) = (&package.name, &package.architecture);
        let mut list = text(root, &format!("/var/lib/dpkg/info/{name}:{arch}.md5sums"))?;
        if list.is_empty() {
            list = text(root, &format!("/var/lib/dpkg/info/{name}.md5sums"))?;
        }
        for line in list.lines() {
            let Some((sum, path)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            let path = format!("/{}", path.trim_start().trim_start_matches("./"));
            let diverted = lines
                .chunks_exact(3)
                .find(|entry| entry[0] == path && entry[2] != name)
                .map(|entry| entry[1].to_owned());
            let path = diverted.unwrap_or(path);
            // A conffile has this name until its package is configured. A conffile of another
            // version may exist beside it.
            let waiting = format!("{path}.dpkg-new");
            let is_waiting = recorded.contains(waiting.as_str());
            sums.insert(if is_waiting { waiting } else { path }, sum.to_owned());
        }
    }
    Ok(sums)
}

/// Returns a text file of the image; empty if there is none.
fn text(root: &dyn FileTree, path: &str) -> Result<String> {
    let bytes = root.read(path, TEXT)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Checks that dpkg's status lists each package in its version, unpacked but not configured yet.
fn known_to_dpkg(root: &dyn FileTree, record: &PackagesRecord, report: &mut ImageReport) -> Result<()> {
    const STATUS: &str = "/var/lib/dpkg/status";
    let status = text(root, STATUS)?;
    let known: Vec<Paragraph<'_>> = match paragraphs(&status).collect() {
        Ok(known) => known,
        Err(error) => {
            report.find(CHECK, place(STATUS), error.to_string());
            return Ok(());
        }
    };
    for package in &record.packages {
        let found = known.iter().find(|paragraph| {
            paragraph.get("Package") == Some(&package.name)
                && paragraph.get("Architecture") == Some(&package.architecture)
                && paragraph.get("Version") == Some(&package.version)
        });
        let message = match found.and_then(|paragraph| paragraph.get("Status")) {
            Some("install ok unpacked") => continue,
            Some(status) => format!("{} is {status:?} there, not unpacked", package.name),
            None => format!("does not have {} {}", package.name, package.version),
        };
        report.find(CHECK, place(STATUS), message);
    }
    Ok(())
}

//! Obtains the packages that `kraken.toml` asks for as `.deb`s in the cache: by the lock file where
//! it has them, else from the archives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::docker;
use super::error;
use super::lock::{Lock, LockedArchive, LockedDeb, LockedPackage, LockedSet, PackageSpec};
use super::ready::ReadyPackages;
use super::store::Store;
use super::wanted::{architectures, usable_without};
use crate::base::{Base, BaseTrees, OsImage};
use kraken_debian::DryRun;
use kraken_debian::Fetch;
use kraken_debian::deb::{self, DebError};
use kraken_debian::{Architectures, Archive, ImageState, Loaded, load_available, resolve};
use kraken_debian::{LocalDeb, Pick, PickFrom, Request, RequestedPackage};
use kraken_disk::{ImageFile, Layout};
use kraken_fetch::Downloads;
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash};
use kraken_spec::Cluster;

/// Free space beyond what the packages need, in bytes, so that provisioning a base with packages
/// does not need to grow it a second time.
pub const SLACK: u64 = 32 << 20;

/// The largest `.deb` of the user, in bytes.
const LARGEST_DEB: u64 = 4 << 30;

/// What packages are obtained for.
#[derive(Clone, Copy)]
pub struct ObtainRequest<'a> {
    /// The cluster, which determines what is requested.
    pub cluster: &'a Cluster,
    /// The base image, which determines the trusted archives and the packages that are already
    /// installed.
    pub base: &'a Base,
    /// The path of the lock file.
    pub lock: &'a Path,
    /// Query the archives again, and update the lock file to what they have.
    pub update: bool,
    /// The time at which signatures must be valid: seconds since 1970-01-01 UTC.
    pub now: u64,
}

/// Returns what a cluster asks for; `None` when that is nothing. `hash` returns the hash of a
/// package file.
fn package_spec(cluster: &Cluster, hash: impl Fn(&Path) -> Result<Sha256Hash>) -> Result<Option<PackageSpec>> {
    let mut debs = Vec::new();
    for deb in &cluster.system.debs {
        debs.push(LockedDeb {
            file: deb.written.clone(),
            sha256: hash(&deb.path)?,
        });
    }
    let spec = PackageSpec::new(cluster, debs);
    Ok((!spec.is_empty()).then_some(spec))
}

/// Returns what the lock file has for a base and a cluster, without using the network: for plans.
/// `None` when it has nothing that is still valid.
///
/// # Errors
/// When the lock file is damaged, or a `.deb` of the user cannot be read.
pub fn locked(request: ObtainRequest<'_>, downloads: &Downloads<'_>) -> Result<Option<LockedSet>> {
    let Some(spec) = package_spec(request.cluster, |file| downloads.hash(file))? else {
        return Ok(None);
    };
    let lock = Lock::read(request.lock)?;
    let set = lock.set_for(request.base.raw_sha256);
    Ok(set.filter(|set| set.request == spec).cloned())
}

/// Obtains the packages that a cluster asks for; `None` when it asks for none. Packages in the lock
/// file are taken as they are. If the request changed, packages are chosen again and locked.
///
/// # Errors
/// When they cannot be had; then the lock file is unchanged.
pub fn obtain(request: ObtainRequest<'_>, downloads: &Downloads<'_>) -> Result<Option<ReadyPackages>> {
    let keep = |file: &Path| Ok(downloads.keep(file, LARGEST_DEB)?.sha256);
    let Some(spec) = package_spec(request.cluster, keep)? else {
        return Ok(None);
    };
    let mut lock = Lock::read(request.lock)?;
    let known = lock.set_for(request.base.raw_sha256);
    let store = Store::new(downloads, &request.cluster.apt.mirrors);
    if let Some(set) = known.filter(|set| set.request == spec && !request.update) {
        let debs = fetch_all(set, downloads, &store)?;
        let locked = set.clone();
        return Ok(Some(ReadyPackages { locked, debs }));
    }
    if downloads.is_offline() {
        return Err(Error::new(
            Kind::NotFound,
            format!(
                "choosing packages: {} has none for this base and this kraken.toml, and the network must not be used; run `kraken-flash fetch` first",
                request.lock.display()
            ),
        ));
    }
    let old = known.cloned();
    let trees = open_trees(&request.base.raw)?;
    let Choice {
        mut set,
        already_installed,
    } = choose(request, spec, &trees, downloads, &store)?;
    let debs = fetch_all(&set, downloads, &store)?;
    // Packages that cannot be unpacked must not get into the lock file.
    let task = downloads.job().task("checking the packages", None);
    let mut dry_run = DryRun::begin(&trees.root)?;
    for (package, path) in set.packages.iter_mut().zip(&debs) {
        downloads.job().interrupt.check()?;
        let need = dry_run.package(path).map_err(|error| of_package(package, error))?;
        (package.unpacked, package.inodes) = (need.bytes, need.inodes);
    }
    dry_run.end()?;
    drop(task);
    report_changes(old.as_ref(), &set, already_installed, request.lock, downloads);
    // Neither must packages for which the base has too little space, or which it cannot take at
    // all.
    let need = set.need();
    kraken_disk::can_take(&request.base.raw, need.bytes.saturating_add(SLACK), need.inodes)
        .context(|| reading(&request.base.raw))?;
    if old.as_ref() != Some(&set) {
        lock.put(set.clone());
        lock.write(request.lock)?;
    }
    Ok(Some(ReadyPackages { locked: set, debs }))
}

/// Names the package in the error; its file in the cache is named by hash only.
fn of_package(package: &LockedPackage, error: Error) -> Error {
    match error.downcast_ref::<DebError>() {
        Some(_) => error::unusable(&format!("{} {}", package.name, package.version), error),
        None => error,
    }
}

/// Prints what is installed already and what the lock file now has.
fn report_changes(
    old: Option<&LockedSet>,
    new: &LockedSet,
    already_installed: Vec<String>,
    lock: &Path,
    downloads: &Downloads<'_>,
) {
    let progress = downloads.job();
    for name in already_installed {
        progress.note(&format!("{name} is in the base image already"));
    }
    let file = lock.display();
    let count = match new.packages.len() {
        1 => "1 package".to_owned(),
        count => format!("{count} packages"),
    };
    match old {
        None => progress.note(&format!("{file}: {count} for this base")),
        Some(old) => {
            let same = |package: &&LockedPackage| !old.packages.contains(package);
            let news: Vec<String> = new
                .packages
                .iter()
                .filter(same)
                .map(|package| format!("{} {}", package.name, package.version))
                .collect();
            match news.is_empty() {
                true => progress.note(&format!("{file}: all packages are as new as can be had")),
                false => progress.note(&format!("{file}: now {}", news.join(", "))),
            }
        }
    }
}

/// What was chosen from the archives.
struct Choice {
    /// What is to be locked.
    set: LockedSet,
    /// Name and version of each package that the base has already.
    already_installed: Vec<String>,
}

/// Stands before the error of a base image.
fn reading(base: &Path) -> String {
    format!("reading the base image {}", base.display())
}

/// Opens the two volumes of the base at `path`.
fn open_trees(path: &Path) -> Result<BaseTrees> {
    let file = ImageFile::open_read(path).doing("reading", path)?;
    let file = Arc::new(file);
    let layout = Layout::detect(file.clone()).context(|| reading(path))?;
    let boot = layout.boot_tree(file.clone()).context(|| reading(path))?;
    let root = layout.root_tree(file).context(|| reading(path))?;
    Ok(BaseTrees { boot, root })
}

/// Chooses packages from the archives.
fn choose(
    request: ObtainRequest<'_>,
    spec: PackageSpec,
    trees: &BaseTrees,
    downloads: &Downloads<'_>,
    store: &Store<'_>,
) -> Result<Choice> {
    let BaseTrees { boot, root } = trees;
    let os = OsImage::read(boot, root, 0).context(|| reading(&request.base.raw))?;
    let mut image = ImageState::read(root).quoted(|| error::LISTS)?;
    if let Some(own) = docker::source(request.cluster, &os, store)? {
        if let Some(note) = docker::note(&os) {
            downloads.job().note(note);
        }
        image.sources.push(own);
    }
    for note in &image.notes {
        downloads.job().detail(note);
    }
    let mut wishes = Request {
        recommends: spec.recommends,
        ..Request::default()
    };
    // The user's own files come first: a mistake in them is found without the network.
    for (deb, local) in request.cluster.system.debs.iter().zip(&spec.debs) {
        let kept = downloads.keep(&deb.path, LARGEST_DEB)?;
        wishes.debs.push(LocalDeb {
            named: local.file.clone(),
            control: deb::control_text(&kept.path).map_err(|error| error::unusable(&local.file, error))?,
            size: kept.size,
            sha256: kept.sha256,
        });
    }
    let task = downloads.job().task("asking the package archives", None);
    let indexes = architectures(&image, &spec, &wishes.debs);
    let architectures = Architectures {
        needed: &indexes.needed,
        welcome: &indexes.optional,
    };
    let Loaded { archives, failed } = load_available(&image.sources, store, request.now, architectures);
    downloads.job().interrupt.check()?;
    let failed = usable_without(failed)?;
    for note in archives.iter().flat_map(|archive| &archive.notes) {
        downloads.job().detail(note);
    }
    let warnings: BTreeSet<&String> = archives.iter().flat_map(|archive| &archive.warnings).collect();
    for warning in warnings {
        downloads.job().note(&format!("warning: {warning}"));
    }
    for name in &spec.packages {
        let (name, needed) = match name.strip_suffix('?') {
            Some(name) => (name, false),
            None => (name.as_str(), true),
        };
        if needed || exists(&archives, name) {
            wishes
                .packages
                .push(name.parse::<RequestedPackage>().map_err(error::choosing)?);
        }
    }
    let chosen = resolve(&image, &archives, &wishes);
    drop(task);
    let chosen = match (chosen, failed.first()) {
        (Ok(chosen), _) => chosen,
        (Err(error), None) => return Err(error::unresolved(error)),
        (Err(_), Some(first)) if archives.is_empty() => {
            return Err(Error::new(
                Kind::Network,
                format!(
                    "{}; the base image names that archive, {}, in {}",
                    first.error, first.shown, first.named_in
                ),
            ));
        }
        (Err(source), Some(first)) => {
            let text = format!(
                "choosing packages: {source}; and an archive that the base image names in {}, {}, could not be asked: {}; \
                 if it is gone for good, set a mirror for it ([apt] mirrors), or take it out of the image",
                first.named_in, first.shown, first.error
            );
            return Err(Error::typed(Kind::Network, source).context(text));
        }
    };
    for archive in &failed {
        downloads.job().note(&format!(
            "warning: {}, which {} of the image names, is not used: {}; what is asked for can be had without it, \
             but newer versions in it are not seen",
            archive.shown, archive.named_in, archive.error
        ));
    }
    let set = LockedSet {
        base: request.base.raw_sha256,
        request: spec,
        archives: archives.iter().map(locked_archive).collect(),
        packages: chosen.picks.iter().map(locked_package).collect(),
    };
    let already_installed = chosen
        .already
        .into_iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    Ok(Choice { set, already_installed })
}

fn exists(archives: &[Archive], name: &str) -> bool {
    archives
        .iter()
        .flat_map(|archive| &archive.parts)
        .any(|part| part.index.entries().any(|entry| entry.name() == name))
}

fn locked_archive(archive: &Archive) -> LockedArchive {
    let date = i64::try_from(archive.release.date).unwrap_or(i64::MAX);
    LockedArchive {
        uri: archive.url.as_str().trim_end_matches('/').to_owned(),
        suite: archive.suite.clone(),
        date: jiff::Timestamp::from_second(date).map_or_else(|_| date.to_string(), |time| time.to_string()),
        signed_by: archive.signed_by.clone(),
    }
}

fn locked_package(pick: &Pick) -> LockedPackage {
    LockedPackage {
        name: pick.name.clone(),
        version: pick.version.clone(),
        architecture: pick.architecture.clone(),
        size: pick.size,
        sha256: pick.sha256,
        url: match &pick.from {
            PickFrom::Archive { url, .. } => Some(url.to_string()),
            PickFrom::Local(_) => None,
        },
        upgrades: pick.upgrades.clone(),
        needed_by: pick.needed_by.clone().filter(|_| !pick.asked),
        unpacked: 0,
        inodes: 0,
    }
}

/// Returns the file of each package, after fetching those that the cache lacks.
fn fetch_all(set: &LockedSet, downloads: &Downloads<'_>, store: &Store<'_>) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::with_capacity(set.packages.len());
    for package in &set.packages {
        downloads.job().interrupt.check()?;
        let path = match &package.url {
            Some(url) => {
                let url = Url::parse(url)
                    .map_err(|error| error::choosing(format!("{url} of the lock file is not an address: {error}")))?;
                store.file(&url, package.size, &package.sha256)?
            }
            None => downloads.cached(&package.sha256)?.ok_or_else(|| {
                error::choosing(format!(
                    "the package file of {} is neither in the cache nor named in [system] debs",
                    package.name
                ))
            })?,
        };
        paths.push(path);
    }
    Ok(paths)
}

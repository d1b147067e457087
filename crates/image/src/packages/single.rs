//! Single packages from an image's archives, without their dependencies: files for a tool beside
//! the image, never for the image itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::error;
use super::store::Store;
use kraken_debian::Fetch;
use kraken_debian::index::Entry;
use kraken_debian::relation::relations;
use kraken_debian::version::Version;
use kraken_debian::{Archive, ImageState, Source, load};
use kraken_disk::FileTree;
use kraken_fetch::Downloads;
use kraken_foundation::{Context as _, Result, Sha256Hash, atomic};

/// Which package to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single<'a> {
    /// The newest package of this name.
    Named(&'a str),
    /// The first dependency, of the newest package `meta`, whose name begins with `begins`: the
    /// kernel that `linux-image-arm64` stands for.
    Behind {
        /// The package without files.
        meta: &'a str,
        /// The beginning of the dependency's name.
        begins: &'a str,
    },
}

/// A package in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its name and version.
    pub named: String,
    /// The path of its `.deb`.
    pub path: PathBuf,
}

/// A package that was chosen earlier, so that the archives need not be queried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Chosen {
    name: String,
    version: String,
    url: String,
    size: u64,
    sha256: Sha256Hash,
}

/// Fetches packages from the archives that the image in `root` trusts. The choice is kept in the
/// cache and used again while its files are available, unless `refresh`. Signatures must be valid
/// at `now` (seconds since 1970-01-01 UTC).
///
/// # Errors
/// An archive cannot be verified, no archive has a package, the network fails.
pub fn singles(
    root: &dyn FileTree,
    wanted: &[Single<'_>],
    mirrors: &BTreeMap<String, String>,
    refresh: bool,
    now: u64,
    downloads: &Downloads<'_>,
) -> Result<Vec<Fetched>> {
    // Nothing goes into the image, so it may also be one whose packages wait for its first boot.
    let image = ImageState::read_archives(root).quoted(|| error::LISTS)?;
    let store = Store::new(downloads, mirrors);
    let record = record_of(downloads.folder(), &image, wanted);
    if !refresh
        && let Some(chosen) = read(&record)
        && let Ok(fetched) = fetch(&chosen, &store)
    {
        return Ok(fetched);
    }
    let architectures = image.architectures();
    let archives = {
        let _task = downloads.job().task("asking the package archives", None);
        load(&image.sources, &store, now, &architectures[..1])?
    };
    let chosen = wanted
        .iter()
        .map(|single| choose(&archives, *single, &image.architecture))
        .collect::<Result<Vec<_>, _>>()?;
    let fetched = fetch(&chosen, &store)?;
    write(&record, &chosen)?;
    Ok(fetched)
}

/// Returns the record's path: one file for each set of archives, architecture and packages.
fn record_of(cache: &Path, image: &ImageState, wanted: &[Single<'_>]) -> PathBuf {
    let archive = |source: &Source| {
        let Source {
            url, suite, components, ..
        } = source;
        format!("{url} {suite} {components:?}")
    };
    let archives: Vec<String> = image.sources.iter().map(archive).collect();
    let mut hash = Sha256::new();
    hash.update(format!("{archives:?} {} {wanted:?}", image.architecture));
    let name = hex::encode(&hash.finalize()[..8]);
    cache.join("singles").join(format!("{name}.json"))
}

/// Reads a record. One that cannot be read counts as missing: the archives are then queried.
fn read(record: &Path) -> Option<Vec<Chosen>> {
    serde_json::from_slice(&fs::read(record).ok()?).ok()
}

fn write(record: &Path, chosen: &[Chosen]) -> Result<()> {
    let folder = record.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).doing("making the folder", folder)?;
    let bytes = serde_json::to_vec(chosen)
        .map_err(std::io::Error::from)
        .doing("writing", record)?;
    atomic::write(record, 0o600, &bytes).doing("writing", record)
}

fn fetch(chosen: &[Chosen], store: &Store<'_>) -> Result<Vec<Fetched>> {
    chosen
        .iter()
        .map(|package| {
            let bad = |why: String| error::choosing(format!("{} {}: {why}", package.name, package.version));
            let url = Url::parse(&package.url).map_err(|error| bad(error.to_string()))?;
            Ok(Fetched {
                named: format!("{} {}", package.name, package.version),
                path: store.file(&url, package.size, &package.sha256)?,
            })
        })
        .collect()
}

fn choose(archives: &[Archive], single: Single<'_>, architecture: &str) -> Result<Chosen> {
    let none = |name: &str| error::choosing(format!("none of the image's archives has {name} for {architecture}"));
    let name = match single {
        Single::Named(name) => name.to_owned(),
        Single::Behind { meta, begins } => {
            let found = newest(archives, meta).ok_or_else(|| none(meta))?;
            let groups = relations(found.entry.depends(), architecture)
                .map_err(|error| error::choosing(format!("{meta}: {error}")))?;
            let behind = groups
                .iter()
                .flatten()
                .map(|relation| relation.name)
                .find(|name| name.starts_with(begins));
            behind.ok_or_else(|| none(begins))?.to_owned()
        }
    };
    let Found { archive, entry } = newest(archives, &name).ok_or_else(|| none(&name))?;
    let sha256 = entry
        .sha256()
        .ok_or_else(|| error::choosing(format!("{name} has no SHA-256 in its archive")))?;
    Ok(Chosen {
        version: entry.version().to_owned(),
        url: archive.file_url(entry.filename()).to_string(),
        size: entry.size(),
        sha256,
        name,
    })
}

/// A package and the archive that has it.
struct Found<'a> {
    archive: &'a Archive,
    entry: Entry<'a>,
}

/// Returns the newest package of this name. Pins do not apply, since it does not go into an image.
fn newest<'a>(archives: &'a [Archive], name: &str) -> Option<Found<'a>> {
    archives
        .iter()
        .flat_map(|archive| archive.parts.iter().map(move |part| (archive, part)))
        .flat_map(|(archive, part)| part.index.entries().map(move |entry| Found { archive, entry }))
        .filter(|found| found.entry.name() == name)
        .max_by_key(|found| Version::new(found.entry.version()))
}

//! The names of images and their configurations.
//!
//! Sources: moby, `daemon/internal/refstore/store.go`, `daemon/internal/image/fs.go`; OCI image
//! specification 1.1, `config.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use kraken_foundation::Sha256Hash;
use serde::Deserialize;

use crate::files::StoreFiles;

/// Where Docker keeps what it knows of images.
pub(crate) const DATABASE: &str = "image/overlay2";
/// The maximum size of a configuration, or of the file of names, in bytes.
const MOST: u64 = 16 << 20;

/// `repositories.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories {
    repositories: BTreeMap<String, BTreeMap<String, String>>,
}

/// What of a configuration leads to layers.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// Reads a small file; `None` when there is none.
pub(crate) fn read(files: &dyn StoreFiles, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    if files.stat(path.as_bytes())?.is_none() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    files.open(path.as_bytes())?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(crate::archive::bad(format!("it is larger than {most} bytes"))),
        false => Ok(Some(bytes)),
    }
}

/// Returns the digest that a text names.
pub(crate) fn digest(text: &str) -> Option<Sha256Hash> {
    text.strip_prefix("sha256:")?.parse().ok()
}

/// Returns the names of images, each with the id that it leads to.
pub(crate) fn names(files: &dyn StoreFiles) -> Result<BTreeMap<String, Sha256Hash>, String> {
    let path = format!("{DATABASE}/repositories.json");
    let bytes = read(files, &path, MOST).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or("it is missing: no image has a name")?;
    let parsed: Repositories = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let mut names = BTreeMap::new();
    for (repository, tags) in parsed.repositories {
        for (name, id) in tags {
            let rest = name.strip_prefix(&repository).unwrap_or_default();
            if !rest.starts_with([':', '@']) {
                return Err(format!("the name {name:?} is in the list of {repository:?}"));
            }
            let id = digest(&id).ok_or_else(|| format!("the name {name:?} leads to {id:?}, which is not an id"))?;
            names.insert(name, id);
        }
    }
    Ok(names)
}

/// Returns the ids of the images that have a configuration.
pub(crate) fn ids(files: &dyn StoreFiles) -> io::Result<BTreeSet<String>> {
    let folder = format!("{DATABASE}/imagedb/content/sha256");
    if files.stat(folder.as_bytes())?.is_none() {
        return Ok(BTreeSet::new());
    }
    let names = files.list(folder.as_bytes())?;
    Ok(names
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// Returns the layers that the configuration of an image names, the lowest one first.
pub(crate) fn diff_ids(files: &dyn StoreFiles, id: &str) -> Result<Vec<Sha256Hash>, String> {
    let path = format!("{DATABASE}/imagedb/content/sha256/{id}");
    let bytes = read(files, &path, MOST).map_err(|error| error.to_string())?;
    let bytes = bytes.ok_or("it is missing")?;
    if Sha256Hash::of(&bytes).to_string() != id {
        return Err("its SHA-256 is not its name".into());
    }
    let config: Config = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let diff_ids: Option<Vec<Sha256Hash>> = config.rootfs.diff_ids.iter().map(|text| digest(text)).collect();
    match diff_ids {
        Some(diff_ids) if !diff_ids.is_empty() => Ok(diff_ids),
        _ => Err("it names no layers".into()),
    }
}

//! All images of a store, from their names to the last byte of their layers.

use std::collections::{BTreeMap, BTreeSet};

use kraken_foundation::{Job, Result, Sha256Hash};

use crate::archive::Archive;
use crate::diff;
use crate::files::StoreFiles;
use crate::layers::{self, LayerRecord};
use crate::names::{self, DATABASE};

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct StoreReport {
    /// The images that are there, by id.
    pub images: Vec<CheckedImage>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The number of layers.
    pub layers: usize,
    /// The number of files and folders in them.
    pub entries: usize,
}

/// An image of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedImage {
    /// The SHA-256 of its configuration.
    pub id: String,
    /// Its names, such as `wordpress:6` and `wordpress@sha256:…`.
    pub names: Vec<String>,
    /// The bytes of its layers' files.
    pub size: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where, below Docker's data root or as the name of an image.
    pub place: String,
    /// What.
    pub message: String,
}

/// The layers that were read.
#[derive(Default)]
struct Done {
    records: BTreeMap<Sha256Hash, LayerRecord>,
    sizes: BTreeMap<Sha256Hash, u64>,
}

/// Checks a store. A store without images is sound.
///
/// # Errors
/// When the work was stopped. What cannot be read is a finding.
pub fn check(files: &dyn StoreFiles, job: Job<'_>) -> Result<StoreReport> {
    let mut report = StoreReport::default();
    let ids = match names::ids(files) {
        Ok(ids) => ids,
        Err(error) => {
            report.find(DATABASE, error);
            return Ok(report);
        }
    };
    let names = match names::names(files) {
        Ok(names) => names,
        // Docker writes the file with the first name.
        Err(_) if ids.is_empty() => BTreeMap::new(),
        Err(error) => {
            report.find("image/overlay2/repositories.json", error);
            BTreeMap::new()
        }
    };
    for (name, id) in &names {
        if !ids.contains(&id.to_string()) {
            report.find(name, format!("the name leads to the image {id}, which is not there"));
        }
    }
    let mut done = Done::default();
    for id in &ids {
        job.interrupt.check()?;
        match names::diff_ids(files, id) {
            Err(error) => report.find(&format!("{DATABASE}/imagedb/content/sha256/{id}"), error),
            Ok(diff_ids) => {
                let size = layers(files, &diff_ids, &mut done, &mut report, job)?;
                let called = names.iter().filter(|(_, of)| of.to_string() == *id);
                report.images.push(CheckedImage {
                    id: id.clone(),
                    names: called.map(|(name, _)| name.clone()).collect(),
                    size,
                });
            }
        }
    }
    if let Err(error) = strays(files, &done, &mut report) {
        report.find(DATABASE, error);
    }
    report.layers = done.records.len();
    Ok(report)
}

impl StoreReport {
    fn find(&mut self, place: &str, message: impl ToString) {
        self.findings.push(Finding {
            place: place.to_owned(),
            message: message.to_string(),
        });
    }
}

/// Checks the layers of an image that were not checked before; returns the size of all of them.
fn layers(
    files: &dyn StoreFiles,
    diff_ids: &[Sha256Hash],
    done: &mut Done,
    report: &mut StoreReport,
    job: Job<'_>,
) -> Result<u64> {
    let mut below: Vec<LayerRecord> = Vec::new();
    let mut size = 0;
    for diff_id in diff_ids {
        job.interrupt.check()?;
        let chain = layers::chain(below.last().map(|layer| layer.chain), *diff_id);
        let place = format!("{DATABASE}/layerdb/sha256/{chain}");
        if let Some(known) = done.records.get(&chain) {
            size += done.sizes.get(&chain).copied().unwrap_or_default();
            below.push(known.clone());
            continue;
        }
        let mut wrong = Vec::new();
        let record = match layers::record(files, &below, *diff_id, &mut wrong) {
            Ok(record) => record,
            Err(error) => {
                wrong.push(error.to_string());
                None
            }
        };
        for message in wrong {
            report.find(&place, message);
        }
        // Without it, what lies above it leads nowhere.
        let Some(record) = record else { break };
        let read = content(files, &record, report);
        size += read;
        done.sizes.insert(chain, read);
        done.records.insert(chain, record.clone());
        below.push(record);
    }
    Ok(size)
}

/// Makes the archive of a layer again, and compares it and its files; returns their size.
fn content(files: &dyn StoreFiles, record: &LayerRecord, report: &mut StoreReport) -> u64 {
    let place = String::from_utf8_lossy(&record.diff).into_owned();
    let mut wrong = Vec::new();
    let read = Archive::open(files, &record.diff, &record.tar_split)
        .and_then(|archive| diff::compare(files, &record.diff, archive, &mut wrong));
    for message in wrong {
        report.find(&place, message);
    }
    match read {
        Err(error) => {
            report.find(&place, format!("the layer's archive cannot be made again: {error}"));
            0
        }
        Ok(read) => {
            report.entries += read.entries;
            if read.sha256 != record.diff_id.0 {
                let found = Sha256Hash::from(read.sha256);
                let message = format!(
                    "the layer's archive has the SHA-256 {found} and should have {}",
                    record.diff_id
                );
                report.find(&place, message);
            }
            if read.size != record.size {
                let message = format!("the layer has {} bytes, and its record says {}", read.size, record.size);
                report.find(&place, message);
            }
            read.size
        }
    }
}

/// Reports records of layers that no image has: Docker never takes them away.
fn strays(files: &dyn StoreFiles, done: &Done, report: &mut StoreReport) -> std::io::Result<()> {
    let folder = format!("{DATABASE}/layerdb/sha256");
    if files.stat(folder.as_bytes())?.is_none() {
        return Ok(());
    }
    let known: BTreeSet<String> = done.records.keys().map(ToString::to_string).collect();
    for name in files.list(folder.as_bytes())? {
        let name = String::from_utf8_lossy(&name).into_owned();
        if layers::is_chain(&name) && !known.contains(&name) {
            report.find(&format!("{folder}/{name}"), "no image has this layer");
        }
    }
    Ok(())
}

//! Checks a folder of images: each one by itself, and that together they are the cluster.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha2::{Digest, Sha256};

use super::CheckError;
use super::image::{Expectation, verify_image};
use super::report::{Finding, ImageReport, Report};
use crate::disk::{ImageFile, ReadAt};
use crate::interrupt::Interrupt;
use crate::output::{Bmap, MANIFEST, Manifest};
use crate::progress::Progress;
use crate::provision::Assets;
use crate::spec::Cluster;

/// A block map or manifest larger than this is not one of ours, in bytes.
const TEXT_LIMIT: u64 = 256 << 20;

/// Checks the raw images of `cluster` in `folder`: those that the manifest lists, or those that are there when there is no manifest.
///
/// # Errors
/// [`CheckError`] when a check could not be made; a wrong image is a finding of the report.
pub fn verify_folder(
    folder: &Path,
    cluster: &Cluster,
    assets: &Assets,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Report, CheckError> {
    let mut report = Report::default();
    let manifest = read_manifest(folder, &mut report)?;
    let mut jobs = Vec::new();
    for node in &cluster.nodes {
        let listed = manifest
            .as_ref()
            .and_then(|manifest| manifest.nodes.iter().find(|entry| entry.number == node.number));
        let path = folder.join(format!("{}.img", node.hostname));
        if path.is_file() {
            jobs.push((node.number, path));
        } else if let Some(listed) = listed {
            let packed = folder.join(&listed.file);
            match packed.is_file() && listed.file != format!("{}.img", node.hostname) {
                true => return Err(CheckError::Packed { path: packed }),
                false => report.findings.push(Finding {
                    check: "set",
                    place: String::new(),
                    message: format!("{} is missing: the manifest lists it", path.display()),
                }),
            }
        }
    }
    if jobs.is_empty() && report.findings.is_empty() {
        let expected = cluster
            .nodes
            .first()
            .map_or_else(String::new, |node| format!("{}.img …", node.hostname));
        return Err(CheckError::NoImages {
            path: folder.into(),
            expected,
        });
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = || -> Result<(), CheckError> {
        while let Some((number, path)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let expectation = Expectation {
                cluster,
                assets,
                node: Some(*number),
            };
            let image = verify_file(path, &expectation, progress, interrupt)?;
            done.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .insert(*number, image);
        }
        Ok(())
    };
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(jobs.len().max(1));
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().try_for_each(|handle| match handle.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    report.images = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .into_values()
        .collect();
    Ok(report)
}

/// Checks one raw image, and compares it with the block map beside it, when there is one.
///
/// # Errors
/// [`CheckError`] when the image or the map cannot be read, or a tool is missing.
pub fn verify_file(
    path: &Path,
    expected: &Expectation<'_>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<ImageReport, CheckError> {
    let mut report = verify_image(path, expected, interrupt)?;
    verify_blocks(path, &mut report, progress, interrupt)?;
    Ok(report)
}

fn read_manifest(folder: &Path, report: &mut Report) -> Result<Option<Manifest>, CheckError> {
    let path = folder.join(MANIFEST);
    match fs::read(&path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                report.findings.push(Finding {
                    check: "set",
                    place: String::new(),
                    message,
                });
                Ok(None)
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CheckError::io("reading", path)(error)),
    }
}

/// Compares every range of the block map beside an image with the image. Without a map there is nothing to compare.
fn verify_blocks(
    path: &Path,
    report: &mut ImageReport,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), CheckError> {
    const CHECK: &str = "blocks";
    const SHOWN: usize = 5;
    let mut map_path = path.as_os_str().to_owned();
    map_path.push(".bmap");
    let map_path = Path::new(&map_path);
    match fs::metadata(map_path) {
        Ok(metadata) if metadata.len() <= TEXT_LIMIT => {}
        Ok(_) => {
            report.find(
                CHECK,
                "",
                format!("{} is too large to be a block map", map_path.display()),
            );
            return Ok(());
        }
        Err(_) => return Ok(()),
    }
    report.begin(CHECK);
    let text = fs::read_to_string(map_path).map_err(CheckError::io("reading", map_path))?;
    let map = match Bmap::parse(&text) {
        Ok(map) => map,
        Err(error) => {
            report.find(CHECK, "", format!("{}: {error}", map_path.display()));
            return Ok(());
        }
    };
    let file = ImageFile::open_read(path).map_err(CheckError::io("opening", path))?;
    if map.image_size != file.size() {
        report.find(
            CHECK,
            "",
            format!(
                "the image has {} bytes, its block map says {}",
                file.size(),
                map.image_size
            ),
        );
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mapped = map
        .ranges
        .iter()
        .map(|range| (range.last - range.first + 1) * 4096)
        .sum();
    let task = progress.task(&format!("verifying {name}"), Some(mapped));
    let mut wrong = 0;
    for range in &map.ranges {
        interrupt.check()?;
        let start = range.first * 4096;
        let end = ((range.last + 1) * 4096).min(file.size());
        let sum = hash(&file, start, end).map_err(CheckError::io("reading", path))?;
        if sum != range.sha256 {
            wrong += 1;
            if wrong <= SHOWN {
                report.find(
                    CHECK,
                    "",
                    format!("bytes {start} to {end} are not those that were written"),
                );
            }
        }
        task.advance(end - start);
    }
    if wrong > SHOWN {
        report.find(CHECK, "", format!("and {} more ranges", wrong - SHOWN));
    }
    Ok(())
}

fn hash(file: &ImageFile, start: u64, end: u64) -> io::Result<String> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut at = start;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        file.read_at(at, &mut buffer[..step])?;
        sum.update(&buffer[..step]);
        at += step as u64;
    }
    Ok(hex::encode(sum.finalize()))
}

//! Compares an image with the block map that was written beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::ImageReport;
use kraken_disk::{ImageFile, ReadAt, UsedMap};
use kraken_foundation::{Context as _, Job, Result, Sha256Hash};
use kraken_image::output::Bmap;
use sha2::{Digest, Sha256};

const CHECK: &str = "blocks";
/// How many wrong ranges are named.
const SHOWN: usize = 5;
/// The largest block map, in bytes. A larger file was not written by this program.
const TEXT_LIMIT: u64 = 256 << 20;
/// The size of a block of the map, in bytes.
const BLOCK: u64 = 4096;

/// Compares every range of the block map at `map` with the raw image at `image`, and checks that
/// the map covers all blocks that the image's file systems use. If `required` is true, a missing
/// map is a finding.
///
/// # Errors
/// If the image or the map cannot be read, or if the user stops the run.
pub(crate) fn verify(image: &Path, map: &Path, required: bool, report: &mut ImageReport, job: Job<'_>) -> Result<()> {
    match fs::metadata(map) {
        Ok(metadata) if metadata.len() <= TEXT_LIMIT => {}
        Ok(_) => {
            report.find(CHECK, "", format!("{} is too large to be a block map", map.display()));
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if required {
                report.find(CHECK, "", format!("its block map {} is missing", map.display()));
            }
            return Ok(());
        }
        Err(error) => return Err(error).doing("reading", map),
    }
    report.begin(CHECK);
    let text = fs::read(map).doing("reading", map)?;
    let parsed = match Bmap::parse(&String::from_utf8_lossy(&text)) {
        Ok(parsed) => parsed,
        Err(error) => {
            report.find(CHECK, "", format!("{}: {error}", map.display()));
            return Ok(());
        }
    };
    let file = Arc::new(ImageFile::open_read(image).doing("opening", image)?);
    if parsed.image_size != file.size() {
        let message = format!(
            "the image has {} bytes, its block map says {}",
            file.size(),
            parsed.image_size
        );
        report.find(CHECK, "", message);
        return Ok(());
    }
    complete(&parsed, &file, report);
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let mapped = parsed
        .ranges
        .iter()
        .map(|range| (range.last - range.first + 1) * BLOCK)
        .sum();
    let task = job.task(&format!("verifying {name}"), Some(mapped));
    let mut wrong = 0;
    for range in &parsed.ranges {
        job.check()?;
        let (start, end) = (range.first * BLOCK, ((range.last + 1) * BLOCK).min(file.size()));
        let sum = hash(&file, start, end).doing("reading", image)?;
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

/// Checks that the map covers every block that the image's file systems use. A block that is left
/// out would not be written to a card.
fn complete(map: &Bmap, file: &Arc<ImageFile>, report: &mut ImageReport) {
    let used = match UsedMap::of(file.clone()) {
        Ok(used) => used,
        Err(error) => return report.find(CHECK, "", error.to_string()),
    };
    let mut mapped = map
        .ranges
        .iter()
        .map(|range| (range.first * BLOCK, (range.last + 1) * BLOCK))
        .peekable();
    for range in used.ranges() {
        let mut at = range.start;
        while at < range.end {
            while mapped.next_if(|(_, end)| *end <= at).is_some() {}
            match mapped.peek() {
                Some((start, end)) if *start <= at => at = *end,
                _ => {
                    return report.find(
                        CHECK,
                        "",
                        format!("its block map leaves out byte {at}, which is in use"),
                    );
                }
            }
        }
    }
}

fn hash(file: &ImageFile, start: u64, end: u64) -> io::Result<Sha256Hash> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut at = start;
    while at < end {
        let step = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
        file.read_at(at, &mut buffer[..step])?;
        sum.update(&buffer[..step]);
        at += step as u64;
    }
    Ok(sum.finalize().into())
}

/// Returns where `build` puts the block map of an image: beside the image, with the name of the raw
/// image even if the image is packed.
pub(crate) fn map_of(image: &Path) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let raw = name
        .strip_suffix(".xz")
        .or_else(|| name.strip_suffix(".zst"))
        .unwrap_or(&name);
    image.with_file_name(format!("{raw}.bmap"))
}

//! Reads what a folder of images says about itself: the manifest and the sums. Checks that the
//! files match them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::report::{Finding, Report};
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash};
use kraken_image::output::{MANIFEST, Manifest, SUMS};
use kraken_spec::Cluster;

/// The largest list of sums, in bytes. A larger file was not written by this program.
const TEXT_LIMIT: u64 = 64 << 20;

/// One image to check.
pub(crate) struct ListedImage {
    /// The node that it should be.
    pub number: u32,
    /// The file.
    pub path: PathBuf,
    /// Whether the manifest lists it, which means that it must have a block map.
    pub listed: bool,
    /// The SHA-256 of the raw image in a packed file, as the manifest has it.
    pub raw_sha256: Option<Sha256Hash>,
}

/// What a folder of images says about itself.
pub(crate) struct ImageSet {
    pub images: Vec<ListedImage>,
    /// `None` when there is none, or when it cannot be read.
    pub manifest: Option<Manifest>,
    /// Why the manifest that is there cannot be read.
    pub unreadable: Option<String>,
}

/// Reads what `folder` says about the images of `cluster`. Contradictions are added to the report.
pub(crate) fn read_set(folder: &Path, cluster: &Cluster, report: &mut Report) -> Result<ImageSet> {
    let (manifest, unreadable) = match Manifest::read(folder) {
        // What is wrong with the file itself is a finding; what the system does not allow is an
        // error.
        Err(error) if matches!(error.kind(), Kind::Damaged | Kind::Unsupported | Kind::Conflict) => {
            (None, Some(error.to_string()))
        }
        read => (read?, None),
    };
    if let Some(why) = &unreadable {
        find(report, why.clone());
    }
    // A build that was killed leaves an empty manifest, or none.
    let lists = manifest.as_ref().is_some_and(|manifest| !manifest.nodes.is_empty());
    let mut images = Vec::new();
    for node in &cluster.nodes {
        let entry = manifest
            .as_ref()
            .and_then(|manifest| manifest.nodes.iter().find(|entry| entry.id.number == node.number));
        let raw = folder.join(format!("{}.img", node.hostname));
        let Some(entry) = entry else {
            if raw.is_file() {
                if lists {
                    find(
                        report,
                        format!("{} is not in the manifest: it is of another build", raw.display()),
                    );
                }
                images.push(ListedImage {
                    number: node.number,
                    path: raw,
                    listed: false,
                    raw_sha256: None,
                });
            }
            continue;
        };
        // Only the last component of a name from a file is used. Otherwise the name could lead out
        // of the folder.
        let path = folder.join(Path::new(&entry.file).file_name().unwrap_or_default());
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {
                if metadata.len() != entry.size {
                    let message = format!(
                        "{} has {} bytes, the manifest says {}",
                        path.display(),
                        metadata.len(),
                        entry.size
                    );
                    find(report, message);
                }
                images.push(ListedImage {
                    number: node.number,
                    path,
                    listed: true,
                    raw_sha256: entry.raw_sha256,
                });
            }
            _ => find(report, format!("{} is missing: the manifest lists it", path.display())),
        }
    }
    if let Some(manifest) = &manifest {
        for entry in manifest
            .nodes
            .iter()
            .filter(|entry| !cluster.nodes.iter().any(|node| node.number == entry.id.number))
        {
            find(
                report,
                format!(
                    "the manifest lists node {}, which the cluster does not have",
                    entry.id.number
                ),
            );
        }
        sums(folder, manifest, report)?;
        if !lists && !images.is_empty() {
            find(report, format!("{MANIFEST} lists no image: the build did not finish"));
        }
    } else if !images.is_empty() && report.findings.is_empty() {
        find(
            report,
            format!("{MANIFEST} is missing: the build did not finish, or the images were copied without it"),
        );
    }
    Ok(ImageSet {
        images,
        manifest,
        unreadable,
    })
}

fn find(report: &mut Report, message: String) {
    report.findings.push(Finding {
        check: "set",
        place: String::new(),
        message,
    });
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(metadata) if metadata.len() > TEXT_LIMIT => {
            let text = format!(
                "reading {}: it is too large to be a file of this program",
                path.display()
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        _ => {}
    }
    fs::read(path).map(Some).doing("reading", path)
}

/// Checks that the list of sums matches the manifest. Whether the files have these sums can be
/// checked with `sha256sum -c`.
fn sums(folder: &Path, manifest: &Manifest, report: &mut Report) -> Result<()> {
    let path = folder.join(SUMS);
    let (found, wanted) = (read(&path)?, manifest.sums());
    match found {
        None if wanted.is_empty() => {}
        None => find(report, format!("{} is missing", path.display())),
        Some(found) if found == wanted.as_bytes() => {}
        Some(_) => find(
            report,
            format!("{} does not say what the manifest says", path.display()),
        ),
    }
    Ok(())
}

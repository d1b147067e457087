//! Checks files: one image, or a folder of images, each by itself and all of them as a cluster.

use std::fs::File;
use std::path::Path;

use super::blocks;
use super::image::{Expectation, verify_image};
use super::report::{ImageReport, Report};
use super::set::{self, ImageSet, ListedImage};
use super::strangers;
use super::swarm;
use kraken_fetch::{Format, Limits, Packed, RawFile, recognise, unpack};
use kraken_foundation::{Context as _, Error, Job, Kind, Result, parallel};
use kraken_image::output::UNPACKED_LIMIT;
use kraken_image::packages::lock::Lock;
use kraken_image::provision::Assets;
use kraken_spec::Cluster;
use kraken_swarm_state::ClusterKeys;

/// What the images of a folder are compared with.
#[derive(Clone, Copy)]
pub struct FolderExpectation<'a> {
    /// The cluster that they should belong to.
    pub cluster: &'a Cluster,
    /// The templates and overlays that they should have been made from.
    pub assets: &'a Assets,
    /// The packages that should be in them; with `None` they are not compared with a list.
    pub lock: Option<&'a Lock>,
    /// The cluster's keys. Without them the secrets on the cards are only compared with each other.
    pub keys: Option<&'a ClusterKeys>,
}

/// Checks the images of a cluster in `folder`: those that the manifest lists, and others that are
/// there.
///
/// # Errors
/// If a check could not be made. A fault of an image is a finding of the report.
pub fn verify_folder(folder: &Path, expected: &FolderExpectation<'_>, job: Job<'_>) -> Result<Report> {
    let FolderExpectation {
        cluster,
        assets,
        lock,
        keys,
    } = *expected;
    let mut report = Report::default();
    let ImageSet {
        mut images, manifest, ..
    } = set::read_set(folder, cluster, &mut report)?;
    strangers::find(folder, cluster, &images, &mut report)?;
    if images.is_empty() && report.findings.is_empty() {
        let expected = cluster
            .nodes
            .first()
            .map_or_else(String::new, |node| format!("{}.img …", node.hostname));
        let text = format!(
            "{} has no images of this cluster ({expected}); make them with `kraken-flash build`, or name another folder",
            folder.display()
        );
        return Err(Error::new(Kind::NotFound, text));
    }
    let base_sha256 = manifest.as_ref().map(|manifest| manifest.inputs.base_sha256);
    let packages_sha256 = manifest.as_ref().and_then(|manifest| manifest.inputs.packages_sha256);
    // In the order of the nodes, in which the report lists them.
    images.sort_by_key(|image| image.number);
    let work = |image: &ListedImage| {
        let expectation = Expectation {
            cluster,
            assets,
            node: Some(image.number),
            keys,
            base_sha256,
            lock,
            packages_sha256,
        };
        verify_listed(image, &expectation, job)
    };
    report.images = parallel::map(&images, parallel::cores(), work).all()?;
    swarm::together(cluster, &mut report);
    Ok(report)
}

/// Checks one image, raw or packed, and compares it with the block map beside it, if there is one.
///
/// # Errors
/// If the image or the map cannot be read, or if a program is missing.
pub fn verify_file(path: &Path, expected: &Expectation<'_>, job: Job<'_>) -> Result<ImageReport> {
    let image = ListedImage {
        number: 0,
        path: path.into(),
        listed: false,
        raw_sha256: None,
    };
    verify_listed(&image, expected, job)
}

fn verify_listed(image: &ListedImage, expected: &Expectation<'_>, job: Job<'_>) -> Result<ImageReport> {
    let map = blocks::map_of(&image.path);
    // A file of unknown format is checked as a raw image. The check of its partition table will
    // report what is wrong.
    let format = recognise(&image.path).unwrap_or(Format::Raw);
    if format == Format::Raw {
        let mut report = verify_image(&image.path, expected, job.interrupt)?;
        blocks::verify(&image.path, &map, image.listed, &mut report, job)?;
        return Ok(report);
    }
    // The image is unpacked beside the packed file, where there was room for it when it was built.
    // A later `build` removes what a killed run leaves behind.
    let folder = image
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let named =
        |builder: &mut tempfile::Builder<'_, '_>| builder.prefix(".kraken-flash-").suffix(".part").tempfile_in(folder);
    let raw = named(&mut tempfile::Builder::new())
        .or_else(|_| tempfile::NamedTempFile::new())
        .doing("making a temporary file for", &image.path)?;
    let target: &File = raw.as_file();
    let limits = Limits {
        exact: None,
        most: UNPACKED_LIMIT,
    };
    let packed = Packed {
        path: &image.path,
        format,
    };
    let into = RawFile {
        file: target,
        path: raw.path(),
    };
    let unpacked = match unpack(packed, into, limits, job) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            job.check()?;
            let mut report = ImageReport {
                path: image.path.clone(),
                ..ImageReport::default()
            };
            report.find("packing", "", error.to_string());
            return Ok(report);
        }
    };
    let mut report = verify_image(raw.path(), expected, job.interrupt)?;
    blocks::verify(raw.path(), &map, image.listed, &mut report, job)?;
    report.path.clone_from(&image.path);
    if image.raw_sha256.is_some_and(|wanted| wanted != unpacked.sha256) {
        report.find("packing", "", "the image in it is not the one that was packed");
    }
    Ok(report)
}

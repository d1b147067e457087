//! The images that `verify --boot` boots: one file, or a folder's, raw or packed.

use std::path::{Path, PathBuf};

use kraken_flash::check::emulate::{Subject, Unpacking};
use kraken_flash::spec::{Cluster, Node};

use super::{Failure, Session};

/// As which a node's image may lie in a folder.
const PACKED: [&str; 5] = ["img", "img.xz", "img.zst", "img.gz", "img.zip"];

/// The images of the nodes in a folder.
pub(super) fn of_folder<'a>(folder: &Path, cluster: &'a Cluster, wanted: &[u32]) -> Result<Vec<Subject<'a>>, Failure> {
    let mut subjects = Vec::new();
    let mut missing = Vec::new();
    if let Some(number) = wanted
        .iter()
        .find(|number| !cluster.nodes.iter().any(|node| node.number == **number))
    {
        let count = cluster.nodes.len();
        return Err(Failure::Usage(format!(
            "there is no node {number}: the cluster has nodes 1 to {count}"
        )));
    }
    for node in &cluster.nodes {
        if !wanted.is_empty() && !wanted.contains(&node.number) {
            continue;
        }
        let found = PACKED
            .iter()
            .map(|end| folder.join(format!("{}.{end}", node.hostname)))
            .find(|image| image.is_file());
        match found {
            Some(image) => subjects.push(Subject::file(node, image)),
            None => missing.push(format!("{}.img", node.hostname)),
        }
    }
    match missing.is_empty() {
        true => Ok(subjects),
        false => Err(Failure::message(format!(
            "{} has no {}: make them with `kraken-flash build`, or name the nodes that are there with --nodes",
            folder.display(),
            missing.join(", ")
        ))),
    }
}

/// One image, of this node, of the one that its file is named after, or of the only one.
pub(super) fn of_file<'a>(path: &Path, node: Option<u32>, cluster: &'a Cluster) -> Result<Subject<'a>, Failure> {
    let number = node.or_else(|| super::verify::node_by_name(path, cluster));
    let node: Option<&Node> = match number {
        Some(number) => cluster.nodes.iter().find(|node| node.number == number),
        None if cluster.nodes.len() == 1 => cluster.nodes.first(),
        None => None,
    };
    let Some(node) = node else {
        return Err(Failure::Usage(format!(
            "which node should {} be? Say it with --node N, of 1 to {}",
            path.display(),
            cluster.nodes.len()
        )));
    };
    Ok(Subject::file(node, path.to_owned()))
}

/// Unpacks what is packed, into a folder that lasts as long as what is returned.
pub(super) fn unpack(
    session: &Session,
    subjects: &mut [Subject<'_>],
    room: &Path,
) -> Result<Option<Unpacking>, Failure> {
    let failed = |error| match error {
        kraken_flash::check::emulate::EmulateError::Interrupted(stopped) => Failure::from(stopped),
        error => Failure::Failed(Box::new(error)),
    };
    let is_packed = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "img");
    let mut unpacking = None;
    for subject in subjects
        .iter_mut()
        .filter(|subject| subject.patch.is_none() && is_packed(&subject.image))
    {
        let unpacking = match &unpacking {
            Some(unpacking) => unpacking,
            None => unpacking.insert(Unpacking::new(room).map_err(failed)?),
        };
        subject
            .unpack(unpacking, &*session.progress, &session.interrupt)
            .map_err(failed)?;
    }
    Ok(unpacking)
}

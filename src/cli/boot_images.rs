//! The images that `verify --boot` boots: one file or those of a folder, raw or packed. Also checks
//! that the emulator is installed.

use std::path::{Path, PathBuf};

use kraken_fetch::{Cache, Format, recognise};
use kraken_flash::boot_check::{self, BootTarget, Unpacking};
use kraken_flash::verify::{self, FolderImages};
use kraken_spec::{Cluster, Node};

use super::{Failure, Session, say, verify_path};

/// Returns the images in a folder of the nodes that are wanted, or of all nodes when none is named.
pub(super) fn of_folder<'a>(
    images: &FolderImages,
    cluster: &'a Cluster,
    wanted: &[u32],
) -> Result<Vec<BootTarget<'a>>, Failure> {
    let mut targets = Vec::new();
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
        match images.of(node.number) {
            Some(image) => targets.push(BootTarget::file(node, image.to_owned())),
            None => missing.push(format!("{}.img", node.hostname)),
        }
    }
    match missing.is_empty() {
        true => Ok(targets),
        false => Err(Failure::message(format!(
            "{} has no {}: make them with `kraken-flash build`, or name the nodes that are there with --nodes",
            images.folder().display(),
            missing.join(", ")
        ))),
    }
}

/// One image file with its node.
pub(super) struct FileTarget<'a> {
    pub(super) target: BootTarget<'a>,
    /// Keeps the unpacked file of a packed image.
    pub(super) unpacking: Option<Unpacking>,
}

/// Returns one image with its node. The node is the one that `--node` names; else the one that the
/// image names itself, as `verify` reads it; else the one after which the file is named; else the
/// cluster's only one. A packed image is unpacked in order to read its node.
pub(super) fn of_file<'a>(
    session: &Session,
    path: &Path,
    node: Option<u32>,
    cluster: &'a Cluster,
) -> Result<FileTarget<'a>, Failure> {
    if node.is_some() {
        return Ok(FileTarget {
            target: BootTarget::file(chosen(path, node, cluster)?, path.to_owned()),
            unpacking: None,
        });
    }
    let is_packed = recognise(path).is_ok_and(|format| format != Format::Raw);
    let (raw, unpacking) = match is_packed {
        true => {
            emulator_is_here()?;
            let unpacking = Unpacking::new(&Cache::open(None)?.root().join("boot"))?;
            let raw = unpacking.raw(path, session.job())?;
            (raw, Some(unpacking))
        }
        false => (path.to_owned(), None),
    };
    let named = verify_path::node_by_name(path, cluster);
    let number = match verify::node_of(&raw) {
        Some(record) if cluster.nodes.iter().any(|node| node.number == record.id.number) => {
            if named.is_some_and(|named| named != record.id.number) {
                say(
                    session,
                    &format!(
                        "{} is named after another node, and is {} (node {}), by what it says itself: it is booted as that one",
                        path.display(),
                        record.id.hostname,
                        record.id.number
                    ),
                );
            }
            Some(record.id.number)
        }
        _ => named,
    };
    let mut target = BootTarget::file(chosen(path, number, cluster)?, raw);
    if unpacking.is_some() {
        target.packed = Some(path.to_owned());
    }
    Ok(FileTarget { target, unpacking })
}

/// Checks that the emulator is installed before images are made or unpacked for it, which takes
/// long.
pub(super) fn emulator_is_here() -> Result<(), Failure> {
    boot_check::are_here().map_err(|error| Failure::Failed(Box::new(error)))
}

/// Returns the node with that number, or the only one.
fn chosen<'a>(path: &Path, number: Option<u32>, cluster: &'a Cluster) -> Result<&'a Node, Failure> {
    let node: Option<&Node> = match number {
        Some(number) => cluster.nodes.iter().find(|node| node.number == number),
        None if cluster.nodes.len() == 1 => cluster.nodes.first(),
        None => None,
    };
    node.ok_or_else(|| {
        let count = cluster.nodes.len();
        Failure::Usage(match number {
            Some(number) => format!("there is no node {number}: the cluster has nodes 1 to {count}"),
            None => format!(
                "which node should {} be? Say it with --node N, of 1 to {count}: neither the image nor its name does",
                path.display()
            ),
        })
    })
}

/// Unpacks packed images into a folder that exists as long as the returned value.
pub(super) fn unpack(
    session: &Session,
    targets: &mut [BootTarget<'_>],
    room: &Path,
) -> Result<Option<Unpacking>, Failure> {
    let is_packed = |path: &PathBuf| path.extension().is_none_or(|extension| extension != "img");
    let mut unpacking = None;
    for target in targets
        .iter_mut()
        .filter(|target| target.patch.is_none() && target.packed.is_none() && is_packed(&target.image))
    {
        let unpacking = match &unpacking {
            Some(unpacking) => unpacking,
            None => unpacking.insert(Unpacking::new(room)?),
        };
        target.unpack(unpacking, session.job())?;
    }
    Ok(unpacking)
}

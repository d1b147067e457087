//! The images that `verify --boot` boots: one file, or a folder's, raw or packed; and whether what boots them is here.

use std::path::{Path, PathBuf};

use kraken_fetch::{Cache, Format, recognise};
use kraken_flash::boot_check::{self, BootError, BootTarget, Unpacking};
use kraken_flash::verify::{self, FolderImages};
use kraken_spec::{Cluster, Node};

use super::{Failure, Session, say, verify_path};

/// The nodes' images among those of a folder: of the nodes that are wanted, of all when none is named.
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

/// One image, of the node that `--node` names; else of the one that the image says it is, as `verify` reads it; else of the one that its file is
/// named after, or of the only one. To be asked, a packed image is unpacked, into what is returned.
pub(super) fn of_file<'a>(
    session: &Session,
    path: &Path,
    node: Option<u32>,
    cluster: &'a Cluster,
) -> Result<(BootTarget<'a>, Option<Unpacking>), Failure> {
    if node.is_some() {
        return Ok((BootTarget::file(chosen(path, node, cluster)?, path.to_owned()), None));
    }
    let is_packed = recognise(path).is_ok_and(|format| format != Format::Raw);
    let (raw, unpacking) = match is_packed {
        true => {
            emulator_is_here()?;
            let unpacking = Unpacking::new(&Cache::open(None)?.root().join("boot")).map_err(failed)?;
            let raw = unpacking.raw(path, session.job()).map_err(failed)?;
            (raw, Some(unpacking))
        }
        false => (path.to_owned(), None),
    };
    let named = verify_path::node_by_name(path, cluster);
    let number = match verify::node_of(&raw) {
        Some(record) if cluster.nodes.iter().any(|node| node.number == record.number) => {
            if named.is_some_and(|named| named != record.number) {
                say(
                    session,
                    &format!(
                        "{} is named after another node, and is {} (node {}), by what it says itself: it is booted as that one",
                        path.display(),
                        record.hostname,
                        record.number
                    ),
                );
            }
            Some(record.number)
        }
        _ => named,
    };
    let mut target = BootTarget::file(chosen(path, number, cluster)?, raw);
    if unpacking.is_some() {
        target.packed = Some(path.to_owned());
    }
    Ok((target, unpacking))
}

/// Asked before images are made or unpacked for it, which takes its time.
pub(super) fn emulator_is_here() -> Result<(), Failure> {
    boot_check::are_here().map_err(|error| Failure::Failed(Box::new(error)))
}

fn failed(error: BootError) -> Failure {
    match error {
        BootError::Interrupted(stopped) => Failure::from(stopped),
        error => Failure::Failed(Box::new(error)),
    }
}

/// The node of that number, or the only one.
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

/// Unpacks what is packed, into a folder that lasts as long as what is returned.
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
            None => unpacking.insert(Unpacking::new(room).map_err(failed)?),
        };
        target.unpack(unpacking, session.job()).map_err(failed)?;
    }
    Ok(unpacking)
}

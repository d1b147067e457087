//! Finds images in a folder that do not belong to the cluster: of a removed node, of another
//! cluster, or of an earlier build.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{Finding, Report};
use super::set::ListedImage;
use kraken_disk::{ImageFile, Layout};
use kraken_foundation::{Context as _, Result};
use kraken_image::provision::NodeRecord;
use kraken_spec::Cluster;

/// The largest number of files that are checked.
const MOST: usize = 10_000;
/// The endings of packed images.
const PACKED: [&str; 4] = ["xz", "zst", "gz", "zip"];

/// Returns the node that a raw image names; `None` if it names none or cannot be read.
pub fn node_of(image: &Path) -> Option<NodeRecord> {
    let file = Arc::new(ImageFile::open_read(image).ok()?);
    let layout = Layout::detect(file.clone()).ok()?;
    NodeRecord::read(&layout.root_tree(file).ok()?).ok()?
}

/// Reports the images in `folder` that this program made but that are not among `listed`. A card
/// with one of them would become a node that does not belong to the cluster. Images that other
/// programs made, such as the base, are not reported.
pub(crate) fn find(folder: &Path, cluster: &Cluster, listed: &[ListedImage], report: &mut Report) -> Result<()> {
    let ours: BTreeSet<&Path> = listed.iter().map(|image| image.path.as_path()).collect();
    let mut images = Vec::new();
    for entry in fs::read_dir(folder).doing("reading the folder", folder)?.take(MOST) {
        let path = entry.doing("reading the folder", folder)?.path();
        if raw_name(&path).is_some() && path.is_file() && !ours.contains(path.as_path()) {
            images.push(path);
        }
    }
    images.sort();
    for image in images {
        if let Some(what) = stranger(&image, cluster, listed) {
            report.findings.push(Finding {
                check: "set",
                place: String::new(),
                message: format!(
                    "{} is not an image of this set: it is {what}; remove it, with its .bmap, or it ends up on a card",
                    image.display()
                ),
            });
        }
    }
    Ok(())
}

/// Returns the name of the raw image if the file has the name of an image.
fn raw_name(path: &Path) -> Option<PathBuf> {
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|extension| extension == end);
    let raw = match PACKED.iter().any(|end| ends(path, end)) {
        true => path.with_extension(""),
        false => path.to_owned(),
    };
    ends(&raw, "img").then_some(raw)
}

/// Returns what an image is that does not belong to the set; `None` if this program did not make
/// it.
fn stranger(image: &Path, cluster: &Cluster, listed: &[ListedImage]) -> Option<String> {
    let raw = raw_name(image)?;
    if raw != image {
        // The image would have to be unpacked to read it. A block map beside it, or a name of the
        // cluster, shows where it comes from.
        let named = cluster
            .nodes
            .iter()
            .find(|node| raw.file_stem().is_some_and(|stem| stem == node.hostname.as_str()));
        let map = raw.with_extension("img.bmap");
        return match named {
            Some(node) if listed.iter().any(|image| image.number == node.number) => Some(format!(
                "another image of {}, of an earlier build or packed otherwise",
                node.hostname
            )),
            // There is no statement of what it should be: perhaps the user copied only this image.
            Some(_) => None,
            None => map.is_file().then(|| "of no node of this cluster".to_owned()),
        };
    }
    let record = node_of(image)?;
    let who = format!("{} (node {})", record.id.hostname, record.id.number);
    Some(
        match cluster.nodes.iter().find(|node| node.number == record.id.number) {
            _ if record.cluster != cluster.name => format!(
                "{who} of the cluster {:?}, and this one is {:?}",
                record.cluster, cluster.name
            ),
            None => format!("{who}, and the cluster has {} nodes", cluster.nodes.len()),
            Some(node) if node.hostname != record.id.hostname => {
                format!("{who}, and that node is called {} now", node.hostname)
            }
            Some(_) => format!("another image of {who}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_names() {
        for (name, raw) in [
            ("a.img", Some("a.img")),
            ("kraken-1.img.xz", Some("kraken-1.img")),
            ("a.img.bmap", None),
            ("a.xz", None),
            ("img", None),
            ("a.iso", None),
        ] {
            assert_eq!(raw_name(Path::new(name)), raw.map(PathBuf::from), "{name}");
        }
    }
}

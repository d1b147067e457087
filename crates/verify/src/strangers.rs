//! Images in a folder that are none of the cluster's: of a node that is gone, of another cluster, of an earlier build.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::CheckError;
use super::report::{Finding, Report};
use super::set::ListedImage;
use kraken_disk::{ImageFile, Layout};
use kraken_image::provision::NodeRecord;
use kraken_spec::Cluster;

/// More files than this are not looked at.
const MOST: usize = 10_000;
/// How images are packed.
const PACKED: [&str; 4] = ["xz", "zst", "gz", "zip"];

/// The node that a raw image says it is; `None` when it says none, or cannot be read.
pub fn node_of(image: &Path) -> Option<NodeRecord> {
    let file = Arc::new(ImageFile::open_read(image).ok()?);
    let layout = Layout::detect(file.clone()).ok()?;
    NodeRecord::read(&layout.root_tree(file).ok()?).ok()?
}

/// Names the images in `folder` that are not among `listed` and were made by this program. Who writes one of them to a card has a node that does
/// not belong. Others' images, such as the base, are nobody's business.
pub fn find(folder: &Path, cluster: &Cluster, listed: &[ListedImage], report: &mut Report) -> Result<(), CheckError> {
    let ours: BTreeSet<&Path> = listed.iter().map(|image| image.path.as_path()).collect();
    let mut images = Vec::new();
    for entry in fs::read_dir(folder)
        .map_err(CheckError::io("reading the folder", folder))?
        .take(MOST)
    {
        let path = entry.map_err(CheckError::io("reading the folder", folder))?.path();
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
                    "{} is no image of this set: it is {what}; remove it, with its .bmap, or it ends up on a card",
                    image.display()
                ),
            });
        }
    }
    Ok(())
}

/// The name of the raw image, where a file is called as an image is.
fn raw_name(path: &Path) -> Option<PathBuf> {
    let ends = |path: &Path, end: &str| path.extension().is_some_and(|extension| extension == end);
    let raw = match PACKED.iter().any(|end| ends(path, end)) {
        true => path.with_extension(""),
        false => path.to_owned(),
    };
    ends(&raw, "img").then_some(raw)
}

/// What an image is that is not of the set; `None` for one that this program did not make.
fn stranger(image: &Path, cluster: &Cluster, listed: &[ListedImage]) -> Option<String> {
    let raw = raw_name(image)?;
    if raw != image {
        // To look into it, it would have to be unpacked: a block map beside it tells whose it is, and so does a name of the cluster.
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
            // Nobody says what it should be: it may be all that was copied.
            Some(_) => None,
            None => map.is_file().then(|| "of no node of this cluster".to_owned()),
        };
    }
    let record = node_of(image)?;
    let who = format!("{} (node {})", record.hostname, record.number);
    Some(match cluster.nodes.iter().find(|node| node.number == record.number) {
        _ if record.cluster != cluster.name => format!(
            "{who} of the cluster {:?}, and this one is {:?}",
            record.cluster, cluster.name
        ),
        None => format!("{who}, and the cluster has {} nodes", cluster.nodes.len()),
        Some(node) if node.hostname != record.hostname => {
            format!("{who}, and that node is called {} now", node.hostname)
        }
        Some(_) => format!("another image of {who}"),
    })
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

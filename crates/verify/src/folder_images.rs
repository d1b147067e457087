//! Finds each node's image in a folder, and images that do not belong there, for a run that boots
//! the folder.

use std::path::{Path, PathBuf};

use super::report::Report;
use super::set::{self, ImageSet, ListedImage};
use super::strangers;
use kraken_foundation::Result;
use kraken_spec::Cluster;

/// The endings of the image files of a node, in the order of preference.
const ENDS: [&str; 5] = ["img", "img.xz", "img.zst", "img.gz", "img.zip"];

/// The images of a cluster in a folder.
pub struct FolderImages {
    folder: PathBuf,
    images: Vec<ListedImage>,
    faults: Vec<String>,
}

impl FolderImages {
    /// Finds the images of all nodes, including those that the user did not ask for: these belong
    /// to the set as well. If the manifest lists a file for a node, that file is its image, and
    /// another image of the node is of another build.
    ///
    /// # Errors
    /// If the system does not let the folder or its manifest be read. A manifest with other
    /// contents than it should have is one of [`faults`](Self::faults).
    pub fn read(folder: &Path, cluster: &Cluster) -> Result<Self> {
        // What the manifest says of other files matters to `verify` only.
        let ImageSet {
            mut images, unreadable, ..
        } = set::read_set(folder, cluster, &mut Report::default())?;
        for node in &cluster.nodes {
            if images.iter().any(|image| image.number == node.number) {
                continue;
            }
            let names = ENDS.map(|end| folder.join(format!("{}.{end}", node.hostname)));
            images.extend(names.into_iter().find(|path| path.is_file()).map(|path| ListedImage {
                number: node.number,
                path,
                listed: false,
                raw_sha256: None,
            }));
        }
        let mut report = Report::default();
        strangers::find(folder, cluster, &images, &mut report)?;
        Ok(Self {
            folder: folder.to_owned(),
            images,
            faults: unreadable
                .into_iter()
                .chain(report.findings.into_iter().map(|finding| finding.message))
                .collect(),
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns a node's image; `None` if there is none.
    pub fn of(&self, node: u32) -> Option<&Path> {
        self.images
            .iter()
            .find(|image| image.number == node)
            .map(|image| image.path.as_path())
    }

    /// Returns a sentence for a manifest that cannot be read, and one for each image in the folder
    /// that is not of the set, as `verify` reports them. Without the manifest, an image of another
    /// build may be taken for a node's.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

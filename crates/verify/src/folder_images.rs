//! Finds each node's image in a folder, and images that do not belong there, for a run that boots
//! the folder.

use std::path::{Path, PathBuf};

use super::report::Report;
use super::set::{self, ListedImage};
use super::strangers;
use kraken_foundation::Result;
use kraken_spec::Cluster;

/// The endings of the image files of a node, in the order of preference.
const ENDS: [&str; 5] = ["img", "img.xz", "img.zst", "img.gz", "img.zip"];

/// The images of a cluster in a folder.
pub struct FolderImages {
    folder: PathBuf,
    images: Vec<ListedImage>,
    strangers: Vec<String>,
}

impl FolderImages {
    /// Finds the images of all nodes, including those that the user did not ask for: these belong
    /// to the set as well. If the manifest lists a file for a node, that file is its image, and
    /// another image of the node is of another build.
    ///
    /// # Errors
    /// If the folder or its manifest cannot be read.
    pub fn read(folder: &Path, cluster: &Cluster) -> Result<Self> {
        // The other problems of the manifest matter to `verify` only: an image boots without it.
        let mut images = set::read_set(folder, cluster, &mut Report::default())?.images;
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
            strangers: report.findings.into_iter().map(|finding| finding.message).collect(),
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

    /// Returns a sentence, with a help, for each image in the folder that is not of the set, as
    /// `verify` reports it.
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }
}

//! Where a folder has each node's image, and what else lies there: for those who boot a folder.

use std::path::{Path, PathBuf};

use super::CheckError;
use super::report::Report;
use super::set::{self, ListedImage};
use super::strangers;
use kraken_spec::Cluster;

/// As which a node's image may lie in a folder, the first one first.
const ENDS: [&str; 5] = ["img", "img.xz", "img.zst", "img.gz", "img.zip"];

/// The images of a cluster in a folder.
pub struct FolderImages {
    folder: PathBuf,
    images: Vec<ListedImage>,
    strangers: Vec<String>,
}

impl FolderImages {
    /// Looks for the images of all nodes, also of those that nobody asked for: these are no strangers. The file that the manifest lists
    /// for a node is its image; another one of that node is of another build.
    ///
    /// # Errors
    /// [`CheckError`] when the folder or its manifest cannot be read.
    pub fn read(folder: &Path, cluster: &Cluster) -> Result<Self, CheckError> {
        // What the manifest says besides is for `verify`: an image boots without it.
        let (mut images, _) = set::listed(folder, cluster, &mut Report::default())?;
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

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A node's image; `None` when it is not there.
    pub fn of(&self, node: u32) -> Option<&Path> {
        self.images
            .iter()
            .find(|image| image.number == node)
            .map(|image| image.path.as_path())
    }

    /// What of the folder is no image of the set, a sentence each, with the mend: as `verify` says it of the folder.
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }
}

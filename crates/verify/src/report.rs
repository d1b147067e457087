//! The results of checks, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;

use kraken_image::packages::RecordedPackage;
use kraken_swarm_check::{JoinToken, NodeState};

/// A fault that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The check that found it: `partition-table`, `fat`, `ext4`, `system`, `node`, `boot`,
    /// `kernel`, `files`, `pristine`, `swarm`, `packages`, `docker`, `blocks`; of a set of images
    /// `set`, of a card `receipt`.
    pub check: &'static str,
    /// The place: a path inside the image with its volume (`root:/etc/hostname`), or empty.
    pub place: String,
    /// What is wrong, in one line.
    pub message: String,
}

/// The result for one image.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageReport {
    /// The file.
    pub path: PathBuf,
    /// The node that the image names.
    pub node: Option<u32>,
    /// The host name that the image names.
    pub hostname: Option<String>,
    /// The checks that were made, in order.
    pub checks: Vec<&'static str>,
    /// The packages that were baked in.
    pub packages: Vec<RecordedPackage>,
    /// The state of its swarm, to compare it with the other images.
    #[serde(skip)]
    pub(super) swarm: Option<NodeState>,
    /// The token with which it joins a swarm.
    #[serde(skip)]
    pub(super) swarm_token: Option<JoinToken>,
    /// How many files were compared.
    pub files_compared: usize,
    /// The faults; empty if the image is good.
    pub findings: Vec<Finding>,
    /// What could not be checked, and why.
    pub notes: Vec<String>,
    /// Settings that match kraken.toml but will not have the intended effect, with a help.
    pub warnings: Vec<String>,
}

impl ImageReport {
    pub(super) fn begin(&mut self, check: &'static str) {
        self.checks.push(check);
    }

    pub(super) fn find(&mut self, check: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding {
            check,
            place: place.into(),
            message: message.into(),
        });
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Returns whether there are no findings.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// The result for all images of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The images.
    pub images: Vec<ImageReport>,
    /// Faults of the set as a whole: a missing image, two images of one node.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Returns whether there are no findings, of the images or of the set.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.images.iter().all(ImageReport::is_good)
    }
}

//! What a check found, for people and for programs.

use std::path::PathBuf;

use serde::Serialize;

use kraken_image::packages::RecordedPackage;
use kraken_swarm_check::{JoinToken, NodeState};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Which check found it: `partition-table`, `fat`, `ext4`, `system`, `node`, `files`, `blocks`, `boot`, `pristine`, `packages`, `docker`,
    /// `swarm`, `receipt`.
    pub check: &'static str,
    /// Where: a path inside the image with its volume (`root:/etc/hostname`), or empty.
    pub place: String,
    /// What is wrong, one line.
    pub message: String,
}

/// What was found in one image.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageReport {
    /// The file.
    pub path: PathBuf,
    /// The node it says it is.
    pub node: Option<u32>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Which checks were made, in order.
    pub checks: Vec<&'static str>,
    /// The packages baked in.
    pub packages: Vec<RecordedPackage>,
    /// Its swarm's state, for comparison with the other images.
    #[serde(skip)]
    pub(super) swarm: Option<NodeState>,
    /// The token that it joins a swarm with.
    #[serde(skip)]
    pub(super) swarm_token: Option<JoinToken>,
    /// How many files were compared.
    pub files_compared: usize,
    /// What is wrong; empty when the image is right.
    pub findings: Vec<Finding>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
    /// What is as kraken.toml asks for, and will not do what is meant; with the mend.
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

    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// What was found in all images of a run.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The images.
    pub images: Vec<ImageReport>,
    /// What is wrong with the set as a whole: a missing image, two of one node.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.images.iter().all(ImageReport::is_good)
    }
}

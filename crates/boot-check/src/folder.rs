//! The check `set`: what is known of a folder of images before one of them boots.

use super::report::{Check, Outcome};
use kraken_verify::FolderImages;

/// The name of the check.
pub(super) const SET: &str = "set";

/// Checks that the folder holds only images of the cluster, and no manifest that cannot be read.
/// The result applies to the whole folder, whichever nodes are booted.
pub fn set_check(images: &FolderImages) -> Check {
    let folder = images.folder().display();
    let faults = images.faults();
    let (outcome, expected, seen) = match faults.is_empty() {
        true => (
            Outcome::Passed,
            None,
            format!("no image in {folder} is of another cluster, another build or a node that is gone"),
        ),
        false => (
            Outcome::Failed,
            Some(format!(
                "in {folder} one image for each node of kraken.toml, no others, and no manifest that cannot be read"
            )),
            faults.join("\n"),
        ),
    };
    Check {
        name: SET,
        title: "the folder holds images of this cluster, and no others".to_owned(),
        outcome,
        expected,
        seen,
        cause: None,
        began_ms: 0,
        ended_ms: 0,
    }
}

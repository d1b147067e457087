//! Temporary folders of a run.

use std::fs;
use std::path::Path;

use kraken_foundation::{Context as _, Result};

/// Makes a folder with a unique name in `parent`, and `parent` if it is missing. The folder is
/// removed when the result is dropped.
pub fn folder_in(parent: &Path) -> Result<tempfile::TempDir> {
    fs::create_dir_all(parent).doing("making", parent)?;
    tempfile::Builder::new()
        .prefix("kf-")
        .tempdir_in(parent)
        .doing("making a folder in", parent)
}

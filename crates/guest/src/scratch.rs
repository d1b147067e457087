//! Temporary folders of a run.

use std::fs;
use std::path::Path;

use super::BootError;
use super::error::io_error;

/// A folder with a name of its own in `parent`, which is made where it is missing; gone once it is dropped.
pub fn folder_in(parent: &Path) -> Result<tempfile::TempDir, BootError> {
    fs::create_dir_all(parent).map_err(io_error("making", parent))?;
    tempfile::Builder::new()
        .prefix("kf-")
        .tempdir_in(parent)
        .map_err(io_error("making a folder in", parent))
}

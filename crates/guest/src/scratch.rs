//! Temporary folders of a run.

use std::fs;
use std::path::Path;

use super::BootError;
use super::error::io_error;

/// Makes a folder with a unique name in `parent`, and `parent` if it is missing. The folder is
/// removed when the result is dropped.
pub fn folder_in(parent: &Path) -> Result<tempfile::TempDir, BootError> {
    fs::create_dir_all(parent).map_err(io_error("making", parent))?;
    tempfile::Builder::new()
        .prefix("kf-")
        .tempdir_in(parent)
        .map_err(io_error("making a folder in", parent))
}

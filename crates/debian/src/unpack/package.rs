//! A package that is being unpacked: its control files, and its state in the image.

use std::path::PathBuf;

use super::database::{Key, Known};
use crate::deb::ControlFiles;

/// A package that is being unpacked.
pub(super) struct Package {
    pub(super) key: Key,
    pub(super) version: String,
    pub(super) same: bool,
    pub(super) replaces: String,
    pub(super) conffiles: Vec<String>,
    /// Conffiles that it wants removed.
    pub(super) removes: Vec<String>,
    pub(super) control: ControlFiles,
    pub(super) path: PathBuf,
    /// What the image has of it.
    pub(super) old: Option<(Key, Known)>,
}

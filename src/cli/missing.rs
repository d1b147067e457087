//! Which folders are not there when the program begins: of these, what root makes is given to the owner of the folder around them.

use std::io;
use std::path::{Path, PathBuf};

use kraken_fetch::Cache;
use kraken_flash::card::Receipts;

/// Folders that were not there when the program began, the outer ones first.
#[derive(Debug, Default)]
pub(super) struct Missing(Vec<PathBuf>);

impl Missing {
    /// Of all places where root may make folders; `output` is a folder of images.
    pub(super) fn look(output: Option<&Path>) -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::default();
        }
        let places = [Cache::place().ok(), Receipts::state(), output.map(Path::to_owned)];
        let mut missing = Vec::new();
        for place in places
            .into_iter()
            .flatten()
            .filter_map(|place| std::path::absolute(place).ok())
        {
            let is_missing = |folder: &&Path| matches!(folder.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
            let mut folders: Vec<PathBuf> = place.ancestors().take_while(is_missing).map(Path::to_owned).collect();
            // `a/..` is no folder of its own.
            folders.retain(|folder| folder.file_name().is_some());
            folders.reverse();
            missing.append(&mut folders);
        }
        Self(missing)
    }

    /// The folders, the outer ones first.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.0
    }
}

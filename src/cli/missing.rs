//! Which folders do not exist when the program begins. When root makes one of them, it later
//! belongs to the owner of its parent folder.

use std::io;
use std::path::{Path, PathBuf};

use kraken_fetch::Cache;
use kraken_flash::card::Receipts;

/// Folders that did not exist when the program began, parents first.
#[derive(Debug, Default)]
pub(super) struct Missing(Vec<PathBuf>);

impl Missing {
    /// Finds the missing folders among all places where root may make some; `output` is a folder of
    /// images.
    pub(super) fn find(output: Option<&Path>) -> Self {
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
            // `a/..` is not a folder of its own.
            folders.retain(|folder| folder.file_name().is_some());
            folders.reverse();
            missing.append(&mut folders);
        }
        Self(missing)
    }

    /// The folders, parents first.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.0
    }
}

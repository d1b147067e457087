//! A package that is being unpacked: its control files, and its state in the image.

use std::path::PathBuf;

use super::database::{Key, Known};
use crate::deb::ControlFiles;

/// The flag, before the path in `conffiles` and behind the hash in the status, of a conffile that
/// the new version wants removed.
pub(super) const REMOVED: &str = "remove-on-upgrade";

/// A package that is being unpacked.
pub(super) struct Package {
    pub(super) key: Key,
    pub(super) version: String,
    pub(super) same: bool,
    pub(super) replaces: String,
    pub(super) conffiles: ConffilePaths,
    pub(super) control: ControlFiles,
    pub(super) path: PathBuf,
    /// What the image has of it.
    pub(super) old: Option<Old>,
}

/// What the image has of a package that is being unpacked: another version, or the rest of one that
/// was removed.
pub(super) struct Old {
    /// It can have been installed for another architecture.
    pub(super) key: Key,
    pub(super) known: Known,
}

/// The paths in the file `conffiles` of a package.
#[derive(Default)]
pub(super) struct ConffilePaths {
    /// Those that the package has.
    pub(super) has: Vec<String>,
    /// Those that it wants removed.
    pub(super) removes: Vec<String>,
}

impl ConffilePaths {
    pub(super) fn parse(text: &str) -> Self {
        let mut paths = Self::default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            match line.strip_prefix(REMOVED).map(str::trim_start) {
                Some(path) => paths.removes.push(path.to_owned()),
                None => paths.has.push(line.to_owned()),
            }
        }
        paths
    }

    /// Whether the package has this conffile.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.has.iter().any(|conffile| conffile == path)
    }

    /// Returns all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.has.iter().chain(&self.removes)
    }
}

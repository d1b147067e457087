//! A folder and a cache for unit tests.

use std::path::{Path, PathBuf};

use kraken_fetch::{Downloads, Options};
use kraken_foundation::Job;

/// A folder, with a cache in it.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
    options: Options,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            cache: Some(folder.path().join("cache")),
            offline: true,
            ..Options::default()
        };
        Self { folder, options }
    }

    pub(crate) fn downloads(&self) -> Downloads<'_> {
        Downloads::open(&self.options, None, Job::silent()).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Returns the names of the files in the cache.
    pub(crate) fn cached(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join("cache/downloads")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

//! Entries of the store by their place below Docker's data root.

use kraken_foundation::{Error, Kind, Result};
use kraken_overlay::{Content, Entry, EntryPath, Kind as EntryKind, Overlay, Volume};

/// An overlay that is written below Docker's data root.
pub(crate) struct Places {
    root: Vec<u8>,
    time: i64,
    overlay: Overlay,
}

impl Places {
    /// `time` is what all files of the store's own have, in seconds since 1970-01-01 UTC.
    pub(crate) fn new(root: &EntryPath, time: i64) -> Self {
        Self {
            root: root.as_bytes().to_vec(),
            time,
            overlay: Overlay::new(),
        }
    }

    pub(crate) fn time(&self) -> i64 {
        self.time
    }

    /// Returns the path in the image of what is at `place` below the data root.
    pub(crate) fn path(&self, place: &[u8]) -> Result<EntryPath> {
        let path = match place.is_empty() {
            true => self.root.clone(),
            false => [&self.root, &b"/"[..], place].concat(),
        };
        EntryPath::from_bytes(&path).map_err(|error| {
            let text = format!("{error}; a path of the image is too long below Docker's data root");
            Error::new(Kind::Unsupported, text)
        })
    }

    /// Puts any entry at `place` below the data root.
    pub(crate) fn put(&mut self, place: &[u8], entry: Entry) -> Result<()> {
        let path = self.path(place)?;
        self.overlay.insert(Volume::Root, path, entry);
        Ok(())
    }

    /// Makes a folder.
    pub(crate) fn folder(&mut self, place: &str, mode: u16) -> Result<()> {
        let entry = Entry::directory(mode, self.time);
        self.put(place.as_bytes(), entry)
    }

    /// Makes a folder, unless the image or another overlay has it.
    pub(crate) fn folder_if_missing(&mut self, place: &str, mode: u16) -> Result<()> {
        let mut entry = Entry::directory(mode, self.time);
        entry.kind = EntryKind::DirectoryIfMissing;
        self.put(place.as_bytes(), entry)
    }

    /// Writes a small file.
    pub(crate) fn file(&mut self, place: &str, mode: u16, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let entry = Entry::file(Content::from(bytes.into()), mode, self.time);
        self.put(place.as_bytes(), entry)
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&mut self, place: &str, target: &str) -> Result<()> {
        let entry = Entry::symlink(target, self.time);
        self.put(place.as_bytes(), entry)
    }

    pub(crate) fn finish(self) -> Overlay {
        self.overlay
    }
}

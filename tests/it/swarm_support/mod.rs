//! The swarm state of real nodes: packed in `tests/fixtures/swarm/`, or in a folder.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kraken_swarm_check::{Mode, NodeState, StateFiles, read};

/// The first segment of a raft log.
pub(crate) const SEGMENT: &str = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";

/// A node's swarm state in memory, which a test may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub files: BTreeMap<String, Vec<u8>>,
    pub modes: BTreeMap<String, Mode>,
}

impl Files {
    /// One of `tests/fixtures/swarm/`, such as `26.1.5/cluster/m1`.
    pub(crate) fn fixture(name: &str) -> Self {
        let path = format!("{}/tests/fixtures/swarm/{name}.tar.xz", env!("CARGO_MANIFEST_DIR"));
        let packed = fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut archive = tar::Archive::new(liblzma::read::XzDecoder::new(packed));
        let mut found = Self::default();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            let header = entry.header();
            let mode = Mode {
                bits: header.mode().unwrap() & 0o7777,
                uid: u32::try_from(header.uid().unwrap()).unwrap(),
                gid: u32::try_from(header.gid().unwrap()).unwrap(),
            };
            let folder = header.entry_type().is_dir();
            found.modes.insert(name.clone(), mode);
            if !folder {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                found.files.insert(name, bytes);
            }
        }
        found
    }

    pub(crate) fn file(&mut self, path: &str) -> &mut Vec<u8> {
        self.files.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    /// Replaces a text in a file.
    pub(crate) fn edit(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.file(path).clone()).unwrap();
        assert!(text.contains(from), "{path} has no {from}");
        *self.file(path) = text.replace(from, to).into_bytes();
        self
    }

    pub(crate) fn read(&self) -> kraken_foundation::Result<Option<NodeState>> {
        read(self)
    }

    pub(crate) fn node(&self) -> NodeState {
        self.read().unwrap().unwrap()
    }

    /// Returns the error when it is refused.
    pub(crate) fn refused(&self) -> String {
        self.read().expect_err("it is refused").to_string()
    }

    /// Without the zeros at the end of a segment.
    pub(crate) fn trimmed(mut self, path: &str) -> Self {
        let bytes = self.file(path);
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bytes.truncate(used.next_multiple_of(8));
        self
    }
}

impl StateFiles for Files {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        match self.files.get(path) {
            Some(bytes) if bytes.len() as u64 > most => Err(io::ErrorKind::InvalidData.into()),
            found => Ok(found.cloned()),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let inside = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'));
        let names: BTreeSet<_> = inside.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn mode(&self, path: &str) -> io::Result<Option<Mode>> {
        Ok(self.modes.get(path).copied())
    }
}

/// A node's swarm state in a folder, such as `/var/lib/docker/swarm`.
pub(crate) struct Folder(pub PathBuf);

fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

impl Folder {
    fn path(&self, path: &str) -> PathBuf {
        self.0.join(Path::new(path))
    }
}

impl StateFiles for Folder {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = there(fs::File::open(self.path(path)))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        match bytes.len() as u64 > most {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(Some(bytes)),
        }
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let Some(entries) = there(fs::read_dir(self.path(folder)))? else {
            return Ok(Vec::new());
        };
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn mode(&self, path: &str) -> io::Result<Option<Mode>> {
        Ok(there(fs::metadata(self.path(path)))?.map(|found| Mode {
            bits: found.mode() & 0o7777,
            uid: found.uid(),
            gid: found.gid(),
        }))
    }
}

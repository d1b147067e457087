//! Bytes that are a part of a file.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use kraken_foundation::{Context, Error, Kind, Result};

/// The size of the buffer of a reader, in bytes.
const BUFFER: usize = 1 << 20;

/// A part of a file, or all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The file.
    pub path: PathBuf,
    /// Where the bytes begin in it.
    pub offset: u64,
    /// How many bytes they are.
    pub length: u64,
}

impl FileRange {
    /// Returns the range of all bytes of a file.
    ///
    /// # Errors
    /// When it is not a regular file, or cannot be examined.
    pub(crate) fn whole(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).doing("examining", path)?;
        if !metadata.is_file() {
            let text = format!("reading {}: it is not a regular file", path.display());
            return Err(Error::new(Kind::Unsupported, text));
        }
        Ok(Self {
            path: path.to_owned(),
            offset: 0,
            length: metadata.len(),
        })
    }

    /// Returns a reader of the bytes.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self) -> Result<BufReader<Take<File>>> {
        let mut file = File::open(&self.path).doing("opening", &self.path)?;
        file.seek(SeekFrom::Start(self.offset)).doing("reading", &self.path)?;
        Ok(BufReader::with_capacity(BUFFER, file.take(self.length)))
    }

    /// Returns all bytes of a document.
    ///
    /// # Errors
    /// When it has more than `most` bytes, or cannot be read.
    pub(crate) fn read(&self, most: u64) -> Result<Vec<u8>> {
        if self.length > most {
            let text = format!(
                "reading {}: a document in it is larger than {} MiB",
                self.path.display(),
                most >> 20
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes).doing("reading", &self.path)?;
        match bytes.len() as u64 == self.length {
            true => Ok(bytes),
            false => Err(Error::new(
                Kind::Damaged,
                format!("reading {}: it is shorter than it was", self.path.display()),
            )),
        }
    }

    /// Returns the first bytes, at most `count`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn head(&self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?
            .take(count)
            .read_to_end(&mut bytes)
            .doing("reading", &self.path)?;
        Ok(bytes)
    }
}

//! The bytes of a file of an overlay.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// The bytes of a file: in memory, or a range of a file on disk. Two contents are equal when their
/// bytes are.
#[derive(Clone)]
pub enum Content {
    /// In memory. Shared, since common files go to every node.
    Bytes(Arc<[u8]>),
    /// On disk, since hundreds of megabytes of packages need not be in memory at once.
    Stored {
        /// The file that contains them.
        file: Arc<File>,
        /// Where they begin, in bytes.
        offset: u64,
        /// Their number.
        len: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
    },
}

impl Content {
    /// Returns the number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Stored { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes; reads them when they are not in memory.
    ///
    /// # Errors
    /// When reading fails, or the bytes changed on the disk since they were hashed.
    pub fn read(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Content::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Content::Stored {
                file,
                offset,
                len,
                sha256,
            } => {
                let len = usize::try_from(*len).map_err(io::Error::other)?;
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, *offset)?;
                if <[u8; 32]>::from(Sha256::digest(&bytes)) != *sha256 {
                    return Err(io::Error::other("a temporary file changed while it was in use"));
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Fills `buffer` with the bytes from `at` on. Stored bytes are not compared with their hash.
    ///
    /// # Errors
    /// When reading fails; `UnexpectedEof` when the content ends before the buffer is full.
    pub fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.len());
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self {
            Content::Bytes(bytes) => {
                let at = usize::try_from(at).map_err(io::Error::other)?;
                buffer.copy_from_slice(&bytes[at..at + buffer.len()]);
                Ok(())
            }
            Content::Stored { file, offset, .. } => file.read_exact_at(buffer, offset + at),
        }
    }

    /// Returns the SHA-256 of the bytes.
    pub fn sha256(&self) -> [u8; 32] {
        match self {
            Content::Bytes(bytes) => Sha256::digest(bytes).into(),
            Content::Stored { sha256, .. } => *sha256,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes: they may be a secret.
        write!(f, "{} bytes", self.len())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Content::Bytes(one), Content::Bytes(two)) => one == two,
            _ => self.len() == other.len() && self.sha256() == other.sha256(),
        }
    }
}

impl Eq for Content {}

impl<T: Into<Arc<[u8]>>> From<T> for Content {
    fn from(bytes: T) -> Self {
        Content::Bytes(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_on_disk_are_as_good_as_bytes_in_memory() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"__bytes__").unwrap();
        let file = Arc::new(file);
        let stored = Content::Stored {
            file: file.clone(),
            offset: 2,
            len: 5,
            sha256: Sha256::digest(b"bytes").into(),
        };
        let held = Content::from(*b"bytes");
        assert_eq!((stored.len(), stored.sha256()), (held.len(), held.sha256()));
        assert_eq!(stored, held);
        assert_eq!(stored.read().unwrap()[..], b"bytes"[..]);
        file.write_all_at(b"X", 3).unwrap();
        assert!(stored.read().is_err());
    }
}

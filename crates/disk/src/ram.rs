//! A disk in memory, for tests and for small scratch work.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::io::{ReadAt, WriteAt, in_memory};
use super::slice::{past_end, within};

/// A disk of fixed size, held in memory.
#[derive(Debug, Default)]
pub struct RamDisk {
    bytes: Mutex<Vec<u8>>,
    size: u64,
}

impl RamDisk {
    /// A disk of `size` zero bytes.
    pub fn new(size: usize) -> Self {
        Self::from_bytes(vec![0; size])
    }

    /// A disk that holds `bytes`.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        Self {
            bytes: Mutex::new(bytes),
            size,
        }
    }

    /// Returns a copy of the disk's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // A panic elsewhere cannot leave the bytes half-written: they are only ever copied as a
        // whole.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for RamDisk {
    fn size(&self) -> u64 {
        self.size
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size) {
            return Err(past_end(offset, buf.len(), self.size, io::ErrorKind::UnexpectedEof));
        }
        let at = in_memory(offset)?;
        buf.copy_from_slice(&self.lock()[at..at + buf.len()]);
        Ok(())
    }
}

impl WriteAt for RamDisk {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size) {
            return Err(past_end(offset, buf.len(), self.size, io::ErrorKind::InvalidInput));
        }
        let at = in_memory(offset)?;
        self.lock()[at..at + buf.len()].copy_from_slice(buf);
        Ok(())
    }
}

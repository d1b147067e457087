//! `Read`, `Write` and `Seek` over a partition, for libraries that need a stream.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use super::io::{ReadAt, WriteAt, index};

/// Bytes kept from the last read: FAT directories are read 32 bytes at a time, field by field.
const WINDOW: usize = 4096;

/// A stream over a whole [`ReadAt`]; it writes only when it was made for writing.
pub(super) struct Stream {
    source: Arc<dyn ReadAt>,
    target: Option<Arc<dyn WriteAt>>,
    position: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Stream {
    /// A stream that refuses writes.
    pub(super) fn read_only(source: Arc<dyn ReadAt>) -> Self {
        Self {
            source,
            target: None,
            position: 0,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// A stream that writes through.
    pub(super) fn read_write(target: Arc<dyn WriteAt>) -> Self {
        Self {
            source: target.clone(),
            target: Some(target),
            position: 0,
            window: Vec::new(),
            window_at: 0,
        }
    }

    /// Makes the window hold `position`, which is before the end.
    fn fill(&mut self) -> io::Result<()> {
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if held.contains(&self.position) {
            return Ok(());
        }
        let at = self.position - self.position % WINDOW as u64;
        let len = index(self.source.size() - at).min(WINDOW);
        self.window.clear();
        self.window.resize(len, 0);
        if let Err(error) = self.source.read_at(at, &mut self.window) {
            self.window.clear();
            return Err(error);
        }
        self.window_at = at;
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.source.size().saturating_sub(self.position);
        if left == 0 || buf.is_empty() {
            return Ok(0);
        }
        if buf.len() >= WINDOW {
            let n = index(left).min(buf.len());
            self.source.read_at(self.position, &mut buf[..n])?;
            self.position += n as u64;
            return Ok(n);
        }
        self.fill()?;
        let from = index(self.position - self.window_at);
        let n = buf.len().min(self.window.len() - from);
        buf[..n].copy_from_slice(&self.window[from..from + n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let Some(target) = &self.target else {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the volume was opened for reading only",
            ));
        };
        target.write_at(self.position, buf)?;
        self.position += buf.len() as u64;
        self.window.clear();
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek before the start"))?;
        Ok(self.position)
    }
}

//! A window into something larger: one partition of a disk, addressed from 0.

use std::io;

use super::io::{ReadAt, WriteAt};

/// A window of `len` bytes that begins at `start` of an inner source. Reads and writes cannot leave
/// it.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    inner: T,
    start: u64,
    len: u64,
}

impl<T: ReadAt> Slice<T> {
    /// A window of `len` bytes from `start` (both in bytes).
    ///
    /// # Errors
    /// `InvalidInput` when the window reaches past the end of `inner`.
    pub fn new(inner: T, start: u64, len: u64) -> io::Result<Self> {
        match start.checked_add(len) {
            Some(end) if end <= inner.size() => Ok(Self { inner, start, len }),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a window of {len} bytes at {start} reaches past the end ({} bytes)",
                    inner.size()
                ),
            )),
        }
    }

    fn check(&self, offset: u64, len: usize, kind: io::ErrorKind) -> io::Result<u64> {
        if within(offset, len, self.len) {
            Ok(self.start + offset)
        } else {
            Err(past_end(offset, len, self.len, kind))
        }
    }
}

/// Whether `len` bytes at `offset` lie inside `size` bytes.
pub(super) fn within(offset: u64, len: usize, size: u64) -> bool {
    offset.checked_add(len as u64).is_some_and(|end| end <= size)
}

/// Makes the error for a range that reaches past the end.
pub(super) fn past_end(offset: u64, len: usize, size: u64, kind: io::ErrorKind) -> io::Error {
    io::Error::new(
        kind,
        format!("{len} bytes at {offset} reach past the end ({size} bytes)"),
    )
}

impl<T: ReadAt> ReadAt for Slice<T> {
    fn size(&self) -> u64 {
        self.len
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let at = self.check(offset, buf.len(), io::ErrorKind::UnexpectedEof)?;
        self.inner.read_at(at, buf)
    }
}

impl<T: WriteAt> WriteAt for Slice<T> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        let at = self.check(offset, buf.len(), io::ErrorKind::InvalidInput)?;
        self.inner.write_at(at, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RamDisk;

    #[test]
    fn a_slice_is_addressed_from_zero() {
        let slice = Slice::new(RamDisk::from_bytes((0..100).collect()), 10, 20).unwrap();
        let mut buf = [0; 2];
        slice.read_at(18, &mut buf).unwrap();
        assert_eq!((slice.size(), buf), (20, [28, 29]));
    }

    #[test]
    fn nothing_outside_the_slice_can_be_read_or_written() {
        let slice = Slice::new(RamDisk::new(100), 10, 20).unwrap();
        let kind = |r: io::Result<()>| r.unwrap_err().kind();
        assert_eq!(kind(slice.read_at(19, &mut [0; 2])), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(slice.read_at(u64::MAX, &mut [0; 2])), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(slice.write_at(20, &[0])), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_slice_past_the_end_is_refused() {
        for (start, len) in [(90, 11), (101, 0), (u64::MAX, 2)] {
            assert!(Slice::new(RamDisk::new(100), start, len).is_err(), "{start}+{len}");
        }
    }
}

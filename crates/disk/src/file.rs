//! An image file as a disk: positioned reads and writes on a file or a block device.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use super::io::{ReadAt, WriteAt};
use super::slice::{past_end, within};

/// An image file or block device. Its size is read once, when it is opened.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    size: u64,
}

impl ImageFile {
    /// Opens `path` for reading only.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    pub fn open_read(path: &Path) -> io::Result<Self> {
        Self::from_file(File::open(path)?)
    }

    /// Opens `path` for reading and writing. It is neither created nor truncated.
    ///
    /// # Errors
    /// Whatever the operating system reports.
    pub fn open_write(path: &Path) -> io::Result<Self> {
        Self::from_file(OpenOptions::new().read(true).write(true).open(path)?)
    }

    /// Takes over an open file.
    ///
    /// # Errors
    /// When its size cannot be found (a pipe).
    pub fn from_file(mut file: File) -> io::Result<Self> {
        // Seeking also finds the size of block devices; metadata says 0 for them.
        let size = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, size })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Waits until all writes have reached the medium (fsync(2)).
    ///
    /// # Errors
    /// Whatever the operating system reports: the medium may have failed.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(unix)]
fn write_all_at(file: &File, buf: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, buf, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        let n = file.seek_read(buf, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buf = &mut buf[n..];
        offset += n as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        let n = file.seek_write(buf, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        buf = &buf[n..];
        offset += n as u64;
    }
    Ok(())
}

impl ReadAt for ImageFile {
    fn size(&self) -> u64 {
        self.size
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size) {
            return Err(past_end(offset, buf.len(), self.size, io::ErrorKind::UnexpectedEof));
        }
        read_exact_at(&self.file, buf, offset)
    }
}

impl WriteAt for ImageFile {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size) {
            return Err(past_end(offset, buf.len(), self.size, io::ErrorKind::InvalidInput));
        }
        write_all_at(&self.file, buf, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_written_in_place_and_never_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.img");
        std::fs::write(&path, [7; 64]).unwrap();
        let disk = ImageFile::open_write(&path).unwrap();
        disk.write_at(62, &[1, 2]).unwrap();
        assert!(disk.write_at(63, &[1, 2]).is_err());
        let mut buf = [0; 3];
        disk.read_at(61, &mut buf).unwrap();
        assert_eq!((disk.size(), buf), (64, [7, 1, 2]));
        assert_eq!(
            disk.read_at(62, &mut buf).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn a_file_opened_for_reading_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.img");
        std::fs::write(&path, [7; 64]).unwrap();
        assert!(ImageFile::open_read(&path).unwrap().write_at(0, &[1]).is_err());
    }
}

//! What an image is written to: a block device, or whatever behaves like one.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{DeviceNumber, ioctl};

/// Buffers that are handed to a [`Target`] begin at a multiple of this many bytes in memory: direct I/O asks for the device's block
/// size, and no device has larger ones.
pub const ALIGNMENT: usize = 4096;

/// A device of fixed size. Offsets and lengths are multiples of [`Target::block`]; several threads may write and read at once.
pub trait Target: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// The unit of reads and writes in bytes: a power of two, at most [`ALIGNMENT`].
    fn block(&self) -> u64;

    /// Writes all of `bytes`. They may not have reached the medium before [`Target::flush`].
    ///
    /// # Errors
    /// What the system reports.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reads from the device, not from what the system remembers of it.
    ///
    /// # Errors
    /// What the system reports.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Waits until all that was written is on the medium.
    ///
    /// # Errors
    /// What the system reports: something that was written is lost.
    fn flush(&self) -> io::Result<()>;

    /// Tells the device that it may forget a range, which then reads as anything. `false` when it does not know how to.
    ///
    /// # Errors
    /// What the system reports.
    fn discard(&self, range: Range<u64>) -> io::Result<bool>;
}

/// An open block device, which nobody else has mounted or opened exclusively; or a regular file in its place.
#[derive(Debug)]
pub struct BlockTarget {
    file: File,
    size: u64,
    block: u64,
    device: bool,
}

impl BlockTarget {
    /// Opens a block device for this program alone (`O_EXCL`, open(2): the kernel refuses while it is mounted, or part of something) and
    /// past the system's memory of it (`O_DIRECT`).
    ///
    /// # Errors
    /// `ResourceBusy` when it is in use; whatever else the system reports.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)?;
        Self::from_file(file)
    }

    /// Opens a block device for reading past the system's memory of it; others may use it.
    ///
    /// # Errors
    /// What the system reports.
    pub fn open_read(path: &Path) -> io::Result<Self> {
        let flags = i32::try_from((OFlags::DIRECT | OFlags::CLOEXEC).bits()).unwrap_or_default();
        Self::from_file(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
    }

    /// Takes over a device that somebody else opened, for reading and writing with `O_DIRECT`.
    ///
    /// # Errors
    /// When its size or block size cannot be found.
    pub fn from_file(mut file: File) -> io::Result<Self> {
        let device = file.metadata()?.file_type().is_block_device();
        let size = file.seek(SeekFrom::End(0))?;
        let block = match device {
            true => u64::from(rustix::fs::ioctl_blksszget(&file)?),
            false => ALIGNMENT as u64,
        };
        if !block.is_power_of_two() || block > ALIGNMENT as u64 {
            return Err(io::Error::other(format!("it has blocks of {block} bytes")));
        }
        Ok(Self {
            file,
            size,
            block,
            device,
        })
    }

    /// The device's number.
    ///
    /// # Errors
    /// What the system reports.
    pub fn number(&self) -> io::Result<DeviceNumber> {
        let number = self.file.metadata()?.rdev();
        Ok(DeviceNumber {
            major: rustix::fs::major(number),
            minor: rustix::fs::minor(number),
        })
    }

    /// The device itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Has the kernel read the partition table again, so that what was written shows up.
    ///
    /// # Errors
    /// What the system reports; a device in use keeps its old partitions.
    pub fn reread_table(&self) -> io::Result<()> {
        ioctl::reread_table(&self.file)
    }

    /// Asks the drive to let go of the medium. `false` when it has no such thing, and the card can be pulled out.
    ///
    /// # Errors
    /// What the system reports.
    pub fn eject(&self) -> io::Result<bool> {
        ioctl::eject(&self.file)
    }
}

impl Target for BlockTarget {
    fn size(&self) -> u64 {
        self.size
    }

    fn block(&self) -> u64 {
        self.block
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn discard(&self, range: Range<u64>) -> io::Result<bool> {
        match self.device {
            true => ioctl::discard(&self.file, range),
            false => Ok(false),
        }
    }
}

//! What an image is written to: a block device, or something that behaves like one.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{DeviceNumber, ioctl};

/// Buffers for a [`Target`] begin at a multiple of this many bytes in memory. Direct I/O requires
/// the device's block size, and no device has larger blocks.
pub const ALIGNMENT: usize = 4096;

/// A device of fixed size. Offsets and lengths are multiples of [`Target::block`]. Several threads
/// may write and read at once.
pub trait Target: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> u64;

    /// The unit of reads and writes in bytes: a power of two, at most [`ALIGNMENT`].
    fn block(&self) -> u64;

    /// Writes all of `bytes`. They may not be on the medium before [`Target::flush`] returns.
    ///
    /// # Errors
    /// The system's error.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reads from the device, not from the system's cache.
    ///
    /// # Errors
    /// The system's error.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Waits until everything written so far is on the medium.
    ///
    /// # Errors
    /// The system's error: something that was written is lost.
    fn flush(&self) -> io::Result<()>;

    /// Tells the device to discard a range, which may then read as anything. Returns `false` when
    /// the device does not support that.
    ///
    /// # Errors
    /// The system's error.
    fn discard(&self, range: Range<u64>) -> io::Result<bool>;
}

/// An open block device that is neither mounted nor opened exclusively elsewhere; or a regular file
/// in its place.
#[derive(Debug)]
pub struct BlockTarget {
    file: File,
    size: u64,
    block: u64,
    device: bool,
}

impl BlockTarget {
    /// Opens a block device exclusively (`O_EXCL`, open(2): the kernel refuses while it is mounted
    /// or part of another device) and past the system's cache (`O_DIRECT`).
    ///
    /// # Errors
    /// `ResourceBusy` when it is in use; otherwise the system's error.
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

    /// Opens a block device for reading past the system's cache; other programs may use it.
    ///
    /// # Errors
    /// The system's error.
    pub fn open_read(path: &Path) -> io::Result<Self> {
        let flags = i32::try_from((OFlags::DIRECT | OFlags::CLOEXEC).bits()).unwrap_or_default();
        Self::from_file(OpenOptions::new().read(true).custom_flags(flags).open(path)?)
    }

    /// Takes a device that another process opened for reading and writing with `O_DIRECT`.
    ///
    /// # Errors
    /// When its size or block size cannot be read.
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

    /// Returns the device's number.
    ///
    /// # Errors
    /// The system's error.
    pub fn number(&self) -> io::Result<DeviceNumber> {
        let number = self.file.metadata()?.rdev();
        Ok(DeviceNumber {
            major: rustix::fs::major(number),
            minor: rustix::fs::minor(number),
        })
    }

    /// Returns the open device file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the kernel read the partition table again, so that new partitions appear.
    ///
    /// # Errors
    /// The system's error; a device in use keeps its old partitions.
    pub fn reread_table(&self) -> io::Result<()> {
        ioctl::reread_table(&self.file)
    }

    /// Asks the drive to eject the medium. Returns `false` when the drive does not support that,
    /// and the card can be pulled out.
    ///
    /// # Errors
    /// The system's error.
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

//! Copies the used blocks of an image into a new sparse file: by reflink if the file system
//! supports it, else range by range.

use std::fs::File;
use std::io;

use kraken_disk::UsedMap;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;

/// How a copy was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyMethod {
    /// The file system shares the blocks (btrfs, XFS); no data was moved.
    Reflink,
    /// The used ranges were copied; the rest is a hole.
    Ranges,
}

/// How much is copied between two checks of the interrupt flag, in bytes.
const STEP: u64 = 16 << 20;

/// Makes `to` (empty, just created) a copy of the used ranges of `from`, `size` bytes long; unused
/// ranges read as zeros.
///
/// A reflink also shares the unused ranges. That is correct only for a source that holds zeros
/// there, as a golden image does. `reflink` says whether a reflink may be tried.
///
/// # Errors
/// The system's error, or `Interrupted` (as an [`io::Error`] of that kind) when asked to stop.
pub fn copy_used(
    from: &File,
    to: &File,
    size: u64,
    used: &UsedMap,
    reflink: bool,
    task: &dyn Task,
    interrupt: &Interrupt,
) -> io::Result<CopyMethod> {
    if reflink && rustix::fs::ioctl_ficlone(to, from).is_ok() {
        task.advance(used.bytes());
        return Ok(CopyMethod::Reflink);
    }
    to.set_len(size)?;
    for range in used.ranges() {
        let mut at = range.start;
        while at < range.end {
            if interrupt.is_set() {
                return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
            }
            let step = STEP.min(range.end - at);
            copy_range(from, to, at, step)?;
            task.advance(step);
            at += step;
        }
    }
    Ok(CopyMethod::Ranges)
}

/// Copies `len` bytes at `offset`: inside the kernel if possible, else through a buffer (another
/// file system, an old kernel).
fn copy_range(from: &File, to: &File, offset: u64, len: u64) -> io::Result<()> {
    let (mut read_at, mut write_at, mut left) = (offset, offset, len);
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), step) {
            Ok(0) => return copy_by_buffer(from, to, read_at, left),
            Ok(done) => left -= done as u64,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) if error == rustix::io::Errno::NOSPC || error == rustix::io::Errno::FBIG => {
                return Err(error.into());
            }
            Err(_) => return copy_by_buffer(from, to, read_at, left),
        }
    }
    Ok(())
}

fn copy_by_buffer(from: &File, to: &File, mut offset: u64, mut left: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let part = &mut buffer[..step];
        from.read_exact_at(part, offset)?;
        to.write_all_at(part, offset)?;
        offset += step as u64;
        left -= step as u64;
    }
    Ok(())
}

//! What the ext4 library is given of the world: our disk, and a clock that stands where we put it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::runtime::Runtime;

use crate::io::{ReadAt, WriteAt};
use crate::slice::Slice;

/// 2000-01-01 UTC. Where the time of an inode's deletion stands, an orphan's successor can stand too (`i_dtime`), and e2fsck takes a number that is not
/// larger than that of the inodes for one. No file system has so many inodes.
const EARLIEST: i64 = 946_684_800;

/// Time and inode generations come from the entries and a counter, never from the host.
pub(super) struct Clock {
    now: AtomicI64,
    generation: AtomicU32,
}

impl Clock {
    /// A clock that stands at `now`, in seconds since 1970-01-01 UTC.
    pub(super) fn at(now: i64) -> Self {
        let clock = Self {
            now: AtomicI64::new(EARLIEST),
            generation: AtomicU32::new(1),
        };
        clock.set(now);
        clock
    }

    /// Puts the clock at `now`, but never before [`EARLIEST`].
    pub(super) fn set(&self, now: i64) {
        self.now.store(clamp(now).max(EARLIEST), Ordering::Relaxed);
    }
}

impl Runtime for Clock {
    fn now_unix_seconds(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }
    fn next_inode_generation(&self) -> u32 {
        self.generation.fetch_add(1, Ordering::Relaxed)
    }
}

/// Our disk as the library's. A flush is nothing here: the caller syncs once, at the end.
pub(super) struct Device(pub(super) Slice<Arc<dyn WriteAt>>);

impl BlockDevice for Device {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> fs_ext4::Result<()> {
        Ok(self.0.read_at(offset, buf)?)
    }
    fn size_bytes(&self) -> u64 {
        self.0.size()
    }
    fn write_at(&self, offset: u64, buf: &[u8]) -> fs_ext4::Result<()> {
        Ok(self.0.write_at(offset, buf)?)
    }
    fn is_writable(&self) -> bool {
        true
    }
}

/// ext4-view refuses times beyond 2038, and so do older kernels with small inodes.
pub(super) fn clamp(seconds: i64) -> i64 {
    seconds.clamp(0, i64::from(i32::MAX))
}

//! What the ext4 library gets from outside: our disk, and a clock that we set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use fs_ext4::block_io::BlockDevice;
use fs_ext4::runtime::Runtime;

use super::contract::Time;
use crate::io::{ReadAt, WriteAt};
use crate::slice::Slice;

/// 2000-01-01 UTC. The field for the time of an inode's deletion can also hold the number of the
/// next orphan (`i_dtime`). e2fsck takes a value that is not larger than the number of inodes for
/// an orphan. No file system has as many inodes as this time has seconds.
const EARLIEST: i64 = 946_684_800;

/// Time and inode generations come from the entries and a counter, never from the host.
pub(super) struct Clock {
    now: AtomicI64,
    generation: AtomicU32,
}

impl Clock {
    /// Makes a clock that shows `now`, in seconds since 1970-01-01 UTC.
    pub(super) fn at(now: i64) -> Self {
        let clock = Self {
            now: AtomicI64::new(EARLIEST),
            generation: AtomicU32::new(1),
        };
        clock.set(now);
        clock
    }

    /// Sets the clock to `now`, but never before [`EARLIEST`].
    pub(super) fn set(&self, now: i64) {
        self.now.store(clamp_seconds(now).max(EARLIEST), Ordering::Relaxed);
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

/// Our disk, for the library. A flush does nothing here: the caller syncs once, at the end.
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
pub(super) fn clamp(time: Time) -> Time {
    let seconds = clamp_seconds(time.seconds);
    Time {
        seconds,
        nanoseconds: if seconds == time.seconds { time.nanoseconds } else { 0 },
    }
}

fn clamp_seconds(seconds: i64) -> i64 {
    seconds.clamp(0, i64::from(i32::MAX))
}

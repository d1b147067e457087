//! A copy-on-write view of a disk: writes stay in memory, as a patch of 4096-byte blocks over an
//! untouched base.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::io::{ReadAt, WriteAt, index};
use super::slice::{past_end, within};

/// Bytes in a block of a patch: ext4's usual block, and the page of the machines this runs on.
pub const PATCH_BLOCK: u64 = BLOCK as u64;
/// The same, as a size in memory.
const BLOCK: usize = 4096;

type Block = Box<[u8; BLOCK]>;

/// Blocks that differ from a base, by block number. The last block of a disk whose size is not a
/// multiple of 4096 is padded with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    len: u64,
    blocks: BTreeMap<u64, Block>,
}

impl Patch {
    /// Returns the size of the disk that the patch is for, in bytes.
    pub fn disk_len(&self) -> u64 {
        self.len
    }

    /// Returns the changed bytes in order: offset on the disk and contents.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.blocks.iter().map(|(number, block)| {
            let at = number * PATCH_BLOCK;
            let len = index(self.len.saturating_sub(at)).min(BLOCK);
            (at, &block[..len])
        })
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Returns the number of bytes in the patch.
    pub fn size(&self) -> u64 {
        self.blocks.len() as u64 * PATCH_BLOCK
    }

    /// Returns the part of the patch in the block at `offset`, if there is one; `offset` is a
    /// multiple of [`PATCH_BLOCK`].
    pub fn block_at(&self, offset: u64) -> Option<&[u8]> {
        let block = self.blocks.get(&(offset / PATCH_BLOCK))?;
        Some(&block[..index(self.len.saturating_sub(offset)).min(BLOCK)])
    }

    /// Writes the changed bytes to a copy of the base.
    ///
    /// # Errors
    /// Whatever the target reports; `InvalidInput` when it is smaller than the base was.
    pub fn apply_to(&self, target: &dyn WriteAt) -> io::Result<()> {
        self.iter().try_for_each(|(at, bytes)| target.write_at(at, bytes))
    }
}

/// A view of `base` that can be written without changing it.
#[derive(Debug)]
pub struct CowView<B> {
    base: B,
    blocks: Mutex<BTreeMap<u64, Block>>,
}

impl<B: ReadAt> CowView<B> {
    /// Makes a view that shows `base` unchanged.
    pub fn new(base: B) -> Self {
        Self {
            base,
            blocks: Mutex::default(),
        }
    }

    /// Makes a view that shows `base` with a patch on it.
    pub fn with_patch(base: B, patch: Patch) -> Self {
        Self {
            base,
            blocks: Mutex::new(patch.blocks),
        }
    }

    /// Returns the difference from the base. Blocks that were written and are the same as in the
    /// base do not count, so equal contents give equal patches, whatever the order of writes.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn into_patch(self) -> io::Result<Patch> {
        self.take_patch()
    }

    /// As [`Self::into_patch`], for a view that is shared; the view shows the bare base afterwards.
    ///
    /// # Errors
    /// When the base cannot be read.
    pub fn take_patch(&self) -> io::Result<Patch> {
        let mut blocks = std::mem::take(&mut *self.lock());
        let mut failed = None;
        blocks.retain(|number, block| match self.base_block(*number) {
            Ok(base) => base != *block,
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(Patch {
                len: self.base.size(),
                blocks,
            }),
        }
    }

    fn base_block(&self, number: u64) -> io::Result<Block> {
        let at = number * PATCH_BLOCK;
        let len = index(self.base.size().saturating_sub(at)).min(BLOCK);
        let mut block = Box::new([0; BLOCK]);
        self.base.read_at(at, &mut block[..len])?;
        Ok(block)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Block>> {
        // Blocks are inserted as a whole, so a panic elsewhere leaves none half-written.
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of a range that is within one block.
struct Part {
    /// The number of the block.
    block: u64,
    /// Where the part begins in the block.
    start: usize,
    /// Where the part is in the buffer of the range.
    buffer: Range<usize>,
}

/// Splits a range into its parts within blocks.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = Part> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let start = index(at % PATCH_BLOCK);
        let n = (BLOCK - start).min(len - done);
        let part = Part {
            block: at / PATCH_BLOCK,
            start,
            buffer: done..done + n,
        };
        done += n;
        Some(part)
    })
}

impl<B: ReadAt> ReadAt for CowView<B> {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size()) {
            return Err(past_end(offset, buf.len(), self.size(), io::ErrorKind::UnexpectedEof));
        }
        let blocks = self.lock();
        let (first, last) = (offset / PATCH_BLOCK, (offset + buf.len() as u64).div_ceil(PATCH_BLOCK));
        let held = blocks.range(first..last).count() as u64;
        if held < last - first {
            self.base.read_at(offset, buf)?;
        }
        if held > 0 {
            for part in parts(offset, buf.len()) {
                if let Some(block) = blocks.get(&part.block) {
                    let n = part.buffer.len();
                    buf[part.buffer].copy_from_slice(&block[part.start..part.start + n]);
                }
            }
        }
        Ok(())
    }
}

impl<B: ReadAt> WriteAt for CowView<B> {
    fn write_at(&self, offset: u64, buf: &[u8]) -> io::Result<()> {
        if !within(offset, buf.len(), self.size()) {
            return Err(past_end(offset, buf.len(), self.size(), io::ErrorKind::InvalidInput));
        }
        let mut blocks = self.lock();
        for part in parts(offset, buf.len()) {
            let n = part.buffer.len();
            let block = match blocks.entry(part.block) {
                std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => free.insert(self.base_block(part.block)?),
            };
            block[part.start..part.start + n].copy_from_slice(&buf[part.buffer]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RamDisk;
    use proptest::prelude::*;

    #[test]
    fn a_write_that_changes_nothing_is_no_patch() {
        let view = CowView::new(RamDisk::from_bytes(vec![7; 10_000]));
        view.write_at(4000, &[7; 500]).unwrap();
        assert_eq!(view.into_patch().unwrap().blocks(), 0);
    }

    #[test]
    fn nothing_is_read_or_written_past_the_end() {
        let view = CowView::new(RamDisk::new(10_000));
        assert!(view.write_at(9_999, &[1, 2]).is_err());
        assert!(view.read_at(9_999, &mut [0; 2]).is_err());
        view.write_at(9_999, &[1]).unwrap();
        let patch = view.into_patch().unwrap();
        assert_eq!(
            patch.iter().map(|(at, b)| (at, b.len())).collect::<Vec<_>>(),
            [(8192, 1808)]
        );
    }

    proptest! {
        #[test]
        fn a_view_reads_like_a_disk_that_was_written(
            writes in prop::collection::vec((0usize..20_000, prop::collection::vec(any::<u8>(), 1..9000)), 0..12),
        ) {
            let base: Vec<u8> = (0..20_001u32).map(|n| (n % 251) as u8).collect();
            let (plain, view) = (RamDisk::from_bytes(base.clone()), CowView::new(RamDisk::from_bytes(base.clone())));
            for (at, bytes) in &writes {
                let end = (at + bytes.len()).min(base.len());
                plain.write_at(*at as u64, &bytes[..end - at]).unwrap();
                view.write_at(*at as u64, &bytes[..end - at]).unwrap();
            }
            let mut read = vec![0; base.len()];
            view.read_at(0, &mut read).unwrap();
            prop_assert_eq!(&read, &plain.to_bytes());
            let patched = RamDisk::from_bytes(base);
            view.into_patch().unwrap().apply_to(&patched).unwrap();
            prop_assert_eq!(read, patched.to_bytes());
        }
    }
}

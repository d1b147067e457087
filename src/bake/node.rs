//! A node's image: the golden image seen through the node's patch. It exists nowhere as a file until `output` or `card` writes it.

use std::io;
use std::sync::Arc;

use super::golden::GoldenImage;
use super::pieces::{self, Piece};
use crate::spec::Node;
use kraken_disk::{CowView, PATCH_BLOCK, Patch, ReadAt, UsedMap};

/// A golden image plus one node's patch, readable as a whole disk.
pub struct NodeImage<'a> {
    golden: &'a GoldenImage,
    node: &'a Node,
    patch: Patch,
}

impl<'a> NodeImage<'a> {
    pub(super) fn new(golden: &'a GoldenImage, node: &'a Node, patch: Patch) -> Self {
        Self { golden, node, patch }
    }

    /// The node it is for.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The golden image under the patch.
    pub fn golden(&self) -> &'a GoldenImage {
        self.golden
    }

    /// The changed blocks.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// Which ranges are in use: those of the golden image, those of the patch, and those that the node's own file systems say. The last
    /// may hold only zeros, as the golden image does there, and so are in neither of the others; a card needs them all the same.
    ///
    /// # Errors
    /// What reading the image reports.
    pub fn used(&self) -> io::Result<UsedMap> {
        let view = CowView::with_patch(self.golden.file().clone(), self.patch.clone());
        let own = UsedMap::of(Arc::new(view)).map_err(io::Error::other)?;
        let golden = self.golden.used().ranges().iter().cloned();
        let changed = self
            .patch
            .iter()
            .map(|(offset, bytes)| offset..offset + bytes.len() as u64);
        let own = own
            .ranges()
            .iter()
            .map(|range| pieces::whole_blocks(range, self.size()));
        Ok(UsedMap::from_ranges(golden.chain(changed).chain(own)))
    }

    /// All used pieces with their hashes; those that the patch does not touch are taken over from the golden image.
    ///
    /// # Errors
    /// What reading the golden image reports.
    pub fn pieces(&self) -> io::Result<Vec<Piece>> {
        let golden = self.golden.pieces();
        let mut known = golden.iter().peekable();
        let mut changed = self
            .patch
            .iter()
            .map(|(offset, bytes)| (offset, offset + bytes.len() as u64))
            .peekable();
        let mut result = Vec::with_capacity(golden.len() + 16);
        for (start, end) in pieces::cut(&self.used()?) {
            while known.next_if(|piece| piece.start < start).is_some() {}
            while changed.next_if(|(_, changed_end)| *changed_end <= start).is_some() {}
            let touched = changed.peek().is_some_and(|(changed_start, _)| *changed_start < end);
            match known.peek() {
                Some(piece) if !touched && piece.start == start && piece.end == end => result.push((*piece).clone()),
                _ => result.push(pieces::hash_piece(self, start, end)?),
            }
        }
        Ok(result)
    }
}

impl ReadAt for NodeImage<'_> {
    fn size(&self) -> u64 {
        self.golden.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.golden.read_at(offset, buf)?;
        let end = offset + buf.len() as u64;
        let mut block = offset / PATCH_BLOCK * PATCH_BLOCK;
        while block < end {
            if let Some(bytes) = self.patch.block_at(block) {
                let (from, to) = (block.max(offset), (block + bytes.len() as u64).min(end));
                // All of these are differences inside the buffer or the block, so they fit.
                let at = |position: u64, origin: u64| usize::try_from(position - origin).unwrap_or(usize::MAX);
                buf[at(from, offset)..at(to, offset)].copy_from_slice(&bytes[at(from, block)..at(to, block)]);
            }
            block += PATCH_BLOCK;
        }
        Ok(())
    }
}

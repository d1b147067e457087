//! A node's image: the golden image with the node's patch applied on reading. It is not a file
//! until `output` or `card` writes it.

use std::io;
use std::sync::Arc;

use super::extents::{self, HashedExtent};
use super::golden::{Golden, GoldenImage, PREPARING};
use crate::provision::{self, Context};
use kraken_disk::{CowView, FatTree, PATCH_BLOCK, Patch, ReadAt, UsedMap};
use kraken_foundation::{Context as _, Result};
use kraken_overlay::Overlay;
use kraken_spec::Node;

/// A golden image plus one node's patch, readable as a whole disk.
pub struct NodeImage<'a> {
    golden: &'a GoldenImage,
    node: &'a Node,
    patch: Patch,
}

impl Golden {
    /// Makes the image of `node`: the changed blocks of the golden image.
    ///
    /// # Errors
    /// When a template cannot be rendered or the files cannot be written into the
    /// image.
    pub fn node<'a>(&'a self, node: &'a Node) -> Result<NodeImage<'a>> {
        let image = self.image();
        let overlay = self.node_overlay(node)?;
        let view = Arc::new(CowView::new(image.file().clone()));
        match image.clean() {
            Some(clean) => kraken_disk::apply_clean(view.clone(), image.layout(), &overlay, clean),
            None => kraken_disk::apply(view.clone(), image.layout(), &overlay),
        }
        .context(|| "writing into the image")?;
        let patch = view.take_patch().doing("reading", image.path())?;
        Ok(NodeImage {
            golden: image,
            node,
            patch,
        })
    }

    /// Returns the files that belong to `node` alone.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn node_overlay(&self, node: &Node) -> Result<Overlay> {
        let image = self.image();
        let path = || image.path().to_owned();
        let boot = match image.clean() {
            Some(clean) => FatTree::open_clean(image.file().clone(), &image.layout().boot, clean),
            None => image.layout().boot_tree(image.file().clone()),
        };
        let boot = boot.context(|| format!("reading the boot file system of {}", path().display()))?;
        let root = image
            .layout()
            .root_tree(image.file().clone())
            .context(|| format!("reading the file systems of {}", path().display()))?;
        let context = Context {
            cluster: &self.inputs().cluster,
            os: image.os(),
            boot: &boot,
            root: &root,
            clock_floor: image.clock_floor(),
            base_sha256: image.base_sha256(),
            keys: self.inputs().admission.keys(),
            rejoin: self.inputs().admission.rejoin(),
        };
        provision::node(&context, &self.inputs().assets, node).context(|| PREPARING)
    }
}

impl<'a> NodeImage<'a> {
    /// Returns the node that the image is for.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Returns the golden image under the patch.
    pub fn golden(&self) -> &'a GoldenImage {
        self.golden
    }

    /// Returns the changed blocks.
    pub fn patch(&self) -> &Patch {
        &self.patch
    }

    /// Returns the ranges in use: those of the golden image, those of the patch, and those that the
    /// node's own file systems use. The last may hold only zeros, as the golden image does there,
    /// and then are in neither of the others; a card needs them all the same.
    ///
    /// # Errors
    /// The error of reading the image.
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
            .map(|range| extents::whole_blocks(range, self.size()));
        Ok(UsedMap::from_ranges(golden.chain(changed).chain(own)))
    }

    /// Returns all used extents with their hashes. Hashes of extents that the patch does not touch
    /// come from the golden image.
    ///
    /// # Errors
    /// The error of reading the golden image.
    pub fn hashed_extents(&self) -> io::Result<Vec<HashedExtent>> {
        let golden = self.golden.hashed_extents();
        let mut known = golden.iter().peekable();
        let mut changed = self
            .patch
            .iter()
            .map(|(offset, bytes)| (offset, offset + bytes.len() as u64))
            .peekable();
        let mut result = Vec::with_capacity(golden.len() + 16);
        for range in extents::split_extents(&self.used()?) {
            while known.next_if(|extent| extent.start < range.start).is_some() {}
            while changed
                .next_if(|(_, changed_end)| *changed_end <= range.start)
                .is_some()
            {}
            let touched = changed
                .peek()
                .is_some_and(|(changed_start, _)| *changed_start < range.end);
            match known.peek() {
                Some(extent) if !touched && extent.start == range.start && extent.end == range.end => {
                    result.push((*extent).clone())
                }
                _ => result.push(extents::hash_extent(self, range)?),
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

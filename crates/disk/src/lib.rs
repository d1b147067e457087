//! The bytes of a disk image: partition tables (MBR, GPT), FAT, ext4, the map of used blocks, a
//! copy-on-write view, growth.
//!
//! Everything works on [`ReadAt`] and [`WriteAt`], so the code treats an image file, a block
//! device, memory and a view over an image alike. [`apply`] writes an
//! [`Overlay`](kraken_overlay::Overlay) into the two file systems of an image; [`FatTree`] and
//! [`Ext4Tree`] read them with other libraries than those that write.
//!
//! This crate does not know nodes, clusters or packages, opens no device by itself, and needs no
//! root.
//!
//! ```
//! use kraken_disk::{CowView, RamDisk, ReadAt, WriteAt};
//!
//! # fn main() -> std::io::Result<()> {
//! // A view keeps the blocks that are written through it as a patch; its base does not change.
//! let view = CowView::new(RamDisk::new(64 << 10));
//! view.write_at(10_000, b"kraken")?;
//! let patch = view.into_patch()?;
//! assert_eq!(patch.blocks(), 1);
//!
//! let copy = RamDisk::new(64 << 10);
//! patch.apply_to(&copy)?;
//! let mut word = [0; 6];
//! copy.read_at(10_000, &mut word)?;
//! assert_eq!(&word, b"kraken");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod apply;
mod cow;
mod ext4;
mod fat;
mod file;
mod follow;
mod grow;
mod io;
mod layout;
mod memory;
mod ram;
mod slice;
mod space;
mod stream;
mod table;
mod tools;
mod used;

pub use apply::{apply, apply_clean};
pub use cow::{CowView, PATCH_BLOCK, Patch};
pub use ext4::{Attributes, Ext4Info, Ext4Tree, Ext4Write, Ext4Writer, Time};
pub use fat::{CleanFat, FatTree, FatWriter, check_fat, repair_fat};
pub use file::ImageFile;
pub use follow::real_path;
pub use grow::{can_take, grow_root};
pub use io::{FileTree, Metadata, NodeType, ReadAt, WriteAt};
pub use layout::Layout;
pub use memory::MemoryTree;
pub use ram::RamDisk;
pub use slice::Slice;
pub use space::{FreeSpace, ROOT_MARGIN, free_space, shortfall, shortfall_of};
pub use table::{
    Partition, PartitionTable, SECTOR, TableKind, grow_last, grow_partition, has_mbr_entries, is_gpt, mark_boot,
};
pub use tools::tool;
pub use used::UsedMap;

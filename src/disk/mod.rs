//! Bytes of a disk: partition tables (MBR, GPT), FAT, ext4, the used-block map, the copy-on-write view, growth.
//!
//! This room knows file systems and tables, and never what a node is. It is written as if it were a crate of its own.

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

pub use apply::{ApplyError, apply, apply_clean};
pub use cow::{CowView, PATCH_BLOCK, Patch};
pub use ext4::{Attributes, Ext4Error, Ext4Info, Ext4InfoError, Ext4Tree, Ext4Write, Ext4Writer};
pub use fat::{CleanFat, FatError, FatTree, FatWriter, check_fat, mend_fat};
pub use file::ImageFile;
pub use follow::real_path;
pub use grow::{GrowError, can_take, grow_root};
pub use io::{FileTree, Metadata, NodeType, ReadAt, TreeError, WriteAt};
pub use layout::{Layout, LayoutError};
pub use memory::MemoryTree;
pub use ram::RamDisk;
pub use slice::Slice;
pub use space::{FreeSpace, ROOT_MARGIN, SpaceError, free_space, shortfall, shortfall_of};
pub use table::{
    Partition, PartitionTable, SECTOR, TableError, TableKind, grow_last, grow_partition, has_mbr_entries, is_gpt,
    mark_boot,
};
pub use tools::tool;
pub use used::{UsedError, UsedMap};

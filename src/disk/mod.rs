//! Bytes of a disk: partition tables (MBR, GPT), FAT, ext4, the used-block map, the copy-on-write view, growth.
//!
//! This room knows file systems and tables, and never what a node is. It is written as if it were a crate of its own.

mod ext4;
mod fat;
mod file;
mod follow;
mod io;
mod layout;
mod memory;
mod ram;
mod slice;
mod stream;
mod table;

pub use ext4::{Ext4Info, Ext4InfoError, Ext4Tree};
pub use fat::{FatError, FatTree, FatWriter, check_fat};
pub use file::ImageFile;
pub use follow::real_path;
pub use io::{FileTree, Metadata, NodeType, ReadAt, TreeError, WriteAt};
pub use layout::{Layout, LayoutError};
pub use memory::MemoryTree;
pub use ram::RamDisk;
pub use slice::Slice;
pub use table::{Partition, PartitionTable, SECTOR, TableError, TableKind, grow_last, grow_partition};

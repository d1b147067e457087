//! Bytes of a disk: partition tables (MBR, GPT), FAT, ext4, the used-block map, the copy-on-write view, growth.
//!
//! This room knows file systems and tables, and never what a node is. It is written as if it were a crate of its own.

mod follow;
mod io;
mod memory;

pub use follow::real_path;
pub use io::{FileTree, Metadata, NodeType, ReadAt, TreeError, WriteAt};
pub use memory::MemoryTree;

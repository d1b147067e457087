//! The ext4 root volume: read through `ext4-view`, written through `rust-fs-ext4` behind our own
//! small trait.

mod bitmaps;
mod contract;
mod device;
mod features;
mod pieces;
mod place;
mod superblock;
mod tree;
mod walk;
mod write;
mod write_error;

pub use contract::{Attributes, Ext4Write, Time};
pub use superblock::Ext4Info;
pub use tree::Ext4Tree;
pub use write::Ext4Writer;

pub(super) use bitmaps::Belief;
pub(super) use superblock::{Groups, MAGIC_AT};

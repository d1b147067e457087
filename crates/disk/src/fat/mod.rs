//! The FAT boot volume: read and written through `fatfs`, after our own check that it is safe to
//! walk.
//!
//! `fatfs` trusts what it reads: a chain that runs in a circle would make it loop for ever, a
//! cluster number below 2 would make it panic. So a volume is surveyed first (one pass over the FAT
//! and the directories, a few milliseconds), and refused when it is not sound.

mod check;
mod dots;
mod error;
mod geometry;
mod repair;
mod time;
mod tree;
mod write;

pub use check::{CleanFat, check_fat};
pub use repair::repair_fat;
pub use tree::FatTree;
pub use write::FatWriter;

pub(super) use check::Survey;
pub(super) use error::on_fat;
pub(super) use geometry::Geometry;

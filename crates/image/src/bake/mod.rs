//! Base + overlays → golden image → node patches.
//!
//! What all nodes share is baked once, into a golden image that is cached by the hash of its
//! inputs. What belongs to one node is a patch of changed blocks, held in memory. This module never
//! prints, and never writes outside its cache.

mod cache_lock;
mod copy;
mod extents;
mod freed;
mod golden;
mod hold;
mod inputs;
mod inspect;
mod key;
mod node;
mod packaged;
mod store;

pub use copy::{CopyMethod, copy_used};
pub use extents::{EXTENT_SIZE, HashedExtent, split_extents, whole_blocks};
pub use golden::{Golden, GoldenImage, bake};
pub use inputs::{Admission, Inputs};
pub use inspect::{accepts, covers_swarm, describe, keyboard_refuses};
pub use key::IMAGE_FORMAT;
pub use node::NodeImage;
pub use packaged::{card_size, growth_for_packages};

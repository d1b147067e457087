//! Base + overlays → golden image → node patches.
//!
//! What all nodes share is baked once, into a golden image that is cached by the hash of its inputs. What makes a node
//! itself is a patch of changed blocks, held in memory. This module never prints, and never writes outside its cache.

mod copy;
mod error;
mod freed;
mod golden;
mod hold;
mod inputs;
mod key;
mod look;
mod node;
mod packaged;
mod pieces;
mod store;
mod turn;

pub use copy::{CopyMethod, copy_used};
pub use error::BakeError;
pub use golden::{Golden, GoldenImage, bake};
pub use inputs::{Admission, Inputs};
pub use key::IMAGE_FORMAT;
pub use look::{accepts, covers_swarm, describe, keyboard_refuses};
pub use node::NodeImage;
pub use packaged::{card_size, growth_for_packages};
pub use pieces::{PIECE, Piece, cut, whole_blocks};

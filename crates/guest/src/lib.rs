//! A card booted in QEMU: what a Pi's firmware would read from it, the machine, its console and
//! SSH.
//!
//! A [`BootTarget`] is an image, or a golden image with a patch. It reads what the firmware would
//! read, and makes the overlay that the guest writes to, so that no image is ever changed.
//! [`Machine`] knows the boards and QEMU's arguments, [`Guest`] is a running QEMU with its console,
//! and [`Shell`] is an SSH connection into it. [`FallbackKernel`] is a kernel for cards whose own
//! kernel supports only a Pi. A [`Reaper`] kills guests and removes folders, however this program
//! ends.
//!
//! This crate does not judge what it sees. It knows one guest at a time, never a cluster.
//!
//! ```
//! use kraken_guest::Machine;
//!
//! assert_eq!(Machine::Raspi3b.name(), "raspi3b");
//! assert!(Machine::Raspi3b.is_board());
//! assert!(!Machine::Virt.is_board());
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

pub mod calibrate;
pub mod cmdline;
pub mod console;
pub mod devicetree;
mod fallback;
pub mod firmware;
mod fuse;
mod guest;
pub mod limits;
mod machine;
mod packed;
pub mod programs;
mod reaper;
mod scratch;
mod ssh;
mod target;
mod virtio;
pub mod written;

pub use fallback::FallbackKernel;
pub use fuse::Fuse;
pub use guest::{End, Guest};
pub use machine::{Machine, Parts};
pub use packed::Unpacking;
pub use reaper::Reaper;
pub use scratch::folder_in;
pub use ssh::{Login, OwnKey, Shell};
pub use target::{BootTarget, Fingerprint};

//! Proof by booting: images run in QEMU, and this crate watches them from outside.
//!
//! [`boot`] takes a [`Plan`] (nodes, each an image or a golden image with a patch) and returns a
//! [`BootReport`]. Each node is polled over SSH or its console, and pure functions, one for each
//! check, judge what a probe prints. Then the nodes are checked together: addresses, members,
//! roles, a service on all of them, and whether they come back. [`render`] turns a report into
//! text, JSON, JUnit XML and HTML.
//!
//! Images are never changed: guests write to overlays. This crate never prints.
//!
//! ```
//! use kraken_boot_check::PowerCut;
//!
//! let Ok(cut) = "3:Setting up docker.io".parse::<PowerCut>();
//! assert_eq!(cut.node, Some(3));
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

mod boot;
mod cluster;
mod context;
mod cuts;
mod folder;
mod groups;
mod judge;
mod node;
mod plan;
mod probe;
pub mod render;
mod report;
mod run_checks;

pub use boot::boot;
pub use cuts::PowerCut;
pub use folder::set_check;
pub use kraken_guest::programs::are_here;
pub use kraken_guest::{BootTarget, FallbackKernel, Machine, Unpacking};
pub use plan::{Plan, stages};
pub use report::{BootReport, Check, Event, NodeReport, Outcome, Stage, Watcher};

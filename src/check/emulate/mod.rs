//! Proof by booting: images run in QEMU, and what they do is looked at from outside. Images are never changed: guests write to overlays.

pub mod lan;
pub mod render;
mod report;

pub use report::{BootReport, Check, Event, NodeReport, Outcome, Stage, Watcher};

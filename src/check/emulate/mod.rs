//! Proof by booting: images run in QEMU, and what they do is looked at from outside. Images are never changed: guests write to overlays.

mod calibrate;
mod cluster;
mod cmdline;
mod console;
mod devicetree;
mod error;
mod firmware;
mod groups;
mod guest;
mod inspect;
mod janitor;
mod judge;
pub mod lan;
mod limits;
mod machine;
mod node;
mod packed;
mod programs;
mod prove;
pub mod render;
mod report;
mod run;
mod spare;
mod ssh;
mod subject;
mod written;

pub use error::EmulateError;
pub use firmware::FirmwareError;
use lan::LanError;
pub use machine::Machine;
pub use packed::Unpacking;
pub use programs::are_here;
pub use report::{BootReport, Check, Event, NodeReport, Outcome, Stage, Watcher};
pub use run::{Plan, boot, stages};
pub use spare::Spare;
pub use subject::Subject;

//! What every crate of the workspace needs: a flag that stops work, progress, MAC addresses, and
//! foreign text made safe to show.
//!
//! This crate knows nothing of images, nodes or clusters, and does no input or output.
//!
//! ```
//! use kraken_foundation::{interrupt::Interrupt, text};
//!
//! let interrupt = Interrupt::new();
//! assert!(interrupt.check().is_ok());
//! interrupt.set();
//! assert!(interrupt.check().is_err());
//! assert_eq!(text::line("\u{1b}[31mred\u{1b}[0m"), "red");
//! ```

pub mod interrupt;
pub mod mac;
pub mod progress;
pub mod text;

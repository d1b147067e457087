//! Reads tar archives header by header: names and link targets as bytes, PAX records by their
//! length, and the place of each content in the archive.
//!
//! [`Members`] is the entry point. It reads what Docker reads (Go's `archive/tar`): ustar with its
//! prefix, GNU's long names and base-256 numbers, PAX records. It needs an input that can seek,
//! since it does not read contents: a caller reads them at their offset, or copies the bytes
//! between them as they are. [`pax::records`] alone serves those who read headers with another
//! library.
//!
//! This crate never unpacks anything: what a name may be, and where it may lead, its callers
//! decide. The memory that it takes is limited, whatever an archive says.
//!
//! ```
//! use std::io::Cursor;
//!
//! use kraken_tar::{Members, Type};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut header = tar::Header::new_ustar();
//! header.set_size(5);
//! let mut builder = tar::Builder::new(Vec::new());
//! builder.append_data(&mut header, "etc/motd", &b"hello"[..])?;
//!
//! let mut members = Members::new(Cursor::new(builder.into_inner()?))?;
//! let motd = members.next_member()?.ok_or("no member")?;
//! assert_eq!((motd.name.as_slice(), motd.kind), (&b"etc/motd"[..], Type::File));
//! assert_eq!((motd.content.offset, motd.content.length), (512, 5));
//! assert!(members.next_member()?.is_none());
//! # Ok(())
//! # }
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

mod header;
mod members;
pub mod pax;

pub use header::{Device, Type};
pub use members::{Member, Members, Stretch};
pub use pax::Time;

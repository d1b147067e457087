//! Cards: finds the block devices that may be written, protects all others, writes and reads back.
//!
//! Facts about devices come from the kernel and udev ([`Host`]); reading them needs no root and
//! changes nothing. [`find()`] and [`list`] return [`Device`]s. [`judge()`] decides whether one may
//! be written and gives its reasons as sentences. [`access`] takes a card from the choice to the
//! receipt: it proves that the device is still the one that was judged, holds it for this program
//! alone, writes, reads back and ejects. A [`Source`] is what is written: a node's image
//! ([`ImageSource`]) or an image file ([`FileImage`]). [`write()`] writes it to a [`Target`], the
//! first MiB last. [`Receipts`] record which card holds which node.
//!
//! This crate never opens a device for writing that [`judge()`] refused, and it never prints or
//! asks. The verdict is the first of three checks: [`Identity::check`] follows, then the kernel's
//! exclusive open (`O_EXCL`), which also sees uses in other mount namespaces.
//!
//! An image file, written to a card on which nothing may be lost without a question:
//!
//! ```
//! use std::path::Path;
//!
//! use kraken_card::access::{self, AccessError, FlashOptions, Flashed};
//! use kraken_card::{Contents, FileImage, Host, Policy};
//! use kraken_foundation::Job;
//!
//! fn flash(image: &Path, device: &Path, job: Job<'_>) -> Result<Flashed, Box<dyn std::error::Error>> {
//!     let file = FileImage::open(image)?;
//!     let policy = Policy { needed: Some(file.needed()), ..Policy::default() };
//!     let cards = access::choose(&Host::system(), &[device.to_owned()], &policy)?;
//!     let mut source = file.into_source(job)?;
//!     // Show `cards[0].device()` and `cards[0].warnings()` to the user, and ask.
//!     let contents = Contents { file: Some(image.to_owned()), ..Contents::default() };
//!     Ok(access::flash(&cards[0], &mut source, contents, &FlashOptions::default(), job)?)
//! }
//!
//! // What is not a card is refused before anything is opened for writing.
//! let refused = access::choose(&Host::system(), &["/etc/passwd".into()], &Policy::default());
//! assert!(matches!(refused, Err(AccessError::Find(_))));
//! # let _ = flash;
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

pub mod access;
mod backing_devices;
mod block_topology;
mod bus;
mod clean;
mod device;
mod find;
mod host;
mod identity;
mod image_file;
mod ioctl;
mod judge;
mod known;
mod mounts;
mod number;
mod read;
mod reason;
mod receipt;
mod receipts;
mod signature;
mod target;
mod udev;
mod udisks;
mod write;

pub use bus::Bus;
pub use clean::clean;
pub use device::{Device, Holder, HolderKind, HostPath, Partition, Table, Volume};
pub use find::{FindError, find, list};
pub use host::Host;
pub use identity::{Identity, Swapped};
pub use image_file::{FileImage, FileSource};
pub use judge::{CARD_CEILING, DISK_CEILING, LITTLE, Policy, Verdict, judge};
pub use known::{Evidence, Harm, Known, KnownCard, Making, Members, Remark, Wish};
pub use number::DeviceNumber;
pub use reason::{ALLOW_FIXED, ALLOW_LARGE, Reason, UNMOUNT, decimal_size};
pub use receipt::{CardFacts, Contents, MemberFacts, Receipt, STATE_VARIABLE, SwarmFacts, Written};
pub use receipts::{Receipts, StoredReceipt, SwarmReceipts, WantedCard};
pub use target::{ALIGNMENT, BlockTarget, Target};
pub use udisks::{Udisks, UdisksError};
pub use write::{
    Difference, ExpectedExtent, HEAD, ImageSource, MappedExtent, Source, SourceExtent, StreamSource, WriteError,
    WriteOptions, WriteReport, compare, compare_map, data_in, left_out, map_extents, write,
};

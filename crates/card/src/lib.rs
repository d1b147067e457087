//! Cards: finds the block devices that could be written, guards all others, writes and reads back.
//!
//! What is known of a device comes from the kernel and udev ([`Host`]), is read without root and changes nothing. [`find`] and [`list`] return
//! [`Device`]s, [`judge`] says whether one may be written and, if not, why in sentences. [`write()`] writes a [`Source`] to a [`Target`], reads
//! all of it back and writes the first MiB last. [`Receipts`] remember which card holds which node.
//!
//! This crate never opens a device for writing that [`judge`] did not pass, and never prints or asks. A verdict is the first check, not the only
//! one: between it and the writing stand [`Identity::check`] and the kernel's own exclusive opening (`O_EXCL`), which sees what other mount
//! namespaces hold.
//!
//! ```
//! use kraken_card::{Host, list};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! for device in list(&Host::system())? {
//!     println!("{}", device.path.display());
//! }
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

mod bus;
mod carriers;
mod clean;
mod device;
mod find;
mod host;
mod identity;
mod ioctl;
mod judge;
mod known;
mod mounts;
mod number;
mod read;
mod reason;
mod receipt;
mod signature;
mod stack;
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
pub use judge::{CARD_CEILING, DISK_CEILING, LITTLE, Policy, Verdict, judge};
pub use known::{Evidence, Harm, Known, KnownCard, Making, Members, Remark, Wish};
pub use number::DeviceNumber;
pub use reason::{ALLOW_FIXED, ALLOW_LARGE, Reason, UNMOUNT, decimal_size};
pub use receipt::{
    CardFacts, Contents, MemberFacts, Receipt, ReceiptError, Receipts, STATE_VARIABLE, SwarmFacts, Written,
};
pub use target::{ALIGNMENT, BlockTarget, Target};
pub use udisks::{Udisks, UdisksError};
pub use write::{
    Chunk, Cut, Difference, HEAD, ImageSource, Mapped, Source, StreamSource, WriteError, WriteOptions, WriteReport,
    compare, compare_map, cuts, data_in, left_out, write,
};

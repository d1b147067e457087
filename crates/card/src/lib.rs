//! Cards: finds the block devices that may be written, protects all others, writes and reads back.
//!
//! Facts about devices come from the kernel and udev ([`Host`]); reading them needs no root and
//! changes nothing. [`find()`] and [`list`] return [`Device`]s. [`judge()`] decides whether one may
//! be written and gives its reasons as sentences. [`write()`] writes a [`Source`] to a [`Target`],
//! reads all of it back and writes the first MiB last. [`Receipts`] record which card holds which
//! node.
//!
//! This crate never opens a device for writing that [`judge()`] refused, and it never prints or
//! asks. The verdict is the first of three checks: [`Identity::check`] follows, then the kernel's
//! exclusive open (`O_EXCL`), which also sees uses in other mount namespaces.
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

mod backing_devices;
mod block_topology;
mod bus;
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
    Difference, ExpectedExtent, HEAD, ImageSource, MappedExtent, Source, SourceExtent, StreamSource, WriteError,
    WriteOptions, WriteReport, compare, compare_map, data_in, left_out, map_extents, write,
};

//! Cards: finds the block devices that could be written, and guards all others.
//!
//! What is known of a device comes from the kernel and udev, is read without root and changes nothing. This module never opens a device
//! for writing that [`judge`] did not pass. A verdict is the first door, not the only one: between it and the writing stands
//! [`Identity::check`], and the kernel's own exclusive opening (`O_EXCL`), which sees what other mount namespaces hold.

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

//! Compares a card with the receipt of its writing, past every cache, as long as no system has run
//! from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kraken_disk::{FileTree, ImageFile, Layout};
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;

use super::error::AccessError;
use crate::{BlockTarget, Difference, Host, Receipt, Receipts, StoredReceipt, WriteError, compare, find};

/// Where ext4 has its superblock, in bytes from the start of its volume.
const SUPERBLOCK_AT: u64 = 1024;

/// What a comparison of a card with its receipt found.
#[derive(Clone, Debug, PartialEq)]
pub enum Comparison {
    /// There is no receipt of this card, so nothing was compared.
    NoReceipt {
        /// Whether it has a machine-id, which a card gets when it is booted.
        is_booted: bool,
    },
    /// A system ran from the card and changed it, so nothing was compared.
    Booted {
        /// When the card was written: RFC 3339.
        written: String,
    },
    /// The receipt is that of another card.
    OtherCard {
        /// The receipt.
        file: PathBuf,
    },
    /// The card holds what was written.
    Same,
    /// Ranges of the card are not what was written.
    Differs(Vec<Difference>),
}

/// Compares a card with the receipt at `named`, else with the newest one of this node of this
/// cluster.
///
/// # Errors
/// [`AccessError`], when the card or its receipt cannot be read.
pub fn compare_with_receipt(
    path: &Path,
    named: Option<&Path>,
    cluster: &str,
    hostname: Option<&str>,
    job: Job<'_>,
) -> Result<Comparison, AccessError> {
    let device = find(&Host::system(), path)?;
    let found = match named {
        Some(file) => Some(StoredReceipt {
            path: file.to_owned(),
            receipt: Receipt::read(file)?,
        }),
        None => Receipts::open()?.newest(cluster, hostname, &device),
    };
    let Some(StoredReceipt { path: file, receipt }) = found else {
        // Without a receipt, only a machine-id shows that a card has been booted.
        let is_booted = traces(path).is_some_and(|traces| traces.has_id);
        return Ok(Comparison::NoReceipt { is_booted });
    };
    if was_booted(path, &receipt) {
        let written = receipt.written;
        return Ok(Comparison::Booted { written });
    }
    if !receipt.device.may_be(&device) {
        return Ok(Comparison::OtherCard { file });
    }
    let target = BlockTarget::open_read(path).map_err(|source| AccessError::NotRead {
        doing: "opening",
        path: device.path.clone(),
        source,
    })?;
    let task = job.task("comparing with the receipt", Some(receipt.bytes));
    match compare(&target, &receipt.extents, &*task, job.interrupt) {
        Ok(()) => Ok(Comparison::Same),
        Err(WriteError::Differs(differences)) => Ok(Comparison::Differs(differences)),
        Err(error) => Err(AccessError::Compare(error)),
    }
}

/// Returns whether a system ran from this card: it has a machine-id or host keys, which no image
/// has, and mounting changed the superblock of the root file system. An image that has them by
/// mistake does not count as a card that ran.
fn was_booted(path: &Path, receipt: &Receipt) -> bool {
    traces(path).is_some_and(|traces| (traces.has_id || traces.has_keys) && !holds_at(path, receipt, traces.superblock))
}

/// What a system leaves on the card that it runs from.
struct Traces {
    has_id: bool,
    has_keys: bool,
    /// Where the root file system's superblock is, in bytes from the start of the card.
    superblock: u64,
}

/// Returns the traces: whether there is a machine-id, and whether there are host keys.
fn traces(path: &Path) -> Option<Traces> {
    const MACHINE_ID: &str = "/etc/machine-id";
    let file = Arc::new(ImageFile::open_read(path).ok()?);
    let layout = Layout::detect(file.clone()).ok()?;
    let tree = layout.root_tree(file).ok()?;
    let id = tree.read(MACHINE_ID, 1 << 10).ok()?.unwrap_or_default();
    let has_id = id.trim_ascii().len() == 32 && id.trim_ascii().iter().all(u8::is_ascii_hexdigit);
    let names = tree.list("/etc/ssh").ok()?;
    let is_key = |name: &String| name.starts_with("ssh_host_") && name.ends_with("_key");
    Some(Traces {
        has_id,
        has_keys: names.iter().any(is_key),
        superblock: layout.root.start + SUPERBLOCK_AT,
    })
}

/// Returns whether the extent of a receipt that contains byte `at` is on the card as it was
/// written.
fn holds_at(path: &Path, receipt: &Receipt, at: u64) -> bool {
    let extent = receipt
        .extents
        .iter()
        .find(|extent| extent.start <= at && at < extent.end);
    let (Some(extent), Ok(target)) = (extent, BlockTarget::open_read(path)) else {
        return false;
    };
    compare(&target, std::slice::from_ref(extent), &Silent, &Interrupt::new()).is_ok()
}

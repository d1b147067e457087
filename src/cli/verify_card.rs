//! What `verify` does for a card in addition to what it does for an image: it compares the card
//! with the receipt of its writing, and bypasses every cache.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use kraken_disk::{FileTree, ImageFile, Layout};
use kraken_flash::card::{self, BlockTarget, Host, Receipt, Receipts, WriteError};
use kraken_flash::verify::{Finding, ImageReport, PRISTINE};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use rustix::fs::Access;

use super::{Failure, Session, access, say};

const CHECK: &str = "receipt";
/// Where ext4 has its superblock, in bytes from the start of its volume.
const SUPERBLOCK_AT: u64 = 1024;
/// How many wrong ranges are listed.
const SHOWN: usize = 5;

/// Returns whether a path is a card and not a file.
pub(super) fn is_card(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
}

/// Checks that this user may read a card; the error names the command to run otherwise. UDisks2
/// does not help here: the tools that check file systems open the card themselves.
pub(super) fn may_read(path: &Path) -> Result<(), Failure> {
    rustix::fs::access(path, Access::READ_OK).map_err(|error| {
        Failure::message(format!(
            "{} cannot be read by you: {}. As root it can:\n  {}",
            path.display(),
            io::Error::from(error),
            access::as_root()
        ))
    })
}

/// Compares a card with the receipt at `named`, else with the newest one of its node. A card that
/// has been booted is not what was written any more; then a message says so, and nothing is
/// compared.
pub(super) fn compare(
    session: &Session,
    path: &Path,
    named: Option<&Path>,
    cluster: &str,
    report: &mut ImageReport,
) -> Result<(), Failure> {
    let device = card::find(&Host::system(), path)?;
    let found = match named {
        Some(file) => Some((file.to_owned(), Receipt::read(file)?)),
        None => Receipts::open()?.newest(cluster, report.hostname.as_deref(), &device),
    };
    // A node makes for itself the very files that no image may have.
    let forgive = |report: &mut ImageReport| report.findings.retain(|finding| finding.check != PRISTINE);
    let Some((file, receipt)) = found else {
        // Without a receipt, only a machine-id shows that a card has been booted.
        if has_run(path).is_some_and(|run| run.has_id) {
            forgive(report);
        }
        say(
            session,
            "there is no receipt of this card here: its files are compared with kraken.toml, and not every block of it",
        );
        return Ok(());
    };
    if was_booted(path, &receipt) {
        forgive(report);
        say(
            session,
            &format!(
                "this card has been booted since it was written on {}: the system has grown and changed it, so it is not compared with its receipt, \
                 and what differs below may be the node's own doing",
                receipt.written
            ),
        );
        return Ok(());
    }
    report.checks.push(CHECK);
    let mut find = |message: String| {
        report.findings.push(Finding {
            check: CHECK,
            place: String::new(),
            message,
        });
    };
    if !receipt.device.may_be(&device) {
        find(format!("{} is the receipt of another card", file.display()));
        return Ok(());
    }
    let target = BlockTarget::open_read(path)
        .map_err(|error| Failure::message(format!("opening {}: {error}", device.path.display())))?;
    let total = receipt.bytes;
    let task = session.progress.task("comparing with the receipt", Some(total));
    match card::compare(&target, &receipt.extents, &*task, &session.interrupt) {
        Ok(()) => {}
        Err(WriteError::Differs(differences)) => {
            for difference in differences.iter().take(SHOWN) {
                let why = difference.error.as_deref().unwrap_or("not what was written");
                find(format!(
                    "bytes {} to {}: {why}",
                    difference.range.start, difference.range.end
                ));
            }
            if differences.len() > SHOWN {
                find(format!("and {} more ranges", differences.len() - SHOWN));
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Returns whether a system ran from this card: it has a machine-id or host keys, which no image
/// has, and mounting changed the superblock of the root file system. An image that has them by
/// mistake does not count as a card that ran.
fn was_booted(path: &Path, receipt: &Receipt) -> bool {
    has_run(path).is_some_and(|run| (run.has_id || run.has_keys) && !holds_at(path, receipt, run.superblock))
}

/// What a system leaves on the card that it runs from.
struct Traces {
    has_id: bool,
    has_keys: bool,
    /// Where the root file system's superblock is, in bytes from the start of the card.
    superblock: u64,
}

/// Returns the traces: whether there is a machine-id, and whether there are host keys.
fn has_run(path: &Path) -> Option<Traces> {
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
    card::compare(&target, std::slice::from_ref(extent), &Silent, &Interrupt::new()).is_ok()
}

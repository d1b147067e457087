//! What `verify` says of a card in addition to what it says of an image: whether the card holds
//! what its receipt records.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use kraken_flash::card::access::{Comparison, compare_with_receipt};
use kraken_flash::verify::{Finding, ImageReport, PRISTINE};

use super::{Failure, Session, say};

const CHECK: &str = "receipt";
/// How many wrong ranges are listed.
const SHOWN: usize = 5;

/// Returns whether a path is a card and not a file.
pub(super) fn is_card(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device())
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
    let compared = compare_with_receipt(path, named, cluster, report.hostname.as_deref(), session.job())?;
    let mut find = |message: String| {
        report.findings.push(Finding {
            check: CHECK,
            place: String::new(),
            message,
        });
    };
    match &compared {
        Comparison::NoReceipt { .. } => say(
            session,
            "there is no receipt of this card here: its files are compared with kraken.toml, and not every block of it",
        ),
        Comparison::Booted { written } => say(
            session,
            &format!(
                "this card has been booted since it was written on {written}: the system has grown and changed it, so it is not compared with its receipt, \
                 and what differs below may be the node's own doing"
            ),
        ),
        Comparison::OtherCard { file } => find(format!("{} is the receipt of another card", file.display())),
        Comparison::Same => {}
        Comparison::Differs(differences) => {
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
    }
    match compared {
        // A node makes for itself the very files that no image may have.
        Comparison::NoReceipt { is_booted: true } | Comparison::Booted { .. } => {
            report.findings.retain(|finding| finding.check != PRISTINE);
        }
        Comparison::NoReceipt { is_booted: false } => {}
        Comparison::OtherCard { .. } | Comparison::Same | Comparison::Differs(_) => report.checks.push(CHECK),
    }
    Ok(())
}

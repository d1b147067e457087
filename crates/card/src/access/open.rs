//! Opens a card for this program alone, directly or through UDisks2 when this user may not, and
//! lets go of it afterwards.

use std::io;
use std::path::{Path, PathBuf};

use kraken_foundation::Job;

use super::ask::ask;
use super::choose::ChosenCard;
use super::error::AccessError;
use crate::{BlockTarget, Host, Target, Udisks, UdisksError, find};

/// A card that is open for this program alone, and is the one that was chosen.
#[derive(Debug)]
pub struct OpenCard {
    target: BlockTarget,
    /// Whether UDisks2 opened it.
    is_from_udisks: bool,
    path: PathBuf,
}

impl OpenCard {
    /// Opens a card, if it is still the device that was chosen. What is mounted from it must be
    /// unmounted already.
    ///
    /// # Errors
    /// [`AccessError::InUse`], [`AccessError::NotOpened`], [`AccessError::NotWritable`];
    /// [`AccessError::Swapped`] and [`AccessError::Changed`] when it is another device now.
    pub fn open(card: &ChosenCard, job: Job<'_>) -> Result<Self, AccessError> {
        let path = card.path();
        let (target, is_from_udisks) = match BlockTarget::open(path) {
            Ok(target) => (target, false),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (by_udisks(path, error, job)?, true),
            Err(error) => return Err(not_opened(path, error)),
        };
        let now = find(&Host::system(), path)?;
        card.identity().check(&now)?;
        let number = target.number().map_err(|source| AccessError::NotRead {
            doing: "looking at",
            path: path.to_owned(),
            source,
        })?;
        if number != now.number || target.size() != now.size {
            return Err(AccessError::Changed(path.to_owned()));
        }
        Ok(Self {
            target,
            is_from_udisks,
            path: now.path,
        })
    }

    /// Returns what is written and read.
    pub fn target(&self) -> &BlockTarget {
        &self.target
    }

    /// Has the kernel read the new partition table, closes the card, and ejects it if `eject` says
    /// so. A card that cannot be ejected is safe to remove all the same: all data is on the medium.
    pub fn release(self, eject: bool) {
        // When this user may not do it, udev does it when the device is closed.
        let _ = self.target.reread_table();
        // Before the device is closed: a desktop would mount what it sees then.
        if !eject || self.target.eject().unwrap_or(false) || !self.is_from_udisks {
            return;
        }
        drop(self.target);
        let _ = Udisks::connect().and_then(|udisks| udisks.eject(&self.path));
    }
}

/// Has UDisks2 open a card that this user may not open.
fn by_udisks(path: &Path, refused: io::Error, job: Job<'_>) -> Result<BlockTarget, AccessError> {
    job.note(&format!(
        "asking UDisks2 to open {}; it may ask for your password",
        path.display()
    ));
    let which = path.to_owned();
    let file = ask(job, move |udisks| udisks.open(&which))?.map_err(|no| match no {
        UdisksError::Busy => AccessError::InUse(path.to_owned()),
        udisks => AccessError::NotWritable {
            path: path.to_owned(),
            refused,
            udisks,
        },
    })?;
    BlockTarget::from_file(file).map_err(|error| not_opened(path, error))
}

fn not_opened(path: &Path, source: io::Error) -> AccessError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::ResourceBusy => AccessError::InUse(path),
        _ => AccessError::NotOpened { path, source },
    }
}

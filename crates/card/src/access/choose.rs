//! The devices that cards are written to: those that pass the guard, each with its identity.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::error::{AccessError, Refusal};
use super::finished::FinishedCard;
use crate::{Device, Host, HostPath, Identity, Policy, Reason, Udisks, find, judge};

/// A device that passed the guard, and its identity at that time. Only [`choose`] makes one, so
/// whatever is written was judged.
#[derive(Clone, Debug)]
pub struct ChosenCard {
    device: Device,
    identity: Identity,
    warnings: Vec<Reason>,
    unmount: Vec<HostPath>,
    finished: Vec<FinishedCard>,
}

impl ChosenCard {
    /// Returns the facts of the device, as the user should see them.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns its device file.
    pub fn path(&self) -> &Path {
        &self.device.path
    }

    /// Returns what it is recognised by. With [`Identity::check`] a card that was judged before a
    /// long work is compared with the one that was judged after it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns what the user should consider before it is written.
    pub fn warnings(&self) -> &[Reason] {
        &self.warnings
    }

    /// Returns what [`flash()`](super::flash()) unmounts first, in this order.
    pub fn unmount(&self) -> &[HostPath] {
        &self.unmount
    }

    /// Returns the finished cards whose bytes it must not hold.
    pub fn finished(&self) -> &[FinishedCard] {
        &self.finished
    }

    /// Forbids to write it when it turns out to be one of these finished cards.
    #[must_use]
    pub fn unless_it_is(mut self, finished: Vec<FinishedCard>) -> Self {
        self.finished = finished;
        self
    }

    #[cfg(test)]
    pub(super) fn unjudged(device: Device, unmount: Vec<HostPath>) -> Self {
        Self {
            identity: Identity::of(&device),
            warnings: Vec::new(),
            unmount,
            finished: Vec::new(),
            device,
        }
    }
}

/// Finds and judges all devices before any of them is touched. Nothing is changed.
///
/// # Errors
/// [`AccessError::Find`], [`AccessError::Twice`]; [`AccessError::Refused`] when the guard refuses
/// one of them.
pub fn choose(host: &Host, paths: &[PathBuf], policy: &Policy) -> Result<Vec<ChosenCard>, AccessError> {
    let mut chosen: Vec<ChosenCard> = Vec::new();
    let mut refused = Vec::new();
    for path in paths {
        let device = find(host, path)?;
        if chosen.iter().any(|other| other.device.number == device.number) {
            return Err(AccessError::Twice(device.path));
        }
        let verdict = judge(&device, policy);
        refused.extend(verdict.refusals.into_iter().map(|reason| Refusal {
            path: device.path.clone(),
            reason,
        }));
        chosen.push(ChosenCard {
            identity: Identity::of(&device),
            warnings: verdict.warnings,
            unmount: verdict.unmount,
            finished: Vec::new(),
            device,
        });
    }
    match refused.is_empty() {
        true => Ok(chosen),
        false => Err(AccessError::Refused(refused)),
    }
}

/// Checks that this user may write the cards, or that UDisks2 can be asked to open them.
///
/// # Errors
/// [`AccessError::NotWritable`].
pub fn may_write(cards: &[ChosenCard]) -> Result<(), AccessError> {
    for path in cards.iter().map(ChosenCard::path) {
        let Err(error) = rustix::fs::access(path, Access::WRITE_OK | Access::READ_OK) else {
            continue;
        };
        if let Err(udisks) = Udisks::connect().and_then(|udisks| udisks.knows(path)) {
            return Err(AccessError::NotWritable {
                path: path.to_owned(),
                refused: io::Error::from(error),
                udisks,
            });
        }
    }
    Ok(())
}

/// Checks that this user may read a device by its name; UDisks2 does not help with that.
///
/// # Errors
/// [`AccessError::NotReadable`].
pub fn may_read(path: &Path) -> Result<(), AccessError> {
    rustix::fs::access(path, Access::READ_OK).map_err(|error| AccessError::NotReadable {
        path: path.to_owned(),
        source: io::Error::from(error),
    })
}

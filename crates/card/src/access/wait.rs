//! Waits for the next card, in the reader that the user named or in whatever is plugged in, and
//! until the user removes it again. A card that was there before, came back, or holds what was just
//! written is not the next card.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraken_foundation::Job;

use super::choose::{ChosenCard, choose};
use super::error::AccessError;
use super::finished::{FinishedCard, held_by};
use super::passed_over::{NamedDevice, PassedOver};
use super::reader::{Reader, may_come};
use crate::{BlockTarget, Bus, Device, FindError, Host, Policy, Reason, find, list};

/// How often the devices are polled.
const POLL_EVERY: Duration = Duration::from_millis(300);

/// Which card to wait for.
#[derive(Clone, Debug, Default)]
pub struct WaitOptions {
    /// The reader that the user named; `None` for whatever is plugged in.
    pub device: Option<PathBuf>,
    /// The named reader as it was when the work began ([`Reader::at`]); `None` when it was not
    /// there. Another device under its name is not taken.
    pub reader: Option<Reader>,
    /// What the guard may let pass, and how many bytes a card must have.
    pub policy: Policy,
    /// Whether the user sees each card before it is written. If not, a card that may hold data of
    /// others is not taken.
    pub is_attended: bool,
    /// Cards that are done already.
    pub finished: Vec<FinishedCard>,
}

/// The wait for one card after the other.
#[derive(Debug)]
pub struct CardWait {
    options: WaitOptions,
    /// The devices when the wait for this card began; not used for a named reader.
    before: Option<Vec<Device>>,
    /// Whether the next poll comes only after a pause.
    is_polling: bool,
    /// What was returned last, which is not repeated.
    last: Option<PassedOver>,
}

/// What a wait ended with.
#[derive(Debug)]
pub enum Waited {
    /// A card that may be written.
    Card {
        /// The card.
        card: Box<ChosenCard>,
        /// Whether it was there before, and was plugged in again or lost its connection for a
        /// moment. The user should be asked whether it is the right one.
        came_back: bool,
    },
    /// Something that is not the next card. It is returned once; the wait goes on with the next
    /// call.
    PassedOver(PassedOver),
}

impl CardWait {
    /// Makes a wait; [`CardWait::next`] begins it.
    pub fn new(options: WaitOptions) -> Self {
        Self {
            options,
            before: None,
            is_polling: false,
            last: None,
        }
    }

    /// Adds a card that is done: it is not taken for the next one.
    pub fn add_finished(&mut self, card: FinishedCard) {
        self.options.finished.push(card);
    }

    /// Waits for a card that may be written, or for something to be said about another one.
    ///
    /// # Errors
    /// [`AccessError::Interrupted`]; [`AccessError::Find`] when the devices cannot be listed, or
    /// the named reader is not one.
    pub fn next(&mut self, job: Job<'_>) -> Result<Waited, AccessError> {
        loop {
            if self.is_polling {
                std::thread::sleep(POLL_EVERY);
            }
            job.check()?;
            self.is_polling = true;
            let passed_over = match self.poll()? {
                Found::Nothing => continue,
                Found::No(why) => why,
                Found::Card { path, came_back } => {
                    // A desktop mounts what is plugged in; it needs a moment for that.
                    std::thread::sleep(POLL_EVERY);
                    match self.choose(&path, job)? {
                        Ok(card) => {
                            (self.before, self.is_polling) = (None, false);
                            let card = Box::new(card);
                            return Ok(Waited::Card { card, came_back });
                        }
                        Err(why) => why,
                    }
                }
            };
            if self.last.as_ref() != Some(&passed_over) {
                self.last = Some(passed_over.clone());
                return Ok(Waited::PassedOver(passed_over));
            }
        }
    }

    fn poll(&mut self) -> Result<Found, AccessError> {
        let host = Host::system();
        if let Some(path) = self.options.device.clone() {
            return self.in_reader(&path, find(&host, &path));
        }
        if self.before.is_none() {
            self.before = Some(list(&host)?);
        }
        let before = self.before.as_deref().unwrap_or_default();
        Ok(plugged_in(before, list(&host)?, self.options.policy.allow_fixed))
    }

    /// Returns what is in the reader that the user named.
    fn in_reader(&mut self, path: &Path, found: Result<Device, FindError>) -> Result<Found, AccessError> {
        let device = match found {
            Ok(device) => device,
            Err(FindError::NoCard { .. }) => return Ok(Found::Nothing),
            Err(error) if may_come(&error) => {
                let path = path.to_owned();
                return Ok(Found::No(PassedOver::NotThere { path }));
            }
            Err(error) => return Err(error.into()),
        };
        if !device.media {
            return Ok(Found::Nothing);
        }
        let now = Reader::of(&device);
        let was = self.options.reader.get_or_insert_with(|| now.clone()).clone();
        let path = device.path;
        Ok(match was == now {
            true => Found::Card { path, came_back: false },
            false => Found::No(PassedOver::OtherReader { path, was, now }),
        })
    }

    /// Returns the card, or why the guard or its contents forbid to write it.
    fn choose(&self, path: &Path, job: Job<'_>) -> Result<Result<ChosenCard, PassedOver>, AccessError> {
        let path = path.to_owned();
        let chosen = choose(&Host::system(), std::slice::from_ref(&path), &self.options.policy);
        let card = match chosen.map(|mut cards| cards.pop()) {
            Ok(Some(card)) => card,
            Ok(None) => {
                let why = "it is gone again".into();
                return Ok(Err(PassedOver::Lost { path, why }));
            }
            Err(AccessError::Refused(refusals)) => return Ok(Err(PassedOver::Refused { path, refusals })),
            Err(AccessError::Find(error)) => {
                let why = error.to_string();
                return Ok(Err(PassedOver::Lost { path, why }));
            }
            Err(error) => return Err(error),
        };
        // When this user may not read the card, it is checked after it is opened for writing.
        if let Ok(target) = BlockTarget::open_read(&path)
            && let Some(hostname) = held_by(&target, &self.options.finished, job.interrupt)
        {
            let hostname = hostname.to_owned();
            return Ok(Err(PassedOver::Finished { path, hostname }));
        }
        let about_data = card.warnings().iter().find(|reason| is_about_data(reason));
        if let Some(reason) = about_data.filter(|_| !self.options.is_attended) {
            let reason = reason.clone();
            return Ok(Err(PassedOver::MayHoldData { path, reason }));
        }
        Ok(Ok(card.unless_it_is(self.options.finished.clone())))
    }

    /// Waits until the user removed a card: until its reader is empty, or gone. A new sequence
    /// number alone proves nothing: readers announce a card again after they released it.
    ///
    /// # Errors
    /// [`AccessError::Interrupted`]; [`AccessError::Find`] when the devices cannot be listed.
    pub fn until_gone(&self, card: &ChosenCard, job: Job<'_>) -> Result<(), AccessError> {
        let host = Host::system();
        loop {
            job.check()?;
            if !list(&host)?.iter().any(|other| is_still(card.device(), other)) {
                return Ok(());
            }
            std::thread::sleep(POLL_EVERY);
        }
    }
}

/// The result of one poll for the next card.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// There is no card that may be written, and why.
    No(PassedOver),
    Card {
        path: PathBuf,
        came_back: bool,
    },
}

/// Returns the one card that was plugged in since `before`.
fn plugged_in(before: &[Device], now: Vec<Device>, allow_fixed: bool) -> Found {
    let here = |device: &Device| (device.number, device.diskseq, device.size);
    let came = now.into_iter().filter(|device| {
        // Volumes that a desktop opens, and loop devices of packages, appear as well.
        device.media
            && (device.is_removable() || (allow_fixed && device.bus != Bus::Dm))
            && !before.iter().any(|other| here(other) == here(device))
    });
    let mut back = None;
    let mut new = Vec::new();
    for device in came {
        let again = before.iter().any(|other| is_again(other, &device));
        // A card that was in its reader all the time may be the right one; a disk that lost its
        // connection for a moment is not.
        match again && !(device.removable || device.bus.is_for_cards()) {
            true => back = Some(device),
            false => new.push((device, again)),
        }
    }
    match (&new[..], back) {
        ([], None) => Found::Nothing,
        ([], Some(device)) => Found::No(PassedOver::CameBack(NamedDevice::of(&device))),
        ([(device, again)], _) => Found::Card {
            path: device.path.clone(),
            came_back: *again,
        },
        (several, _) => {
            let named = several.iter().map(|(device, _)| NamedDevice::of(device));
            Found::No(PassedOver::Several(named.collect()))
        }
    }
}

/// Returns whether a device is one that was seen before, by its identity and its contents. Its
/// number and the kernel's count of disks change whenever a connection fails for a moment. Two
/// empty devices cannot be distinguished, and no data can be lost on them.
fn is_again(before: &Device, now: &Device) -> bool {
    let facts = |device: &Device| {
        let Device {
            size,
            serial,
            cid,
            wwn,
            model,
            vendor,
            ..
        } = device.clone();
        (size, [serial, cid, wwn, model, vendor])
    };
    let contents = |device: &Device| -> Vec<String> {
        let parts = device
            .partitions
            .iter()
            .map(|part| &part.volume)
            .chain([&device.volume]);
        let volumes = parts.filter_map(|volume| volume.uuid.clone());
        device
            .table
            .iter()
            .filter_map(|table| table.id.clone())
            .chain(volumes)
            .collect()
    };
    before.media && facts(before) == facts(now) && !contents(now).is_empty() && contents(before) == contents(now)
}

/// Returns whether the card that was written is still in its reader.
fn is_still(card: &Device, now: &Device) -> bool {
    now.media
        && now.number == card.number
        && now.size == card.size
        && (&now.serial, &now.cid, &now.wwn) == (&card.serial, &card.cid, &card.wwn)
}

/// Returns whether a warning says that data may be lost.
fn is_about_data(reason: &Reason) -> bool {
    !matches!(reason, Reason::LittleSpace { .. })
}

#[cfg(test)]
mod tests;

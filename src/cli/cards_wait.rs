//! Waits for the next card, in the reader that the user named or in whatever is plugged in, and
//! until the user removes it again. A card that was there before, came back, or holds what was just
//! written is not the next card.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kraken_flash::card::{BlockTarget, Bus, Device, FindError, Host, Reason, find, list};

use super::card_chosen::{self, CardArgs, Chosen};
use super::card_held::{Held, held_by};
use super::{Failure, Session, say};

/// How often the devices are polled.
const POLL_EVERY: Duration = Duration::from_millis(300);
/// The wait for one card after the other.
pub(super) struct Waiting<'a> {
    pub(super) session: &'a Session,
    pub(super) args: &'a CardArgs,
    /// The reader that the user named.
    pub(super) device: Option<&'a Path>,
    /// How many bytes a card must have.
    pub(super) size: u64,
    /// The reader, as it was when it was first seen.
    pub(super) reader: Option<Reader>,
    /// The contents of the finished cards.
    pub(super) held: Vec<Held>,
    /// The last message, which is not repeated.
    pub(super) last_message: Option<String>,
}

impl Waiting<'_> {
    /// Waits for a card that may be written.
    pub(super) fn next(&mut self) -> Result<Chosen, Failure> {
        let host = Host::system();
        let before: Vec<Device> = match self.device {
            Some(_) => Vec::new(),
            None => list(&host)?,
        };
        loop {
            self.session.interrupt.check()?;
            let found = match self.device {
                Some(path) => self.in_reader(find(&host, path))?,
                None => plugged_in(&before, list(&host)?, self.args.allows_fixed()),
            };
            match found {
                Found::Nothing => {}
                Found::No(why) => self.say_once(why),
                Found::Card { path, note } => {
                    // A desktop mounts what is plugged in; it needs a moment for that.
                    std::thread::sleep(POLL_EVERY);
                    match self.choose(&path, note)? {
                        Ok(chosen) => return Ok(chosen),
                        Err(why) => self.say_once(why),
                    }
                }
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// Returns what is in the reader that the user named.
    fn in_reader(&mut self, found: Result<Device, FindError>) -> Result<Found, Failure> {
        let device = match found {
            Ok(device) => device,
            Err(FindError::NoCard { .. }) => return Ok(Found::Nothing),
            Err(error) if is_waited_for(&error) => {
                let path = self.device.unwrap_or(Path::new("it")).display();
                return Ok(Found::No(format!(
                    "{path} is not there yet; it is waited for (Ctrl-C ends this) …"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if !device.media {
            return Ok(Found::Nothing);
        }
        let now = Reader::of(&device);
        let was = self.reader.get_or_insert_with(|| now.clone());
        match *was == now {
            true => Ok(Found::Card {
                path: device.path,
                note: None,
            }),
            false => Ok(Found::No(format!(
                "{} is another device now than it was ({now}, and it was {was}): it is not written; plug the reader in again, or start again with its new name",
                device.path.display()
            ))),
        }
    }

    /// Returns the card, or why the guard or its contents forbid to write it.
    fn choose(&self, path: &Path, note: Option<String>) -> Result<Result<Chosen, String>, Failure> {
        let chosen = match card_chosen::choose(&[path.to_owned()], self.args, Some(self.size)) {
            Ok(mut chosen) => chosen.pop(),
            Err(Failure::Failed(error)) => {
                return Ok(Err(format!("{}: {error}\nAnother card, please …", path.display())));
            }
            Err(failure) => return Err(failure),
        };
        let Some(mut chosen) = chosen else {
            return Ok(Err(format!("{}: it is gone again", path.display())));
        };
        // When this user may not read the card, it is checked after it is opened for writing.
        if let Ok(target) = BlockTarget::open_read(path)
            && let Some(hostname) = held_by(&target, &self.held, self.session)
        {
            return Ok(Err(format!(
                "{} holds the card of {hostname}, which is done. Another card, please (`--node N {}` would write this one) …",
                path.display(),
                path.display()
            )));
        }
        if self.args.is_agreed()
            && let Some(reason) = chosen.reasons.iter().find(|reason| is_about_data(reason))
        {
            return Ok(Err(format!(
                "{}: {reason}.\nWith --yes nobody is asked, so it is not written. Another card, please (or start again without --yes) …",
                path.display()
            )));
        }
        chosen.held.clone_from(&self.held);
        chosen.warnings.extend(note);
        Ok(Ok(chosen))
    }

    /// Prints a message, unless it is the same as the last one.
    fn say_once(&mut self, text: String) {
        if self.last_message.as_ref() != Some(&text) {
            say(self.session, &text);
            self.last_message = Some(text);
        }
    }

    /// Waits until the user removed a card: until its reader is empty, or gone. A new sequence
    /// number alone proves nothing: readers announce a card again after they released it.
    pub(super) fn until_gone(&self, card: &Device) -> Result<(), Failure> {
        let host = Host::system();
        loop {
            self.session.interrupt.check()?;
            if !list(&host)?.iter().any(|other| is_still(card, other)) {
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
    No(String),
    Card {
        path: PathBuf,
        /// What the user should consider.
        note: Option<String>,
    },
}

/// A reader, described by what does not change with the card in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reader {
    bus: Bus,
    /// Vendor, model, serial number, WWN. They stay empty for an SD slot, where they would be the
    /// card's.
    names: Vec<String>,
}

impl Reader {
    pub(super) fn of(device: &Device) -> Self {
        let names = [&device.vendor, &device.model, &device.serial, &device.wwn];
        let names = names.into_iter().flatten().cloned();
        Self {
            bus: device.bus,
            names: match device.bus {
                Bus::Mmc => Vec::new(),
                _ => names.collect(),
            },
        }
    }
}

impl std::fmt::Display for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.names.is_empty() {
            true => write!(f, "{}", self.bus),
            false => write!(f, "{}, {}", self.bus, self.names.join(" ")),
        }
    }
}

/// Returns whether a named reader may still appear, or get a card, during the wait.
pub(super) fn is_waited_for(error: &FindError) -> bool {
    match error {
        FindError::NoCard { .. } | FindError::Unknown { .. } => true,
        FindError::Nothing { path, hint } => hint.is_empty() && path.starts_with("/dev"),
        FindError::Dangling { path, .. } => path.starts_with("/dev"),
        _ => false,
    }
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
    let named = |device: &Device| format!("{} ({})", device.path.display(), title(device));
    match (&new[..], back) {
        ([], None) => Found::Nothing,
        ([], Some(device)) => Found::No(format!(
            "{} was there before and has come back: it is not taken for the card. If it is meant, start again with --device {}",
            named(&device),
            device.path.display()
        )),
        ([(device, again)], _) => Found::Card {
            path: device.path.clone(),
            note: again
                .then(|| "it was there before, and was plugged in again or lost its connection for a moment".into()),
        },
        (several, _) => {
            let names: Vec<String> = several.iter().map(|(device, _)| named(device)).collect();
            Found::No(format!(
                "{} came at the same time: leave only the card plugged in, or start again with --device",
                names.join(" and ")
            ))
        }
    }
}

fn title(device: &Device) -> String {
    let title = device.title();
    match title.is_empty() {
        true => device.bus.to_string(),
        false => title,
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

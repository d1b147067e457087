//! Writes one card, from unmounting it to its receipt.

use std::path::PathBuf;

use kraken_foundation::Job;

use super::choose::ChosenCard;
use super::error::{AccessError, CardState};
use super::finished::held_by;
use super::open::OpenCard;
use super::unmount::unmount;
use crate::{Contents, Receipt, Receipts, Source, WriteError, WriteOptions, write};

/// How a card is written.
#[derive(Clone, Debug)]
pub struct FlashOptions {
    /// The card's name in progress messages.
    pub label: String,
    /// Read everything back and compare.
    pub verify: bool,
    /// Ask the drive to eject the card afterwards.
    pub eject: bool,
    /// Where the receipt is kept; `None` for the user's own folder ([`Receipts::open`]).
    pub receipts: Option<Receipts>,
}

impl Default for FlashOptions {
    /// The card is read back and ejected.
    fn default() -> Self {
        Self {
            label: "card".into(),
            verify: true,
            eject: true,
            receipts: None,
        }
    }
}

/// A card that was written.
#[derive(Debug)]
pub struct Flashed {
    /// What was written.
    pub receipt: Receipt,
    /// Where the receipt was stored. The card is complete also without it.
    pub kept: kraken_foundation::Result<PathBuf>,
}

/// Writes one card: unmounts what the guard listed, opens the card for this program alone, makes
/// sure that it is still the one that was chosen and none of the finished ones, writes, reads back,
/// lets go of it, and keeps the receipt. All that is on the card is lost; the caller has asked the
/// user.
///
/// # Errors
/// [`AccessError::Write`] says in which state the card is; all other errors leave it untouched.
pub fn flash(
    card: &ChosenCard,
    source: &mut dyn Source,
    contents: Contents,
    options: &FlashOptions,
    job: Job<'_>,
) -> Result<Flashed, AccessError> {
    unmount(card, job)?;
    let opened = OpenCard::open(card, job)?;
    if let Some(hostname) = held_by(opened.target(), card.finished(), job.interrupt) {
        let (path, hostname) = (card.path().to_owned(), hostname.to_owned());
        opened.release(options.eject);
        return Err(AccessError::Finished { path, hostname });
    }
    // From here on the card is changed.
    job.check()?;
    let size_is_known = source.size().is_some();
    let how = WriteOptions {
        verify: options.verify,
        test_capacity: true,
        nonce: nonce()?,
    };
    let report = write(source, opened.target(), &options.label, how, job).map_err(|source| AccessError::Write {
        path: card.path().to_owned(),
        state: state_after(&source, size_is_known),
        source,
    })?;
    opened.release(options.eject);
    let receipt = Receipt::new(contents, card.device(), &report);
    let kept = match &options.receipts {
        Some(receipts) => receipts.keep(&receipt),
        None => Receipts::open().and_then(|receipts| receipts.keep(&receipt)),
    };
    Ok(Flashed { receipt, kept })
}

/// Returns the state in which a failed write leaves the card.
fn state_after(error: &WriteError, size_is_known: bool) -> CardState {
    match error {
        WriteError::NotBegun => CardState::Untouched,
        // A size that is known is checked before the card is touched.
        WriteError::TooSmall { .. } if size_is_known => CardState::Untouched,
        WriteError::Left(..) => CardState::Unknown,
        _ => CardState::NotBootable,
    }
}

/// Returns a number that no earlier run had.
fn nonce() -> Result<u64, AccessError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    Ok(u64::from_le_bytes(bytes))
}

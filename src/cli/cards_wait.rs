//! What `cards` prints while it waits for the next card.

use kraken_flash::card::access::{CardWait, ChosenCard, NamedDevice, PassedOver, Waited};

use super::{Failure, Session, say};

/// A card that was inserted and may be written.
pub(super) struct Inserted {
    pub(super) card: ChosenCard,
    /// What the user should consider besides the guard's warnings.
    pub(super) note: Option<&'static str>,
}

/// Waits for a card that may be written, and says of others why they are not taken.
pub(super) fn next(session: &Session, wait: &mut CardWait) -> Result<Inserted, Failure> {
    loop {
        match wait.next(session.job())? {
            Waited::PassedOver(passed_over) => say(session, &words(&passed_over)),
            Waited::Card { card, came_back } => {
                return Ok(Inserted {
                    card: *card,
                    note: came_back
                        .then_some("it was there before, and was plugged in again or lost its connection for a moment"),
                });
            }
        }
    }
}

/// Returns why something is not taken for the next card, and what to do.
fn words(passed_over: &PassedOver) -> String {
    match passed_over {
        PassedOver::NotThere { path } => format!(
            "{} is not there yet; it is waited for (Ctrl-C ends this) …",
            path.display()
        ),
        PassedOver::OtherReader { path, was, now } => format!(
            "{} is another device now than it was ({now}, and it was {was}): it is not written; plug the reader in again, or start again with its new name",
            path.display()
        ),
        PassedOver::CameBack(device) => format!(
            "{} was there before and has come back: it is not taken for the card. If it is meant, start again with --device {}",
            named(device),
            device.path.display()
        ),
        PassedOver::Several(devices) => {
            let names: Vec<String> = devices.iter().map(named).collect();
            format!(
                "{} came at the same time: leave only the card plugged in, or start again with --device",
                names.join(" and ")
            )
        }
        PassedOver::Refused { path, refusals } => {
            let refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            format!(
                "{}: nothing was written\n  {}\nAnother card, please …",
                path.display(),
                refusals.join("\n  ")
            )
        }
        PassedOver::Lost { path, why } => format!("{}: {why}\nAnother card, please …", path.display()),
        PassedOver::Finished { path, hostname } => format!(
            "{} holds the card of {hostname}, which is done. Another card, please (`--node N {}` would write this one) …",
            path.display(),
            path.display()
        ),
        PassedOver::MayHoldData { path, reason } => format!(
            "{}: {reason}.\nWith --yes there is no question, so it is not written. Another card, please (or start again without --yes) …",
            path.display()
        ),
    }
}

fn named(device: &NamedDevice) -> String {
    format!("{} ({})", device.path.display(), device.title)
}

//! A card from the choice to the receipt: choosing it, proving that it is still the chosen one,
//! unmounting, holding it for this program alone, writing, reading back, ejecting.
//!
//! Nothing here prints or asks. What the user decided comes as data: a [`Policy`](crate::Policy)
//! says what the guard may let pass, [`FlashOptions`] how a card is written, [`Intent`] what is to
//! be made. What happened comes back as a type. The order is that of `docs/cards.md`:
//!
//! 1. [`choose()`] finds and judges all devices; a [`ChosenCard`] is one that passed. The program
//!    shows it, and the user agrees to lose what is on it.
//! 2. [`flash()`] unmounts what the guard listed, opens the card exclusively (itself, or through
//!    UDisks2 where this user may not), compares it with the [`Identity`](crate::Identity) that
//!    was shown, writes, reads back, lets go of it, and keeps the receipt.
//!
//! [`CardWait`] waits for one card after the other. [`Past`] knows what was made before, and what a
//! card would do to a swarm that may be running. [`compare_with_receipt`] compares a card with what
//! was written to it.

mod ask;
mod choose;
mod compare;
mod error;
mod finished;
mod flash;
mod open;
mod passed_over;
mod past;
mod reader;
mod unmount;
mod wait;

pub use choose::{ChosenCard, choose, may_read, may_write};
pub use compare::{Comparison, compare_with_receipt};
pub use error::{AccessError, CardState, Refusal};
pub use finished::FinishedCard;
pub use flash::{FlashOptions, Flashed, flash};
pub use open::OpenCard;
pub use passed_over::{NamedDevice, PassedOver};
pub use past::{Intent, Judgement, Outcome, Past, Standing};
pub use reader::Reader;
pub use unmount::unmount;
pub use wait::{CardWait, WaitOptions, Waited};

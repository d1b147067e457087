//! Cuts a guest's power at a text on its console.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The text at which the power of one start of a guest is cut.
///
/// The thread that reads the console cuts the power, since the thread that watches the guest may be
/// waiting for an answer of the guest at that moment.
#[derive(Debug, Default)]
pub struct Fuse(Mutex<Wire>);

#[derive(Debug, Default)]
struct Wire {
    text: Option<String>,
    is_blown: bool,
}

impl Fuse {
    /// Returns a fuse that blows at the first line that contains `text`, or never if there is no
    /// text.
    #[must_use]
    pub fn at(text: Option<String>) -> Self {
        Self(Mutex::new(Wire { text, is_blown: false }))
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the power must be cut at this line. This is true only once.
    pub fn blows_at(&self, line: &str) -> bool {
        let mut wire = self.wire();
        let blows = !wire.is_blown && wire.text.as_ref().is_some_and(|text| line.contains(text));
        wire.is_blown |= blows;
        blows
    }

    /// Returns whether the power was cut.
    #[must_use]
    pub fn is_blown(&self) -> bool {
        self.wire().is_blown
    }

    /// Makes sure that the fuse does not blow from now on. Returns false if it has already blown.
    pub fn disarm(&self) -> bool {
        let mut wire = self.wire();
        if wire.is_blown {
            return false;
        }
        wire.text = None;
        true
    }
}

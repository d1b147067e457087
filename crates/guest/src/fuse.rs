//! Words on a guest's console at which its power is cut.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The words at which the power of one start of a guest is cut.
///
/// The thread that reads the console cuts it: the thread that watches the guest may be waiting for an answer of the guest just then.
#[derive(Debug, Default)]
pub struct Fuse(Mutex<Wire>);

#[derive(Debug, Default)]
struct Wire {
    text: Option<String>,
    is_blown: bool,
}

impl Fuse {
    /// A fuse that blows at the first line with `text` in it; one that never does where there is no text.
    #[must_use]
    pub fn at(text: Option<String>) -> Self {
        Self(Mutex::new(Wire { text, is_blown: false }))
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the power is to be cut at this line: true once.
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

    /// From now on it does not blow any more. Returns false when it has blown already.
    pub fn disarm(&self) -> bool {
        let mut wire = self.wire();
        if wire.is_blown {
            return false;
        }
        wire.text = None;
        true
    }
}

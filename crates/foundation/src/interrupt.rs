//! A flag that says "stop now": a signal sets it, and every long loop checks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the signal handler (which sets it) and the work (which checks it between blocks).
///
/// Cloning shares the flag.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// The work was stopped on request; nothing was left under a final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

impl Interrupt {
    /// Returns a flag that is not set yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the flag itself, for `signal_hook::flag::register`.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Asks the work to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the work was asked to stop.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns an error once the work was asked to stop.
    ///
    /// # Errors
    /// [`Interrupted`] when the flag is set.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.is_set() { Err(Interrupted) } else { Ok(()) }
    }
}

//! Processes that end with their test, however it ends.

use std::ops::{Deref, DerefMut};
use std::process::{Child, Command};

/// A process that does not outlive its test: it is killed when this is dropped.
pub struct Killed(Child);

impl Killed {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Deref for Killed {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Killed {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Killing fails when the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! What every long piece of work is handed: where it reports its progress, and the flag that stops
//! it.

use std::sync::LazyLock;

use crate::interrupt::{Interrupt, Interrupted};
use crate::progress::{Progress, Silent, Task};

/// A piece of work as its caller sees it. Copying it shares both parts.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Where the work reports how far it is.
    pub progress: &'a dyn Progress,
    /// The flag that stops it.
    pub interrupt: &'a Interrupt,
}

impl<'a> Job<'a> {
    /// A job that reports to `progress` and stops when `interrupt` is set.
    pub fn new(progress: &'a dyn Progress, interrupt: &'a Interrupt) -> Self {
        Self { progress, interrupt }
    }

    /// A job that reports nothing and is never stopped.
    pub fn silent() -> Job<'static> {
        static NEVER: LazyLock<Interrupt> = LazyLock::new(Interrupt::new);
        Job::new(&Silent, &NEVER)
    }

    /// Begins a part of the work ([`Progress::task`]).
    pub fn task(self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        self.progress.task(what, total)
    }

    /// Reports a sentence that the user should read ([`Progress::note`]).
    pub fn note(self, line: &str) {
        self.progress.note(line);
    }

    /// Reports a sentence for `--verbose` ([`Progress::detail`]).
    pub fn detail(self, line: &str) {
        self.progress.detail(line);
    }

    /// Returns an error once the work is to stop.
    ///
    /// # Errors
    /// [`Interrupted`] when the flag is set.
    pub fn check(self) -> Result<(), Interrupted> {
        self.interrupt.check()
    }
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("interrupt", self.interrupt)
            .finish_non_exhaustive()
    }
}

//! What every command uses: the general options, progress, the flag that Ctrl-C sets, and the
//! function that prints a message.

use std::sync::mpsc;
use std::time::Duration;

use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Progress;

use super::failure::Failure;
use super::global::Global;
use super::missing::Missing;

/// How often a wait checks whether it was interrupted.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// What every command uses.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) progress: Box<dyn Progress>,
    pub(super) interrupt: Interrupt,
    pub(super) missing: Missing,
}

impl Session {
    /// Returns the progress and the interrupt flag that long work needs.
    pub(super) fn job(&self) -> Job<'_> {
        Job::new(&*self.progress, &self.interrupt)
    }

    /// Does something that may wait for a person. Ctrl-C ends the wait; the work itself continues
    /// in its thread.
    pub(super) fn wait_for<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let (give, answer) = mpsc::channel();
        std::thread::spawn(move || {
            // The wait may be over by now.
            let _ = give.send(work());
        });
        loop {
            self.interrupt.check()?;
            match answer.recv_timeout(LISTEN_EVERY) {
                Ok(answer) => return Ok(answer),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Failure::message(
                        "nothing came of the wait: this is a fault of the program",
                    ));
                }
            }
        }
    }
}

/// Prints a sentence on stderr, except with --quiet.
pub(super) fn say(session: &Session, line: &str) {
    if !session.global.quiet {
        session.progress.note(line);
    }
}

#[cfg(test)]
impl Session {
    /// Returns a session that prints nothing.
    pub(super) fn silent() -> Self {
        Self {
            global: Global {
                config: None,
                quiet: true,
                verbose: false,
                passphrase_file: None,
                identity: Vec::new(),
                color: super::global::Color::Auto,
            },
            progress: Box::new(kraken_foundation::progress::Silent),
            interrupt: Interrupt::new(),
            missing: Missing::default(),
        }
    }
}

//! What every command has at hand: the general options, progress, the flag that Ctrl-C sets, and how a sentence is said.

use std::sync::mpsc;
use std::time::Duration;

use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Progress;

use super::failure::Failure;
use super::global::Global;
use super::missing::Missing;

/// How often a wait looks whether it was interrupted.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// What a command has at hand.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) progress: Box<dyn Progress>,
    pub(super) interrupt: Interrupt,
    pub(super) missing: Missing,
}

impl Session {
    /// What long work is handed.
    pub(super) fn job(&self) -> Job<'_> {
        Job::new(&*self.progress, &self.interrupt)
    }

    /// Does something that may wait for a person. Ctrl-C ends the wait, and what is waited for is left alone.
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

/// Says a sentence on stderr, unless the user wants silence.
pub(super) fn say(session: &Session, line: &str) {
    if !session.global.quiet {
        session.progress.note(line);
    }
}

#[cfg(test)]
impl Session {
    /// One that says nothing.
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

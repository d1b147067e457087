//! Requests to UDisks2, one at a time. It may wait for the user's password; an interrupt ends the
//! wait.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kraken_foundation::Job;

use super::error::AccessError;
use crate::{Udisks, UdisksError};

/// Allows one request at a time, also when several cards are written.
static REQUEST: Mutex<()> = Mutex::new(());
/// How often the wait checks whether it was interrupted.
const LISTEN_EVERY: Duration = Duration::from_millis(100);

/// Sends a request and returns the answer. After an interrupt the request itself continues in its
/// thread.
pub(super) fn ask<T: Send + 'static>(
    job: Job<'_>,
    request: impl FnOnce(&Udisks) -> Result<T, UdisksError> + Send + 'static,
) -> Result<Result<T, UdisksError>, AccessError> {
    let (give, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let _alone = REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
        // The wait may be over by now.
        let _ = give.send(Udisks::connect().and_then(|udisks| request(&udisks)));
    });
    loop {
        job.check()?;
        match answer.recv_timeout(LISTEN_EVERY) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(AccessError::NoAnswer),
        }
    }
}

//! Advisory locks on files and folders (flock(2)): a lock lives as long as the open file.

use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{Job, Result};

/// How often a run that waits asks again.
const PAUSE: Duration = Duration::from_millis(50);

/// Takes the lock for this run alone, unless another one holds it; returns whether it was free.
/// `setting` names where the user says which folder is meant, for file systems without locks.
///
/// # Errors
/// What the system says, with the help that another folder is.
pub fn try_exclusive(file: &File, setting: &str) -> io::Result<bool> {
    take(file, FlockOperation::NonBlockingLockExclusive, setting)
}

/// Takes the lock beside others that share it; waits for a run that holds it alone.
///
/// # Errors
/// Those of [`try_exclusive()`].
pub fn shared(file: &File, setting: &str) -> io::Result<()> {
    take(file, FlockOperation::LockShared, setting).map(drop)
}

/// Waits until the lock is free and takes it for this run alone. The first time that it is not,
/// `waiting` is reported.
///
/// # Errors
/// What the system says, as [`try_exclusive()`]; when the wait is stopped on request.
pub fn wait_exclusive(file: &File, setting: &str, waiting: &str, job: Job<'_>) -> Result<()> {
    let mut is_reported = false;
    loop {
        job.check()?;
        if try_exclusive(file, setting)? {
            return Ok(());
        }
        if !is_reported {
            job.note(waiting);
            is_reported = true;
        }
        std::thread::sleep(PAUSE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the place: where there are no locks, the error says what to do"
)]
fn take(file: &File, operation: FlockOperation, setting: &str) -> io::Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(explained(error, setting)),
    }
}

/// Some network file systems have no locks (flock(2), `ENOLCK`).
fn explained(error: Errno, setting: &str) -> io::Error {
    let source = io::Error::from(error);
    match error {
        Errno::NOLCK | Errno::NOTSUP => io::Error::new(
            source.kind(),
            format!(
                "{source}: this file system has no locks (NFS without lockd?); name a folder on a disk of this machine in {setting}"
            ),
        ),
        _ => source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::progress::{Progress, Silent, Task};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Progress for Notes {
        fn task(&self, _what: &str, _total: Option<u64>) -> Box<dyn Task> {
            Box::new(Silent)
        }
        fn note(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    #[test]
    fn one_run_at_a_time_has_a_lock_alone_and_many_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = [(); 2].map(|()| File::open(folder.path()).unwrap());
        assert!(try_exclusive(&first, "--output").unwrap());
        assert!(!try_exclusive(&second, "--output").unwrap());
        drop(first);
        shared(&second, "--output").unwrap();
        let third = File::open(folder.path()).unwrap();
        shared(&third, "--output").unwrap();
        assert!(!try_exclusive(&third, "--output").unwrap());
    }

    #[test]
    fn a_wait_is_reported_once_and_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let [held, wanted] = [(); 2].map(|()| File::open(folder.path()).unwrap());
        assert!(try_exclusive(&held, "x").unwrap());
        let (notes, interrupt) = (Notes::default(), Interrupt::new());
        let stop = interrupt.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(PAUSE * 3);
            stop.set();
        });
        let error = wait_exclusive(&wanted, "x", "waiting", Job::new(&notes, &interrupt)).unwrap_err();
        stopper.join().unwrap();
        assert!(error.is_interrupted(), "{error:?}");
        assert_eq!(*notes.0.lock().unwrap(), ["waiting"]);
    }

    #[test]
    fn where_there_are_no_locks_the_setting_is_named() {
        for (error, is_explained) in [(Errno::NOLCK, true), (Errno::NOTSUP, true), (Errno::IO, false)] {
            let text = explained(error, "KRAKEN_FLASH_CACHE").to_string();
            assert_eq!(text.contains("in KRAKEN_FLASH_CACHE"), is_explained, "{text}");
        }
    }
}

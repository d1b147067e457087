//! Waits for something to happen on a bench, and shows the logs of its nodes when it does not.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::island::Island;
use super::tail::last_lines;

/// Polls until there is an answer; shows the logs of all nodes when there is none in time.
pub fn wait_for<T>(island: &Island, what: &str, timeout: Duration, ask: impl FnMut() -> Option<T>) -> T {
    match try_for(timeout, ask) {
        Some(answer) => answer,
        None => panic!("waited {timeout:?} in vain for {what}\n{}", logs(island)),
    }
}

/// The shortest and the longest pause between two questions.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(500);

/// Polls until there is an answer or the time is over.
///
/// It pauses as long as the question took: one that starts a program would otherwise keep a
/// processor busy, which the dockerds that it waits for need.
pub fn try_for<T>(timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let asked = Instant::now();
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if begun.elapsed() >= timeout {
            return None;
        }
        std::thread::sleep(asked.elapsed().clamp(*PAUSES.start(), *PAUSES.end()));
    }
}

/// Returns the end of every node's log.
pub fn logs(island: &Island) -> String {
    let logs = island.logs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    logs.iter()
        .map(|(name, log)| format!("--- {name}\n{}\n", last_lines(log, 25)))
        .collect()
}

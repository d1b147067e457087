//! When a request is sent again, and after which pause: after faults that pass, and when the server
//! says how long to wait (`Retry-After`).

use std::time::Duration;

use ureq::http::header;
use url::Url;

use super::fetch_error::{come_back, gave_up, is_passing, refused};
use super::http::Head;
use kraken_foundation::interrupt::{Interrupt, Interrupted};
use kraken_foundation::{Job, Result};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest time that a server can make this program wait.
const LONGEST_WAIT: Duration = Duration::from_mins(2);

/// How often to try, and how long to wait in between.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts in a row without progress, at least 1.
    pub attempts: u32,
    /// The pause after the first failed attempt; it doubles with each.
    pub pause: Duration,
}

/// The status of a server that counts requests (RFC 6585).
const TOO_MANY: u16 = 429;

/// Why an attempt broke, when another one can help.
#[derive(Debug)]
pub(crate) struct Broken {
    why: String,
    /// How long the server wants this program to wait.
    wait: Option<Duration>,
    /// Whether the server counts requests, and there were too many.
    is_limit: bool,
}

impl From<String> for Broken {
    fn from(why: String) -> Self {
        Self {
            why,
            wait: None,
            is_limit: false,
        }
    }
}

impl From<&str> for Broken {
    fn from(why: &str) -> Self {
        why.to_owned().into()
    }
}

/// Returns the reason to try again after an answer that has not what was wanted, or the error when
/// that cannot help.
pub(crate) fn again_after(url: &Url, head: &Head) -> Result<Broken> {
    let status = head.status;
    if !is_passing(status) {
        return Err(refused(url, status));
    }
    let wait = match status {
        TOO_MANY | 503 => retry_after(head),
        _ => None,
    };
    match wait {
        Some(wait) if wait > LONGEST_WAIT => Err(come_back(url, status, wait)),
        wait => Ok(Broken {
            why: match status {
                TOO_MANY => format!("the server answered {status} (too many requests)"),
                _ => format!("the server answered {status} (not now)"),
            },
            wait,
            is_limit: status == TOO_MANY,
        }),
    }
}

/// Returns the header `Retry-After` where it is a number of seconds (RFC 9110, 10.2.3).
fn retry_after(head: &Head) -> Option<Duration> {
    let seconds = head.text(header::RETRY_AFTER)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Waits before the next attempt; `failed` attempts were made in a row without progress.
pub(crate) fn give_up_or_pause(
    url: &Url,
    policy: RetryPolicy,
    failed: u32,
    broken: &Broken,
    job: Job<'_>,
) -> Result<()> {
    if failed >= policy.attempts {
        let error = gave_up(url, &broken.why, failed);
        return Err(match broken.is_limit {
            true => error.with_help("wait some minutes and run again; a login often raises the limit"),
            false => error,
        });
    }
    let factor = 2u32.saturating_pow(failed.saturating_sub(1));
    let pause = policy.pause.saturating_mul(factor).min(LONGEST_PAUSE);
    let Some(wait) = broken.wait else {
        return Ok(pause_for(pause, job.interrupt)?);
    };
    let host = url.host_str().unwrap_or("the server");
    let seconds = wait.as_secs();
    job.note(&format!(
        "{host} asks for a pause ({}): waiting {seconds} s",
        broken.why
    ));
    Ok(pause_for(wait, job.interrupt)?)
}

fn pause_for(mut left: Duration, interrupt: &Interrupt) -> Result<(), Interrupted> {
    while !left.is_zero() {
        interrupt.check()?;
        let now = left.min(Duration::from_millis(50));
        std::thread::sleep(now);
        left -= now;
    }
    Ok(())
}

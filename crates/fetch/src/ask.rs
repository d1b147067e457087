//! Whole answers for callers that decide by the status themselves.

use url::Url;

use super::fetch_error::{gave_up, is_passing, too_large};
use super::http::{Answer, Event, Exchange};
use super::retry::{Broken, RetryPolicy, again_after, give_up_or_pause};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Job, Result};

/// What to send, and what is accepted.
pub(crate) struct Question<'a> {
    pub url: &'a Url,
    /// The maximum number of bytes of a body that is accepted.
    pub most: u64,
    pub retries: RetryPolicy,
}

/// How one attempt ended.
enum Attempt {
    Answered(Answer),
    Broke(Broken),
}

/// Sends a request until it is answered with a status that another attempt would not change.
///
/// # Errors
/// When no answer comes, the server says that it takes no requests for long, or the body is larger
/// than it may be.
pub(crate) fn ask(question: &Question<'_>, send: impl Fn() -> Exchange, job: Job<'_>) -> Result<Answer> {
    let mut failed = 0;
    loop {
        let broken = match attempt(question, &send(), job.interrupt)? {
            Attempt::Answered(answer) => return Ok(answer),
            Attempt::Broke(broken) => broken,
        };
        failed += 1;
        give_up_or_pause(question.url, question.retries, failed, &broken, job)?;
    }
}

fn attempt(question: &Question<'_>, exchange: &Exchange, interrupt: &Interrupt) -> Result<Attempt> {
    let Question { url, most, .. } = *question;
    let (mut head, mut body) = (None, Vec::new());
    loop {
        match exchange.next(interrupt)? {
            Event::Head(answered) if is_passing(answered.status) => {
                return again_after(url, &answered).map(Attempt::Broke);
            }
            Event::Head(answered) => head = Some(answered),
            Event::Block(block) => body.extend_from_slice(&block),
            Event::End => {
                return Ok(match head {
                    Some(head) => Attempt::Answered(Answer { head, body }),
                    None => Attempt::Broke("the answer has no head".into()),
                });
            }
            Event::Failed(failure) if failure.passing => return Ok(Attempt::Broke(failure.why.into())),
            Event::Failed(failure) => return Err(gave_up(url, &failure.why, 1)),
        }
        if body.len() as u64 > most {
            match head {
                // What a refusal says at such length is of no use.
                Some(head) if head.status >= 300 => {
                    body.clear();
                    return Ok(Attempt::Answered(Answer { head, body }));
                }
                _ => return Err(too_large(url, most)),
            }
        }
    }
}

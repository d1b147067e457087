//! Reads back what was written, past every cache, and compares hashes.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::target::Target;
use super::buffer::Buffer;
use super::error::{Difference, WriteError};
use super::limits::{IN_FLIGHT, REQUEST};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_foundation::{Sha256Hash, parallel};
use kraken_image::bake::HashedExtent;

/// After this many differences, reading stops.
const ENOUGH: usize = 1000;

/// Compares extents, which are in order, with the target.
///
/// # Errors
/// [`WriteError::Differs`] with all ranges that differ; [`WriteError::Interrupted`].
pub fn compare(
    target: &dyn Target,
    extents: &[HashedExtent],
    task: &dyn Task,
    interrupt: &Interrupt,
) -> Result<(), WriteError> {
    let requests = requests(extents);
    let count = AtomicUsize::new(0);
    let buffer = || Buffer::new(usize::try_from(REQUEST).unwrap_or_default());
    let work = |buffer: &mut Buffer, request: &&[HashedExtent]| {
        if interrupt.is_set() || count.load(Ordering::Relaxed) > ENOUGH {
            return Err(Stopped);
        }
        let found = compare_request(target, request, buffer);
        count.fetch_add(found.len(), Ordering::Relaxed);
        task.advance(request.iter().map(|extent| extent.end - extent.start).sum());
        Ok(found)
    };
    let outcome = parallel::map_with(&requests, IN_FLIGHT, buffer, work);
    interrupt.check()?;
    let differences: Vec<Difference> = outcome.done.into_iter().flatten().collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(WriteError::Differs(differences)),
    }
}

/// Nothing more is read: the user asked for that, or enough was found.
struct Stopped;

/// Groups adjacent extents into requests of at most [`REQUEST`] bytes.
fn requests(extents: &[HashedExtent]) -> Vec<&[HashedExtent]> {
    let mut requests = Vec::new();
    let mut from = 0;
    for at in 1..=extents.len() {
        let ends = match extents.get(at) {
            None => true,
            Some(extent) => extent.start != extents[at - 1].end || extent.end - extents[from].start > REQUEST,
        };
        if ends {
            requests.push(&extents[from..at]);
            from = at;
        }
    }
    requests
}

fn compare_request(target: &dyn Target, request: &[HashedExtent], buffer: &mut Buffer) -> Vec<Difference> {
    let (Some(first), Some(last)) = (request.first(), request.last()) else {
        return Vec::new();
    };
    // A card is read in whole blocks; an extent may begin or end inside one.
    let block = target.block();
    let from = first.start / block * block;
    let to = last.end.next_multiple_of(block);
    let len = usize::try_from(to - from).unwrap_or(usize::MAX);
    if buffer.len() < len {
        *buffer = Buffer::new(len);
    }
    if let Err(error) = target.read(from, &mut buffer[..len]) {
        return vec![Difference {
            range: first.start..last.end,
            error: Some(error.to_string()),
        }];
    }
    let at = |position: u64| usize::try_from(position - from).unwrap_or(usize::MAX);
    request
        .iter()
        .filter(|extent| Sha256Hash::of(&buffer[at(extent.start)..at(extent.end)]) != extent.sha256)
        .map(|extent| Difference {
            range: extent.start..extent.end,
            error: None,
        })
        .collect()
}

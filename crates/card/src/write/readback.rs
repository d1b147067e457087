//! Reads back what was written, past every cache, and compares hashes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::target::Target;
use super::buffer::Buffer;
use super::error::{Difference, WriteError};
use super::limits::{IN_FLIGHT, REQUEST};
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
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
    let next = AtomicUsize::new(0);
    let differences = Mutex::new(Vec::new());
    let work = || {
        let mut buffer = Buffer::new(usize::try_from(REQUEST).unwrap_or_default());
        while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
            if interrupt.is_set() {
                return;
            }
            let found = compare_request(target, request, &mut buffer);
            let mut all = differences.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            all.extend(found);
            if all.len() > ENOUGH {
                next.store(requests.len(), Ordering::Relaxed);
            }
            drop(all);
            task.advance(request.iter().map(|extent| extent.end - extent.start).sum());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT.min(requests.len()) {
            scope.spawn(work);
        }
    });
    interrupt.check()?;
    let mut differences = differences
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if differences.is_empty() {
        return Ok(());
    }
    differences.sort_by_key(|difference| difference.range.start);
    Err(WriteError::Differs(differences))
}

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

//! Moves the used blocks from the image to the card: one thread reads and hashes, several write,
//! and a fixed set of buffers circulates.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, SyncSender};

use super::super::target::Target;
use super::buffer::Buffer;
use super::error::WriteError;
use super::limits::{HEAD, IN_FLIGHT, REQUEST};
use super::map::Sums;
use super::source::{Source, SourceExtent};
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_image::bake::HashedExtent;

/// The number of buffers for one card: those in flight, those that wait, the one that is filled.
/// Each has one MiB.
const BUFFERS: usize = IN_FLIGHT + 3;

pub(super) struct Body {
    /// The first MiB of the card.
    pub head: Buffer,
    pub extents: Vec<HashedExtent>,
    pub image_size: u64,
}

/// A filled buffer.
struct Full {
    buffer: Buffer,
    offset: u64,
    len: usize,
}

/// Writes everything except the first MiB.
pub(super) fn write(
    source: &mut dyn Source,
    target: &dyn Target,
    task: &dyn Task,
    interrupt: &Interrupt,
) -> Result<Body, WriteError> {
    let failed = Mutex::new(None);
    let (give_back, empty) = mpsc::sync_channel::<Buffer>(BUFFERS);
    for _ in 0..BUFFERS {
        // The channel has space for all of them, so this cannot fail.
        let _ = give_back.send(Buffer::new(usize::try_from(REQUEST).unwrap_or_default()));
    }
    let (filled, full) = mpsc::sync_channel::<Full>(BUFFERS);
    let full = Mutex::new(full);
    let read = std::thread::scope(|scope| {
        for _ in 0..IN_FLIGHT {
            let give_back = give_back.clone();
            let (full, failed) = (&full, &failed);
            scope.spawn(move || write_some(target, full, &give_back, failed, task));
        }
        drop(give_back);
        let read = fill(source, target, &empty, filled, interrupt, || lock(&failed).is_some());
        // The writers end when the channel closes. The return channel has space for every buffer,
        // so none of them waits.
        read
    });
    match lock(&failed).take() {
        Some(FailedWrite { at, source }) => Err(WriteError::Card {
            doing: "writing",
            at,
            source,
        }),
        None => read,
    }
}

/// A write that the card refused.
struct FailedWrite {
    /// Where on the card, in bytes.
    at: u64,
    source: io::Error,
}

/// The first write that failed.
type Failed = Mutex<Option<FailedWrite>>;

fn lock(failed: &Failed) -> std::sync::MutexGuard<'_, Option<FailedWrite>> {
    failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write_some(
    target: &dyn Target,
    full: &Mutex<Receiver<Full>>,
    give_back: &SyncSender<Buffer>,
    failed: &Failed,
    task: &dyn Task,
) {
    loop {
        let next = full.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let Ok(Full { buffer, offset, len }) = next else { return };
        if lock(failed).is_none() {
            match target.write(offset, &buffer[..len]) {
                Ok(()) => task.advance(len as u64),
                Err(source) => {
                    lock(failed).get_or_insert(FailedWrite { at: offset, source });
                }
            }
        }
        let _ = give_back.send(buffer);
    }
}

/// Reads the source to its end.
fn fill(
    source: &mut dyn Source,
    target: &dyn Target,
    empty: &Receiver<Buffer>,
    filled: SyncSender<Full>,
    interrupt: &Interrupt,
    failed: impl Fn() -> bool,
) -> Result<Body, WriteError> {
    let mut body = Body {
        head: Buffer::new(usize::try_from(HEAD.min(target.size())).unwrap_or_default()),
        extents: Vec::new(),
        image_size: 0,
    };
    let mut sums = Sums::default();
    let mut unused = None;
    while let Some(mut buffer) = unused.take().or_else(|| empty.recv().ok()) {
        interrupt.check()?;
        if failed() {
            break;
        }
        let Some(part) = source.next(&mut buffer).map_err(WriteError::Source)? else {
            break;
        };
        hash(&part, &buffer, &mut sums, &mut body.extents).map_err(WriteError::Source)?;
        let end = part.offset + part.len as u64;
        // A card has whole blocks; the rest of the last block after the end of the image is zeros.
        let whole = part.len.next_multiple_of(usize::try_from(target.block()).unwrap_or(1));
        if part.offset + whole as u64 > target.size() {
            return Err(WriteError::TooSmall {
                needed: end,
                size: target.size(),
            });
        }
        buffer[part.len..whole].fill(0);
        let mut from = 0;
        if part.offset < HEAD {
            let at = usize::try_from(part.offset).unwrap_or_default();
            from = whole.min(body.head.len() - at);
            body.head[at..at + from].copy_from_slice(&buffer[..from]);
        }
        if from < whole {
            // A part does not cross the first MiB (`Source::next`), so it lies on one side of it.
            let _ = filled.send(Full {
                buffer,
                offset: part.offset,
                len: whole,
            });
        } else {
            unused = Some(buffer);
        }
    }
    body.image_size = source
        .size()
        .unwrap_or_else(|| body.extents.last().map_or(0, |extent| extent.end));
    Ok(body)
}

/// Hashes the extents of a part, and compares them with the expected hashes where these are known.
fn hash(part: &SourceExtent, buffer: &[u8], sums: &mut Sums, extents: &mut Vec<HashedExtent>) -> io::Result<()> {
    for extent in &part.extents {
        let at = |position: u64| usize::try_from(position - part.offset).unwrap_or(usize::MAX);
        let bytes = &buffer[at(extent.start)..at(extent.end)];
        sums.update(extent, bytes)?;
        let sha256 = Sha256Hash::of(bytes);
        if extent.sha256.is_some_and(|expected| expected != sha256) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "bytes {} to {} are not what they were when it was made: remove it, and have it made again",
                    extent.start, extent.end
                ),
            ));
        }
        extents.push(HashedExtent {
            start: extent.start,
            end: extent.end,
            sha256,
        });
    }
    Ok(())
}

/// Writes the first MiB: first all but its first block, then that block.
pub(super) fn write_head(target: &dyn Target, head: &Buffer) -> Result<(), WriteError> {
    let block = usize::try_from(target.block()).unwrap_or(usize::MAX).min(head.len());
    let failed = |at| {
        move |source| WriteError::Card {
            doing: "writing",
            at,
            source,
        }
    };
    let mut rest = Buffer::new(head.len() - block);
    rest.copy_from_slice(&head[block..]);
    target.write(block as u64, &rest).map_err(failed(block as u64))?;
    target.flush().map_err(WriteError::Flush)?;
    target.write(0, &head[..block]).map_err(failed(0))
}

//! A reader of `.xz`: blocks are decoded in parallel, and concatenated streams and their padding
//! are read as one file.

use std::io::{self, BufRead, Read};

use super::members::{Ahead, Magic, Next, Tail, begins_with, behind};
use liblzma::stream::{Action, Error, MtStreamBuilder, Status, Stream};

/// The first bytes of a stream.
const MAGIC: &[u8] = b"\xfd7zXZ\0";

/// Above this (bytes), liblzma uses fewer threads.
const MEMORY_GOAL: u64 = 112 << 20;

/// Above this (bytes), it gives up: a dictionary of more than 128 MiB, which no preset of xz(1)
/// makes.
const MEMORY_LIMIT: u64 = 176 << 20;

/// Reads the contents of an `.xz` file.
pub(crate) struct XzReader<R> {
    input: Ahead<R>,
    state: State,
    tail: Tail,
}

enum State {
    /// Between two streams; `true` before the first one.
    Between(bool),
    Inside(Box<Stream>),
    Done,
}

impl<R: BufRead> XzReader<R> {
    pub(crate) fn new(input: R, tail: Tail) -> Self {
        Self {
            input: Ahead::new(input),
            state: State::Between(true),
            tail,
        }
    }

    /// Skips padding (zero bytes, a multiple of four before another stream: section 2.2 of the
    /// format) and begins the next stream.
    fn next_stream(&mut self, first: bool) -> io::Result<State> {
        if first {
            return match self.input.fill_buf()?.is_empty() {
                true => Err(io::ErrorKind::UnexpectedEof.into()),
                false => Ok(State::Inside(Box::new(decoder()?))),
            };
        }
        let begins = |next: &[u8]| begins_with(next, MAGIC);
        let magic = Magic {
            len: MAGIC.len(),
            begins: &begins,
        };
        match behind(&mut self.input, &magic, true, &self.tail)? {
            Next::End => Ok(State::Done),
            Next::Part(padding) if !padding.is_multiple_of(4) => {
                Err(invalid("stream padding is not a multiple of four bytes"))
            }
            Next::Part(_) => Ok(State::Inside(Box::new(decoder()?))),
        }
    }
}

fn decoder() -> io::Result<Stream> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    MtStreamBuilder::new()
        .threads(u32::try_from(threads).unwrap_or(64).min(64))
        .memlimit_threading(MEMORY_GOAL)
        .memlimit_stop(MEMORY_LIMIT)
        .decoder()
        .map_err(explain)
}

impl<R: BufRead> Read for XzReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let mut idle = 0;
        loop {
            let stream = match &mut self.state {
                State::Done => return Ok(0),
                State::Between(first) => {
                    let first = *first;
                    self.state = self.next_stream(first)?;
                    continue;
                }
                State::Inside(stream) => stream,
            };
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            let action = if at_end { Action::Finish } else { Action::Run };
            let status = stream.process(input, out, action).map_err(explain)?;
            // At most the lengths of `input` and `out`.
            let moved = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
            let consumed = moved(stream.total_in() - before_in)?;
            let produced = moved(stream.total_out() - before_out)?;
            self.input.consume(consumed);
            if matches!(status, Status::StreamEnd) {
                self.state = State::Between(false);
            }
            if produced > 0 {
                return Ok(produced);
            }
            // liblzma itself answers "no progress possible" on the second idle call only.
            idle = if consumed > 0 || matches!(status, Status::StreamEnd) {
                0
            } else {
                idle + 1
            };
            if idle > 2 {
                return Err(match at_end {
                    true => io::ErrorKind::UnexpectedEof.into(),
                    false => invalid("the decoder makes no progress"),
                });
            }
        }
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn explain(error: Error) -> io::Error {
    invalid(match error {
        Error::Mem => "not enough memory",
        Error::MemLimit => {
            "it needs more memory to decompress than this program allows itself (a dictionary over 128 MiB)"
        }
        Error::Format => "what follows an xz stream is not an xz stream",
        Error::Options => "it uses options that this decoder does not know",
        Error::UnsupportedCheck => "its integrity check is of an unknown kind",
        _ => "its data is damaged",
    })
}

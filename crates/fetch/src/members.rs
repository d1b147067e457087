//! Readers of files that may be packed in several parts, one behind the other (gzip members, zstd
//! frames), with other bytes behind the last: padding of a medium, or a vendor's appendix
//! (OpenWrt's metadata). As in gunzip, zeros are skipped, and other bytes are left out with a note:
//! the packed data is complete, and has its own checksums.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::Format;

/// The number of foreign bytes behind the packed ones; known once everything was read.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<AtomicU64>);

impl Tail {
    /// Returns the note for the user; `None` when there was nothing, or only zeros.
    pub fn words(&self, format: Format) -> Option<String> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            bytes => Some(format!(
                "{bytes} bytes behind the end of the {format} are not part of it, and are left out"
            )),
        }
    }

    fn found(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A reader whose next bytes can be read before they are taken.
pub(crate) struct Ahead<R> {
    inner: R,
    seen: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Ahead<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            seen: Vec::new(),
            at: 0,
        }
    }

    /// Returns the next `count` bytes, fewer at the end, without taking them.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.seen.drain(..self.at);
        self.at = 0;
        while self.seen.len() < count {
            let more = match self.inner.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                more => more?,
            };
            if more.is_empty() {
                break;
            }
            let taken = more.len().min(count - self.seen.len());
            self.seen.extend_from_slice(&more[..taken]);
            self.inner.consume(taken);
        }
        Ok(&self.seen)
    }

    /// Takes bytes as long as `wanted` returns true, and returns their number.
    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = match self.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            let (len, count) = (buffer.len(), buffer.iter().take_while(|byte| wanted(**byte)).count());
            self.consume(count);
            skipped += count as u64;
            if count < len || len == 0 {
                return Ok(skipped);
            }
        }
    }
}

impl<R: BufRead> Read for Ahead<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut buffer = self.fill_buf()?;
        let count = buffer.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.at < self.seen.len() {
            true => Ok(&self.seen[self.at..]),
            false => self.inner.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self.at < self.seen.len() {
            true => self.at += count,
            false => self.inner.consume(count),
        }
    }
}

/// What is behind the end of a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another part, behind this many zeros.
    Part(u64),
    /// Nothing that belongs to it.
    End,
}

/// Identifies a part: a number of first bytes, and whether they begin one.
pub(crate) struct Magic<'m> {
    pub len: usize,
    pub begins: &'m dyn Fn(&[u8]) -> bool,
}

/// Reads what is behind the end of a part. Parts behind zeros count only where `padded` is set.
pub(crate) fn behind<R: BufRead>(
    input: &mut Ahead<R>,
    magic: &Magic<'_>,
    padded: bool,
    tail: &Tail,
) -> io::Result<Next> {
    let zeros = input.skip(|byte| byte == 0)?;
    let next = input.peek(magic.len)?;
    if next.is_empty() {
        return Ok(Next::End);
    }
    if (magic.begins)(next) && (padded || zeros == 0) {
        return match next.len() < magic.len {
            // The file ends inside the first bytes of another part.
            true => Err(io::ErrorKind::UnexpectedEof.into()),
            false => Ok(Next::Part(zeros)),
        };
    }
    tail.found(zeros + input.skip(|_| true)?);
    Ok(Next::End)
}

/// Whether bytes are the beginning of `magic`, or begin with it.
pub(crate) fn begins_with(bytes: &[u8], magic: &[u8]) -> bool {
    bytes.iter().zip(magic).all(|(byte, magic)| byte == magic)
}

enum Part<R: BufRead> {
    Gzip(Box<flate2::bufread::GzDecoder<Ahead<R>>>),
    Zstd(zstd::stream::read::Decoder<'static, Ahead<R>>),
}

enum State<R: BufRead> {
    /// At the beginning of a part.
    Before(Ahead<R>),
    Inside(Part<R>),
    Behind(Ahead<R>),
    Done,
}

/// Reads what is inside a gzip or zstd file.
pub(crate) struct Members<R: BufRead> {
    zstd: bool,
    state: State<R>,
    tail: Tail,
}

impl<R: BufRead> Members<R> {
    pub(crate) fn gzip(input: R, tail: Tail) -> Self {
        Self {
            zstd: false,
            state: State::Before(Ahead::new(input)),
            tail,
        }
    }

    pub(crate) fn zstd(input: R, tail: Tail) -> Self {
        Self {
            zstd: true,
            state: State::Before(Ahead::new(input)),
            tail,
        }
    }

    fn begin(&self, input: Ahead<R>) -> io::Result<State<R>> {
        Ok(State::Inside(match self.zstd {
            false => Part::Gzip(Box::new(flate2::bufread::GzDecoder::new(input))),
            true => Part::Zstd(zstd::stream::read::Decoder::with_buffer(input)?.single_frame()),
        }))
    }

    fn look_behind(&self, mut input: Ahead<R>) -> io::Result<State<R>> {
        let gzip = |next: &[u8]| begins_with(next, b"\x1f\x8b");
        // A frame, or one to be skipped (RFC 8878, 3.1).
        let zstd = |next: &[u8]| {
            begins_with(next, b"\x28\xb5\x2f\xfd")
                || (next[0] & 0xf0 == 0x50 && begins_with(&next[1..], b"\x2a\x4d\x18"))
        };
        let magic = match self.zstd {
            true => Magic { len: 4, begins: &zstd },
            false => Magic { len: 2, begins: &gzip },
        };
        match behind(&mut input, &magic, false, &self.tail)? {
            Next::Part(_) => self.begin(input),
            Next::End => Ok(State::Done),
        }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Ok(0),
                State::Before(input) => self.begin(input)?,
                State::Behind(input) => self.look_behind(input)?,
                State::Inside(mut part) => {
                    let read = match &mut part {
                        Part::Gzip(decoder) => decoder.read(out),
                        Part::Zstd(decoder) => decoder.read(out),
                    };
                    match (read, part) {
                        (Ok(0), Part::Gzip(decoder)) => State::Behind(decoder.into_inner()),
                        (Ok(0), Part::Zstd(decoder)) => State::Behind(decoder.finish()),
                        (read, part) => {
                            self.state = State::Inside(part);
                            return read;
                        }
                    }
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Returns the unpacked data of a file, read in small pieces, and the note.
    fn read(kind: &str, file: &[u8]) -> (io::Result<Vec<u8>>, Option<String>) {
        let (tail, input) = (Tail::default(), BufReader::with_capacity(7, file));
        let mut out = Vec::new();
        let done = match kind {
            "gzip" => Members::gzip(input, tail.clone()).read_to_end(&mut out),
            "zstd" => Members::zstd(input, tail.clone()).read_to_end(&mut out),
            _ => super::super::xz::XzReader::new(input, tail.clone()).read_to_end(&mut out),
        };
        (done.map(|_| out), tail.words(Format::Gzip))
    }

    #[test]
    fn what_stands_behind_the_last_part_is_left_out() {
        type Packer = fn(&[u8]) -> Vec<u8>;
        for (kind, pack) in [("gzip", gzip as Packer), ("zstd", zstd), ("xz", xz)] {
            let two = [pack(b"one"), pack(b"two")].concat();
            for (behind, note) in [
                (&b""[..], None),
                (&[0; 5], None),
                (&[0; 4096], None),
                (b"meta", Some("4 bytes")),
                (b"\0\0\0\0meta", Some("8 bytes")),
                (b"\x1fmeta", Some("5 bytes")),
                (&[0xff; 100], Some("100 bytes")),
            ] {
                let (out, said) = read(kind, &[&two, behind].concat());
                assert_eq!(out.unwrap(), b"onetwo", "{kind} {behind:?}");
                assert_eq!(said.is_some(), note.is_some(), "{kind} {behind:?} {said:?}");
                assert!(note.is_none_or(|note| said.unwrap().starts_with(note)));
            }
        }
        // Frames to be skipped, at the front and at the end.
        let skipped = b"\x50\x2a\x4d\x18\x02\0\0\0xx";
        let file = [&skipped[..], &zstd(b"one"), skipped, &zstd(b"two"), skipped].concat();
        assert_eq!(read("zstd", &file).0.unwrap(), b"onetwo");
        assert_eq!(read("zstd", &file).1, None);
    }

    #[test]
    fn a_part_that_is_cut_or_damaged_is_an_error_wherever_it_stands() {
        type Packer = fn(&[u8]) -> Vec<u8>;
        for (kind, pack) in [("gzip", gzip as Packer), ("zstd", zstd), ("xz", xz)] {
            let (one, two) = (pack(b"one"), pack(b"two"));
            for cut in 1..two.len() {
                let file = [&one[..], &two[..cut]].concat();
                let (out, said) = read(kind, &file);
                assert!(out.is_err(), "{kind} cut at {cut}: {out:?} {said:?}");
                assert!(read(kind, &two[..cut]).0.is_err(), "{kind} cut at {cut}");
            }
            let mut damaged = [one.clone(), two.clone()].concat();
            let at = one.len() + two.len() / 2;
            damaged[at] ^= 0x10;
            assert!(read(kind, &damaged).0.is_err() || kind == "zstd");
            assert!(read(kind, b"").0.is_err() || kind == "zstd");
        }
    }
}

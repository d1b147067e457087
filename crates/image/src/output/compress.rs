//! Writes a node's image compressed, with several threads; the bytes do not depend on the number of
//! threads.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;

use liblzma::stream::{Check, MtStreamBuilder};
use liblzma::write::XzEncoder;
use sha2::{Digest, Sha256};

use crate::bake::NodeImage;
use kraken_disk::ReadAt;
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;

/// xz(1) preset. Higher ones save a few per cent in size and take twice the time.
const XZ_PRESET: u32 = 3;
/// Size of an xz block in bytes. It is fixed because threads work on blocks, so that the number of
/// threads does not change the output. Blocks also let readers decompress in parallel.
const XZ_BLOCK: u64 = 16 << 20;
/// zstd(1) level.
const ZSTD_LEVEL: i32 = 6;
/// Size of a zstd job in bytes, fixed for the same reason.
const ZSTD_JOB: u32 = 16 << 20;
/// The most threads: each needs several times its block size in memory, and all together must stay
/// under 256 MiB.
const MAX_THREADS: u32 = 3;
/// How much is read at a time, in bytes.
const BUFFER_SIZE: usize = 1 << 20;

/// How an image is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// xz: the file name ends in `.img.xz`.
    Xz,
    /// zstd: the file name ends in `.img.zst`.
    Zstd,
}

impl Compression {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
        }
    }
}

/// Hashes and size of a compressed file.
pub(super) struct Compressed {
    /// SHA-256 of the raw image.
    pub raw_sha256: Sha256Hash,
    /// SHA-256 of the compressed file.
    pub sha256: Sha256Hash,
    /// Size of the compressed file in bytes.
    pub size: u64,
}

/// Compresses the whole image into `to`. `task` advances by raw bytes.
///
/// # Errors
/// The system's error; `Interrupted` when asked to stop.
pub(super) fn write(
    image: &NodeImage<'_>,
    to: &File,
    method: Compression,
    task: &dyn Task,
    interrupt: &Interrupt,
) -> io::Result<Compressed> {
    let mut out = Hashed {
        inner: io::BufWriter::with_capacity(BUFFER_SIZE, to),
        hash: Sha256::new(),
        size: 0,
    };
    let raw_sha256 = match method {
        Compression::Xz => {
            let stream = MtStreamBuilder::new()
                .threads(threads())
                .block_size(XZ_BLOCK)
                .preset(XZ_PRESET)
                .check(Check::Crc64)
                .encoder()
                .map_err(io::Error::other)?;
            let mut encoder = XzEncoder::new_stream(&mut out, stream);
            let raw = feed(image, &mut encoder, task, interrupt)?;
            encoder.finish()?;
            raw
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(&mut out, ZSTD_LEVEL)?;
            encoder.multithread(threads())?;
            encoder.set_parameter(zstd::zstd_safe::CParameter::JobSize(ZSTD_JOB))?;
            encoder.include_checksum(true)?;
            encoder.set_pledged_src_size(Some(image.size()))?;
            let raw = feed(image, &mut encoder, task, interrupt)?;
            encoder.finish()?;
            raw
        }
    };
    out.flush()?;
    Ok(Compressed {
        raw_sha256,
        sha256: out.hash.finalize().into(),
        size: out.size,
    })
}

fn threads() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(cores).unwrap_or(MAX_THREADS).clamp(1, MAX_THREADS)
}

/// Writes the raw image into `to`, and returns its hash.
fn feed(image: &NodeImage<'_>, to: &mut dyn Write, task: &dyn Task, interrupt: &Interrupt) -> io::Result<Sha256Hash> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut at = 0;
    while at < image.size() {
        if interrupt.is_set() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        let step = usize::try_from(image.size() - at)
            .unwrap_or(BUFFER_SIZE)
            .min(BUFFER_SIZE);
        image.read_at(at, &mut buffer[..step])?;
        hash.update(&buffer[..step]);
        to.write_all(&buffer[..step])?;
        at += step as u64;
        task.advance(step as u64);
    }
    Ok(hash.finalize().into())
}

/// Counts and hashes the bytes that pass through.
struct Hashed<W: Write> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let done = self.inner.write(bytes)?;
        self.hash.update(&bytes[..done]);
        self.size += done as u64;
        Ok(done)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

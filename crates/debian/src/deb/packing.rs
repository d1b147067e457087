//! How a member of a `.deb` is packed, by the ending of its name, as in dpkg-deb(1).

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// The maximum amount of memory for unpacking, in bytes: twice what `xz -9` needs.
const XZ_MEMORY: u64 = 128 << 20;

/// A reader that returns an error when more than `left` bytes come.
pub(super) struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R> Capped<R> {
    pub(super) fn new(inner: R, most: u64) -> Self {
        Self { inner, left: most }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than any package has"))?;
        Ok(count)
    }
}

/// Returns the bytes of a member called `base` (`data.tar`), unpacked, with a limit of `most`
/// bytes; `None` when the packing is unknown.
pub(super) fn unpacked<'r>(
    name: &str,
    base: &str,
    member: impl Read + 'r,
    most: u64,
) -> io::Result<Option<Box<dyn Read + 'r>>> {
    let Some(ending) = name.strip_prefix(base) else {
        return Ok(None);
    };
    let reader: Box<dyn Read> = match ending {
        "" => Box::new(member),
        ".gz" => Box::new(MultiGzDecoder::new(member)),
        ".xz" => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED).map_err(io::Error::other)?;
            Box::new(XzDecoder::new_stream(member, stream))
        }
        ".zst" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(member))?;
            // 128 MiB: what `zstd --ultra -22` needs. No honest package needs more.
            decoder.window_log_max(27)?;
            Box::new(decoder)
        }
        _ => return Ok(None),
    };
    Ok(Some(Box::new(Capped::new(reader, most))))
}

//! Where the bytes for a card come from: an image that can be read anywhere, or a stream that is unpacked on the way.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::extent::ExpectedExtent;
use super::limits::REQUEST;
use super::map::data_between;
use kraken_disk::{ReadAt, UsedMap};
use kraken_image::bake::{self, EXTENT_SIZE, HashedExtent, NodeImage};

/// What one call of [`Source::next`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceExtent {
    /// Where in the image it lies, in bytes: a multiple of 4096.
    pub offset: u64,
    /// Its length in bytes.
    pub len: usize,
    /// It, extent into extents without gaps.
    pub extents: Vec<ExpectedExtent>,
}

/// The used ranges of an image, in order.
pub trait Source: Send {
    /// The size of the whole image in bytes, when it is known beforehand.
    fn size(&self) -> Option<u64>;

    /// The bytes that will come, when known.
    fn used_bytes(&self) -> Option<u64>;

    /// Reads the next part into the buffer, which has a MiB: the part does not cross a multiple of that. `None` at the end.
    ///
    /// # Errors
    /// What reading reports; `InvalidData` when the image is damaged.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>>;
}

/// An image that can be read anywhere.
pub struct ImageSource<'a> {
    image: &'a dyn ReadAt,
    chunks: std::vec::IntoIter<SourceExtent>,
    used: u64,
}

impl<'a> ImageSource<'a> {
    /// The image of a node: golden image and patch, with the hashes that are known of it.
    ///
    /// # Errors
    /// What reading the golden image reports.
    pub fn of_node(image: &'a NodeImage<'_>) -> io::Result<Self> {
        let extents = image.hashed_extents()?;
        Ok(Self::new(image, extents.into_iter().map(known).collect()))
    }

    /// An image of which these parts are to be written, in order.
    pub fn of_extents(image: &'a dyn ReadAt, extents: Vec<ExpectedExtent>) -> Self {
        Self::new(image, extents)
    }

    /// Any image: what its own file systems call used is written.
    ///
    /// # Errors
    /// When its partition table cannot be read.
    pub fn of_image(image: &'a dyn ReadAt, used: &UsedMap) -> Self {
        let whole = used
            .ranges()
            .iter()
            .map(|range| bake::whole_blocks(range, image.size()));
        let extents = bake::split_extents(&UsedMap::from_ranges(whole));
        Self::new(image, extents.into_iter().map(ExpectedExtent::unhashed).collect())
    }

    fn new(image: &'a dyn ReadAt, extents: Vec<ExpectedExtent>) -> Self {
        Self {
            image,
            used: extents.iter().map(|extent| extent.end - extent.start).sum(),
            chunks: chunks(extents).into_iter(),
        }
    }
}

fn known(extent: HashedExtent) -> ExpectedExtent {
    ExpectedExtent {
        start: extent.start,
        end: extent.end,
        sha256: Some(extent.sha256),
        mapped: None,
    }
}

/// Cuts that follow one another without a gap and lie in the same MiB become one chunk.
fn chunks(extents: Vec<ExpectedExtent>) -> Vec<SourceExtent> {
    let mut chunks: Vec<SourceExtent> = Vec::new();
    for extent in extents {
        let len = usize::try_from(extent.end - extent.start).unwrap_or_default();
        match chunks.last_mut() {
            Some(chunk)
                if chunk.offset + chunk.len as u64 == extent.start
                    && chunk.offset / REQUEST == extent.start / REQUEST =>
            {
                chunk.len += len;
                chunk.extents.push(extent);
            }
            _ => chunks.push(SourceExtent {
                offset: extent.start,
                len,
                extents: vec![extent],
            }),
        }
    }
    chunks
}

impl Source for ImageSource<'_> {
    fn size(&self) -> Option<u64> {
        Some(self.image.size())
    }

    fn used_bytes(&self) -> Option<u64> {
        Some(self.used)
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>> {
        let Some(chunk) = self.chunks.next() else {
            return Ok(None);
        };
        self.image.read_at(chunk.offset, &mut buffer[..chunk.len])?;
        Ok(Some(chunk))
    }
}

/// An image that comes out of a decompressor. Where its used ranges are not known, all of it is written.
pub struct StreamSource {
    reader: Box<dyn Read + Send>,
    size: Option<u64>,
    /// A size that is likely, for progress alone.
    likely: Option<u64>,
    map: Option<VecDeque<ExpectedExtent>>,
    /// Bytes of extents that the map does not name and that are not zeros.
    unmapped: u64,
    at: u64,
}

impl StreamSource {
    /// `map` has the parts that are to be written, in order, from a block map beside the file ([`super::map_extents`]). What is not zero besides is
    /// written, too ([`Self::unmapped`]): it is at hand, and a map may be of another day than its image.
    pub fn new(reader: Box<dyn Read + Send>, size: Option<u64>, map: Option<Vec<ExpectedExtent>>) -> Self {
        let size = size.filter(|size| *size > 0);
        Self {
            reader,
            size,
            likely: None,
            map: map.map(VecDeque::from),
            unmapped: 0,
            at: 0,
        }
    }

    /// Says how many bytes will probably come, where the size is not known; nothing but progress depends on it.
    #[must_use]
    pub fn likely(mut self, bytes: u64) -> Self {
        self.likely = Some(bytes).filter(|bytes| *bytes > 0);
        self
    }

    /// How many bytes came so far, in extents of up to 256 KiB, that the map does not name though something is there.
    pub fn unmapped(&self) -> u64 {
        self.unmapped
    }

    /// Fills the buffer as far as the stream goes.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    /// The extents of a MiB of these bytes that begins at `offset`.
    fn extents(&mut self, offset: u64, bytes: &[u8]) -> Vec<ExpectedExtent> {
        let end = offset + bytes.len() as u64;
        match &mut self.map {
            None => {
                let starts = (offset..end).step_by(usize::try_from(EXTENT_SIZE).unwrap_or(usize::MAX));
                let extent = |start: u64| ExpectedExtent::unhashed(start..(start + EXTENT_SIZE).min(end));
                starts.map(extent).collect()
            }
            Some(map) => {
                let here = map.iter().take_while(|extent| extent.start < end).count();
                let mut extents: Vec<ExpectedExtent> = map.drain(..here).collect();
                let besides = data_between(&extents, offset, bytes);
                self.unmapped += besides.iter().map(|extent| extent.end - extent.start).sum::<u64>();
                extents.extend(besides);
                extents.sort_by_key(|extent| extent.start);
                extents
            }
        }
    }
}

impl Source for StreamSource {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn used_bytes(&self) -> Option<u64> {
        match &self.map {
            Some(map) => Some(map.iter().map(|extent| extent.end - extent.start).sum()),
            None => self.size.or(self.likely),
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>> {
        loop {
            let offset = self.at;
            let len = self.fill(buffer)?;
            if len == 0 {
                return match self.size {
                    Some(size) if size != offset => Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("it ends after {offset} bytes and should have {size}"),
                    )),
                    _ => {
                        self.size = Some(offset);
                        Ok(None)
                    }
                };
            }
            let extents = self.extents(offset, &buffer[..len]);
            let (Some(first), Some(last)) = (extents.first(), extents.last()) else {
                continue;
            };
            // Gaps inside a MiB are written with it: their bytes are at hand, and one request is cheaper than two.
            let (start, end) = (first.start, last.end.min(offset + len as u64));
            let from = usize::try_from(start - offset).unwrap_or_default();
            let len = usize::try_from(end - start).unwrap_or_default();
            buffer.copy_within(from..from + len, 0);
            return Ok(Some(SourceExtent {
                offset: start,
                len,
                extents,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MappedExtent, map_extents};
    use super::*;

    fn all(source: &mut dyn Source) -> Vec<(SourceExtent, Vec<u8>)> {
        let mut buffer = vec![0xee; 1 << 20];
        let mut chunks = Vec::new();
        while let Some(chunk) = source.next(&mut buffer).unwrap() {
            chunks.push((chunk.clone(), buffer[..chunk.len].to_vec()));
        }
        chunks
    }

    #[test]
    fn a_stream_gives_every_byte_once_and_no_chunk_crosses_a_mib() {
        let bytes: Vec<u8> = (0..2_600_000u32)
            .flat_map(|n| (n as u16).to_le_bytes())
            .take(2_600_000)
            .collect();
        let mut source = StreamSource::new(Box::new(io::Cursor::new(bytes.clone())), None, None);
        let chunks = all(&mut source);
        let together: Vec<u8> = chunks.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(together, bytes);
        assert_eq!(
            chunks.iter().map(|(chunk, _)| chunk.offset >> 20).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(chunks.iter().all(|(chunk, _)| {
            chunk
                .extents
                .iter()
                .all(|extent| extent.end - extent.start <= EXTENT_SIZE)
        }));
        assert_eq!(source.size(), Some(2_600_000));
    }

    #[test]
    fn a_stream_with_a_map_gives_what_the_map_names() {
        let named = [4096..8192, 12288..16384, (2 << 20) + 8192..(2 << 20) + 12288];
        let of_map = |n: &u64| named.iter().any(|range| range.contains(n));
        let byte = |n: u64| if of_map(&n) { (n >> 12) as u8 } else { 0 };
        let mut bytes: Vec<u8> = (0..3 << 20).map(byte).collect();
        let range = |range: &std::ops::Range<u64>| MappedExtent {
            start: range.start,
            end: range.end,
            sha256: "x".to_owned(),
        };
        let map = map_extents(named.iter().map(range));
        let mut source = StreamSource::new(
            Box::new(io::Cursor::new(bytes.clone())),
            Some(3 << 20),
            Some(map.clone()),
        );
        assert_eq!(source.used_bytes(), Some(12288));
        let chunks = all(&mut source);
        let at: Vec<(u64, usize)> = chunks.iter().map(|(chunk, _)| (chunk.offset, chunk.len)).collect();
        assert_eq!(at, [(4096, 12288), ((2 << 20) + 8192, 4096)]);
        assert_eq!(chunks[0].1, bytes[4096..16384]);
        assert_eq!(source.unmapped(), 0);
        // What the map calls a hole and is none arrives all the same.
        bytes[1_500_000] = 1;
        let mut source = StreamSource::new(Box::new(io::Cursor::new(bytes.clone())), Some(3 << 20), Some(map));
        let chunks = all(&mut source);
        let at: Vec<(u64, usize)> = chunks.iter().map(|(chunk, _)| (chunk.offset, chunk.len)).collect();
        assert_eq!(
            at,
            [(4096, 12288), (5 * EXTENT_SIZE, 1 << 18), ((2 << 20) + 8192, 4096)]
        );
        assert_eq!(source.unmapped(), EXTENT_SIZE);
    }

    #[test]
    fn a_stream_that_ends_too_soon_is_an_error() {
        let mut source = StreamSource::new(Box::new(io::Cursor::new(vec![1; 5000])), Some(6000), None);
        let mut buffer = vec![0; 1 << 20];
        source.next(&mut buffer).unwrap();
        assert_eq!(
            source.next(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}

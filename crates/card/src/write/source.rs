//! Where the bytes for a card come from: an image with random access, or a stream that is
//! decompressed on the way.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::extent::ExpectedExtent;
use super::limits::REQUEST;
use super::map::data_between;
use kraken_disk::{ReadAt, UsedMap};
use kraken_image::bake::{self, EXTENT_SIZE, HashedExtent, NodeImage};

/// The range that one call of [`Source::next`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceExtent {
    /// Offset in the image, in bytes: a multiple of 4096.
    pub offset: u64,
    /// Length in bytes.
    pub len: usize,
    /// The extents that make up this range, without gaps.
    pub extents: Vec<ExpectedExtent>,
}

/// The used ranges of an image, in order.
pub trait Source: Send {
    /// The size of the whole image in bytes, if known beforehand.
    fn size(&self) -> Option<u64>;

    /// The number of bytes that will be read, if known.
    fn used_bytes(&self) -> Option<u64>;

    /// Reads the next range into the buffer, which has one MiB. The range does not cross a multiple
    /// of one MiB. `None` at the end.
    ///
    /// # Errors
    /// The error of reading; `InvalidData` when the image is damaged.
    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>>;
}

/// An image with random access.
pub struct ImageSource<'a> {
    image: Box<dyn ReadAt + 'a>,
    parts: std::vec::IntoIter<SourceExtent>,
    used: u64,
}

impl<'a> ImageSource<'a> {
    /// The image of a node: golden image and patch, with their known hashes.
    ///
    /// # Errors
    /// The error of reading the golden image.
    pub fn of_node(image: &'a NodeImage<'_>) -> io::Result<Self> {
        let extents = image.hashed_extents()?;
        Ok(Self::new(Box::new(image), extents.into_iter().map(known).collect()))
    }

    /// An image of which these extents are written, in order.
    pub fn of_extents(image: impl ReadAt + 'a, extents: Vec<ExpectedExtent>) -> Self {
        Self::new(Box::new(image), extents)
    }

    /// Any image: writes what its own file systems use.
    pub fn of_image(image: impl ReadAt + 'a, used: &UsedMap) -> Self {
        let whole = used
            .ranges()
            .iter()
            .map(|range| bake::whole_blocks(range, image.size()));
        let extents = bake::split_extents(&UsedMap::from_ranges(whole));
        Self::new(
            Box::new(image),
            extents.into_iter().map(ExpectedExtent::unhashed).collect(),
        )
    }

    fn new(image: Box<dyn ReadAt + 'a>, extents: Vec<ExpectedExtent>) -> Self {
        Self {
            image,
            used: extents.iter().map(|extent| extent.end - extent.start).sum(),
            parts: joined(extents).into_iter(),
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

/// Joins extents that are adjacent and lie in the same MiB.
fn joined(extents: Vec<ExpectedExtent>) -> Vec<SourceExtent> {
    let mut parts: Vec<SourceExtent> = Vec::new();
    for extent in extents {
        let len = usize::try_from(extent.end - extent.start).unwrap_or_default();
        match parts.last_mut() {
            Some(part)
                if part.offset + part.len as u64 == extent.start && part.offset / REQUEST == extent.start / REQUEST =>
            {
                part.len += len;
                part.extents.push(extent);
            }
            _ => parts.push(SourceExtent {
                offset: extent.start,
                len,
                extents: vec![extent],
            }),
        }
    }
    parts
}

impl Source for ImageSource<'_> {
    fn size(&self) -> Option<u64> {
        Some(self.image.size())
    }

    fn used_bytes(&self) -> Option<u64> {
        Some(self.used)
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>> {
        let Some(part) = self.parts.next() else {
            return Ok(None);
        };
        self.image.read_at(part.offset, &mut buffer[..part.len])?;
        Ok(Some(part))
    }
}

/// An image that comes out of a decompressor. It is written as a whole when its used ranges are not
/// known.
pub struct StreamSource {
    reader: Box<dyn Read + Send>,
    size: Option<u64>,
    /// A likely size in bytes, used only for progress.
    likely: Option<u64>,
    map: Option<VecDeque<ExpectedExtent>>,
    /// Bytes of extents that the map does not name and that are not zeros.
    unmapped: u64,
    at: u64,
}

impl StreamSource {
    /// `map` has the extents to write, in order, from a block map beside the file
    /// ([`super::map_extents`]). Other data that is not zero is written too ([`Self::unmapped`]):
    /// it is at hand, and the map may be older than the image.
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

    /// Sets how many bytes will probably come when the size is not known; only progress depends on
    /// it.
    #[must_use]
    pub fn likely(mut self, bytes: u64) -> Self {
        self.likely = Some(bytes).filter(|bytes| *bytes > 0);
        self
    }

    /// Returns how many bytes came so far, in extents of up to 256 KiB, that the map does not name
    /// and that are not zeros.
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

    /// Returns the extents of one MiB of bytes that begins at `offset`.
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
            // Gaps inside one MiB are written with it: their bytes are at hand, and one request is
            // cheaper than two.
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
    use kraken_foundation::Sha256Hash;

    fn all(source: &mut dyn Source) -> Vec<(SourceExtent, Vec<u8>)> {
        let mut buffer = vec![0xee; 1 << 20];
        let mut parts = Vec::new();
        while let Some(part) = source.next(&mut buffer).unwrap() {
            parts.push((part.clone(), buffer[..part.len].to_vec()));
        }
        parts
    }

    #[test]
    fn a_stream_gives_every_byte_once_and_no_part_crosses_a_mib() {
        let bytes: Vec<u8> = (0..2_600_000u32)
            .flat_map(|n| (n as u16).to_le_bytes())
            .take(2_600_000)
            .collect();
        let mut source = StreamSource::new(Box::new(io::Cursor::new(bytes.clone())), None, None);
        let parts = all(&mut source);
        let together: Vec<u8> = parts.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(together, bytes);
        assert_eq!(
            parts.iter().map(|(part, _)| part.offset >> 20).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(parts.iter().all(|(part, _)| {
            part.extents
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
            sha256: Sha256Hash::of("x"),
        };
        let map = map_extents(named.iter().map(range));
        let mut source = StreamSource::new(
            Box::new(io::Cursor::new(bytes.clone())),
            Some(3 << 20),
            Some(map.clone()),
        );
        assert_eq!(source.used_bytes(), Some(12288));
        let parts = all(&mut source);
        let at: Vec<(u64, usize)> = parts.iter().map(|(part, _)| (part.offset, part.len)).collect();
        assert_eq!(at, [(4096, 12288), ((2 << 20) + 8192, 4096)]);
        assert_eq!(parts[0].1, bytes[4096..16384]);
        assert_eq!(source.unmapped(), 0);
        // Data in a hole of the map still arrives.
        bytes[1_500_000] = 1;
        let mut source = StreamSource::new(Box::new(io::Cursor::new(bytes.clone())), Some(3 << 20), Some(map));
        let parts = all(&mut source);
        let at: Vec<(u64, usize)> = parts.iter().map(|(part, _)| (part.offset, part.len)).collect();
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

//! An image file as the source of a card: raw or packed, with the block map beside it.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kraken_disk::{ImageFile, ReadAt, UsedMap};
use kraken_fetch::{Format, ImageStream};
use kraken_foundation::{Error, Job, Kind, Result};
use kraken_image::output::{BMAP_BLOCK, Bmap, BmapRange};

use super::write::{
    ExpectedExtent, ImageSource, MappedExtent, Source, SourceExtent, StreamSource, compare_map, data_in, left_out,
    map_extents,
};

/// The largest block map that is read, in bytes; a larger file is not a block map.
const MAP_LIMIT: u64 = 256 << 20;

/// An image file that was opened: raw, or packed as xz, zstd, gzip or zip, recognised by its
/// content. The block map beside it (`.bmap`) is used.
pub struct FileImage {
    path: PathBuf,
    stream: ImageStream,
    map: Option<Bmap>,
}

impl FileImage {
    /// Opens an image and the block map beside it, or beside the raw image that a packed file
    /// contains.
    ///
    /// # Errors
    /// When one of them cannot be read, is not what it should be, or the map is of an image of
    /// another size.
    pub fn open(path: &Path) -> Result<Self> {
        let map = block_map(path)?;
        let stream = kraken_fetch::stream(path)?;
        match (stream.size, &map) {
            (Some(size), Some(map)) if size != map.image_size => Err(Error::new(
                Kind::Damaged,
                format!(
                    "{} has {size} bytes, and its block map says {}: they do not belong together; remove the map, or get the right one",
                    path.display(),
                    map.image_size
                ),
            )),
            _ => Ok(Self {
                path: path.to_owned(),
                stream,
                map,
            }),
        }
    }

    /// Returns how many bytes a card must have. Not every packed format records the image's size;
    /// the partition table says how large it is at least.
    pub fn needed(&self) -> u64 {
        self.size().unwrap_or(self.stream.least)
    }

    fn size(&self) -> Option<u64> {
        self.stream.size.or(self.map.as_ref().map(|map| map.image_size))
    }

    /// Makes it ready to be written. A raw image is compared with its block map first; a packed one
    /// is compared while it is written.
    ///
    /// # Errors
    /// When the image cannot be read, or is not the one that the map describes.
    pub fn into_source(self, job: Job<'_>) -> Result<FileSource> {
        let size = self.size();
        let mut extents = self.map.as_ref().map(extents_of);
        if self.stream.format != Format::Raw {
            let ImageStream {
                format,
                least,
                tail,
                bytes,
                ..
            } = self.stream;
            return Ok(FileSource {
                bytes: Bytes::Stream(Box::new(StreamSource::new(bytes, size, extents).likely(least))),
                left_out: 0,
                format,
                tail,
            });
        }
        let failed = |error: io::Error, end: &str| {
            let text = format!("reading {}: {error}{end}", self.path.display());
            Error::new(Error::from(error).kind(), text)
        };
        let image = Arc::new(ImageFile::open_read(&self.path).map_err(|error| failed(error, ""))?);
        let mut besides = 0;
        if let Some(extents) = &mut extents {
            besides = fit_map(&image, extents, job).map_err(|error| failed(error, "; nothing was written"))?;
        }
        Ok(FileSource {
            bytes: Bytes::Image(RawImage {
                image,
                extents,
                source: OnceCell::new(),
            }),
            left_out: besides,
            format: self.stream.format,
            tail: self.stream.tail,
        })
    }
}

/// An image file that is ready to be written.
pub struct FileSource {
    bytes: Bytes,
    left_out: u64,
    format: Format,
    tail: kraken_fetch::Tail,
}

enum Bytes {
    Image(RawImage),
    Stream(Box<StreamSource>),
}

/// A raw image. Without a map, its used blocks are read when the writing begins: the user may take
/// a while to agree, and the image may be another one by then.
struct RawImage {
    image: Arc<ImageFile>,
    extents: Option<Vec<ExpectedExtent>>,
    source: OnceCell<ImageSource<'static>>,
}

impl RawImage {
    fn source(&self) -> &ImageSource<'static> {
        self.source.get_or_init(|| match &self.extents {
            Some(extents) => ImageSource::of_extents(self.image.clone(), extents.clone()),
            None => ImageSource::of_image(self.image.clone(), &used(self.image.clone())),
        })
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>> {
        self.source();
        match self.source.get_mut() {
            Some(source) => source.next(buffer),
            None => Ok(None),
        }
    }
}

impl FileSource {
    /// Returns how many bytes the block map leaves out that are not empty, as far as the image was
    /// read: for a packed image, all of them once it is written. They are written as well.
    pub fn left_out_by_map(&self) -> u64 {
        match &self.bytes {
            Bytes::Image(_) => self.left_out,
            Bytes::Stream(stream) => stream.unmapped(),
        }
    }

    /// Returns a sentence about bytes behind the end of a packed image, once it is written.
    pub fn tail(&self) -> Option<String> {
        self.tail.words(self.format)
    }
}

impl Source for FileSource {
    fn size(&self) -> Option<u64> {
        match &self.bytes {
            Bytes::Image(raw) => Some(raw.image.size()),
            Bytes::Stream(stream) => stream.size(),
        }
    }

    fn used_bytes(&self) -> Option<u64> {
        match &self.bytes {
            Bytes::Image(raw) => raw.source().used_bytes(),
            Bytes::Stream(stream) => stream.used_bytes(),
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<Option<SourceExtent>> {
        match &mut self.bytes {
            Bytes::Image(raw) => raw.next(buffer),
            Bytes::Stream(stream) => stream.next(buffer),
        }
    }
}

/// Compares a raw image with its map, and adds to the map's ranges those that the image's own file
/// systems use besides. Returns how many bytes of these are not empty.
fn fit_map(image: &Arc<ImageFile>, extents: &mut Vec<ExpectedExtent>, job: Job<'_>) -> io::Result<u64> {
    let total = extents.iter().map(|extent| extent.end - extent.start).sum();
    let task = job.task("comparing the image with its block map", Some(total));
    compare_map(&**image, extents, &*task, job.interrupt)?;
    drop(task);
    let besides = left_out(&used(image.clone()), extents, image.size());
    let bytes = data_in(&**image, &besides, job.interrupt)?;
    extents.extend(besides);
    extents.sort_by_key(|extent| extent.start);
    Ok(bytes)
}

/// Returns the ranges that the image's own file systems use, or the whole image where that is
/// unknown.
fn used(image: Arc<ImageFile>) -> UsedMap {
    let all = 0..image.size();
    UsedMap::of(image).unwrap_or_else(|_| UsedMap::from_ranges([all]))
}

/// Reads the block map beside an image, or the one beside the raw image that a packed file
/// contains.
fn block_map(image: &Path) -> Result<Option<Bmap>> {
    let name = image.as_os_str().to_string_lossy().into_owned();
    let raw = [".xz", ".zst", ".gz", ".zip"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    let beside = |name: &str| PathBuf::from(format!("{name}.bmap"));
    let Some(path) = [Some(beside(&name)), raw.map(beside)]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let failed = |why: String| {
        let text = format!("reading {}: {why}; remove it to write the whole image", path.display());
        Error::new(Kind::Damaged, text)
    };
    let length = fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAP_LIMIT {
        return Err(failed("it is too large to be a block map".into()));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let map = Bmap::parse(&text).map_err(|error| failed(error.to_string()))?;
    // Without it the beginning of the card would stay empty.
    match map.ranges.first().is_some_and(|range| range.first == 0) {
        true => Ok(Some(map)),
        false => Err(failed(
            "it leaves out the image's first block, where the partition table is".into(),
        )),
    }
}

/// The map's ranges.
fn extents_of(map: &Bmap) -> Vec<ExpectedExtent> {
    let bytes = |block: u64| block * BMAP_BLOCK;
    let range = |range: &BmapRange| MappedExtent {
        start: bytes(range.first),
        end: bytes(range.last + 1).min(map.image_size),
        sha256: range.sha256,
    };
    map_extents(map.ranges.iter().map(range))
}

//! The raw bytes of an image file of any known format, as a stream: for callers that write them on
//! at once and keep no copy.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::decompress::is_window;
use super::format::{self, Format};
use super::hash::BLOCK;
use super::members::{Members, Tail};
use super::unpack_error::{WINDOW, corrupt, truncated, unusual};
use super::xz::XzReader;
use super::zip_member::{Member, largest_image};
use kraken_foundation::{Context, Result};

/// Blocks in the queue out of a zip archive.
const BLOCKS: usize = 4;

/// An opened image file.
pub struct ImageStream {
    /// How it is packed.
    pub format: Format,
    /// The raw image's size in bytes, where the file states it.
    pub size: Option<u64>,
    /// The minimum size in bytes, by its own partition table.
    pub least: u64,
    /// The foreign bytes behind the packed image, once everything was read.
    pub tail: Tail,
    /// The raw image. Damage shows as `InvalidData` or `UnexpectedEof`, at the latest at the end.
    pub bytes: Box<dyn Read + Send>,
}

/// Opens an image file, recognises it by its first bytes, and unpacks it while it is read.
///
/// # Errors
/// When it cannot be read, or is not an image, packed or not.
pub fn stream(path: &Path) -> Result<ImageStream> {
    let format = super::recognise(path)?;
    let file = File::open(path).doing("opening", path)?;
    let tail = Tail::default();
    let packed = |file| BufReader::with_capacity(BLOCK, file);
    let damaged = |why: &dyn Display| corrupt(path, format, why);
    let (size, mut bytes): (Option<u64>, Box<dyn Read + Send>) = match format {
        Format::Raw => (Some(file.metadata().doing("examining", path)?.len()), Box::new(file)),
        Format::Xz => (None, Box::new(XzReader::new(packed(file), tail.clone()))),
        Format::Gzip => (None, Box::new(Members::gzip(packed(file), tail.clone()))),
        Format::Zstd => (None, Box::new(Members::zstd(packed(file), tail.clone()))),
        Format::Zip => {
            let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(&error))?;
            let image = largest_image(&mut archive).map_err(|how| unusual(path, how))?;
            let image = image.ok_or_else(|| damaged(&"there is no .img file in it"))?;
            let bytes = zipped(archive, image).map_err(|error| damaged(&error))?;
            (Some(image.size), bytes)
        }
    };
    let head = take_head(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => truncated(path, format),
        _ if is_window(&error) => unusual(path, WINDOW),
        _ => damaged(&error),
    })?;
    let found = match format::recognise(&head) {
        Ok(Format::Raw) => None,
        Ok(packed) => Some(format!("another {packed}")),
        Err(found) => Some(found.to_owned()),
    };
    if let Some(found) = found {
        return Err(damaged(&format_args!("there is {found} in it, and no disk image")));
    }
    let least = format::least_size(&head);
    Ok(ImageStream {
        format,
        size,
        least,
        tail,
        bytes: Box::new(Whole {
            bytes: io::Cursor::new(head).chain(bytes),
            given: 0,
            least,
        }),
    })
}

/// Reads the first bytes, by which an image is recognised.
fn take_head(bytes: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(format::HEAD);
    bytes.take(format::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Streams the image in a zip archive. The archive's reader borrows its file, so a thread does the
/// reading.
fn zipped(mut archive: zip::ZipArchive<BufReader<File>>, member: Member) -> io::Result<Box<dyn Read + Send>> {
    let (give, blocks) = sync_channel(BLOCKS);
    std::thread::Builder::new().name("unzip".into()).spawn(move || {
        if let Err(error) = unzip(&mut archive, member.index, member.size, &give) {
            let _ = give.send(Err(error));
        }
    })?;
    Ok(Box::new(Blocks {
        blocks,
        block: Vec::new(),
        at: 0,
    }))
}

/// Hands on the blocks of a member, an empty one last; ends when the receiver is gone.
fn unzip(
    archive: &mut zip::ZipArchive<BufReader<File>>,
    index: usize,
    size: u64,
    give: &SyncSender<io::Result<Vec<u8>>>,
) -> io::Result<()> {
    // One byte more than there should be, so that an archive with a wrong size is noticed.
    let mut member = archive.by_index(index)?.take(size.saturating_add(1));
    let mut sent = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        (&mut member).take(BLOCK as u64).read_to_end(&mut block)?;
        sent += block.len() as u64;
        if sent > size || (block.is_empty() && sent < size) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its image is not as long as the archive says",
            ));
        }
        let ends = block.is_empty();
        if give.send(Ok(block)).is_err() || ends {
            return Ok(());
        }
    }
}

/// Blocks from another thread, read as one file.
struct Blocks {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    at: usize,
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            self.block = match self.blocks.recv() {
                Ok(block) => block?,
                // Its thread died, or the end was read already.
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            self.at = 0;
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// An image that must not end earlier than its own partition table says.
struct Whole<R> {
    bytes: R,
    given: u64,
    least: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.given += count as u64;
        if count == 0 && !buffer.is_empty() && self.given < self.least {
            let why = format!(
                "it has {} bytes, and its partition table reaches to {}: it is cut short",
                self.given, self.least
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(count)
    }
}

//! Unpacks a file of any known format into a sparse raw image: decompression, hashing and writing
//! run in parallel.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};

use super::fetch_error::FetchError;
use super::format::{self, Format, HEAD};
use super::hash::BLOCK;
use super::members::{Members, Tail};
use super::sparse::SparseWriter;
use super::unpack_error::{WINDOW, corrupt, no_space, not_an_image, shortened, too_large, truncated, unusual};
use super::xz::XzReader;
use super::zip_member::{Member, ZIP_MEMBERS, largest_image};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_foundation::{Context, Error, Job, Kind, Result, Sha256Hash};

/// Blocks in the queues to the hasher and to the writer; they limit the memory.
const BLOCKS_ON_THE_WAY: usize = 8;

/// Free space is checked once per this many bytes of raw image.
const CHECK_SPACE_EVERY: u64 = 64 << 20;

/// Bytes of the disk that are left to other programs.
const RESERVE: u64 = 64 << 20;

/// How large a raw image may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its size in bytes, when it was announced; it must be met exactly.
    pub exact: Option<u64>,
    /// The maximum size in bytes when none was announced.
    pub most: u64,
}

/// The result of unpacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// SHA-256 of the raw image.
    pub sha256: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
}

/// Returns the format of the file at `path`, by its first bytes.
///
/// # Errors
/// When it cannot be read or cannot be a base.
pub fn recognise(path: &Path) -> Result<Format> {
    let file = File::open(path).doing("opening", path)?;
    let metadata = file.metadata().doing("examining", path)?;
    let found = match metadata.is_dir() {
        true => "a folder",
        false if !metadata.is_file() => "no regular file",
        false => {
            let mut head = Vec::with_capacity(HEAD);
            file.take(HEAD as u64).read_to_end(&mut head).doing("reading", path)?;
            match format::recognise(&head) {
                Ok(Format::Raw) => return check_size(path, &head, metadata.len()).map(|()| Format::Raw),
                Ok(packed) => return Ok(packed),
                Err(found) => found,
            }
        }
    };
    Err(not_an_image(path, found))
}

fn check_size(path: &Path, head: &[u8], size: u64) -> Result<()> {
    let needed = format::least_size(head);
    if size < needed {
        return Err(shortened(path, size, needed));
    }
    Ok(())
}

/// A packed image: where it is, and its format.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its format ([`recognise()`]).
    pub format: Format,
}

/// The empty file that an image is unpacked into.
#[derive(Clone, Copy, Debug)]
pub struct RawFile<'a> {
    /// The file, opened to be written.
    pub file: &'a File,
    /// Its path, for messages.
    pub path: &'a Path,
}

/// Unpacks an image. After an error the content of the raw file is useless.
///
/// # Errors
/// When the file is damaged, is not a disk image inside, is larger than `limits`
/// allow, the disk is full, or the interrupt was set.
pub fn unpack(packed: Packed<'_>, raw: RawFile<'_>, limits: Limits, job: Job<'_>) -> Result<Unpacked> {
    let Packed { path: source, format } = packed;
    let RawFile {
        file: target,
        path: target_path,
    } = raw;
    let file = File::open(source).doing("opening", source)?;
    let packed_size = file.metadata().doing("examining", source)?.len();
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let what = match format {
        Format::Raw => format!("copying {name}"),
        _ => format!("decompressing {name}"),
    };
    let task = job.task(&what, Some(packed_size));
    let mut pump = Pump {
        source,
        format,
        target,
        target_path,
        limits,
        interrupt: job.interrupt,
    };
    pump.room_for(limits.exact.unwrap_or(0))?;
    let input = Counted { file, task: &*task };
    let (tail, packed) = (Tail::default(), |input| BufReader::with_capacity(BLOCK, input));
    let unpacked = match format {
        Format::Raw => pump.run(input),
        Format::Xz => pump.run(XzReader::new(packed(input), tail.clone())),
        Format::Gzip => pump.run(Members::gzip(packed(input), tail.clone())),
        Format::Zstd => pump.run(Members::zstd(packed(input), tail.clone())),
        Format::Zip => pump.run_zip(input),
    }?;
    if let Some(words) = tail.words(format) {
        job.note(&format!("{name}: {words}"));
    }
    Ok(unpacked)
}

/// Checks that this many bytes, and a reserve, are free where a file is.
pub(crate) fn room_for(file: &File, path: &Path, size: u64) -> Result<()> {
    let Ok(status) = rustix::fs::fstatvfs(file) else {
        return Ok(());
    };
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let needed = size.saturating_add(RESERVE);
    if free < needed {
        return Err(no_space(path, free, needed));
    }
    Ok(())
}

/// A file that reports how far it has been read. Seeking back (zip) does not count twice, as far as
/// a user can see.
struct Counted<'t> {
    file: File,
    task: &'t dyn Task,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.task.advance(count as u64);
        Ok(count)
    }
}

impl Seek for Counted<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Whether libzstd refused a window that is larger than allowed.
pub(crate) fn is_window(error: &io::Error) -> bool {
    error.to_string().contains("requires too much memory")
}

/// The context of the work and of its errors.
#[derive(Clone, Copy)]
struct Pump<'a> {
    source: &'a Path,
    format: Format,
    target: &'a File,
    target_path: &'a Path,
    limits: Limits,
    interrupt: &'a Interrupt,
}

impl Pump<'_> {
    /// Unpacks the image in a zip archive: its largest member called `*.img`. The member's name is
    /// not used as a path on this machine.
    fn run_zip(&mut self, input: Counted<'_>) -> Result<Unpacked> {
        let mut archive = zip::ZipArchive::new(BufReader::new(input)).map_err(|error| self.explain_zip(error))?;
        if archive.len() > ZIP_MEMBERS {
            return Err(self.corrupt("it has too many members"));
        }
        let found = largest_image(&mut archive).map_err(|how| unusual(self.source, how))?;
        let Some(Member { size, index }) = found else {
            let found = "a zip archive without an .img file in it";
            return Err(not_an_image(self.source, found));
        };
        self.limits.most = self.limits.most.min(size);
        let member = archive.by_index(index).map_err(|error| self.explain_zip(error))?;
        let unpacked = self.run(member)?;
        if unpacked.size != size {
            return Err(self.corrupt(format_args!("its image has {} bytes, not {size}", unpacked.size)));
        }
        Ok(unpacked)
    }

    fn run(&self, reader: impl Read) -> Result<Unpacked> {
        std::thread::scope(|scope| {
            let (to_hasher, hasher_in) = sync_channel(BLOCKS_ON_THE_WAY);
            let (to_writer, writer_in) = sync_channel(BLOCKS_ON_THE_WAY);
            let hasher = scope.spawn(move || hash(&hasher_in));
            let writer = scope.spawn(move || self.write(&writer_in));
            let read = self.read(reader, &to_hasher, &to_writer);
            drop((to_hasher, to_writer));
            let sha256 = hasher.join();
            // An error of the writer comes first: the reader only noticed that its blocks were not
            // taken.
            writer.join().unwrap_or_else(|_| {
                Err(io::Error::other("the writing thread died")).doing("writing", self.target_path)
            })?;
            let size = read?;
            let sha256 = sha256
                .map_err(|_| io::Error::other("the hashing thread died"))
                .doing("hashing", self.target_path)?;
            Ok(Unpacked { sha256, size })
        })
    }

    /// Reads to the end and hands on the blocks; returns the number of bytes.
    fn read(
        &self,
        mut reader: impl Read,
        hasher: &SyncSender<Arc<Vec<u8>>>,
        writer: &SyncSender<Arc<Vec<u8>>>,
    ) -> Result<u64> {
        let limit = self.limits.exact.unwrap_or(self.limits.most);
        let mut head = Vec::new();
        let mut size = 0;
        loop {
            let block = self.fill_block(&mut reader)?;
            if size == 0 {
                head = block[..block.len().min(HEAD)].to_vec();
                self.check_head(&head)?;
            }
            if block.is_empty() {
                break;
            }
            size += block.len() as u64;
            if size > limit {
                return Err(too_large(self.source, limit));
            }
            let block = Arc::new(block);
            if hasher.send(Arc::clone(&block)).is_err() || writer.send(block).is_err() {
                return Ok(size);
            }
        }
        match self.limits.exact {
            Some(expected) if expected != size => {
                let path = self.source.to_owned();
                let wrong = FetchError::WrongSize { path, size, expected };
                Err(Error::typed(Kind::Damaged, wrong))
            }
            _ => check_size(self.source, &head, size).map(|()| size),
        }
    }

    /// Returns a whole block, or the rest; empty at the end.
    fn fill_block(&self, reader: &mut impl Read) -> Result<Vec<u8>> {
        let mut block = vec![0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            self.interrupt.check()?;
            match reader.read(&mut block[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
        block.truncate(filled);
        Ok(block)
    }

    /// Checks that the unpacked data is a disk, and not packed once more.
    fn check_head(&self, head: &[u8]) -> Result<()> {
        let found = match format::recognise(head) {
            Ok(Format::Raw) => return Ok(()),
            Ok(packed) => packed.to_string(),
            Err(found) => found.to_owned(),
        };
        let found = format!("a {} with {found} in it", self.format);
        Err(not_an_image(self.source, &found))
    }

    fn write(&self, blocks: &Receiver<Arc<Vec<u8>>>) -> Result<()> {
        let mut writer = SparseWriter::new(self.target);
        let mut unchecked = 0;
        for block in blocks {
            unchecked += block.len() as u64;
            if unchecked >= CHECK_SPACE_EVERY {
                unchecked = 0;
                self.room_for(0)?;
            }
            writer.write(&block).doing("writing", self.target_path)?;
        }
        writer.finish().doing("writing", self.target_path)
    }

    /// Checks that this many bytes, and a reserve, are free where the target is.
    fn room_for(&self, size: u64) -> Result<()> {
        room_for(self.target, self.target_path, size)
    }

    /// Distinguishes a damaged file from a disk that cannot be read: only the system's errors have
    /// a number.
    fn explain(&self, error: io::Error) -> Error {
        if error.raw_os_error().is_some() {
            let text = format!("reading {}: {error}", self.source.display());
            return Error::from(error).context(text);
        }
        match error.kind() {
            _ if is_window(&error) => unusual(self.source, WINDOW),
            io::ErrorKind::UnexpectedEof => truncated(self.source, self.format),
            _ => self.corrupt(error),
        }
    }

    fn explain_zip(&self, error: zip::result::ZipError) -> Error {
        match error {
            zip::result::ZipError::Io(error) => self.explain(error),
            other => self.corrupt(other),
        }
    }

    fn corrupt(&self, why: impl Display) -> Error {
        corrupt(self.source, self.format, why)
    }
}

fn hash(blocks: &Receiver<Arc<Vec<u8>>>) -> Sha256Hash {
    let mut hasher = Sha256::new();
    for block in blocks {
        hasher.update(&**block);
    }
    hasher.finalize().into()
}

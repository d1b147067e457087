//! Unpacks a file of any known format into a sparse raw image: decompression, hashing and writing
//! run in parallel.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};

use super::format::{self, Format, HEAD};
use super::hash::BLOCK;
use super::members::{Members, Tail};
use super::sparse::SparseWriter;
use super::unpack_error::{UnpackError, Unusual, io_error};
use super::xz::XzReader;
use super::zip_member::{Member, ZIP_MEMBERS, largest_image};
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;
use kraken_foundation::{Job, Sha256Hash};

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
/// [`UnpackError`] when it cannot be read or cannot be a base.
pub fn recognise(path: &Path) -> Result<Format, UnpackError> {
    let file = File::open(path).map_err(io_error("opening", path))?;
    let metadata = file.metadata().map_err(io_error("examining", path))?;
    let found = match metadata.is_dir() {
        true => "a folder",
        false if !metadata.is_file() => "no regular file",
        false => {
            let mut head = Vec::with_capacity(HEAD);
            file.take(HEAD as u64)
                .read_to_end(&mut head)
                .map_err(io_error("reading", path))?;
            match format::recognise(&head) {
                Ok(Format::Raw) => return check_size(path, &head, metadata.len()).map(|()| Format::Raw),
                Ok(packed) => return Ok(packed),
                Err(found) => found,
            }
        }
    };
    Err(UnpackError::NotAnImage {
        path: path.to_owned(),
        looks: found.to_owned(),
    })
}

fn check_size(path: &Path, head: &[u8], size: u64) -> Result<(), UnpackError> {
    let needed = format::least_size(head);
    if size < needed {
        let path = path.to_owned();
        return Err(UnpackError::Shortened { path, size, needed });
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
/// [`UnpackError`] when the file is damaged, is not a disk image inside, is larger than `limits`
/// allow, the disk is full, or the interrupt was set.
pub fn unpack(packed: Packed<'_>, raw: RawFile<'_>, limits: Limits, job: Job<'_>) -> Result<Unpacked, UnpackError> {
    let Packed { path: source, format } = packed;
    let RawFile {
        file: target,
        path: target_path,
    } = raw;
    let file = File::open(source).map_err(io_error("opening", source))?;
    let packed_size = file.metadata().map_err(io_error("examining", source))?.len();
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
pub fn is_window(error: &io::Error) -> bool {
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
    fn run_zip(&mut self, input: Counted<'_>) -> Result<Unpacked, UnpackError> {
        let mut archive = zip::ZipArchive::new(BufReader::new(input)).map_err(|error| self.explain_zip(error))?;
        if archive.len() > ZIP_MEMBERS {
            return Err(self.corrupt("it has too many members".into()));
        }
        let found = largest_image(&mut archive).map_err(|unusual| self.unusual(unusual))?;
        let Some(Member { size, index }) = found else {
            return Err(UnpackError::NotAnImage {
                path: self.source.to_owned(),
                looks: "a zip archive without an .img file in it".into(),
            });
        };
        self.limits.most = self.limits.most.min(size);
        let member = archive.by_index(index).map_err(|error| self.explain_zip(error))?;
        let unpacked = self.run(member)?;
        if unpacked.size != size {
            return Err(self.corrupt(format!("its image has {} bytes, not {size}", unpacked.size)));
        }
        Ok(unpacked)
    }

    fn run(&self, reader: impl Read) -> Result<Unpacked, UnpackError> {
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
            writer
                .join()
                .unwrap_or_else(|_| Err(self.failed("writing", io::Error::other("the writing thread died"))))?;
            let size = read?;
            let sha256 = sha256.map_err(|_| self.failed("hashing", io::Error::other("the hashing thread died")))?;
            Ok(Unpacked { sha256, size })
        })
    }

    /// Reads to the end and hands on the blocks; returns the number of bytes.
    fn read(
        &self,
        mut reader: impl Read,
        hasher: &SyncSender<Arc<Vec<u8>>>,
        writer: &SyncSender<Arc<Vec<u8>>>,
    ) -> Result<u64, UnpackError> {
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
                let path = self.source.to_owned();
                return Err(UnpackError::TooLarge { path, limit });
            }
            let block = Arc::new(block);
            if hasher.send(Arc::clone(&block)).is_err() || writer.send(block).is_err() {
                return Ok(size);
            }
        }
        match self.limits.exact {
            Some(expected) if expected != size => {
                let path = self.source.to_owned();
                Err(UnpackError::WrongSize { path, size, expected })
            }
            _ => check_size(self.source, &head, size).map(|()| size),
        }
    }

    /// Returns a whole block, or the rest; empty at the end.
    fn fill_block(&self, reader: &mut impl Read) -> Result<Vec<u8>, UnpackError> {
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
    fn check_head(&self, head: &[u8]) -> Result<(), UnpackError> {
        let found = match format::recognise(head) {
            Ok(Format::Raw) => return Ok(()),
            Ok(packed) => packed.to_string(),
            Err(found) => found.to_owned(),
        };
        Err(UnpackError::NotAnImage {
            path: self.source.to_owned(),
            looks: format!("a {} with {found} in it", self.format),
        })
    }

    fn write(&self, blocks: &Receiver<Arc<Vec<u8>>>) -> Result<(), UnpackError> {
        let mut writer = SparseWriter::new(self.target);
        let mut unchecked = 0;
        for block in blocks {
            unchecked += block.len() as u64;
            if unchecked >= CHECK_SPACE_EVERY {
                unchecked = 0;
                self.room_for(0)?;
            }
            writer.write(&block).map_err(|error| self.failed("writing", error))?;
        }
        writer.finish().map_err(|error| self.failed("writing", error))
    }

    /// Checks that this many bytes, and a reserve, are free where the target is.
    fn room_for(&self, size: u64) -> Result<(), UnpackError> {
        let Ok(status) = rustix::fs::fstatvfs(self.target) else {
            return Ok(());
        };
        let free = status.f_bavail.saturating_mul(status.f_frsize);
        let needed = size.saturating_add(RESERVE);
        if free < needed {
            let path = self.target_path.to_owned();
            return Err(UnpackError::NoSpace { path, free, needed });
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> UnpackError {
        io_error(doing, self.target_path)(source)
    }

    /// Distinguishes a damaged file from a disk that cannot be read: only the system's errors have
    /// a number.
    fn explain(&self, error: io::Error) -> UnpackError {
        let path = self.source.to_owned();
        let format = self.format;
        if error.raw_os_error().is_some() {
            return io_error("reading", self.source)(error);
        }
        match error.kind() {
            _ if is_window(&error) => self.unusual(Unusual::Window),
            io::ErrorKind::UnexpectedEof => UnpackError::Truncated { path, format },
            _ => self.corrupt(error.to_string()),
        }
    }

    fn explain_zip(&self, error: zip::result::ZipError) -> UnpackError {
        match error {
            zip::result::ZipError::Io(error) => self.explain(error),
            other => self.corrupt(other.to_string()),
        }
    }

    fn unusual(&self, unusual: Unusual) -> UnpackError {
        let path = self.source.to_owned();
        UnpackError::Unusual { path, unusual }
    }

    fn corrupt(&self, why: String) -> UnpackError {
        UnpackError::Corrupt {
            path: self.source.to_owned(),
            format: self.format,
            why,
        }
    }
}

fn hash(blocks: &Receiver<Arc<Vec<u8>>>) -> Sha256Hash {
    let mut hasher = Sha256::new();
    for block in blocks {
        hasher.update(&**block);
    }
    hasher.finalize().into()
}

//! What is made here and kept in the cache by its hash, as downloads are: documents, and what comes
//! out of packed files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::cache::HashedFile;
use super::decompress::room_for;
use super::downloads::{Downloads, KeptFile};
use super::format::Format;
use super::hash::BLOCK;
use super::members::{Members, Tail};
use super::prune::{self, UnfinishedName};
use super::unpack_error::too_large;
use super::xz::XzReader;
use kraken_foundation::{Context, Error, Kind, Result, Sha256Hash, atomic};

/// The form of the names of files in the cache that are not finished, as
/// `kraken_foundation::atomic` has it, too.
const UNFINISHED: UnfinishedName = UnfinishedName {
    prefix: ".kraken-flash-",
    suffix: ".part",
};

/// Free space is checked once per this many bytes.
const CHECK_SPACE_EVERY: u64 = 64 << 20;

/// The kind of records that say what came out of a packed file.
const UNPACKED: &str = "unpacked";

/// Bytes that are to be kept.
pub struct Incoming<'a> {
    /// The bytes.
    pub bytes: &'a mut dyn Read,
    /// Where they come from, for messages.
    pub from: &'a Path,
    /// The hash that they must have, where it is known.
    pub sha256: Option<Sha256Hash>,
    /// The maximum number of bytes.
    pub most: u64,
}

/// Returns how a file is packed, by its first bytes (six are enough); `None` for what is not
/// packed, or in an unknown way. Zip archives count as not packed.
pub fn packing(head: &[u8]) -> Option<Format> {
    match super::format::recognise(head) {
        Ok(format @ (Format::Xz | Format::Zstd | Format::Gzip)) => Some(format),
        _ => None,
    }
}

/// Returns a reader of what is inside packed bytes. Damage shows as `InvalidData` or
/// `UnexpectedEof`, at the latest at the end.
pub fn decoded<R: BufRead + Send + 'static>(format: Option<Format>, input: R) -> Box<dyn Read + Send> {
    match format {
        Some(Format::Xz) => Box::new(XzReader::new(input, Tail::default())),
        Some(Format::Zstd) => Box::new(Members::zstd(input, Tail::default())),
        Some(Format::Gzip) => Box::new(Members::gzip(input, Tail::default())),
        Some(Format::Raw | Format::Zip) | None => Box::new(input),
    }
}

impl Downloads<'_> {
    /// Keeps a document in the cache, by its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_bytes(&self, bytes: &[u8]) -> Result<KeptFile> {
        let sha256 = Sha256Hash::of(bytes);
        let path = match self.cached(&sha256)? {
            Some(path) => path,
            None => {
                let path = self.cache.download_path(&sha256);
                atomic::write_plain(&path, bytes).doing("writing", &path)?;
                self.cache.remember_hash(&path, &sha256)?;
                path
            }
        };
        Ok(KeptFile {
            path,
            sha256,
            size: bytes.len() as u64,
        })
    }

    /// Keeps bytes in the cache, by the hash that is computed while they arrive. Until they are
    /// complete, they have no final name.
    ///
    /// # Errors
    /// When they cannot be read or kept, are more than they may be, or have another hash.
    pub fn keep_stream(&self, incoming: Incoming<'_>) -> Result<KeptFile> {
        let Incoming {
            bytes,
            from,
            sha256: expected,
            most,
        } = incoming;
        let folder = self.cache.root().join("downloads");
        prune::unfinished(&folder, &UNFINISHED, SystemTime::now());
        let mut part = tempfile::Builder::new()
            .prefix(UNFINISHED.prefix)
            .suffix(UNFINISHED.suffix)
            .tempfile_in(&folder)
            .doing("creating a file in", &folder)?;
        let name = from.file_name().unwrap_or_default().to_string_lossy();
        // A file of the cache is called by its hash; people use as much of it.
        let short = name.get(..12).filter(|_| name.parse::<Sha256Hash>().is_ok());
        let task = self.job.task(&format!("unpacking {}", short.unwrap_or(&name)), None);
        let (mut hasher, mut size, mut checked) = (Sha256::new(), 0_u64, None);
        let mut block = vec![0; BLOCK];
        loop {
            self.job.check()?;
            let count = match bytes.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let text = format!("unpacking {}: {error}", from.display());
                    // Only the system's errors have a number; the others are of decoders.
                    return Err(match error.raw_os_error() {
                        Some(_) => Error::from(error).context(text),
                        None => Error::new(Kind::Damaged, text),
                    });
                }
            };
            size += count as u64;
            if size > most {
                return Err(too_large(from, most));
            }
            if checked != Some(size / CHECK_SPACE_EVERY) {
                checked = Some(size / CHECK_SPACE_EVERY);
                room_for(part.as_file(), part.path(), 0)?;
            }
            hasher.update(&block[..count]);
            part.write_all(&block[..count]).doing("writing", part.path())?;
            task.advance(count as u64);
        }
        let sha256 = Sha256Hash::from(hasher.finalize());
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            let text = format!(
                "unpacking {}: the SHA-256 of what comes out of it is {sha256}, {expected} was announced",
                from.display()
            );
            return Err(Error::new(Kind::Damaged, text));
        }
        part.as_file().sync_data().doing("writing", part.path())?;
        let path = self.cache.download_path(&sha256);
        let kept = part.persist(&path).map_err(|error| error.error);
        kept.doing("naming", &path)?;
        self.cache.remember_hash(&path, &sha256)?;
        Ok(KeptFile { path, sha256, size })
    }

    /// Returns what is inside a packed file of the user: from the cache, else it is unpacked into
    /// it.
    ///
    /// # Errors
    /// When the file cannot be read or unpacked, or holds more than `most` bytes.
    pub fn unpacked(&self, file: &Path, format: Format, most: u64) -> Result<KeptFile> {
        let packed = self.hash(file)?.to_string();
        if let Some(HashedFile { sha256, size }) = self.cache.record(UNPACKED, &packed)
            && let Some(path) = self.cached(&sha256)?
        {
            return Ok(KeptFile { path, sha256, size });
        }
        let input = File::open(file).doing("opening", file)?;
        let mut bytes = decoded(Some(format), BufReader::with_capacity(BLOCK, input));
        let kept = self.keep_stream(Incoming {
            bytes: &mut bytes,
            from: file,
            sha256: None,
            most,
        })?;
        let KeptFile { sha256, size, .. } = kept;
        self.cache.remember(UNPACKED, &packed, &HashedFile { sha256, size });
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use kraken_foundation::Job;

    fn options(folder: &Path) -> Options {
        Options {
            cache: Some(folder.join("cache")),
            ..Options::default()
        }
    }

    fn cached(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder.join("cache/downloads")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_is_kept_is_found_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let downloads = Downloads::open(&options, None, Job::silent()).unwrap();
        let kept = downloads.keep_bytes(b"document").unwrap();
        assert_eq!((kept.size, kept.sha256), (8, Sha256Hash::of("document")));
        assert_eq!(std::fs::read(&kept.path).unwrap(), b"document");
        assert_eq!(downloads.keep_bytes(b"document").unwrap(), kept);
        assert_eq!(downloads.cached(&kept.sha256).unwrap(), Some(kept.path));
        assert_eq!(cached(folder.path()), [kept.sha256.to_string()]);
    }

    #[test]
    fn a_stream_that_is_wrong_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let downloads = Downloads::open(&options, None, Job::silent()).unwrap();
        let keep = |bytes: &mut dyn Read, sha256: Option<&str>, most: u64| {
            let incoming = Incoming {
                bytes,
                from: Path::new("/tmp/some.tar"),
                sha256: sha256.map(Sha256Hash::of),
                most,
            };
            downloads.keep_stream(incoming)
        };
        let damaged = || io::Error::from(io::ErrorKind::InvalidInput);
        struct Damaged<F>(F);
        impl<F: Fn() -> io::Error> Read for Damaged<F> {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err((self.0)())
            }
        }
        for (why, result) in [
            ("was announced", keep(&mut &b"abc"[..], Some("xyz"), 9)),
            ("more than 2 bytes", keep(&mut &b"abc"[..], Some("abc"), 2)),
            (
                "unpacking /tmp/some.tar",
                keep(&mut (&b"abc"[..]).chain(Damaged(damaged)), None, 9),
            ),
        ] {
            let error = result.unwrap_err();
            assert!(error.to_string().contains(why), "{why}: {error}");
            assert_eq!(error.kind(), Kind::Damaged);
        }
        assert_eq!(cached(folder.path()), Vec::<String>::new());
        let kept = keep(&mut &b"abc"[..], Some("abc"), 3).unwrap();
        assert_eq!(cached(folder.path()), [kept.sha256.to_string()]);
    }

    #[test]
    fn a_packed_file_is_unpacked_once() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let downloads = Downloads::open(&options, None, Job::silent()).unwrap();
        let packed = zstd::encode_all(&b"inside"[..], 1).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, &packed).unwrap();
        let format = packing(&packed).unwrap();
        assert_eq!(format, Format::Zstd);
        let kept = downloads.unpacked(&file, format, 100).unwrap();
        assert_eq!(std::fs::read(&kept.path).unwrap(), b"inside");
        assert_eq!(downloads.unpacked(&file, format, 100).unwrap(), kept);
        assert!(downloads.unpacked(&file, format, 100).unwrap().size == 6);
        assert_eq!(packing(b"ustar"), None);
        assert_eq!(packing(b"PK\x03\x04"), None);
    }
}

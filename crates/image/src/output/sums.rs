//! `SHA256SUMS`, as sha256sum(1) writes and checks it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use kraken_disk::{ImageFile, ReadAt};
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;

/// The file's name.
pub const SUMS: &str = "SHA256SUMS";

/// How much is hashed between two checks of the interrupt flag, in bytes.
const BUFFER_SIZE: usize = 1 << 20;

static ZEROS: [u8; BUFFER_SIZE] = [0; BUFFER_SIZE];

/// Returns the SHA-256 of a whole file. Holes are hashed without being read: copying zeros out of
/// the kernel would take nearly as long as hashing them.
///
/// # Errors
/// The error of reading; `Interrupted` when asked to stop.
pub(super) fn hash_file(file: &ImageFile, task: &dyn Task, interrupt: &Interrupt) -> io::Result<Sha256Hash> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut at = 0;
    while at < file.size() {
        let data = next_data(file, at);
        while at < data.start {
            let step = step(at, data.start);
            hash.update(&ZEROS[..step]);
            at = advance(at, step, task, interrupt)?;
        }
        while at < data.end {
            let step = step(at, data.end);
            file.read_at(at, &mut buffer[..step])?;
            hash.update(&buffer[..step]);
            at = advance(at, step, task, interrupt)?;
        }
    }
    Ok(hash.finalize().into())
}

/// Returns the next range at or after `at` that is not a hole (lseek(2)). It reaches to the end of
/// the file on file systems without holes, and is empty at the end of the file when no data
/// follows.
fn next_data(file: &ImageFile, at: u64) -> Range<u64> {
    let size = file.size();
    let start = match seek(file.file(), SeekFrom::Data(at)) {
        Ok(start) => start.clamp(at, size),
        Err(Errno::NXIO) => return size..size,
        Err(_) => return at..size,
    };
    let end = seek(file.file(), SeekFrom::Hole(start)).unwrap_or(size);
    // A file system that returned an empty range would make this loop endless.
    start..if end > start { end.min(size) } else { size }
}

fn step(at: u64, end: u64) -> usize {
    usize::try_from(end - at).unwrap_or(BUFFER_SIZE).min(BUFFER_SIZE)
}

fn advance(at: u64, step: usize, task: &dyn Task, interrupt: &Interrupt) -> io::Result<u64> {
    if interrupt.is_set() {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
    }
    task.advance(step as u64);
    Ok(at + step as u64)
}

/// Returns the file's text: one line for each file, sorted by name.
pub(super) fn render(sums: &BTreeMap<String, Sha256Hash>) -> String {
    let mut text = String::new();
    for (name, sum) in sums {
        let _ = writeln!(text, "{sum}  {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::progress::Silent;
    use std::os::unix::fs::FileExt;

    #[test]
    fn holes_are_hashed_as_the_zeros_that_they_read_as() {
        let dir = tempfile::tempdir().unwrap();
        for (name, size, data) in [
            ("empty", 0, &[][..]),
            ("all hole", 5 << 20, &[]),
            ("hole at both ends", (5 << 20) + 3, &[2 << 20]),
            ("data at both ends", (3 << 20) + 777, &[0, (3 << 20) + 770]),
            ("many", 4 << 20, &[4096, 12_288, 1 << 20, (3 << 20) + 1]),
        ] {
            let path = dir.path().join("image");
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(size).unwrap();
            for at in data {
                file.write_all_at(b"krake\0n", *at).unwrap();
            }
            let plain = Sha256Hash::of(std::fs::read(&path).unwrap());
            let image = ImageFile::open_read(&path).unwrap();
            assert_eq!(hash_file(&image, &Silent, &Interrupt::new()).unwrap(), plain, "{name}");
        }
    }

    #[test]
    fn hashing_stops_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        std::fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
        let interrupt = Interrupt::new();
        interrupt.set();
        let stopped = hash_file(&ImageFile::open_read(&path).unwrap(), &Silent, &interrupt).unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn lines_have_the_form_of_sha256sum() {
        let sums = BTreeMap::from([
            ("b c.img".to_owned(), Sha256Hash([0x0f; 32])),
            ("a.img".to_owned(), Sha256Hash([0xab; 32])),
        ]);
        assert_eq!(
            render(&sums),
            format!("{}  a.img\n{}  b c.img\n", "ab".repeat(32), "0f".repeat(32))
        );
    }
}

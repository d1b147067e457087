//! SHA-256 of files: holes are hashed as zeros without being read, and the interrupt is checked
//! between blocks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, sync_channel};

use rustix::fs::SeekFrom;
use sha2::{Digest, Sha256};

use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Task;

/// Bytes that one thread hands to the next at a time.
pub(crate) const BLOCK: usize = 1 << 20;

/// A part of a file, in order.
enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

/// Hashes the first `size` bytes of `file`; reading and hashing run in parallel.
///
/// # Errors
/// What reading reports; `Interrupted` (from [`io::ErrorKind`]) when the interrupt was set.
pub(crate) fn of_file(file: &File, size: u64, task: &dyn Task, interrupt: &Interrupt) -> io::Result<Sha256Hash> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(4);
        let hasher = scope.spawn(move || hash_pieces(&receiver));
        let mut offset = 0;
        while offset < size {
            if interrupt.is_set() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let piece = next_piece(file, offset, size)?;
            let length = match &piece {
                Piece::Data(data) => data.len() as u64,
                Piece::Zeros(length) => *length,
            };
            offset += length;
            task.advance(length);
            if sender.send(piece).is_err() {
                break;
            }
        }
        drop(sender);
        hasher.join().map_err(|_| io::Error::other("the hashing thread died"))
    })
}

fn hash_pieces(pieces: &Receiver<Piece>) -> Sha256Hash {
    let zeros = vec![0; BLOCK];
    let mut hasher = Sha256::new();
    for piece in pieces {
        match piece {
            Piece::Data(data) => hasher.update(&data),
            Piece::Zeros(mut left) => {
                while left > 0 {
                    let now = at_most_block(left);
                    hasher.update(&zeros[..now]);
                    left -= now as u64;
                }
            }
        }
    }
    hasher.finalize().into()
}

fn at_most_block(left: u64) -> usize {
    usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)
}

fn next_piece(file: &File, offset: u64, size: u64) -> io::Result<Piece> {
    // A file system without holes answers with an error or with `offset`; both mean "data here".
    let data = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(data) => data.clamp(offset, size),
        Err(rustix::io::Errno::NXIO) => size,
        Err(_) => offset,
    };
    if data > offset {
        return Ok(Piece::Zeros((data - offset).min(64 * BLOCK as u64)));
    }
    let mut buffer = vec![0; at_most_block(size - offset)];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(Piece::Data(buffer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::progress::Silent;
    use std::io::Write as _;

    #[test]
    fn holes_hash_as_the_zeros_they_stand_for() {
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(b"begin").expect("write");
        file.write_all_at(b"middle", 5 << 20).expect("write");
        file.set_len((9 << 20) + 17).expect("grow");
        let mut plain = vec![0; (9 << 20) + 17];
        plain[..5].copy_from_slice(b"begin");
        plain[5 << 20..(5 << 20) + 6].copy_from_slice(b"middle");
        let hash = of_file(&file, plain.len() as u64, &Silent, &Interrupt::new()).expect("hash");
        assert_eq!(hash, Sha256Hash::of(&plain));
    }

    #[test]
    fn an_interrupt_stops_hashing() {
        let file = tempfile::tempfile().expect("temporary file");
        file.set_len(1 << 20).expect("grow");
        let interrupt = Interrupt::new();
        interrupt.set();
        let error = of_file(&file, 1 << 20, &Silent, &interrupt).expect_err("interrupted");
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}

//! Hands over the bytes of a file in pieces, so that a file of a hundred megabytes does not take as
//! much memory.

use sha2::{Digest, Sha256};

use super::write_error::shown;
use kraken_foundation::{Context, Error, Kind, Result};
use kraken_overlay::Content;

/// Bytes of a stored file that are in memory at once: whole blocks. Each piece also needs a
/// contiguous run of free blocks.
const PIECE: u64 = 16 << 20;

/// Hands the content to `take`, each piece with its offset, until `take` returns false. Stored
/// bytes are hashed on the way. Returns whether all answers were true.
///
/// # Errors
/// What `take` returns; also when the stored bytes cannot be read, or are not those that were
/// stored.
pub(super) fn pieces(content: &Content, path: &[u8], mut take: impl FnMut(u64, &[u8]) -> Result<bool>) -> Result<bool> {
    if let Content::Bytes(bytes) = content {
        return take(0, bytes);
    }
    let reading = || format!("reading the contents of {} in the ext4 file system", shown(path));
    let (mut piece, mut hash, mut at) = (Vec::new(), Sha256::new(), 0);
    while at < content.len() {
        let size = usize::try_from((content.len() - at).min(PIECE)).unwrap_or(usize::MAX);
        piece.resize(size, 0);
        content.read_at(at, &mut piece).quoted(reading)?;
        hash.update(&piece);
        if !take(at, &piece)? {
            return Ok(false);
        }
        at += size as u64;
    }
    match <[u8; 32]>::from(hash.finalize()) == content.sha256() {
        true => Ok(true),
        false => Err(Error::new(
            Kind::Damaged,
            format!("{}: a temporary file changed while it was in use", reading()),
        )),
    }
}

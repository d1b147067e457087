//! The records of a raft log's segment (etcd, `server/storage/wal/decoder.go` and `encoder.go`):
//! frames, and the checksum that chains them.
//!
//! A frame begins with a word of 8 bytes, little-endian: the record's length, and, when its top bit
//! is set, in bits 56 to 58 how many zeros follow the record. Then comes the record, a protobuf
//! message: 1 type, 2 checksum, 3 data. The checksum is CRC-32C over the data of all records up to
//! it, starting at the last record of type 4, which contains the initial value.

use crc::{CRC_32_ISCSI, Crc, Table};

use kraken_foundation::{Error, Result};

use super::error;
use super::proto::{fields, unknown};

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
/// A disk writes all of these bytes at a time, or none of them.
const SECTOR: usize = 512;
/// Bytes of a frame's word.
const WORD: usize = 8;

/// Returns the CRC-32C of bytes that follow others, whose checksum is `before`.
pub(super) fn checksum(before: u32, bytes: &[u8]) -> u32 {
    // The library takes the register's start as the algorithm's definition writes it: not
    // reflected, not inverted.
    let mut digest = CRC.digest_with_initial((!before).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordType {
    Metadata,
    Entry,
    State,
    Checksum,
    Snapshot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Bytes from the segment's beginning.
    pub offset: u64,
    pub of: RecordType,
    pub data: &'a [u8],
}

/// Reads the records of one segment.
pub(super) struct Records<'a> {
    path: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The chain of checksums; `None` before the first record of the log.
    chain: Option<u32>,
    /// Whether no segment follows: only there may a record be torn.
    last: bool,
}

/// The contents of a frame: the message, and where the next frame begins.
enum Frame<'a> {
    Whole(&'a [u8], usize),
    End,
    Torn,
}

impl<'a> Records<'a> {
    /// Starts at the beginning of a segment; `chain` is [`Records::chain`] of the segment before.
    pub(crate) fn new(path: &'a str, bytes: &'a [u8], chain: Option<u32>, last: bool) -> Self {
        Self {
            path,
            bytes,
            at: 0,
            chain,
            last,
        }
    }

    /// Returns the checksum up to here.
    pub(crate) fn chain(&self) -> Option<u32> {
        self.chain
    }

    /// Returns the next record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'a>>> {
        let offset = self.at as u64;
        let (message, next) = match self.frame()? {
            Frame::Whole(message, next) => (message, next),
            Frame::End => return Ok(None),
            Frame::Torn if self.last && self.chain.is_some() => return Ok(None),
            Frame::Torn => return Err(self.bad("the segment ends in the middle of a record")),
        };
        let Message { of, crc: found, data } = match parse(message) {
            Ok(parts) => parts,
            Err(_) if self.torn_sector(message) => return Ok(None),
            Err(source) => {
                return Err(error::message(self.path, format!("the record at byte {offset}"))(
                    source,
                ));
            }
        };
        if of == RecordType::Checksum {
            if !data.is_empty() {
                return Err(self.bad("a record of the checksum has data"));
            }
            self.follows(found)?;
            self.chain = Some(found);
        } else {
            let Some(chain) = self.chain else {
                return Err(self.bad("the log does not begin with its checksum"));
            };
            let wanted = checksum(chain, data);
            if wanted != found {
                if self.torn_sector(message) {
                    return Ok(None);
                }
                return Err(self.mismatch(found, wanted));
            }
            self.chain = Some(wanted);
        }
        self.at = next;
        Ok(Some(Record { offset, of, data }))
    }

    /// Checks the first checksum. A segment continues with the checksum of the one before; the
    /// first existing one may begin with any.
    fn follows(&self, found: u32) -> Result<()> {
        match self.chain {
            Some(wanted) if wanted != found => Err(self.mismatch(found, wanted)),
            _ => Ok(()),
        }
    }

    fn frame(&self) -> Result<Frame<'a>> {
        let rest = &self.bytes[self.at..];
        let Some((word, rest)) = rest.split_first_chunk::<WORD>() else {
            let blank = rest.iter().all(|byte| *byte == 0);
            return Ok(if blank { Frame::End } else { Frame::Torn });
        };
        let word = u64::from_le_bytes(*word);
        if word == 0 {
            // Unused space: zeros at least up to where the disk may have torn a write.
            let until = (self.at + WORD).next_multiple_of(SECTOR).min(self.bytes.len());
            if self.bytes[self.at..until].iter().any(|byte| *byte != 0) {
                return Err(self.bad("a record has the length 0"));
            }
            return Ok(Frame::End);
        }
        let padding = if word >> 63 == 1 { (word >> 56 & 7) as usize } else { 0 };
        if word >> 63 == 0 && word >> 56 != 0 || word >> 59 & 0xf != 0 {
            return Err(self.bad("a record's length is damaged"));
        }
        let length = usize::try_from(word & !(0xff << 56)).unwrap_or(usize::MAX);
        let whole = length.saturating_add(padding);
        if !whole.is_multiple_of(WORD) || length == 0 {
            return Err(self.bad("a record's length is damaged"));
        }
        if whole > rest.len() {
            // Cut off, unless the remaining bytes show that the length is wrong.
            if said(rest).is_some_and(|said| said != length) {
                return Err(self.bad("a record's length is damaged"));
            }
            return Ok(Frame::Torn);
        }
        if rest[length..whole].iter().any(|byte| *byte != 0) {
            return Err(self.bad("a record's padding is not zero"));
        }
        Ok(Frame::Whole(&rest[..length], self.at + WORD + whole))
    }

    /// Whether a sector of the record is all zeros in the last segment: then the disk did not write
    /// it before the power failed.
    fn torn_sector(&self, message: &[u8]) -> bool {
        if !self.last || self.chain.is_none() {
            return false;
        }
        let mut rest = message;
        let mut from = self.at + WORD;
        while !rest.is_empty() {
            let (sector, behind) = rest.split_at((SECTOR - from % SECTOR).min(rest.len()));
            if sector.iter().all(|byte| *byte == 0) {
                return true;
            }
            from += sector.len();
            rest = behind;
        }
        false
    }

    fn bad(&self, why: &str) -> Error {
        error::log(self.path, self.at as u64, why)
    }

    fn mismatch(&self, found: u32, wanted: u32) -> Error {
        error::checksum(self.path, self.at as u64, found, wanted)
    }
}

/// Returns the length of a record according to its own fields, when they are complete: etcd writes
/// type, checksum and data in this order.
fn said(record: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..2 {
        at += 1;
        while record.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
    }
    if *record.get(at)? != 0x1a {
        return Some(at);
    }
    let (mut length, mut shift) = (0_usize, 0_u32);
    loop {
        at += 1;
        let byte = *record.get(at)?;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 || shift > 56 {
            return (at + 1).checked_add(length);
        }
    }
}

/// `walpb.Record`
struct Message<'a> {
    of: RecordType,
    crc: u32,
    data: &'a [u8],
}

fn parse(message: &[u8]) -> Result<Message<'_>> {
    let (mut of, mut crc, mut data) = (0, 0, &b""[..]);
    for field in fields(message) {
        let field = field?;
        match field.number {
            1 => of = field.uint()?,
            2 => crc = field.uint32()?,
            3 => data = field.bytes()?,
            _ => {}
        }
    }
    let of = match of {
        1 => RecordType::Metadata,
        2 => RecordType::Entry,
        3 => RecordType::State,
        4 => RecordType::Checksum,
        5 => RecordType::Snapshot,
        number => return Err(unknown("type", number)),
    };
    Ok(Message { of, crc, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";

    /// Makes the frame of a record by hand.
    fn frame(of: u8, crc: u32, data: &[u8]) -> Vec<u8> {
        let mut message = vec![0x08, of, 0x10];
        let mut rest = crc;
        while rest > 0x7f {
            message.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        message.push(u8::try_from(rest).unwrap());
        if !data.is_empty() {
            message.push(0x1a);
            let mut rest = data.len();
            while rest > 0x7f {
                message.push((rest & 0x7f) as u8 | 0x80);
                rest >>= 7;
            }
            message.push(u8::try_from(rest).unwrap());
            message.extend_from_slice(data);
        }
        let padding = (WORD - message.len() % WORD) % WORD;
        let mark = if padding == 0 { 0 } else { 0x80 | padding as u64 };
        let mut bytes = (message.len() as u64 | mark << 56).to_le_bytes().to_vec();
        bytes.extend(message);
        bytes.resize(bytes.len() + padding, 0);
        bytes
    }

    fn log(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = frame(4, 0, b"");
        let mut chain = 0;
        for data in entries {
            chain = checksum(chain, data);
            bytes.extend(frame(2, chain, data));
        }
        bytes
    }

    fn read(bytes: &[u8], last: bool) -> Result<Vec<Vec<u8>>> {
        let mut records = Records::new(PATH, bytes, None, last);
        let mut found = Vec::new();
        while let Some(record) = records.next()? {
            if record.of != RecordType::Checksum {
                found.push(record.data.to_vec());
            }
        }
        Ok(found)
    }

    #[test]
    fn checksums_chain() {
        // The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms.
        assert_eq!(checksum(0, b"123456789"), 0xe306_9283);
        assert_eq!(checksum(checksum(0, b"1234"), b"56789"), 0xe306_9283);
        assert_eq!(checksum(7, b""), 7);
    }

    #[test]
    fn records_up_to_the_end_or_to_zeros() {
        let bytes = log(&[b"one", b"", &[1; 300]]);
        let wanted = [&b"one"[..], b"", &[1; 300]];
        assert_eq!(read(&bytes, true).unwrap(), wanted);
        assert_eq!(read(&bytes, false).unwrap(), wanted);
        for zeros in [1, 7, 8, 100, 1000] {
            let mut padded = bytes.clone();
            padded.resize(bytes.len() + zeros, 0);
            assert_eq!(read(&padded, true).unwrap(), wanted, "{zeros} zeros");
        }
    }

    #[test]
    fn a_log_cut_anywhere_is_a_shorter_log_or_an_error() {
        let bytes = log(&[b"one", &[1; 300], b"three"]);
        let whole = read(&bytes, true).unwrap();
        for length in 0..bytes.len() {
            if let Ok(records) = read(&bytes[..length], true) {
                assert!(whole.starts_with(&records), "cut to {length}");
            } else {
                assert!(length < 24, "cut to {length}");
            }
            let cut_first = read(&bytes[..length], false);
            assert!(cut_first.is_err() || whole.starts_with(&cut_first.unwrap()));
        }
    }

    #[test]
    fn a_bit_that_flips_is_an_error_or_changes_nothing() {
        let bytes = log(&[b"one", &[1; 300], b"three"]);
        let whole = read(&bytes, true).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(records) = read(&flipped, true) {
                assert_eq!(records, whole, "bit {} of byte {}", bit % 8, bit / 8);
            }
        }
    }

    #[test]
    fn a_sector_that_was_not_written_ends_the_log() {
        let mut bytes = log(&[b"one", &[1; 2000]]);
        let sector = bytes.len().next_multiple_of(SECTOR) - 2 * SECTOR;
        bytes[sector..sector + SECTOR].fill(0);
        assert_eq!(read(&bytes, true).unwrap(), [b"one"]);
        let error = read(&bytes, false).unwrap_err().to_string();
        assert!(error.contains("the checksum is"), "{error}");
    }

    #[test]
    fn a_segment_goes_on_with_the_checksum_of_the_one_before() {
        let chain = checksum(0, b"one");
        let mut next = frame(4, chain, b"");
        next.extend(frame(2, checksum(chain, b"two"), b"two"));
        let count = |before| {
            let mut records = Records::new(PATH, &next, before, true);
            let mut count = 0;
            while records.next()?.is_some() {
                count += 1;
            }
            Ok::<_, Error>(count)
        };
        assert_eq!(count(Some(chain)).unwrap(), 2);
        assert_eq!(count(None).unwrap(), 2);
        let error = count(Some(1)).unwrap_err().to_string();
        assert!(error.contains("the checksum is"), "{error}");
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        let mut huge = log(&[]);
        huge.extend([0xff; 7]);
        huge.push(0);
        for bytes in [
            frame(2, checksum(0, b"one"), b"one"),
            frame(4, 0, b"data"),
            [log(&[]), frame(6, 0, b"")].concat(),
            [log(&[b"one"]), vec![0; 8], vec![1; 8]].concat(),
            huge,
        ] {
            let error = read(&bytes, true).unwrap_err().to_string();
            assert!(error.contains(PATH) && error.contains("another manager"), "{error}");
        }
    }
}

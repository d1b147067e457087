//! A write-ahead log as etcd writes it (etcd, `server/storage/wal/`): one file of framed records
//! with a running CRC-32C.

use prost::Message;

use super::proto::{Entry, HardState, WalRecord, WalSnapshot};

/// Types of records (etcd, `wal.go`).
const METADATA: i64 = 1;
const ENTRY: i64 = 2;
const STATE: i64 = 3;
const CRC: i64 = 4;
const SNAPSHOT: i64 = 5;

/// A log with one file. dockerd takes a file of any size: it need not be preallocated.
pub(super) struct Wal {
    bytes: Vec<u8>,
    crc: u32,
}

impl Wal {
    /// Makes a log that begins with this metadata, and with the empty snapshot that etcd requires.
    pub(super) fn new(metadata: &[u8]) -> Self {
        let mut wal = Self {
            bytes: Vec::new(),
            crc: 0,
        };
        wal.record(CRC, None);
        wal.record(METADATA, Some(metadata.to_vec()));
        let none = WalSnapshot {
            index: Some(0),
            term: Some(0),
        };
        wal.record(SNAPSHOT, Some(none.encode_to_vec()));
        wal
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.record(ENTRY, Some(entry.encode_to_vec()));
    }

    pub(super) fn state(&mut self, state: &HardState) {
        self.record(STATE, Some(state.encode_to_vec()));
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends one frame: a little-endian word with the record's length in its low 56 bits and,
    /// when it is padded, 0x80 and the number of padding bytes in its high 8; the record; zeros to
    /// a multiple of eight (etcd, `encoder.go`).
    fn record(&mut self, kind: i64, data: Option<Vec<u8>>) {
        if let Some(data) = &data {
            self.crc = crc32c::crc32c_append(self.crc, data);
        }
        let record = WalRecord {
            kind: Some(kind),
            crc: Some(self.crc),
            data,
        }
        .encode_to_vec();
        let padding = (8 - record.len() % 8) % 8;
        let mut word = record.len() as u64;
        if padding != 0 {
            word |= (0x80 | padding as u64) << 56;
        }
        self.bytes.extend(word.to_le_bytes());
        self.bytes.extend(record);
        self.bytes.resize(self.bytes.len() + padding, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_begins_as_etcds_do() {
        let bytes = Wal::new(b"me").into_bytes();
        // A record of 4 bytes and 4 of padding: type 4, CRC 0, no data.
        assert_eq!(hex::encode(&bytes[..16]), "04000000000000840804100000000000");
        assert_eq!(bytes.len() % 8, 0);
        // The metadata: type, CRC and two bytes of data.
        assert_eq!((bytes[16], &bytes[16 + 8..][..2]), (0x0c, &[0x08, 0x01][..]));
    }
}

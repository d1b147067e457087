//! A raft log: its segments in order, and the result of their records (etcd,
//! `server/storage/wal/wal.go`, `ReadAll`; `raftpb`).

use kraken_foundation::Result;

use super::error;
use super::files::StateFiles;
use super::proto::{fields, unknown};
use super::record::{RecordType, Records};

/// The folder of the segments.
pub(super) const FOLDER: &str = "raft/wal-v3-encrypted";

/// The maximum size of a segment, in bytes: Docker starts a new one at 64,000,000, after a batch of
/// entries of some MiB.
const LARGEST: u64 = 128 << 20;
/// The maximum size of all segments together, in bytes.
const MOST: u64 = 1 << 29;
/// The maximum number of entries behind a snapshot. Docker makes one after 10,000.
const MOST_ENTRIES: usize = 1_000_000;

/// The purpose of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryType {
    /// A change of the store.
    Normal,
    /// A change of the raft's members.
    Change,
}

/// An entry; its data is sealed.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub of: EntryType,
    pub term: u64,
    pub index: u64,
    pub data: Vec<u8>,
    /// The segment that contains it.
    segment: usize,
}

/// A place in the log: an entry's index, and the term in which it was written. Both are 0 before
/// the first entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub index: u64,
    pub term: u64,
}

/// `HardState`: what the manager has promised to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HardState {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
}

/// A raft log, starting at a snapshot.
pub(super) struct Log {
    /// The manager's own `RaftMember`.
    pub metadata: Vec<u8>,
    pub state: HardState,
    /// The entries behind the snapshot, without gaps.
    pub entries: Vec<Entry>,
    paths: Vec<String>,
}

impl Log {
    /// Returns the path of the segment that contains an entry.
    pub(crate) fn path(&self, entry: &Entry) -> &str {
        &self.paths[entry.segment]
    }

    /// The path of the last segment.
    pub(crate) fn last_path(&self) -> &str {
        self.paths.last().map_or(FOLDER, String::as_str)
    }

    /// Reads the log, starting at the place of a snapshot; at the default place without one.
    pub(crate) fn read(files: &dyn StateFiles, names: &[Name], from: Position) -> Result<Self> {
        let mut log = Self {
            metadata: Vec::new(),
            state: HardState::default(),
            entries: Vec::new(),
            paths: Vec::new(),
        };
        let mut begun = Begun::default();
        let (mut chain, mut total) = (None, 0_u64);
        for (at, name) in names.iter().enumerate() {
            let path = format!("{FOLDER}/{}", name.file());
            if at > 0 && names[at - 1].sequence.checked_add(1) != Some(name.sequence) {
                return Err(error::log(&path, 0, "the segment before it is missing"));
            }
            let bytes = files.read(&path, LARGEST).map_err(error::io(&path))?;
            let bytes = bytes.ok_or_else(|| error::missing(&path))?;
            total += bytes.len() as u64;
            if total > MOST {
                return Err(error::log(&path, 0, "the log is larger than 512 MiB"));
            }
            let mut records = Records::new(&path, &bytes, chain, at + 1 == names.len());
            while let Some(record) = records.next()? {
                log.record(&path, at, record.offset, record.of, record.data, from, &mut begun)?;
            }
            chain = records.chain();
            log.paths.push(path);
        }
        let bad = |why: String| Err(error::log(log.last_path(), 0, why));
        if !begun.metadata {
            return bad("the log does not say whose it is".into());
        }
        if !begun.snapshot {
            return bad(format!(
                "the log does not name the snapshot of index {} that it goes on from",
                from.index
            ));
        }
        let last = log.entries.last().map_or(from.index, |entry| entry.index);
        if log.state != HardState::default() && !(from.index..=last).contains(&log.state.commit) {
            return bad(format!(
                "entry {} is committed, but the log has {} to {last}",
                log.state.commit, from.index
            ));
        }
        Ok(log)
    }

    #[allow(clippy::too_many_arguments)]
    fn record(
        &mut self,
        path: &str,
        segment: usize,
        offset: u64,
        of: RecordType,
        data: &[u8],
        from: Position,
        begun: &mut Begun,
    ) -> Result<()> {
        let message = |what: &str| error::message(path, format!("the {what} at byte {offset}"));
        match of {
            RecordType::Metadata if begun.metadata && self.metadata != data => {
                return Err(error::log(path, offset, "it says that it is another manager's"));
            }
            RecordType::Metadata => {
                self.metadata = data.to_vec();
                begun.metadata = true;
            }
            RecordType::Entry => {
                let entry = entry(data, segment).map_err(message("entry"))?;
                self.take(path, offset, entry, from)?;
            }
            RecordType::State => self.state = hard_state(data).map_err(message("state"))?,
            RecordType::Snapshot => {
                let named = position(data).map_err(message("snapshot's name"))?;
                if named.index == from.index && named.term != from.term {
                    return Err(error::log(path, offset, "it names the snapshot with another term"));
                }
                begun.snapshot |= named.index == from.index;
            }
            RecordType::Checksum => {}
        }
        Ok(())
    }

    /// Adds an entry; one with an existing index replaces that entry and all behind it.
    fn take(&mut self, path: &str, offset: u64, entry: Entry, from: Position) -> Result<()> {
        let Some(behind) = entry.index.checked_sub(from.index).and_then(|far| far.checked_sub(1)) else {
            return Ok(());
        };
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        if behind > self.entries.len() {
            return Err(error::log(path, offset, "an entry before this one is missing"));
        }
        if behind >= MOST_ENTRIES {
            return Err(error::log(path, offset, "the log has more than 1,000,000 entries"));
        }
        self.entries.truncate(behind);
        let before = self.entries.last().map_or(from.term, |entry| entry.term);
        if entry.term < before {
            return Err(error::log(
                path,
                offset,
                "an entry is of an older term than the one before it",
            ));
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// What was read of a log so far.
#[derive(Default)]
struct Begun {
    metadata: bool,
    snapshot: bool,
}

/// A segment's name: its number, and the index of the first entry in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub sequence: u64,
    pub index: u64,
}

impl Name {
    fn file(self) -> String {
        format!("{:016x}-{:016x}.wal", self.sequence, self.index)
    }
}

/// Returns the existing segments, in order. Other files, such as `0.tmp`, are ignored, as in etcd.
pub(super) fn names(files: &dyn StateFiles) -> Result<Vec<Name>> {
    let listed = files.list(FOLDER).map_err(error::io(FOLDER))?;
    let mut names: Vec<_> = listed
        .iter()
        .filter_map(|name| two_numbers(name, ".wal"))
        .map(|[sequence, index]| Name { sequence, index })
        .collect();
    names.sort();
    Ok(names)
}

/// Returns the numbers in a name of the form `%016x-%016x` and an ending.
pub(super) fn two_numbers(name: &str, ending: &str) -> Option<[u64; 2]> {
    let (one, other) = name.strip_suffix(ending)?.split_once('-')?;
    let number = |text: &str| {
        let fits = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
    };
    Some([number(one)?, number(other)?])
}

fn entry(bytes: &[u8], segment: usize) -> Result<Entry> {
    let (mut of, mut term, mut index, mut data) = (0, 0, 0, &b""[..]);
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => of = field.uint()?,
            2 => term = field.uint()?,
            3 => index = field.uint()?,
            4 => data = field.bytes()?,
            _ => {}
        }
    }
    let of = match of {
        0 => EntryType::Normal,
        1 => EntryType::Change,
        number => return Err(unknown("type", number)),
    };
    let data = data.to_vec();
    Ok(Entry {
        of,
        term,
        index,
        data,
        segment,
    })
}

fn hard_state(bytes: &[u8]) -> Result<HardState> {
    let mut state = HardState::default();
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => state.term = field.uint()?,
            2 => state.vote = field.uint()?,
            3 => state.commit = field.uint()?,
            _ => {}
        }
    }
    Ok(state)
}

/// Reads `walpb.Snapshot`: the place of a snapshot.
fn position(bytes: &[u8]) -> Result<Position> {
    let mut position = Position::default();
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => position.index = field.uint()?,
            2 => position.term = field.uint()?,
            _ => {}
        }
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Log {
        Log {
            metadata: Vec::new(),
            state: HardState::default(),
            entries: Vec::new(),
            paths: Vec::new(),
        }
    }

    fn numbered(term: u64, index: u64) -> Entry {
        Entry {
            of: EntryType::Normal,
            term,
            index,
            data: Vec::new(),
            segment: 0,
        }
    }

    #[test]
    fn an_entry_that_is_written_again_replaces_the_old_ones() {
        let mut log = log();
        let from = Position { index: 10, term: 1 };
        for (term, index) in [(1, 11), (1, 12), (1, 13), (2, 12)] {
            log.take("a.wal", 0, numbered(term, index), from).unwrap();
        }
        // Before the snapshot.
        log.take("a.wal", 0, numbered(1, 10), from).unwrap();
        let found: Vec<_> = log.entries.iter().map(|entry| (entry.term, entry.index)).collect();
        assert_eq!(found, [(1, 11), (2, 12)]);
        let gap = log.take("a.wal", 0, numbered(2, 14), from).unwrap_err().to_string();
        assert!(gap.contains("missing"), "{gap}");
        let old = log.take("a.wal", 0, numbered(1, 13), from).unwrap_err().to_string();
        assert!(old.contains("older term"), "{old}");
        assert!(log.take("a.wal", 0, numbered(9, u64::MAX), from).is_err());
        let last = Position {
            index: u64::MAX,
            term: 1,
        };
        assert!(log.take("a.wal", 0, numbered(9, 11), last).is_ok());
    }

    #[test]
    fn the_messages_of_records() {
        let read = entry(b"\x08\x01\x10\x02\x18\x03\x22\x01x", 0).unwrap();
        assert_eq!(
            (read.of, read.term, read.index, read.data.as_slice()),
            (EntryType::Change, 2, 3, &b"x"[..])
        );
        assert!(entry(b"\x08\x02", 0).is_err());
        let state = HardState {
            term: 1,
            vote: 2,
            commit: 3,
        };
        assert_eq!(hard_state(b"\x08\x01\x10\x02\x18\x03").unwrap(), state);
        assert_eq!(position(b"\x08\x05\x10\x02").unwrap(), Position { index: 5, term: 2 });
    }

    #[test]
    fn names_of_segments() {
        assert_eq!(
            two_numbers("0000000000000001-00000000000000fa.wal", ".wal"),
            Some([1, 250])
        );
        for name in [
            "0.tmp",
            "0000000000000001-00000000000000fa.wal.broken",
            "0000000000000001-00000000000000fa.snap",
            "1-fa.wal",
            "000000000000001-000000000000000fa.wal",
            "+000000000000001-00000000000000fa.wal",
            "0000000000000001-00000000000000FA.wal",
        ] {
            assert_eq!(two_numbers(name, ".wal"), None, "{name}");
        }
    }
}

//! A snapshot of the store (etcd, `server/etcdserver/api/snap/snapshotter.go`; swarmkit,
//! `api/snapshot.proto`).

use zeroize::Zeroizing;

use kraken_foundation::Result;

use super::error;
use super::files::StateFiles;
use super::member::Member;
use super::proto::{fields, unknown};
use super::record::checksum;
use super::sealed::{KEY, Record};
use super::segments::two_numbers;
use super::store::{RefusedAction, Store};

/// The folder of the snapshots.
const FOLDER: &str = "raft/snap-v3-encrypted";
/// The largest snapshot, in bytes.
const LARGEST: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Snapshot {
    pub index: u64,
    pub term: u64,
    pub members: Vec<Member>,
    pub store: Store,
}

/// The newest complete snapshot, and the paths of newer ones that are damaged: Docker skips these.
pub(super) struct Newest {
    pub snapshot: Option<Snapshot>,
    pub skipped_snapshots: Vec<String>,
}

/// Returns the newest complete snapshot.
pub(super) fn newest(files: &dyn StateFiles, keys: &[Zeroizing<[u8; KEY]>]) -> Result<Newest> {
    let listed = files.list(FOLDER).map_err(error::io(FOLDER))?;
    let mut names: Vec<_> = listed
        .into_iter()
        .filter_map(|name| Some((two_numbers(&name, ".snap")?, name)))
        .collect();
    names.sort();
    let mut skipped_snapshots = Vec::new();
    for (numbers, name) in names.into_iter().rev() {
        let path = format!("{FOLDER}/{name}");
        let bytes = files.read(&path, LARGEST).map_err(error::io(&path))?;
        let bytes = bytes.ok_or_else(|| error::missing(&path))?;
        match unpack(&bytes) {
            Some(outer) if [outer.term, outer.index] == numbers => {
                return Ok(Newest {
                    snapshot: Some(open(&path, &outer, keys)?),
                    skipped_snapshots,
                });
            }
            _ => skipped_snapshots.push(path),
        }
    }
    Ok(Newest {
        snapshot: None,
        skipped_snapshots,
    })
}

/// `raftpb.Snapshot`
struct Outer<'a> {
    index: u64,
    term: u64,
    data: &'a [u8],
}

/// Reads the file: a checksum and the bytes that it belongs to. `None` when they do not agree.
fn unpack(bytes: &[u8]) -> Option<Outer<'_>> {
    let (mut crc, mut inner) = (0, &b""[..]);
    for field in fields(bytes) {
        let field = field.ok()?;
        match field.number {
            1 => crc = field.uint32().ok()?,
            2 => inner = field.bytes().ok()?,
            _ => {}
        }
    }
    if inner.is_empty() || checksum(0, inner) != crc {
        return None;
    }
    outer(inner).ok()
}

fn outer(bytes: &[u8]) -> Result<Outer<'_>> {
    let mut outer = Outer {
        index: 0,
        term: 0,
        data: b"",
    };
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => outer.data = field.bytes()?,
            2 => {
                for field in fields(field.bytes()?) {
                    let field = field?;
                    match field.number {
                        2 => outer.index = field.uint()?,
                        3 => outer.term = field.uint()?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(outer)
}

fn open(path: &str, outer: &Outer<'_>, keys: &[Zeroizing<[u8; KEY]>]) -> Result<Snapshot> {
    let message = || error::message(path, "the snapshot");
    let record = Record::read(outer.data).map_err(message())?;
    let plain = record
        .open(keys)
        .map_err(|shut| error::sealed(path, "the snapshot", shut.why()))?;
    let mut snapshot = Snapshot {
        index: outer.index,
        term: outer.term,
        members: Vec::new(),
        store: Store::default(),
    };
    for field in fields(&plain) {
        let field = field.map_err(message())?;
        match field.number {
            1 => match field.uint().map_err(message())? {
                0 => {}
                number => {
                    return Err(message()(unknown("version", number)));
                }
            },
            2 => snapshot.members = members(field.bytes().map_err(message())?).map_err(message())?,
            3 => {
                snapshot.store = Store::from_snapshot(field.bytes().map_err(message())?).map_err(|error| {
                    match error.downcast_ref::<RefusedAction>() {
                        Some(refused) => error::log(path, 0, refused.to_string()),
                        None => message()(error),
                    }
                })?;
            }
            _ => {}
        }
    }
    Ok(snapshot)
}

/// `ClusterSnapshot`
fn members(bytes: &[u8]) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for field in fields(bytes) {
        let field = field?;
        if field.number == 1 {
            members.push(Member::read(field.bytes()?)?);
        }
    }
    Ok(members)
}

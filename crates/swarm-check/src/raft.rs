//! A manager's raft state: its log, applied to its newest snapshot (swarmkit,
//! `manager/state/raft/raft.go`, `storage.go`).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use kraken_foundation::Result;

use super::error;
use super::files::StateFiles;
use super::member::Member;
use super::proto::{fields, unknown};
use super::sealed::{KEY, Record};
use super::segments::{Entry, EntryType, Log, Position, names};
use super::snapshot::{self, Newest};
use super::store::{RefusedAction, Store};

/// An entry whose actions were not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its index.
    pub index: u64,
    /// Why.
    pub why: RefusedAction,
}

/// A manager's raft state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftState {
    /// The manager itself, as in its log.
    pub member: Member,
    /// The members of the raft, by raft ID.
    pub members: BTreeMap<u64, Member>,
    /// The term it has seen.
    pub term: u64,
    /// The member that it voted for in that term; 0 means none.
    pub vote: u64,
    /// The last entry that is committed, and therefore in the store.
    pub commit: u64,
    /// The last entry of the log.
    pub last: u64,
    /// How many entries the log has behind the snapshot.
    pub entries: usize,
    /// The index of the snapshot it begins with.
    pub snapshot: Option<u64>,
    /// Newer snapshots that are damaged and therefore skipped.
    pub skipped_snapshots: Vec<String>,
    /// The cluster's objects.
    pub store: Store,
    /// Entries without effect.
    pub refused: Vec<Refused>,
}

impl RaftState {
    /// Reads the state; `None` when there is no log.
    pub(super) fn read(files: &dyn StateFiles, keys: &[Zeroizing<[u8; KEY]>]) -> Result<Option<Self>> {
        let names = names(files)?;
        if names.is_empty() {
            return Ok(None);
        }
        let Newest {
            snapshot,
            skipped_snapshots,
        } = snapshot::newest(files, keys)?;
        let from = snapshot.as_ref().map_or_else(Position::default, |from| Position {
            index: from.index,
            term: from.term,
        });
        let log = Log::read(files, &names, from)?;
        let member = Member::read(&log.metadata).map_err(error::message(log.last_path(), "its manager"))?;
        let mut state = Self {
            member,
            members: BTreeMap::new(),
            term: log.state.term,
            vote: log.state.vote,
            commit: log.state.commit.max(from.index),
            last: log.entries.last().map_or(from.index, |entry| entry.index),
            entries: log.entries.len(),
            snapshot: snapshot.as_ref().map(|from| from.index),
            skipped_snapshots,
            store: Store::default(),
            refused: Vec::new(),
        };
        if let Some(snapshot) = snapshot {
            state.store = snapshot.store;
            let members = snapshot.members.into_iter();
            state.members = members.map(|member| (member.raft_id, member)).collect();
        }
        for entry in &log.entries {
            // Entries after the commit are unsealed too, so that damage is found, but they may
            // still be overwritten.
            let data = unseal(&log, entry, keys)?;
            if entry.index <= state.commit {
                state.apply(log.path(entry), entry, &data)?;
            }
        }
        Ok(Some(state))
    }

    fn apply(&mut self, path: &str, entry: &Entry, data: &[u8]) -> Result<()> {
        match entry.of {
            EntryType::Normal => {
                let index = entry.index;
                if let Err(error) = self.store.apply(data) {
                    match error.downcast_ref::<RefusedAction>() {
                        Some(why) => self.refused.push(Refused {
                            index,
                            why: why.clone(),
                        }),
                        None => return Err(error::message(path, format!("entry {index}"))(error)),
                    }
                }
            }
            EntryType::Change => {
                let change = change(data).map_err(error::message(path, format!("entry {}", entry.index)))?;
                match change {
                    Change::Set(member) => self.members.insert(member.raft_id, member),
                    Change::Remove(id) => self.members.remove(&id),
                };
            }
        }
        Ok(())
    }
}

fn unseal(log: &Log, entry: &Entry, keys: &[Zeroizing<[u8; KEY]>]) -> Result<Zeroizing<Vec<u8>>> {
    let path = log.path(entry);
    let what = format!("entry {}", entry.index);
    let record = Record::read(&entry.data).map_err(error::message(path, &what))?;
    record.open(keys).map_err(|shut| error::sealed(path, &what, shut.why()))
}

/// `raftpb.ConfChange`
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Set(Member),
    Remove(u64),
}

fn change(bytes: &[u8]) -> Result<Change> {
    let (mut of, mut id, mut context) = (0, 0, &b""[..]);
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            2 => of = field.uint()?,
            3 => id = field.uint()?,
            4 => context = field.bytes()?,
            _ => {}
        }
    }
    match of {
        // Added, and updated.
        0 | 2 => {
            let member = Member::read(context)?;
            match member.raft_id == id {
                true => Ok(Change::Set(member)),
                false => Err(unknown("raft ID", id)),
            }
        }
        1 => Ok(Change::Remove(id)),
        number => Err(unknown("change of members", number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_members() {
        let member = Member {
            raft_id: 7,
            node_id: "a".into(),
            addr: String::new(),
        };
        let add = change(b"\x08\x01\x10\x00\x18\x07\x22\x05\x08\x07\x12\x01a").unwrap();
        assert_eq!(add, Change::Set(member.clone()));
        let update = change(b"\x10\x02\x18\x07\x22\x05\x08\x07\x12\x01a").unwrap();
        assert_eq!(update, Change::Set(member));
        assert_eq!(change(b"\x10\x01\x18\x07").unwrap(), Change::Remove(7));
        assert!(change(b"\x18\x08\x22\x05\x08\x07\x12\x01a").is_err());
        assert!(change(b"\x10\x03\x18\x07").is_err());
        assert!(change(b"\x18\x07").is_err());
    }
}

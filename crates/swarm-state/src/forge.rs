//! The contents of `/var/lib/docker/swarm` on each node of a swarm that has never run.
//!
//! The raft log is written for the first manager only, with itself as the only member. Further
//! managers hold their certificates and enter the raft by themselves. So the swarm needs no
//! election among nodes that start one after another, and a manager's card that is flashed again
//! brings back no old log.

use std::collections::BTreeSet;

use kraken_foundation::{Error, Kind, Result};
use prost::Message;
use zeroize::Zeroizing;

use super::authority::{Authority, NodeIdentity};
use super::docker_state::{self, MANAGER_PORT};
use super::id::{self, Ids};
use super::objects::Source;
use super::proto::{ConfChange, Entry, HardState, RaftMember, RaftMemberStatus};
use super::spec::{Member, Role, Spec};
use super::token::Token;
use super::wal::Wal;
use super::{ClusterKeys, key_pem, sealed};

/// `raftpb.EntryConfChange`.
const CONF_CHANGE: i32 = 1;
/// The only term of the log.
const TERM: u64 = 1;

/// One file or folder of a node's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// Its path under [`FOLDER`](super::FOLDER); empty for that folder itself.
    pub path: &'static str,
    /// Its permission bits; root owns all of them.
    pub mode: u16,
    /// Its type, with its contents.
    pub kind: StateKind,
}

/// A folder, or a file with its bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum StateKind {
    /// A folder.
    Folder,
    /// A file.
    File(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for StateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StateKind::Folder => f.write_str("Folder"),
            StateKind::File(bytes) => write!(f, "File({} bytes)", bytes.len()),
        }
    }
}

fn making(error: x509_cert::builder::Error) -> Error {
    let text = format!("making a certificate of the swarm: {error}");
    Error::of(error).with_kind(Kind::Internal).context(text)
}

fn writing(error: p256::pkcs8::Error) -> Error {
    let text = format!("writing a key of the swarm: {error}");
    Error::of(error).with_kind(Kind::Internal).context(text)
}

fn sealing() -> Error {
    Error::new(Kind::Internal, "sealing the swarm's log")
}

/// Returns the token with which a node joins the swarm of these keys.
///
/// # Errors
/// When the root certificate cannot be made.
pub fn token(keys: &ClusterKeys, role: Role) -> Result<Token> {
    Ok(token_for(keys, role, &Authority::new(keys).map_err(making)?))
}

fn token_for(keys: &ClusterKeys, role: Role, authority: &Authority) -> Token {
    let name = match role {
        Role::Manager => "manager token",
        Role::Worker => "worker token",
    };
    Token::new(authority.certificate(), &keys.bytes(name))
}

/// Returns the id of the swarm of these keys; it is not a secret.
pub fn cluster_id(keys: &ClusterKeys) -> String {
    Ids::new(keys).cluster()
}

/// Writes the state of a swarm's nodes.
pub struct StateWriter<'a> {
    keys: &'a ClusterKeys,
    spec: &'a Spec,
    first: &'a Member,
    ids: Ids<'a>,
    authority: Authority,
    worker: Token,
    manager: Token,
}

impl<'a> StateWriter<'a> {
    /// Prepares the parts that all nodes have in common.
    ///
    /// # Errors
    /// [`Kind::Usage`] when the swarm has no manager, or two nodes with one number.
    pub fn new(keys: &'a ClusterKeys, spec: &'a Spec) -> Result<Self> {
        let first = spec
            .first_manager()
            .ok_or_else(|| Error::new(Kind::Usage, "the swarm has no manager; give a node the role manager"))?;
        let mut numbers = BTreeSet::new();
        if let Some(twice) = spec.nodes.iter().find(|node| !numbers.insert(node.number)) {
            let text = format!("two nodes of the swarm have the number {}", twice.number);
            return Err(Error::new(Kind::Usage, text));
        }
        let authority = Authority::new(keys).map_err(making)?;
        Ok(Self {
            keys,
            spec,
            first,
            ids: Ids::new(keys),
            worker: token_for(keys, Role::Worker, &authority),
            manager: token_for(keys, Role::Manager, &authority),
            authority,
        })
    }

    /// Returns the token with which a node joins in this role.
    pub fn token(&self, role: Role) -> &Token {
        match role {
            Role::Manager => &self.manager,
            Role::Worker => &self.worker,
        }
    }

    /// Returns the swarm's root certificate, PEM.
    pub fn root_certificate(&self) -> &str {
        self.authority.certificate()
    }

    /// Returns the id of the swarm.
    pub fn cluster_id(&self) -> String {
        self.ids.cluster()
    }

    /// Returns the id of a node.
    pub fn node_id(&self, number: u32) -> String {
        self.ids.node(number)
    }

    /// Returns the state of one node: each folder comes before its contents.
    ///
    /// # Errors
    /// [`Kind::Usage`] when there is no such node; otherwise when a library refuses.
    pub fn node(&self, number: u32) -> Result<Vec<StateEntry>> {
        let node = self
            .spec
            .node(number)
            .ok_or_else(|| Error::new(Kind::Usage, format!("the swarm has no node {number}")))?;
        let carries_log = number == self.first.number;
        let NodeIdentity { key, certificate } = self
            .authority
            .issue(self.keys, &self.ids, number, node.role)
            .map_err(making)?;
        let dek = self.keys.bytes::<32>(&format!("raft dek {number}"));
        let key = key_pem::key_pem(&key, carries_log.then_some(&*dek)).map_err(writing)?;
        let mut state = vec![
            folder("", 0o700),
            file(
                "docker-state.json",
                0o600,
                docker_state::docker_state(self.spec, self.first, node),
            ),
            file("state.json", 0o600, self.remotes(node)),
            folder("certificates", 0o755),
            file(
                "certificates/swarm-root-ca.crt",
                0o644,
                self.authority.certificate().to_owned(),
            ),
            file("certificates/swarm-node.crt", 0o644, certificate),
            file("certificates/swarm-node.key", 0o600, key.as_str().to_owned()),
        ];
        if carries_log {
            state.push(folder("raft", 0o700));
            state.push(folder("raft/snap-v3-encrypted", 0o700));
            state.push(folder("raft/wal-v3-encrypted", 0o700));
            state.push(StateEntry {
                path: LOG,
                mode: 0o600,
                kind: StateKind::File(Zeroizing::new(self.log(node, &dek)?)),
            });
        }
        Ok(state)
    }

    /// Returns the managers that a node knows. Further managers enter through the first one, which
    /// alone has the log.
    fn remotes(&self, node: &Member) -> String {
        let known = |manager: &&Member| node.role == Role::Worker || manager.number == self.first.number;
        docker_state::remotes(
            self.spec
                .managers()
                .filter(known)
                .map(|manager| (manager, self.ids.node(manager.number))),
        )
    }

    /// Returns the raft log of the first manager.
    fn log(&self, node: &Member, dek: &[u8; 32]) -> Result<Vec<u8>> {
        let raft_id = id::raft_id(self.keys, node.number);
        let member = RaftMember {
            raft_id,
            node_id: self.ids.node(node.number),
            addr: format!("{}:{MANAGER_PORT}", node.address),
            status: Some(RaftMemberStatus {}),
        }
        .encode_to_vec();
        let change = ConfChange {
            id: Some(raft_id),
            kind: Some(0),
            node_id: Some(raft_id),
            context: Some(member.clone()),
        };
        let objects = Source {
            spec: self.spec,
            ids: &self.ids,
            authority: &self.authority,
            worker: &self.worker,
            manager: &self.manager,
        };
        let request = objects.request().ok_or_else(sealing)?;
        let entries = [
            (CONF_CHANGE, Zeroizing::new(change.encode_to_vec())),
            (0, Zeroizing::new(request.encode_to_vec())),
        ];
        let mut wal = Wal::new(&member);
        let mut index = 0;
        for (kind, plain) in entries {
            index += 1;
            wal.entry(&Entry {
                kind: Some(kind),
                term: Some(TERM),
                index: Some(index),
                data: Some(sealed::seal(dek, &plain).ok_or_else(sealing)?),
            });
        }
        wal.state(&HardState {
            term: Some(TERM),
            vote: Some(0),
            commit: Some(index),
        });
        Ok(wal.into_bytes())
    }
}

/// The first file of a log (etcd, `wal/util.go`): its sequence number and its first index, both 0.
const LOG: &str = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";

fn folder(path: &'static str, mode: u16) -> StateEntry {
    StateEntry {
        path,
        mode,
        kind: StateKind::Folder,
    }
}

fn file(path: &'static str, mode: u16, text: String) -> StateEntry {
    StateEntry {
        path,
        mode,
        kind: StateKind::File(Zeroizing::new(text.into_bytes())),
    }
}

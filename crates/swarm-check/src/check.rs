//! Checks that the parts of one node's state fit together.

use kraken_foundation::{Error, Kind, Result};

use super::ca::ClusterObject;
use super::error;
use super::files::StateFiles;
use super::key;
use super::node::NodeState;
use super::node_object::Role;
use super::raft::RaftState;
use super::segments;
use super::token::JoinToken;

/// The widest modes of Docker's files and folders: none may be open to more users than listed here.
const MODES: &[(&str, u32)] = &[
    ("", 0o700),
    ("docker-state.json", 0o600),
    ("state.json", 0o600),
    ("certificates", 0o755),
    ("certificates/swarm-root-ca.crt", 0o644),
    ("certificates/swarm-node.crt", 0o644),
    ("certificates/swarm-node.key", 0o600),
    ("raft", 0o700),
    ("raft/wal-v3-encrypted", 0o700),
    ("raft/snap-v3-encrypted", 0o700),
];

/// The name of the store in errors.
const STORE: &str = "the raft log's store";

/// Checks owners and modes, as far as they are known.
pub(super) fn access(files: &dyn StateFiles) -> Result<()> {
    for (path, most) in MODES {
        allowed(files, path, *most)?;
    }
    for name in files.list(segments::FOLDER).map_err(error::io(segments::FOLDER))? {
        allowed(files, &format!("{}/{name}", segments::FOLDER), 0o600)?;
    }
    Ok(())
}

fn allowed(files: &dyn StateFiles, path: &str, most: u32) -> Result<()> {
    if let Some(mode) = files.mode(path).map_err(error::io(path))? {
        let bad = |why: String| error::access(if path.is_empty() { "." } else { path }, &why);
        if (mode.uid, mode.gid) != (0, 0) {
            return Err(bad(format!("it belongs to {}:{}, not to root", mode.uid, mode.gid)));
        }
        if mode.bits & 0o7777 & !most != 0 {
            return Err(bad(format!(
                "its mode is {:04o}, but Docker's is {most:04o}",
                mode.bits
            )));
        }
    }
    Ok(())
}

/// Checks a manager's store against its files.
pub(super) fn raft(state: &NodeState, raft: &RaftState, root_ca: &[u8]) -> Result<()> {
    let cluster = raft
        .store
        .cluster()
        .ok_or_else(|| error::disagree(STORE, "the node's certificate", "the store does not hold one cluster"))?;
    if cluster.id != state.cluster_id() {
        return Err(error::disagree(
            STORE,
            "certificates/swarm-node.crt",
            "the cluster's ID is not O of the certificate",
        ));
    }
    ca(cluster, state, root_ca)?;
    token("worker", cluster.worker_token.expose(), &state.root_ca.sha256)?;
    token("manager", cluster.manager_token.expose(), &state.root_ca.sha256)?;
    node(state, raft)?;
    member(state, raft)
}

fn ca(cluster: &ClusterObject, state: &NodeState, root_ca: &[u8]) -> Result<()> {
    let differs = |why| Err(error::disagree(STORE, "certificates/swarm-root-ca.crt", why));
    if cluster.ca_cert != root_ca {
        return differs("the root CA is not, byte for byte, that of the store");
    }
    if cluster.ca_cert_hash != format!("sha256:{}", hex::encode(state.root_ca.sha256)) {
        return differs("the root CA's digest in the store is not that of its bytes");
    }
    if cluster.ca_key_present() {
        match key::public_half(&cluster.ca_key) {
            Ok(public) if public == state.root_ca.public_key => {}
            Ok(_) => return differs("the CA key in the store is not that of the root CA"),
            Err(why) => return Err(error::key(STORE, why)),
        }
    }
    Ok(())
}

fn token(role: &'static str, token: &str, digest: &[u8; 32]) -> Result<()> {
    let source = match JoinToken::parse(token) {
        Ok(token) if token.ca_digest == *digest => return Ok(()),
        Ok(_) => Error::new(Kind::Damaged, "its digest is not that of the cluster's root CA"),
        Err(error) => error,
    };
    Err(error::token(STORE, role, source))
}

fn node(state: &NodeState, raft: &RaftState) -> Result<()> {
    let differs = |why: String| Err(error::disagree(STORE, "certificates/swarm-node.crt", why));
    match raft.store.node(state.id()) {
        None => return differs(format!("the store has no node {}", state.id())),
        Some(node) if node.role != Role::Manager => {
            return differs(format!("node {} is not a manager in the store", node.id));
        }
        // Its membership has no meaning here: `docker node update` sets it back to pending, without
        // harm.
        Some(_) => {}
    }
    let other = raft.store.nodes().find(|node| {
        let name = &node.certificate.common_name;
        !name.is_empty() && *name != node.id
    });
    match other {
        Some(node) => differs(format!("node {} has another one's certificate in the store", node.id)),
        None => Ok(()),
    }
}

fn member(state: &NodeState, raft: &RaftState) -> Result<()> {
    const MEMBERS: &str = "the raft's members";
    if raft.member.node_id != state.id() {
        return Err(error::disagree(
            "the raft log",
            "certificates/swarm-node.crt",
            "the log is another node's",
        ));
    }
    let Some(member) = raft.members.get(&raft.member.raft_id) else {
        return Err(error::disagree(
            "the raft log",
            MEMBERS,
            "the node itself is not among them",
        ));
    };
    if member.node_id != state.id() {
        return Err(error::disagree("the raft log", MEMBERS, "its number is another node's"));
    }
    let advertised = &state.docker_state.advertise_addr;
    if !advertised.is_empty() && member.addr != *advertised {
        let why = format!("its address is {}, but it advertises {advertised}", member.addr);
        return Err(error::disagree(MEMBERS, "docker-state.json", why));
    }
    let mut ids: Vec<_> = raft.members.values().map(|member| &member.node_id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(error::disagree(MEMBERS, MEMBERS, "one node is there twice"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_the_cluster() {
        let of_zeros = format!("SWMTKN-1-{}-{}", "0".repeat(50), "1".repeat(25));
        assert!(token("worker", &of_zeros, &[0; 32]).is_ok());
        for (text, wanted) in [
            (of_zeros.as_str(), "not that of the cluster's root CA"),
            ("", "not of the form"),
        ] {
            let error = token("worker", text, &[1; 32]).unwrap_err().to_string();
            assert!(error.contains("worker join token") && error.contains(wanted), "{error}");
            assert!(!error.contains("1111"), "{error}");
        }
    }
}

//! Reads a node's swarm state from its files, and checks it.

use kraken_foundation::Result;

use super::certificate::Certificate;
use super::check;
use super::docker_state::{self, DockerState};
use super::error;
use super::files::StateFiles;
use super::key::NodeKey;
use super::node::NodeState;
use super::node_object::Role;
use super::raft::RaftState;
use super::remotes;

const ROOT_CA: &str = "certificates/swarm-root-ca.crt";
const CERTIFICATE: &str = "certificates/swarm-node.crt";
/// Where a new certificate is kept while Docker writes its key.
const NEXT_CERTIFICATE: &str = "certificates/.swarm-node.crt";
const KEY: &str = "certificates/swarm-node.key";

/// The largest of the small files, in bytes.
const SMALL: u64 = 1 << 20;

/// Reads a node's swarm state and checks it; `None` when the node is not in a swarm.
///
/// Of the files, owner and mode (as far as `files` knows them) and form are checked. Of the
/// certificates: their names, uses and signatures, and that the key is the certificate's. Of a raft
/// log: its frames and checksums, that the node's key unseals it, and that its entries follow each
/// other. Of the store: that the cluster, its CA and tokens, the node and its place in the raft are
/// those of the files. Whether the certificates are valid today is not checked: there is no clock
/// here.
///
/// The traces of a power cut are not an error where Docker accepts them, too: a log whose last
/// record is torn, a damaged newest snapshot, a certificate that waits for its key.
///
/// # Errors
/// When a file cannot be read, is damaged, or contradicts another; a locked manager is
/// [`Unsupported`](kraken_foundation::Kind::Unsupported).
pub fn read(files: &dyn StateFiles) -> Result<Option<NodeState>> {
    let Some(docker_state) = optional(files, docker_state::PATH)? else {
        return Ok(None);
    };
    let docker_state = DockerState::read(&docker_state)?;
    check::access(files)?;
    let remotes = optional(files, remotes::PATH)?
        .map(|bytes| remotes::read(&bytes))
        .transpose()?;
    let root_ca = Certificate::root(ROOT_CA, &required(files, ROOT_CA)?)?;
    let key = NodeKey::read(KEY, &zeroize::Zeroizing::new(required(files, KEY)?))?;
    let certificate = certificate(files, &root_ca, &key)?;
    let raft = match certificate.role() {
        Some(Role::Manager) => RaftState::read(files, &key.raft_keys)?,
        _ => None,
    };
    if raft.is_none() && remotes.as_ref().is_none_or(Vec::is_empty) {
        return Err(error::missing(remotes::PATH));
    }
    let state = NodeState {
        docker_state,
        remotes: remotes.unwrap_or_default(),
        root_ca,
        certificate,
        kek_version: key.kek_version,
        raft,
    };
    if let Some(raft) = &state.raft {
        check::raft(&state, raft, &required(files, ROOT_CA)?)?;
    }
    Ok(Some(state))
}

/// Returns the node's certificate, or the next certificate when the key is already that of the next
/// one.
fn certificate(files: &dyn StateFiles, root_ca: &Certificate, key: &NodeKey) -> Result<Certificate> {
    let fits = |path: &str, text: &[u8]| {
        let certificate = Certificate::node(path, text, root_ca)?;
        match certificate.public_key == key.public_key {
            true => Ok(certificate),
            false => Err(error::key(KEY, "it is not the key of the node's certificate")),
        }
    };
    let first = match optional(files, CERTIFICATE)? {
        Some(text) => fits(CERTIFICATE, &text),
        None => Err(error::missing(CERTIFICATE)),
    };
    first.or_else(|error| match optional(files, NEXT_CERTIFICATE) {
        Ok(Some(text)) => fits(NEXT_CERTIFICATE, &text).map_err(|_| error),
        _ => Err(error),
    })
}

fn optional(files: &dyn StateFiles, path: &str) -> Result<Option<Vec<u8>>> {
    files.read(path, SMALL).map_err(error::io(path))
}

fn required(files: &dyn StateFiles, path: &str) -> Result<Vec<u8>> {
    optional(files, path)?.ok_or_else(|| error::missing(path))
}

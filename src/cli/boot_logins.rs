//! What `verify --boot` logs in and joins with: the user's private keys, and the swarm's tokens.

use std::fs;
use std::path::{Path, PathBuf};

use kraken_spec::Cluster;
use kraken_spec::workspace::LoginKeys;
use kraken_swarm_state::ClusterKeys;

use super::Failure;

/// Returns the join tokens of workers and of managers.
pub(super) fn tokens(keys: &ClusterKeys) -> Result<[String; 2], Failure> {
    let token = |role| {
        kraken_swarm_state::token(keys, role)
            .map(|token| token.reveal().to_string())
            .map_err(|error| Failure::Failed(Box::new(error)))
    };
    Ok([
        token(kraken_swarm_state::Role::Worker)?,
        token(kraken_swarm_state::Role::Manager)?,
    ])
}

/// Returns the files with private keys that open without a passphrase and whose public keys the
/// nodes have.
pub(super) fn private_keys(keys: &LoginKeys, folder: &Path, cluster: &Cluster) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let LoginKeys::Made(path) | LoginKeys::ToBeMade(path) = keys {
        candidates.push(path.clone());
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    for folder in [Some(folder.to_owned()), home].into_iter().flatten() {
        let names = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let public = names.filter(|path| path.extension().is_some_and(|extension| extension == "pub"));
        let mut private: Vec<PathBuf> = public.map(|path| path.with_extension("")).collect();
        private.sort();
        candidates.extend(private);
    }
    candidates.retain(|path| opens_and_is_configured(path, cluster));
    candidates
}

fn opens_and_is_configured(path: &Path, cluster: &Cluster) -> bool {
    let Ok(key) = ssh_key::PrivateKey::read_openssh_file(path) else {
        return false;
    };
    let is_it = |line: &String| {
        ssh_key::PublicKey::from_openssh(line).is_ok_and(|public| public.key_data() == key.public_key().key_data())
    };
    !key.is_encrypted() && cluster.user.ssh_keys.iter().any(is_it)
}

//! The cluster's keys, as commands need them: read, opened with the user's passphrase or identity,
//! made when they are missing.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use console::Term;
use kraken_spec::workspace::{self, Encrypt, Unlock};
use kraken_spec::{Cluster, SwarmMode};
use kraken_swarm_state::ClusterKeys;

use super::global::Global;
use super::{Failure, Session, owner, say};

/// Opens an encrypted key file with what the command line names, or asks on the terminal.
struct Opener<'a>(&'a Global);

impl Unlock for Opener<'_> {
    fn passphrase(&self, file: &Path) -> Result<Option<SecretString>, String> {
        passphrase(self.0, &format!("Passphrase of {}: ", file.display()))
    }

    fn identities(&self) -> Vec<PathBuf> {
        self.0.identity.clone()
    }
}

/// Returns the passphrase from the file that `--passphrase-file` names, or from the terminal;
/// `None` when there is neither.
fn passphrase(global: &Global, prompt: &str) -> Result<Option<SecretString>, String> {
    if let Some(path) = &global.passphrase_file {
        let text = workspace::read_secret(path)
            .map_err(|error| format!("reading the passphrase in {}: {error}", path.display()))?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned().into()));
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let term = Term::stderr();
    let asked = term.write_str(prompt).and_then(|()| term.read_secure_line());
    asked
        .map(|text| Some(text.into()))
        .map_err(|error| format!("asking for the passphrase: {error}"))
}

/// Returns a new passphrase; on a terminal the user types it twice.
pub(super) fn new_passphrase(global: &Global) -> Result<SecretString, Failure> {
    use age::secrecy::ExposeSecret;
    let ask = |prompt| {
        passphrase(global, prompt).map_err(Failure::message)?.ok_or_else(|| {
            Failure::Usage("there is no terminal to ask for a passphrase: name a file with --passphrase-file".into())
        })
    };
    let first = ask("New passphrase for the cluster's keys: ")?;
    if first.expose_secret().is_empty() {
        return Err(Failure::message(
            "an empty passphrase protects nothing; nothing was written",
        ));
    }
    if global.passphrase_file.is_none() && ask("Once more: ")?.expose_secret() != first.expose_secret() {
        return Err(Failure::message("these are two passphrases; nothing was written"));
    }
    Ok(first)
}

/// Reads the keys; `None` when the cluster is not a swarm, or has no keys yet.
pub(super) fn read(session: &Session, cluster: &Cluster) -> Result<Option<ClusterKeys>, Failure> {
    match cluster.swarm.mode {
        SwarmMode::None => Ok(None),
        SwarmMode::Baked | SwarmMode::Join => Ok(workspace::read_cluster_keys(
            &cluster.swarm.keys_file,
            &Opener(&session.global),
        )?),
    }
}

/// The error when a command needs a swarm and the cluster is not one.
pub(super) fn no_swarm() -> Failure {
    Failure::message("this cluster is not a swarm: `mode` in [swarm] is \"none\", or no Docker is baked in")
}

/// Reads the keys of a cluster that must be a swarm and have keys.
pub(super) fn required(session: &Session, cluster: &Cluster) -> Result<ClusterKeys, Failure> {
    if cluster.swarm.mode == SwarmMode::None {
        return Err(no_swarm());
    }
    read(session, cluster)?.ok_or_else(|| {
        Failure::message(format!(
            "there are no keys at {}; `kraken-flash init` or the first `build` makes them",
            cluster.swarm.keys_file.display()
        ))
    })
}

/// Reads the keys, or makes them when they are missing; `None` when the cluster is not a swarm.
pub(super) fn read_or_make(session: &Session, cluster: &Cluster) -> Result<Option<ClusterKeys>, Failure> {
    if let Some(keys) = read(session, cluster)? {
        return Ok(Some(keys));
    }
    match cluster.swarm.mode {
        SwarmMode::None => Ok(None),
        SwarmMode::Baked | SwarmMode::Join => make(session, cluster, &Encrypt::Plain).map(Some),
    }
}

/// Makes the keys and prints where they are.
pub(super) fn make(session: &Session, cluster: &Cluster, encrypt: &Encrypt) -> Result<ClusterKeys, Failure> {
    let path = &cluster.swarm.keys_file;
    let keys = workspace::make_cluster_keys(path, &cluster.name, encrypt)?;
    owner::give_back_file(session, path);
    say(
        session,
        &format!(
            "The cluster's keys were made: {} (keep a copy, and keep it secret: it owns every node)",
            path.display()
        ),
    );
    Ok(keys)
}

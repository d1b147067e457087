//! `kraken-flash init`: writes a commented `kraken.toml`, and the cluster's keys beside it.

use std::path::Path;

use kraken_spec::SwarmMode;
use kraken_spec::workspace::{self, CONFIG, Encrypt, MissingKeys, WorkspaceError};

use super::global::Global;
use super::{Failure, Session, keys, load, say};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Encrypt the keys with a passphrase (age): asked for, or read from --passphrase-file
    #[arg(long, conflicts_with = "recipient")]
    passphrase: bool,
    /// Encrypt the keys for this age recipient; may be given several times
    #[arg(long, value_name = "AGE1…")]
    recipient: Vec<String>,
}

impl Args {
    /// Checks that a passphrase file is named only when a passphrase is used.
    pub(super) fn check(&self, global: &Global) -> Result<(), String> {
        match global.passphrase_file.is_some() && !self.passphrase {
            true => Err("--passphrase-file goes with --passphrase: without it, the keys are not encrypted".into()),
            false => Ok(()),
        }
    }
}

/// Writes the file that `--config` names, or `./kraken.toml`, never over another, and the keys,
/// unless there are some. When both exist already there is nothing to do, which is an error.
pub(super) fn run(session: &Session, args: &Args) -> Result<(), Failure> {
    let encrypt = if args.passphrase {
        Encrypt::Passphrase(keys::new_passphrase(&session.global)?)
    } else if args.recipient.is_empty() {
        Encrypt::Plain
    } else {
        Encrypt::recipients(&args.recipient).map_err(|text| {
            Failure::Usage(format!(
                "{text:?} is not an age recipient; `age-keygen -y FILE` prints one"
            ))
        })?
    };
    let path = session.global.config.as_deref().unwrap_or(Path::new(CONFIG));
    // A spec that exists already is enough: then only the keys are missing.
    let written = match workspace::init(path) {
        Ok(()) => {
            say(
                session,
                &format!("wrote {}; `kraken-flash plan` shows what it makes", path.display()),
            );
            None
        }
        Err(error @ WorkspaceError::Exists { .. }) => Some(error),
        Err(error) => return Err(error.into()),
    };
    let cluster = load::load(session, MissingKeys::Leave)?.project.workspace.cluster;
    let keys_file = &cluster.swarm.keys_file;
    let missing = cluster.swarm.mode != SwarmMode::None && !keys_file.is_file();
    if missing {
        keys::make(session, &cluster, &encrypt)?;
        return Ok(());
    }
    if let Some(error) = written {
        return Err(error.into());
    }
    if !matches!(encrypt, Encrypt::Plain) && cluster.swarm.mode != SwarmMode::None {
        return Err(Failure::message(format!(
            "{} is there already, and was not touched nor encrypted; age itself can encrypt it: age -p -a -o NEW OLD",
            keys_file.display()
        )));
    }
    Ok(())
}

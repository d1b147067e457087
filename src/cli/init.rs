//! `kraken-flash init`: writes a commented `kraken.toml`, and the cluster's keys beside it.

use std::path::Path;

use kraken_flash::spec::SwarmMode;
use kraken_flash::workspace::{self, CONFIG, Encrypt, MissingKeys};

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

/// Writes the file that `--config` names, or `./kraken.toml`, never over another; and the keys, unless there are some.
pub(super) fn run(session: &Session, args: &Args) -> Result<(), Failure> {
    let encrypt = if args.passphrase {
        Encrypt::Passphrase(keys::new_passphrase(&session.global)?)
    } else if args.recipient.is_empty() {
        Encrypt::Plain
    } else {
        Encrypt::recipients(&args.recipient)
            .map_err(|text| Failure::Usage(format!("{text:?} is no age recipient; `age-keygen -y FILE` prints one")))?
    };
    let path = session.global.config.as_deref().unwrap_or(Path::new(CONFIG));
    workspace::init(path)?;
    say(
        session,
        &format!("wrote {}; `kraken-flash plan` shows what it makes", path.display()),
    );
    let cluster = load::load(session, MissingKeys::Leave)?.workspace.cluster;
    if cluster.swarm.mode != SwarmMode::None && !cluster.swarm.keys_file.exists() {
        keys::make(session, &cluster, &encrypt)?;
    }
    Ok(())
}

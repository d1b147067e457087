//! `kraken-flash token`: the token with which a node joins the swarm by hand.

use std::io::Write;

use kraken_flash::spec::SwarmMode;
use kraken_flash::swarm::{self, ClusterKeys};
use kraken_flash::workspace::MissingKeys;

use super::{Failure, Session, keys, load};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the node joins as
    #[arg(value_enum)]
    role: Role,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Role {
    Worker,
    Manager,
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let loaded = load::load(session, MissingKeys::Leave)?;
    let cluster = &loaded.workspace.cluster;
    if cluster.swarm.mode == SwarmMode::None {
        return Err(Failure::message(
            "this cluster is no swarm: `mode` in [swarm] is \"none\", or no Docker is baked in",
        ));
    }
    let keys: ClusterKeys = keys::read(session, cluster)?.ok_or_else(|| {
        Failure::message(format!(
            "there are no keys at {}; `kraken-flash init` or the first `build` makes them",
            cluster.swarm.keys_file.display()
        ))
    })?;
    let role = match args.role {
        Role::Worker => swarm::Role::Worker,
        Role::Manager => swarm::Role::Manager,
    };
    let token = swarm::token(&keys, role).map_err(|error| Failure::Failed(Box::new(error)))?;
    writeln!(out, "{}", token.reveal())?;
    Ok(())
}

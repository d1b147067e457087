//! `kraken-flash token`: the token with which a node joins the swarm by hand.

use std::io::Write;

use kraken_spec::workspace::MissingKeys;

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
    let cluster = &loaded.project.workspace.cluster;
    let keys = keys::required(session, cluster)?;
    let role = match args.role {
        Role::Worker => kraken_swarm_state::Role::Worker,
        Role::Manager => kraken_swarm_state::Role::Manager,
    };
    let token = kraken_swarm_state::token(&keys, role).map_err(|error| Failure::Failed(Box::new(error)))?;
    writeln!(out, "{}", token.reveal())?;
    Ok(())
}

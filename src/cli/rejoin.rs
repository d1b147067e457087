//! The options that say how cards join a swarm: a new one, or one that is running.

use std::path::PathBuf;

use kraken_flash::provision::Rejoin;

/// How nodes get into a swarm that is running.
#[derive(Debug, Default, clap::Args)]
pub(super) struct RejoinArgs {
    /// The cards replace others of a swarm that is running: they join it by token, as new nodes
    #[arg(long)]
    pub(super) rejoin: bool,
    /// The token for --rejoin, where tokens or the CA were rotated since the keys were made: a file
    /// that holds what `docker swarm join-token -q` prints, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// A new cluster begins: the cards that were written before are all written again, or were
    /// never used
    #[arg(long, conflicts_with = "rejoin")]
    pub(super) new_cluster: bool,
}

impl RejoinArgs {
    /// Returns how the cards join a swarm, without secrets.
    pub(super) fn how(&self) -> Rejoin<'static> {
        match (self.rejoin, &self.token_file) {
            (false, _) => Rejoin::No,
            (true, None) => Rejoin::ByKeys,
            (true, Some(_)) => Rejoin::ByToken(None),
        }
    }
}

impl RejoinArgs {
    /// Checks that --rejoin comes with the nodes that it is for, and --token-file with --rejoin.
    /// clap does not check this: in front of a command, the error is about the place.
    pub(super) fn check(&self, nodes: &[u32]) -> Result<(), String> {
        if self.token_file.is_some() && !self.rejoin {
            return Err("--token-file goes with --rejoin: other cards find no swarm that they could join".into());
        }
        match self.rejoin && nodes.is_empty() {
            true => Err("--rejoin needs --node N: which cards are to join the running swarm?".into()),
            false => Ok(()),
        }
    }

    /// Returns whether a token replaces the cluster's keys.
    pub(super) fn has_token(&self) -> bool {
        self.token_file.is_some()
    }
}

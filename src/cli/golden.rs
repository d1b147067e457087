//! What `build` and the flashing of cards begin with: cluster, keys, base and packages, and the golden image that comes of them.

use std::path::Path;

use kraken_fetch::Cache;
use kraken_flash::bake::{self, Golden, Inputs};
use kraken_flash::base;
use kraken_flash::card::Making;
use kraken_flash::provision::Rejoin;
use kraken_spec::workspace::{self, MissingKeys};
use kraken_spec::{Cluster, Node, Role, SwarmMode};
use kraken_swarm_state::{ClusterKeys, Token};

use super::load::{self, BaseArgs, Loaded, Wants};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, keys, known, say};

/// What to bake.
pub(super) struct Wanted<'a> {
    /// Numbers of nodes; none for all.
    pub(super) nodes: &'a [u32],
    pub(super) base: &'a BaseArgs,
    pub(super) rejoin: &'a RejoinArgs,
    /// What is made of all nodes that are wanted; none where it shows later which of them are.
    pub(super) making: Option<Making>,
    /// Where images may lie that were built before.
    pub(super) images: &'a Path,
}

/// Bakes the golden image, or takes it from the cache, and hands it on with the nodes that are wanted. `first` is called when these are
/// known and nothing that takes long was done; `then` gets what it gave.
pub(super) fn with<T, R>(
    session: &Session,
    wanted: &Wanted<'_>,
    first: impl FnOnce(&[&Node]) -> Result<T, Failure>,
    then: impl FnOnce(T, &Golden<'_>, &[&Node], &Loaded) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let mut loaded = load::load(session, MissingKeys::Make)?;
    let mut cluster = loaded.workspace.cluster.clone();
    wanted.base.apply(&mut cluster.image)?;
    let nodes = chosen(&cluster.nodes, wanted.nodes)?;
    let token = match &wanted.rejoin.token_file {
        Some(file) => Some(given_token(file, &cluster, &nodes)?),
        None => None,
    };
    let judge = |keys: Option<&ClusterKeys>, making: Making, nodes: &[&Node]| {
        known::check(session, &cluster, keys, wanted.rejoin, making, nodes, wanted.images)
    };
    let secrets = || -> Result<_, Failure> {
        Ok(match (wanted.rejoin.rejoin, &token) {
            (false, _) => (keys::read_or_make(session, &cluster)?, Rejoin::No),
            // New keys would have tokens that no running swarm knows.
            (true, None) => (Some(keys::required(session, &cluster)?), Rejoin::ByKeys),
            (true, Some(token)) => (None, Rejoin::ByToken(Some(token))),
        })
    };
    let (ready, keys, rejoin);
    if !wanted.rejoin.rejoin && !cluster.swarm.keys_file.exists() {
        // Keys that are made now would be in the way of the old ones: so it is judged before.
        judge(None, wanted.making.unwrap_or(Making::Cards), &nodes)?;
        ready = first(&nodes)?;
        (keys, rejoin) = secrets()?;
        loaded.swarm = judge(keys.as_ref(), Making::Cards, &[])?;
    } else {
        (keys, rejoin) = secrets()?;
        loaded.swarm = match wanted.making {
            Some(making) => judge(keys.as_ref(), making, &nodes)?,
            // It is judged when it shows which nodes are left.
            None => judge(keys.as_ref(), Making::Cards, &[])?,
        };
        // What is refused leaves nothing behind, not even an empty folder.
        ready = first(&nodes)?;
    }
    let job = session.job();
    let cache = Cache::open(None)?;
    let options = wanted.base.options();
    let base = base::obtain(&cluster.image, &options, job)?;
    bake::accepts(&cluster, &base)?;
    if !wanted.rejoin.rejoin {
        for covers in bake::covers_swarm(&cluster, &loaded.assets, &base)? {
            say(session, &format!("warning: {covers}"));
        }
    }
    let wants = Wants {
        cluster: &cluster,
        base: &base,
        lock: &loaded.lock,
        options: &options,
        update: false,
        makes: Some(&loaded.assets),
    };
    let selection = load::packages(session, &wants)?;
    let inputs = Inputs {
        cluster: &cluster,
        base: &base,
        assets: &loaded.assets,
        packages: selection.as_ref(),
        keys: keys.as_ref(),
        rejoin,
    };
    let golden = bake::bake(inputs, &cache.root().join("golden"), job)?;
    then(ready, &golden, &nodes, &loaded)
}

/// The token in the file, for nodes that all have the role which it gives.
fn given_token(file: &Path, cluster: &Cluster, nodes: &[&Node]) -> Result<Token, Failure> {
    if cluster.swarm.mode == SwarmMode::None {
        return Err(keys::no_swarm());
    }
    if nodes.iter().any(|node| node.role != nodes[0].role) {
        return Err(Failure::Usage(
            "a token is for managers or for workers: run once for the nodes of each role, with its token".into(),
        ));
    }
    let path = if file == Path::new("-") {
        Path::new("/dev/stdin")
    } else {
        file
    };
    let failed = |error: &dyn std::fmt::Display| {
        let role = nodes.first().map_or(Role::Worker, |node| node.role);
        Failure::message(format!(
            "reading the join token in {}: {error}; it should hold what `docker swarm join-token -q {role}` prints on a manager, and be readable by you alone (chmod 600)",
            file.display()
        ))
    };
    let text = workspace::read_secret(path).map_err(|error| failed(&error))?;
    Token::parse(&text).map_err(|error| failed(&error))
}

/// The nodes asked for, in order, each once; all when none was named.
fn chosen<'a>(nodes: &'a [Node], wanted: &[u32]) -> Result<Vec<&'a Node>, Failure> {
    if let Some(missing) = wanted
        .iter()
        .find(|number| !nodes.iter().any(|node| node.number == **number))
    {
        let count = nodes.len();
        return Err(Failure::Usage(format!(
            "there is no node {missing}: the cluster has nodes 1 to {count}"
        )));
    }
    Ok(nodes
        .iter()
        .filter(|node| wanted.is_empty() || wanted.contains(&node.number))
        .collect())
}

//! What `build` and the flashing of cards begin with: cluster, keys, base and packages, and the
//! golden image that is made from them.

use std::path::Path;
use std::sync::Arc;

use kraken_flash::bake::{Admission, Golden};
use kraken_flash::card::Making;
use kraken_flash::card::access::Standing;
use kraken_spec::workspace::{self, MissingKeys};
use kraken_spec::{Cluster, Node, Role, SwarmMode};
use kraken_swarm_state::{ClusterKeys, Token};

use super::load::{self, BaseArgs, Loaded};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, keys, known};

/// What to bake.
pub(super) struct Wanted<'a> {
    /// Numbers of nodes; empty for all nodes.
    pub(super) nodes: &'a [u32],
    pub(super) base: &'a BaseArgs,
    pub(super) rejoin: &'a RejoinArgs,
    /// What is made of all wanted nodes; `None` when a later step decides for which of them.
    pub(super) making: Option<Making>,
    /// Where images may lie that were built before.
    pub(super) images: &'a Path,
}

/// A run that knows its nodes and has judged what it may do, as far as that needs no keys. Nothing
/// that takes long has been done yet.
pub(super) struct Begun<'a> {
    session: &'a Session,
    wanted: &'a Wanted<'a>,
    loaded: Loaded,
    /// `Some` when the keys exist already.
    admission: Option<Admission>,
}

/// Reads the cluster, picks the nodes and judges what is to be made of them. The caller opens
/// folders and devices between this and [`Begun::bake`]: a run that is refused here leaves nothing
/// behind, not even an empty folder.
pub(super) fn begin<'a>(session: &'a Session, wanted: &'a Wanted<'a>) -> Result<Begun<'a>, Failure> {
    let mut loaded = load::load(session, MissingKeys::Make)?;
    wanted.base.apply(&mut loaded.project.workspace.cluster.image)?;
    let mut begun = Begun {
        session,
        wanted,
        loaded,
        admission: None,
    };
    begun.nodes()?;
    if !wanted.rejoin.rejoin && !begun.cluster().swarm.keys_file.exists() {
        // Judged before, because keys that are made now would hide that the old ones are lost.
        begun.judge(None, wanted.making.unwrap_or(Making::Cards), &begun.nodes()?)?;
        return Ok(begun);
    }
    let admission = begun.admission()?;
    let making = wanted.making.unwrap_or(Making::Cards);
    let nodes = match wanted.making {
        // No card is made and no keys; or the caller judges the nodes once it knows which are left.
        Some(Making::Trial) | None => Vec::new(),
        Some(_) => begun.nodes()?,
    };
    let swarm = begun.judge(admission.keys(), making, &nodes)?;
    begun.loaded.swarm = swarm;
    begun.admission = Some(admission);
    Ok(begun)
}

impl Begun<'_> {
    fn cluster(&self) -> &Cluster {
        self.loaded.project.cluster()
    }

    /// Returns the wanted nodes, in the cluster's order.
    pub(super) fn nodes(&self) -> Result<Vec<&Node>, Failure> {
        chosen(&self.loaded, self.wanted.nodes)
    }

    fn judge(&self, keys: Option<&ClusterKeys>, making: Making, nodes: &[&Node]) -> Result<Option<Standing>, Failure> {
        let Wanted { rejoin, images, .. } = self.wanted;
        known::check(self.session, self.cluster(), keys, rejoin, making, nodes, images)
    }

    /// Returns how the nodes join their swarm; makes the cluster's keys where a new swarm has none.
    fn admission(&self) -> Result<Admission, Failure> {
        let (session, cluster, rejoin) = (self.session, self.cluster(), self.wanted.rejoin);
        Ok(match (rejoin.rejoin, &rejoin.token_file) {
            (false, _) => match keys::read_or_make(session, cluster)? {
                Some(keys) => Admission::New(Arc::new(keys)),
                None => Admission::None,
            },
            // The tokens of new keys would be unknown to a running swarm.
            (true, None) => Admission::ByKeys(Arc::new(keys::required(session, cluster)?)),
            (true, Some(file)) => Admission::ByToken(Arc::new(given_token(file, cluster, &self.nodes()?)?)),
        })
    }

    /// Obtains base and packages, and makes the golden image or takes it from the cache.
    pub(super) fn bake(mut self) -> Result<Baked, Failure> {
        let job = self.session.job();
        let admission = match self.admission.take() {
            Some(admission) => admission,
            None => {
                let admission = self.admission()?;
                let making = self.wanted.making.unwrap_or(Making::Cards);
                self.loaded.swarm = self.judge(admission.keys(), making, &[])?;
                admission
            }
        };
        let prepared = self
            .loaded
            .project
            .prepare(admission, &self.wanted.base.options(), job)?;
        Ok(Baked {
            golden: prepared.bake(job)?,
            numbers: self.wanted.nodes.to_vec(),
            loaded: self.loaded,
        })
    }
}

/// A golden image with what it was made from.
pub(super) struct Baked {
    pub(super) golden: Golden,
    pub(super) loaded: Loaded,
    numbers: Vec<u32>,
}

impl Baked {
    /// Returns the wanted nodes, in the cluster's order.
    pub(super) fn nodes(&self) -> Result<Vec<&Node>, Failure> {
        chosen(&self.loaded, &self.numbers)
    }
}

/// Returns the nodes with these numbers, in order, each once; all nodes when there are no numbers.
fn chosen<'a>(loaded: &'a Loaded, numbers: &[u32]) -> Result<Vec<&'a Node>, Failure> {
    let nodes = loaded.project.nodes(numbers);
    nodes.map_err(|error| Failure::Usage(error.to_string()))
}

/// Reads the token in a file. All nodes must have the one role for which a token is valid.
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

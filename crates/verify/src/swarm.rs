//! Checks that a card brings its node into the swarm. The swarm's state is read with the
//! independent reader (`kraken_swarm_check`) and compared with `kraken.toml` and with the other
//! cards.

use std::io;

use super::report::{Finding, ImageReport, Report};
use kraken_disk::FileTree;
use kraken_image::provision::{JOIN_TOKEN, Membership, NODE_ID, NodeRecord, state_folder};
use kraken_spec::daemon::{self, DATA_ROOT};
use kraken_spec::{Availability, Cluster, Node, Role};
use kraken_swarm_check::{JoinToken, Mode, NamedState, NodeObject, NodeState, RaftState, StateFiles};

const CHECK: &str = "swarm";
/// The largest token file, in bytes. A token has 85 characters.
const TOKEN_LIMIT: u64 = 1024;
/// The largest file with a node's ID, in bytes. An ID has 25 characters.
const ID_LIMIT: u64 = 256;

/// The file with dockerd's options.
const DAEMON: &str = "/etc/docker/daemon.json";
const DAEMON_LIMIT: u64 = 1 << 20;

/// The files of the swarm's state in a folder of a root volume.
struct OnCard<'a> {
    root: &'a dyn FileTree,
    folder: &'a str,
}

impl OnCard<'_> {
    fn path(&self, path: &str) -> String {
        match path {
            "" => self.folder.to_owned(),
            path => format!("{}/{path}", self.folder),
        }
    }
}

/// Returns where the card's own dockerd looks for the state, whatever kraken.toml says. Another
/// check reports a file that cannot be read.
fn state_place(root: &dyn FileTree) -> String {
    let text = root.read(DAEMON, DAEMON_LIMIT).ok().flatten().unwrap_or_default();
    let options: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).unwrap_or_default();
    format!("{}/swarm", daemon::data_root(&options))
}

/// Reports swarm states that lie where dockerd does not look. The node would be in no swarm, or
/// another program of the card would be in an old one.
fn strays(root: &dyn FileTree, cluster: &Cluster, folder: &str, report: &mut ImageReport) {
    let mut others = vec![state_folder(cluster), format!("{DATA_ROOT}/swarm")];
    others.dedup();
    for other in others.iter().filter(|other| *other != folder) {
        if let Ok(Some(_)) = root.metadata(other) {
            let message = format!("a swarm's state lies here, and this card's dockerd looks in {folder} (`data-root`)");
            report.find(CHECK, format!("root:{other}"), message);
        }
    }
}

fn failed(error: kraken_foundation::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl StateFiles for OnCard<'_> {
    fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        self.root.read(&self.path(path), most).map_err(failed)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.root.list(&self.path(folder)).map_err(failed)
    }

    fn mode(&self, path: &str) -> io::Result<Option<Mode>> {
        let metadata = self.root.metadata(&self.path(path)).map_err(failed)?;
        Ok(metadata.map(|metadata| Mode {
            bits: metadata.mode.into(),
            uid: metadata.uid,
            gid: metadata.gid,
        }))
    }
}

/// Checks one card by itself.
pub(super) fn verify(
    root: &dyn FileTree,
    record: &NodeRecord,
    cluster: &Cluster,
    node: &Node,
    report: &mut ImageReport,
) {
    report.begin(CHECK);
    let folder = state_place(root);
    strays(root, cluster, &folder, report);
    let on_card = OnCard { root, folder: &folder };
    let state = match kraken_swarm_check::read(&on_card) {
        Ok(state) => state,
        Err(error) => {
            report.find(CHECK, format!("root:{folder}"), error.to_string());
            return;
        }
    };
    match (record.swarm, state) {
        (Membership::Baked, Some(state)) => {
            whose(root, &state, report);
            compare(&folder, &state, cluster, node, report);
            report.swarm = Some(state);
        }
        (Membership::Baked, None) => {
            let message = "it says that its node is in the swarm, and has no state of one";
            report.find(CHECK, format!("root:{folder}"), message);
        }
        (_, Some(_)) => {
            let message = "it has a swarm's state, and its record says that it has none";
            report.find(CHECK, format!("root:{folder}"), message);
        }
        (_, None) => {}
    }
    match record.swarm {
        Membership::None | Membership::Baked => {}
        // A token that the running swarm issued may belong to neither the cluster's keys nor their
        // CA.
        Membership::Admitted => drop(token(root, report)),
        Membership::Join | Membership::Rejoin => report.swarm_token = token(root, report),
    }
}

/// Reads and checks the token with which a node joins.
fn token(root: &dyn FileTree, report: &mut ImageReport) -> Option<JoinToken> {
    let mut find = |message: String| report.find(CHECK, format!("root:{JOIN_TOKEN}"), message);
    if let Ok(Some(metadata)) = root.metadata(JOIN_TOKEN)
        && (metadata.mode & 0o7777, metadata.uid) != (0o600, 0)
    {
        find("others than root can read it".to_owned());
    }
    let text = match root.read(JOIN_TOKEN, TOKEN_LIMIT) {
        Ok(Some(bytes)) => zeroize::Zeroizing::new(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        Ok(None) => {
            find("is missing: the node could not join".to_owned());
            return None;
        }
        Err(error) => {
            find(error.to_string());
            return None;
        }
    };
    JoinToken::parse(&text).map_err(|error| find(error.to_string())).ok()
}

/// Checks that the certificate belongs to the node that the card was made for.
fn whose(root: &dyn FileTree, state: &NodeState, report: &mut ImageReport) {
    let mut find = |message: String| report.find(CHECK, format!("root:{NODE_ID}"), message);
    match root.read(NODE_ID, ID_LIMIT) {
        // The comparison of all files reports a missing file.
        Ok(None) => {}
        Ok(Some(bytes)) if bytes.trim_ascii() == state.id().as_bytes() => {}
        Ok(Some(bytes)) => find(format!(
            "its card was made for {}, and its certificate is that of {}",
            String::from_utf8_lossy(bytes.trim_ascii()).escape_debug(),
            state.id()
        )),
        Err(error) => find(error.to_string()),
    }
}

/// Compares the state with kraken.toml: for this node and, if there is a store, for all nodes.
fn compare(folder: &str, state: &NodeState, cluster: &Cluster, node: &Node, report: &mut ImageReport) {
    let mut find = |message: String| report.find(CHECK, format!("root:{folder}"), message);
    if state.is_manager() != (node.role == Role::Manager) {
        find(format!("its certificate is not that of a {}", node.role));
    }
    if state.docker_state.local_addr != node.address.to_string() {
        find(format!(
            "its node would have the address {}, and has {}",
            state.docker_state.local_addr, node.address
        ));
    }
    let first = cluster.first_manager().is_some_and(|first| first.number == node.number);
    let Some(raft) = &state.raft else {
        if first {
            find("it is the first manager's, and has no raft log: no swarm would begin".to_owned());
        }
        return;
    };
    if !first {
        find("it brings a raft log, and is not the first manager's".to_owned());
    }
    networks(raft, state, cluster).into_iter().for_each(&mut find);
    for refused in &raft.refused {
        find(format!(
            "entry {} of its raft log does nothing: {}",
            refused.index, refused.why
        ));
    }
    let wanted: Vec<&Node> = match cluster.swarm.mode {
        kraken_spec::SwarmMode::Join => vec![node],
        _ => cluster.nodes.iter().collect(),
    };
    for wanted in &wanted {
        let mut found = raft.store.nodes().filter(|object| object.hostname == wanted.hostname);
        match (found.next(), found.next()) {
            (Some(object), None) => {
                if let Some(what) = difference(object, wanted) {
                    find(format!(
                        "in its store, {} has another {what} than in kraken.toml",
                        wanted.hostname
                    ));
                }
            }
            (None, _) => find(format!("its store has no node {}", wanted.hostname)),
            (Some(_), Some(_)) => find(format!("its store has {} twice", wanted.hostname)),
        }
    }
    let count = raft.store.nodes().count();
    if count > wanted.len() {
        find(format!("its store has {count} nodes, and the cluster {}", wanted.len()));
    }
}

/// Compares where the swarm's networks get their subnets in its store, in the options of dockerd
/// and in kraken.toml.
fn networks(raft: &RaftState, state: &NodeState, cluster: &Cluster) -> Vec<String> {
    let wanted = &cluster.swarm;
    let pools: Vec<String> = wanted.address_pools.iter().map(ToString::to_string).collect();
    let shown = |pools: &[String]| match pools {
        [] => "Docker's own pool".to_owned(),
        pools => pools.join(", "),
    };
    let started = state.docker_state.default_address_pool.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    let of_store = raft.store.cluster().map(|object| &object.address_pools);
    for (place, found) in [("its store", of_store), ("docker-state.json", Some(&started))] {
        if let Some(found) = found.filter(|found| **found != pools) {
            wrong.push(format!(
                "by {place} overlay networks come from {}, and should from {}",
                shown(found),
                shown(&pools)
            ));
        }
    }
    if let Some(object) = raft.store.cluster()
        && (object.subnet_size, object.vxlan_port) != (u32::from(wanted.subnet_size), u32::from(wanted.data_port))
    {
        wrong.push(format!(
            "its store has subnets of /{} and the port {} for overlay networks, and should have /{} and {}",
            object.subnet_size, object.vxlan_port, wanted.subnet_size, wanted.data_port
        ));
    }
    wrong
}

fn difference(object: &NodeObject, node: &Node) -> Option<&'static str> {
    let role = match node.role {
        Role::Manager => kraken_swarm_check::Role::Manager,
        Role::Worker => kraken_swarm_check::Role::Worker,
    };
    let availability = match node.availability {
        Availability::Active => kraken_swarm_check::Availability::Active,
        Availability::Pause => kraken_swarm_check::Availability::Pause,
        Availability::Drain => kraken_swarm_check::Availability::Drain,
    };
    [
        (object.role != role || object.desired_role != role, "role"),
        (object.availability != availability, "availability"),
        (object.labels != node.labels, "set of labels"),
    ]
    .into_iter()
    .find_map(|(differs, what)| differs.then_some(what))
}

/// Checks that the cards of a folder belong to one swarm. Cards of only some nodes are compared as
/// far as possible.
pub(super) fn together(cluster: &Cluster, report: &mut Report) {
    let named = |image: &ImageReport| {
        let name = image.hostname.clone().unwrap_or_default();
        Some((name, image.swarm.clone()?))
    };
    let states: Vec<(String, NodeState)> = report.images.iter().filter_map(named).collect();
    if states.is_empty() {
        return;
    }
    let borrowed: Vec<NamedState<'_>> = states.iter().map(|(name, state)| NamedState { name, state }).collect();
    let whole = report.images.len() == cluster.nodes.len();
    let mut messages: Vec<String> = kraken_swarm_check::check_cluster(&borrowed)
        .into_iter()
        // Only the first manager's card has a log, and it may be missing here.
        .filter(|problem| whole || *problem != kraken_swarm_check::Problem::NoRaft)
        .map(|problem| problem.to_string())
        .collect();
    let ca = states[0].1.root_ca.sha256;
    for image in &report.images {
        if image.swarm_token.as_ref().is_some_and(|token| token.ca_digest != ca) {
            let name = image.hostname.as_deref().unwrap_or_default();
            messages.push(format!(
                "{name} joins with a token of another swarm than that of {}",
                states[0].0
            ));
        }
    }
    report.findings.extend(messages.into_iter().map(|message| Finding {
        check: CHECK,
        place: String::new(),
        message,
    }));
}

//! Fills in the defaults and checks every value. It notes what is wrong and goes on.

use std::path::PathBuf;

use super::Files;
use super::cluster::{BaseRef, Cluster};
use super::defaults::NAME;
use super::names;
use super::problem::Problems;
use super::raw::{RawCluster, RawConfig};
use field::checked;

mod apt;
mod docker;
mod field;
mod image;
mod network;
mod nodes;
mod nodes_together;
mod pools;
mod swarm;
mod system;
mod user;

/// Returns the cluster; `None` when something is wrong, which was noted then.
pub(super) fn cluster(raw: &RawConfig, files: &dyn Files, problems: &mut Problems) -> Option<Cluster> {
    let name = cluster_name(&raw.cluster, problems);
    let addresses = network::Addresses::new(&raw.network, problems);
    let network = network::network(&raw.network, &addresses, problems);
    let nodes = nodes::nodes(raw, name.as_deref(), &addresses, problems);
    let nets = pools::Nets::new(raw, &addresses, network.as_ref());
    let count = nodes.as_ref().map(Vec::len);
    let swarm = swarm::swarm(raw, files, &nets, count, problems);
    let image = image::image(&raw.image, files, problems);
    let user = user::user(&raw.user, files, problems);
    let system = system::system(&raw.system, files, problems);
    let docker = docker::docker(raw, files, &nets, swarm.as_ref(), problems);
    let apt = apt::apt(&raw.apt, problems);
    Some(Cluster {
        name: name?,
        network: network?,
        image: image?,
        user: user?,
        system: system?,
        docker: docker?,
        apt: apt?,
        swarm: swarm?,
        nodes: nodes?,
    })
}

/// Reads a base as `[image] base` or `--base` writes it; `locate` returns the path of a file.
///
/// # Errors
/// What is wrong with it and how to correct it, in one sentence.
pub fn base_ref(text: &str, locate: &dyn Fn(&str) -> PathBuf) -> Result<BaseRef, String> {
    image::parse_base(text, locate).map_err(|error| format!("{error}; {}", names::help_of(&error)))
}

/// Returns the cluster's name: a label that leaves room for `-` and a number.
fn cluster_name(raw: &RawCluster, problems: &mut Problems) -> Option<String> {
    let with_number = |text: &str| {
        let longest = names::LONGEST_LABEL - "-10000".len();
        if text.len() > longest {
            return names::wrong(
                format!("it is longer than {longest} characters"),
                "host names are made of it: shorten it",
            );
        }
        names::hostname(text)
    };
    checked(&raw.name, NAME, with_number, problems)
}

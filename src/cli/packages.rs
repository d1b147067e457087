//! What `plan` prints about Docker, about packages, and about the card that they need.

use kraken_disk::MemoryTree;
use kraken_fetch::Downloads;
use kraken_flash::bake;
use kraken_flash::base::{self, OsImage};
use kraken_flash::packages::lock::LockedSet;
use kraken_flash::packages::{self, ObtainRequest};
use kraken_flash::project;
use kraken_flash::provision::{self, Assets};
use kraken_foundation::Job;
use kraken_foundation::progress::Silent;
use kraken_spec::daemon;
use kraken_spec::workspace::Workspace;
use kraken_spec::{Cluster, DockerSource, SwarmMode};

use super::{Session, keyboard, text};

/// What is known without the network.
pub(super) struct Planned {
    /// The content of the lock file.
    pub(super) bake: Option<LockedSet>,
    /// The size of the smallest card that is large enough, in bytes.
    pub(super) card: Option<u64>,
    /// What the base is.
    pub(super) system: Option<OsImage>,
    /// Why `build` will refuse this, as far as the templates, the overlays and the lock file show;
    /// a sentence each.
    pub(super) refused: Vec<String>,
    /// What may not be what the user means, but is not refused.
    pub(super) warnings: Vec<String>,
    /// Whether the cluster asks for packages.
    asked: bool,
}

impl Planned {
    /// Returns the sentence about the card for the table.
    pub(super) fn sentence(&self) -> String {
        let margin = text::size(kraken_disk::ROOT_MARGIN);
        match (self.card, &self.bake) {
            (Some(card), Some(bake)) => format!(
                "at least {}: {} {}, and {margin} stay free",
                text::size(card),
                match bake.packages.len() {
                    1 => "1 package takes".to_owned(),
                    count => format!("{count} packages take"),
                },
                text::size(bake.need().bytes)
            ),
            (Some(card), None) => format!("at least {}", text::size(card)),
            (None, _) if self.asked => "known once `kraken-flash fetch` got the base and the packages".into(),
            (None, _) => "known once `kraken-flash fetch` got the base".into(),
        }
    }
}

/// Reads the cache and the lock file. What is missing there stays unknown: a plan downloads nothing
/// and never fails for that.
pub(super) fn planned(session: &Session, workspace: &Workspace) -> Planned {
    let cluster = &workspace.cluster;
    let asked = packages::are_asked_for(cluster);
    let unlisted = keyboard::unlisted(cluster);
    let mut nothing = Planned {
        bake: None,
        card: None,
        system: None,
        refused: Vec::new(),
        warnings: unlisted.iter().cloned().collect(),
        asked,
    };
    let assets = match Assets::load(Some(&workspace.folder), cluster.system.overlay.as_deref()) {
        Ok(assets) => Some(assets),
        Err(error) => {
            nothing.refused.push(error.to_string());
            None
        }
    };
    let options = kraken_fetch::Options {
        offline: true,
        ..kraken_fetch::Options::default()
    };
    let Ok(base) = base::obtain(&cluster.image, &options, Job::new(&Silent, &session.interrupt)) else {
        // The overlays alone may replace files that are baked in.
        let nothing_there = MemoryTree::new();
        let covers = |assets| provision::covers_swarm(cluster, assets, &nothing_there);
        nothing.warnings.extend(assets.as_ref().map(covers).unwrap_or_default());
        return nothing;
    };
    if let Some(assets) = &assets {
        let covers = bake::covers_swarm(cluster, assets, &base).unwrap_or_default();
        nothing.warnings.extend(covers);
    }
    nothing.system = bake::describe(&base).ok();
    let Ok(downloads) = Downloads::open(&options, None, Job::new(&Silent, &session.interrupt)) else {
        return nothing;
    };
    let request = ObtainRequest {
        cluster,
        base: &base,
        lock: &project::lock_of(workspace),
        update: false,
        now: 0,
    };
    let bake = match packages::locked(request, &downloads) {
        Ok(bake) => bake,
        Err(error) => {
            nothing.refused.push(error.to_string());
            None
        }
    };
    if let (Some(assets), Some(bake)) = (&assets, &bake) {
        nothing.refused.extend(project::docker_refuses(cluster, assets, bake));
    }
    if let Some(assets) = &assets
        && keyboard::is_the_bases(cluster, bake.as_ref())
        && let Ok(refused) = bake::keyboard_refuses(cluster, assets, &base)
    {
        nothing.warnings.retain(|warning| Some(warning) != unlisted.as_ref());
        nothing.refused.extend(refused.map(|error| error.to_string()));
    }
    let need = match (&bake, asked) {
        (Some(bake), _) => bake.need(),
        (None, false) => packages::Need::default(),
        (None, true) => return nothing,
    };
    Planned {
        card: bake::card_size(&base, need).ok(),
        bake,
        ..nothing
    }
}

/// Returns where Docker comes from.
pub(super) fn docker(cluster: &Cluster) -> String {
    let docker = &cluster.docker;
    let which = |usual: &str| {
        docker
            .packages
            .as_ref()
            .map_or_else(|| usual.to_owned(), |named| named.join(" "))
    };
    let from = match docker.source {
        DockerSource::Debian => format!("{}, of the base image's own archives", which("docker.io")),
        DockerSource::DockerCe => format!("{}, of {}", which("docker-ce"), docker.archive),
        DockerSource::None => return "none".into(),
    };
    from + &networks(cluster) + &folder(cluster)
}

/// Returns the pools of each node's own networks, when they are not Docker's.
fn networks(cluster: &Cluster) -> String {
    let pools: Vec<String> = cluster
        .docker
        .local_pools
        .iter()
        .map(|pool| pool.base.to_string())
        .collect();
    match pools.as_slice() {
        [] => String::new(),
        pools => format!("\nnetworks of one node (docker0 first) come from {}", pools.join(", ")),
    }
}

/// Returns where dockerd keeps its data, when that is not the default.
fn folder(cluster: &Cluster) -> String {
    let root = daemon::data_root(&cluster.docker.daemon);
    if root == daemon::DATA_ROOT {
        return String::new();
    }
    let swarm = match cluster.swarm.mode {
        SwarmMode::None => "",
        SwarmMode::Baked | SwarmMode::Join => {
            ", and so does the swarm: another disk that is mounted over it later hides the node's place in the swarm; \
             copy the folder swarm onto that disk first"
        }
    };
    format!("\neverything of Docker's lies in {root} on the card{swarm}")
}

/// Returns which other packages are baked in; `None` when there are none.
pub(super) fn others(cluster: &Cluster) -> Option<String> {
    let system = &cluster.system;
    let debs = system.debs.iter().map(|deb| deb.written.as_str());
    let all: Vec<&str> = system.packages.iter().map(String::as_str).chain(debs).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

//! The options of dockerd. IP forwarding is left to dockerd: it closes FORWARD to the LAN only when
//! it has switched forwarding on itself.

use serde_json::{Map, Value, json};

use super::Assets;
use super::error;
use super::image::Draft;
use crate::packages::PackagesRecord;
use kraken_foundation::{Context as _, Error, Result};
use kraken_spec::daemon::{self, Around, Version};
use kraken_spec::{Cluster, DockerSource, LocalPool, SwarmMode};

/// The template's name.
const DAEMON: &str = "daemon.json";
const POOLS: &str = "default-address-pools";

/// Writes `/etc/docker/daemon.json` when Docker is baked in.
pub(super) fn docker(draft: &mut Draft<'_>, assets: &Assets) -> Result<()> {
    let docker = &draft.ctx.cluster.docker;
    if docker.source == DockerSource::None {
        return Ok(());
    }
    let options = options(draft.ctx.cluster, assets)?;
    let refused = refusals(draft.ctx.cluster, &options, version(draft)?);
    if let Some(first) = refused.into_iter().next() {
        return Err(first);
    }
    let text = serde_json::to_string_pretty(&options).unwrap_or_default();
    draft.file("/etc/docker/daemon.json", text + "\n", 0o644)
}

/// Returns the options of every node's dockerd: the template, then [docker.daemon], then the chosen
/// address pools.
fn options(cluster: &Cluster, assets: &Assets) -> Result<Map<String, Value>> {
    let rendered = assets.renderer.text(DAEMON, &json!({"cluster": cluster.name}))?;
    let mut options: Map<String, Value> =
        serde_json::from_str(&rendered).map_err(|error| template(format!("it is not a JSON object ({error})")))?;
    lay_over(&mut options, &cluster.docker.daemon);
    lay_pools(&mut options, &cluster.docker.local_pools);
    Ok(options)
}

/// Returns why images with a dockerd of this version cannot be made with these options, each reason
/// worded as when making them; empty when they can, or when no Docker is requested.
pub fn docker_refuses(cluster: &Cluster, assets: &Assets, version: Version) -> Vec<Error> {
    if cluster.docker.source == DockerSource::None {
        return Vec::new();
    }
    match options(cluster, assets) {
        Ok(options) => refusals(cluster, &options, Some(version)),
        Err(error) => vec![error],
    }
}

fn template(why: String) -> Error {
    error::template(DAEMON, &why)
}

/// Adds the address pools that were chosen for local networks, unless the options already have
/// some.
fn lay_pools(options: &mut Map<String, Value>, pools: &[LocalPool]) {
    if !pools.is_empty() && !options.contains_key(POOLS) {
        let list = pools
            .iter()
            .map(|pool| json!({"base": pool.base, "size": pool.size}))
            .collect();
        options.insert(POOLS.to_owned(), list);
    }
}

/// Returns the options with which a dockerd of this version would not start. kraken.toml's own
/// options were checked when it was read; here they are checked together with the template, which
/// may be the user's, and with the version.
fn refusals(cluster: &Cluster, options: &Map<String, Value>, version: Option<Version>) -> Vec<Error> {
    let swarm = cluster.swarm.mode != SwarmMode::None;
    let around = Around {
        swarm,
        version,
        log_driver: None,
    };
    let mut refused: Vec<Error> = daemon::faults(options, &around)
        .into_iter()
        .map(|fault| {
            template(format!(
                "with [docker.daemon] laid over it, at {}: {}; {}",
                fault.path, fault.why, fault.help
            ))
        })
        .collect();
    if swarm && daemon::data_root(options) != daemon::data_root(&cluster.docker.daemon) {
        refused.push(template(
            "it sets `data-root`, and the swarm is baked where kraken.toml says; write data-root in [docker.daemon]"
                .to_owned(),
        ));
    }
    refused
}

/// Returns the version of the dockerd that is baked in, if the image has a record of its packages.
fn version(draft: &Draft<'_>) -> Result<Option<Version>> {
    let record = PackagesRecord::read(draft.ctx.root).context(|| error::READING)?;
    let engine = record
        .iter()
        .flat_map(|record| &record.packages)
        .find(|package| daemon::ENGINES.contains(&package.name.as_str()));
    Ok(engine.and_then(|package| Version::of_package(&package.version)))
}

/// Merges tables and replaces everything else. The options of a driver (`log-opts`) belong to that
/// driver: with another driver the template's are removed.
fn lay_over(options: &mut Map<String, Value>, own: &Map<String, Value>) {
    for (driver, its) in [("log-driver", "log-opts"), ("storage-driver", "storage-opts")] {
        if own.get(driver).is_some_and(|name| Some(name) != options.get(driver)) {
            options.remove(its);
        }
    }
    for (key, value) in own {
        match (options.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => lay_over(old, new),
            _ => {
                options.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Returns whether the image needs the group `docker` from the start. `docker.socket` belongs to
/// it, and may be started before the package is configured. The package would make the group, and
/// uses an existing one.
pub(super) fn has_group(cluster: &Cluster) -> bool {
    cluster.docker.source != DockerSource::None
}

/// Returns whether the user is to be in the group `docker`.
pub(super) fn user_joins(cluster: &Cluster) -> bool {
    let docker = &cluster.docker;
    docker.source != DockerSource::None
        && (docker.user_in_group || cluster.user.groups.iter().any(|group| group == "docker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_options_are_laid_over_the_templates() {
        let template = r#"{"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}, "storage-driver": "overlay2"}"#;
        for (own, want) in [
            (
                json!({}),
                json!({"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}, "storage-driver": "overlay2"}),
            ),
            (
                json!({"log-opts": {"max-size": "1m"}, "debug": true}),
                json!({"log-driver": "local", "log-opts": {"max-size": "1m", "max-file": "3"}, "storage-driver": "overlay2", "debug": true}),
            ),
            (
                json!({"log-driver": "journald", "dns": ["1.1.1.1"]}),
                json!({"log-driver": "journald", "storage-driver": "overlay2", "dns": ["1.1.1.1"]}),
            ),
        ] {
            let mut options: Map<String, Value> = serde_json::from_str(template).unwrap();
            lay_over(&mut options, own.as_object().unwrap());
            assert_eq!(Value::Object(options), want, "{own}");
        }
    }
}

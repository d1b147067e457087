//! What dockerd is told. IP forwarding is its own business: it closes FORWARD to the LAN only when it has switched forwarding on itself.

use serde_json::{Map, Value, json};

use super::image::Draft;
use super::{Assets, ProvisionError};
use crate::spec::{Cluster, DockerSource};

/// The template's name.
const DAEMON: &str = "daemon.json";

/// `/etc/docker/daemon.json`, where Docker is baked in.
pub(super) fn docker(draft: &mut Draft<'_>, assets: &Assets) -> Result<(), ProvisionError> {
    let docker = &draft.ctx.cluster.docker;
    if docker.source == DockerSource::None {
        return Ok(());
    }
    let rendered = assets
        .renderer
        .text(DAEMON, &json!({"cluster": draft.ctx.cluster.name}))?;
    let mut options: Map<String, Value> =
        serde_json::from_str(&rendered).map_err(|error| ProvisionError::Template {
            template: DAEMON.to_owned(),
            why: format!("it is no JSON object ({error})"),
        })?;
    lay_over(&mut options, &docker.daemon);
    let text = serde_json::to_string_pretty(&options).unwrap_or_default();
    draft.file("/etc/docker/daemon.json", text + "\n", 0o644)
}

/// Tables are merged, everything else is replaced. Options that a driver takes (`log-opts`) belong to that driver: with another
/// driver the template's go.
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

/// Whether the image has the group `docker` from the start. `docker.socket` belongs to it, and may be started before the package, which
/// would make the group (and takes one that is there), is configured.
pub(super) fn has_group(cluster: &Cluster) -> bool {
    cluster.docker.source != DockerSource::None
}

/// Whether the user is to be in the group `docker`.
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

//! `deploy`: how many tasks, where, how they are replaced.

use std::collections::BTreeMap;

use super::resources;
use crate::api::{
    Empty, Job, Placement, Preference, Replicated, Resources, RestartPolicy, ServiceMode, Spread, UpdateConfig,
};
use crate::constraint::Constraint;
use crate::keys;
use crate::reader::{Reader, Section, Text, written};
use crate::tree::Node;

/// What `deploy` and `restart` say.
pub(super) struct Deploy {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) mode: ServiceMode,
    pub(super) placement: Placement,
    pub(super) resources: Resources,
    pub(super) restart_policy: Option<RestartPolicy>,
    pub(super) update_config: Option<UpdateConfig>,
    pub(super) rollback_config: Option<UpdateConfig>,
    pub(super) endpoint_mode: String,
}

/// Reads `deploy` and `restart` of a service.
pub(super) fn deploy(service: &mut Section<'_>, reader: &mut Reader<'_>) -> Deploy {
    let path = service.within("deploy");
    let node = service.take("deploy").filter(|node| !node.is_null());
    let mut section = node.and_then(|node| reader.section(node, &keys::DEPLOY, path.clone()));
    let mut take = |key: &'static str| section.as_mut().and_then(|section| section.take(key));
    let within = |key: &str| format!("{path}.{key}");
    let labels = reader.labels(take("labels"), &within("labels"));
    let (kind, replicas) = (take("mode"), take("replicas"));
    let mode = mode(kind, replicas, &path, reader);
    let placement = take("placement").and_then(|node| placement(node, within("placement"), reader));
    let resources = take("resources").and_then(|node| resources::resources(node, within("resources"), reader));
    let own_policy = take("restart_policy");
    let restart_policy = own_policy.and_then(|node| restart_policy(node, within("restart_policy"), reader));
    let mut update = |key: &'static str| take(key).and_then(|node| update(node, within(key), key, reader));
    let (update_config, rollback_config) = (update("update_config"), update("rollback_config"));
    let endpoint_mode = take("endpoint_mode")
        .and_then(|node| reader.choice(node, &within("endpoint_mode"), &["vip", "dnsrr"]))
        .unwrap_or_default();
    let restart = service.take("restart");
    let restart_policy = match (own_policy, restart) {
        (None, Some(node)) => restart_of_compose(node, &service.within("restart"), reader),
        (Some(_), Some(node)) => {
            let message = format!(
                "`restart` of {} has no effect beside `deploy.restart_policy`",
                service.path
            );
            reader.note(node.place, message);
            restart_policy
        }
        (_, None) => restart_policy,
    };
    Deploy {
        labels,
        mode,
        placement: placement.unwrap_or_default(),
        resources: resources.unwrap_or_default(),
        restart_policy,
        update_config,
        rollback_config,
        endpoint_mode,
    }
}

fn mode(kind: Option<&Node>, replicas: Option<&Node>, path: &str, reader: &mut Reader<'_>) -> ServiceMode {
    let kinds = ["replicated", "global", "replicated-job", "global-job"];
    let kind = kind.and_then(|node| reader.choice(node, &format!("{path}.mode"), &kinds));
    let count = replicas.and_then(|node| reader.count(node, &format!("{path}.replicas")));
    let kind = kind.as_deref().unwrap_or("replicated");
    if let (Some(node), "global" | "global-job") = (replicas, kind) {
        let message = format!("{path}.replicas stands beside `mode: {kind}`, which has one task on each node");
        reader.wrong(node.place, message, "remove one of them");
    }
    let mut mode = ServiceMode::default();
    match kind {
        "global" => mode.global = Some(Empty {}),
        "global-job" => mode.global_job = Some(Empty {}),
        "replicated-job" => {
            mode.replicated_job = Some(Job {
                max_concurrent: count,
                total_completions: count,
            });
        }
        _ => mode.replicated = Some(Replicated { replicas: count }),
    }
    mode
}

fn placement(node: &Node, path: String, reader: &mut Reader<'_>) -> Option<Placement> {
    let mut section = reader.section(node, &keys::PLACEMENT, path)?;
    let mut placement = Placement::default();
    if let Some(node) = section.take("constraints") {
        for Text { text, place, .. } in reader.text_list(node, &section.within("constraints"))? {
            if let Err(why) = Constraint::parse(&text) {
                let message = format!("the placement constraint cannot be fulfilled: {why}");
                reader.wrong(
                    place,
                    message,
                    "such as `node.labels.disk == ssd` or `node.role != manager`",
                );
            }
            placement.constraints.push(text);
        }
    }
    if let Some(node) = section.take("preferences") {
        let what = section.within("preferences");
        for node in reader.list(node, &what)? {
            let mut preference = reader.section(node, &keys::PREFERENCE, what.clone())?;
            let Some(node) = preference.take("spread") else {
                return reader.refuse(node.place, format!("{what} has an entry without `spread`"), "write one");
            };
            let spread_descriptor = reader.word(node, &format!("{what}.spread"))?;
            placement.preferences.push(Preference {
                spread: Spread { spread_descriptor },
            });
        }
    }
    if let Some(node) = section.take("max_replicas_per_node") {
        placement.max_replicas = reader.count(node, &section.within("max_replicas_per_node"))?;
    }
    Some(placement)
}

fn restart_policy(node: &Node, path: String, reader: &mut Reader<'_>) -> Option<RestartPolicy> {
    let mut section = reader.section(node, &keys::RESTART, path)?;
    let mut policy = RestartPolicy::default();
    if let Some(node) = section.take("condition") {
        let choices = ["none", "on-failure", "any"];
        policy.condition = reader.choice(node, &section.within("condition"), &choices)?;
    }
    if let Some(node) = section.take("delay") {
        policy.delay = reader.duration(node, &section.within("delay"));
    }
    if let Some(node) = section.take("max_attempts") {
        policy.max_attempts = reader.count(node, &section.within("max_attempts"));
    }
    if let Some(node) = section.take("window") {
        policy.window = reader.duration(node, &section.within("window"));
    }
    Some(policy)
}

/// Reads `restart`, as it is for a container alone.
fn restart_of_compose(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<RestartPolicy> {
    let text = reader.text(node, what)?;
    let (name, attempts) = text
        .split_once(':')
        .map_or((text.as_str(), None), |(name, n)| (name, Some(n)));
    let condition = match (name, attempts) {
        ("always" | "unless-stopped", None) => "any",
        ("on-failure", _) => "on-failure",
        ("no", None) => {
            let message = format!("{what} is `no`, and Docker would restart the tasks all the same");
            return reader.refuse(
                node.place,
                message,
                "write `deploy: {restart_policy: {condition: none}}`",
            );
        }
        _ => {
            let message = format!("{what} cannot be {}", written(node));
            return reader.refuse(node.place, message, "write `always`, `unless-stopped` or `on-failure`");
        }
    };
    let max_attempts = match attempts.map(str::parse) {
        // Docker 29 sends nothing for 0, which is the same to a swarm.
        None => (condition == "on-failure").then_some(0),
        Some(Ok(attempts)) => Some(attempts),
        Some(Err(_)) => {
            let message = format!("{what} cannot be {}", written(node));
            return reader.refuse(node.place, message, "write a number behind the colon: `on-failure:3`");
        }
    };
    Some(RestartPolicy {
        condition: condition.to_owned(),
        max_attempts,
        ..RestartPolicy::default()
    })
}

fn update(node: &Node, path: String, key: &str, reader: &mut Reader<'_>) -> Option<UpdateConfig> {
    let mut section = reader.section(node, &keys::UPDATE, path)?;
    let mut config = UpdateConfig {
        parallelism: 1,
        delay: 0,
        failure_action: String::new(),
        monitor: 0,
        max_failure_ratio: 0.0,
        order: String::new(),
    };
    if let Some(node) = section.take("parallelism") {
        config.parallelism = reader.count(node, &section.within("parallelism"))?;
    }
    if let Some(node) = section.take("delay") {
        config.delay = reader.duration(node, &section.within("delay"))?;
    }
    if let Some(node) = section.take("failure_action") {
        let choices: &[&str] = match key {
            "update_config" => &["pause", "continue", "rollback"],
            _ => &["pause", "continue"],
        };
        config.failure_action = reader.choice(node, &section.within("failure_action"), choices)?;
    }
    if let Some(node) = section.take("monitor") {
        config.monitor = reader.duration(node, &section.within("monitor"))?;
    }
    if let Some(node) = section.take("max_failure_ratio") {
        config.max_failure_ratio = reader.ratio(node, &section.within("max_failure_ratio"))?;
    }
    if let Some(node) = section.take("order") {
        config.order = reader.choice(node, &section.within("order"), &["stop-first", "start-first"])?;
    }
    Some(config)
}

//! The checks of Docker and of the node's place in the swarm.

use serde_json::Value;

use super::verdict::{NodeView, Verdict, lines, seen};
use crate::probe::ProbeOutput;
use kraken_spec::{Role, SwarmMode};

pub(super) fn docker(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    let expected = "docker.service active, and an answer from its API";
    if view.cluster.docker.packages.as_ref().is_some_and(Vec::is_empty) {
        return Verdict::Nothing("kraken.toml asks for no Docker".to_owned());
    }
    match probe.unit("docker.service", "ActiveState") {
        Some("failed") => {
            let result = probe.unit("docker.service", "Result").unwrap_or("?");
            return Verdict::bad(
                expected,
                format!("docker.service failed: {result}"),
                Some(
                    "Docker does not start: its own words are in the console's log, or in journalctl -u docker on the node",
                ),
            );
        }
        Some(state) if state != "active" => return held_back(probe, view, expected, state),
        None => return Verdict::not_yet(expected, "there is no docker.service"),
        Some(_) => {}
    }
    match probe.json("docker") {
        Some(info)
            if info["ServerVersion"]
                .as_str()
                .is_some_and(|version| !version.is_empty()) =>
        {
            let text = |key: &str| info[key].as_str().unwrap_or("?").to_owned();
            Verdict::Good(format!(
                "Docker {}, storage {}, {}",
                text("ServerVersion"),
                text("Driver"),
                text("Architecture")
            ))
        }
        _ => Verdict::not_yet(expected, seen(probe, "docker")),
    }
}

/// Judges a Docker that is not running: the node may hold it back until a manager answers, or
/// because a running swarm would suffer from this card.
fn held_back(probe: &ProbeOutput, view: &NodeView<'_>, expected: &str, state: &str) -> Verdict {
    match probe.text("held") {
        Some("") if !view.managers_are_there => {
            Verdict::Good("docker.service waits for another manager; too few are booted".to_owned())
        }
        Some("") | None => Verdict::not_yet(expected, format!("docker.service is {state}")),
        Some(why) => Verdict::bad(
            expected,
            format!("docker.service is {state}: {why}"),
            Some("a running swarm would suffer from this card, so its Docker is not started: do what its console says"),
        ),
    }
}

pub(super) fn swarm_node(probe: &ProbeOutput, view: &NodeView<'_>) -> Verdict {
    if view.cluster.swarm.mode == SwarmMode::None {
        return Verdict::Nothing("kraken.toml asks for no swarm".to_owned());
    }
    let role = view.node.role;
    let expected = match view.managers_are_there {
        true => format!("an active {role} of the swarm"),
        false => format!("a {role} of the swarm that waits for its managers, which are not booted"),
    };
    let failed = probe.unit("kraken-swarm.service", "ActiveState") == Some("failed");
    let Some(info) = probe.json("docker") else {
        if !view.managers_are_there && probe.text("held") == Some("") {
            return Verdict::Good("it waits for another manager; too few are booted".to_owned());
        }
        return Verdict::not_yet(expected, "Docker does not answer yet");
    };
    let swarm = &info["Swarm"];
    let shown = describe(swarm);
    let made = probe.text("node-id").filter(|id| !id.is_empty());
    let text = |key: &str| swarm[key].as_str().unwrap_or_default();
    if let Some(made) = made.filter(|made| !text("NodeID").is_empty() && *made != text("NodeID")) {
        return Verdict::bad(
            format!("node {made}, whose certificate was baked into the image"),
            shown,
            Some(
                "the baked certificate, key or state could not be used, and the node joined again by token: build the image again",
            ),
        );
    }
    let is_manager = swarm["ControlAvailable"].as_bool().unwrap_or(false);
    match text("LocalNodeState") {
        "active" if is_manager == (role == Role::Manager) || !view.managers_are_there => Verdict::Good(shown),
        "pending" if !view.managers_are_there => Verdict::Good(format!("{shown}; its managers are not booted")),
        "locked" => Verdict::bad(
            expected,
            shown,
            Some("the swarm is locked: its state needs a key that is not on the card"),
        ),
        _ if failed => Verdict::bad(
            expected,
            shown,
            Some(
                "the node's certificate, key or swarm state is missing or was changed: kraken-swarm.service has given up; build the image again",
            ),
        ),
        _ => Verdict::not_yet(expected, shown),
    }
}

/// Returns `active manager, node abc…, managers 192.168.3.11:2377` and Docker's error message, if
/// there is one.
fn describe(swarm: &Value) -> String {
    let text = |key: &str| swarm[key].as_str().unwrap_or_default();
    let role = if swarm["ControlAvailable"].as_bool().unwrap_or(false) {
        "manager"
    } else {
        "worker or none"
    };
    let managers: Vec<&str> = swarm["RemoteManagers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|manager| manager["Addr"].as_str())
        .collect();
    let mut shown = format!("state {}, {role}", text("LocalNodeState"));
    for (what, value) in [
        ("node", text("NodeID").to_owned()),
        ("managers", managers.join(" ")),
        ("error:", text("Error").to_owned()),
    ] {
        if !value.is_empty() {
            shown.push_str(&format!(", {what} {value}"));
        }
    }
    lines(&shown, 4)
}

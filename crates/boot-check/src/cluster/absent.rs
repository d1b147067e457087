//! Finds out why running nodes are not Ready: from the manager's notes about them, and from their
//! own Docker.

use serde_json::Value;

use super::super::node::Running;
use super::ask::ask_manager;

/// The message of a leader that waited for a node in vain (swarmkit, `manager/dispatcher`).
const GIVEN_UP: &str = "in \"unknown\" state";
/// The command for a manager. It prints each node's name, state and message.
const STATES: &str = "docker node ls -q | xargs docker node inspect --format '{{json .}}'";
/// The command for the node itself. It prints the last messages of its Docker.
const OWN_WORDS: &str = "docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' 2>&1
journalctl --boot --unit docker --quiet --no-pager --output cat --lines 6";

/// What was found out about nodes that are not Ready.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Why {
    /// Lines for the evidence.
    pub(super) seen: Vec<String>,
    /// Their cause, if it is known.
    pub(super) cause: Option<String>,
}

/// Asks a manager about the running members of the swarm that are not Ready, and then these nodes
/// themselves.
pub(super) fn ask(nodes: &mut [Running<'_>]) -> Why {
    let notes = match ask_manager(nodes, STATES) {
        Ok(text) => text,
        Err(words) => {
            return Why {
                seen: vec![words],
                cause: None,
            };
        }
    };
    let on = nodes.iter().filter(|node| node.passed("swarm-node"));
    let on: Vec<String> = on.map(|node| node.report.hostname.clone()).collect();
    let absent = absent(&notes, &on);
    let mut why = of(&absent);
    for node in nodes.iter_mut() {
        let name = node.report.hostname.clone();
        if absent.iter().any(|absent| absent.name == name) {
            let (Ok(words) | Err(words)) = node.ssh(OWN_WORDS);
            let lines = words.lines().filter(|line| !line.trim().is_empty());
            why.seen.extend(lines.map(|line| format!("{name}'s Docker: {line}")));
        }
    }
    why.seen = kraken_foundation::text::lines(&why.seen.join("\n")).collect();
    why
}

/// A node that is not Ready.
struct Absent {
    name: String,
    state: String,
    message: String,
}

/// Returns those of the running nodes `on` that are not Ready according to a manager's notes.
fn absent(notes: &str, on: &[String]) -> Vec<Absent> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = notes
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    nodes
        .map(|node| Absent {
            name: text(&node["Description"]["Hostname"]),
            state: text(&node["Status"]["State"]),
            message: text(&node["Status"]["Message"]),
        })
        .filter(|node| node.state != "ready" && on.contains(&node.name))
        .collect()
}

fn of(absent: &[Absent]) -> Why {
    let given_up = absent.iter().filter(|node| node.message.contains(GIVEN_UP));
    let given_up: Vec<&str> = given_up.map(|node| &*node.name).collect();
    let line = |node: &Absent| format!("{}: {}: {}", node.name, node.state, node.message);
    Why {
        seen: absent.iter().map(line).collect(),
        cause: (!given_up.is_empty()).then(|| {
            let names = given_up.join(", ");
            format!(
                "the leader gave up {names}; one that registers in that very moment is held for down from then on. kraken-nodes.service on \
                 the managers repairs that, `sudo systemctl restart docker` on {names} at once"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_not_ready_are_named_with_what_the_manager_notes() {
        let notes = r#"{"Description":{"Hostname":"kraken-1"},"Status":{"State":"ready","Addr":"0.0.0.0"}}
{"Description":{"Hostname":"kraken-2"},"Status":{"State":"down","Message":"heartbeat failure for node in \"unknown\" state"}}
{"Description":{"Hostname":"kraken-3"},"Status":{"State":"down","Message":"its card has not been started yet"}}
{"Description":{"Hostname":"kraken-4"},"Status":{"State":"unknown"}}
no JSON"#;
        let on = ["kraken-1", "kraken-2", "kraken-4"].map(str::to_owned);
        let why = of(&absent(notes, &on));
        assert_eq!(
            why.seen,
            [
                "kraken-2: down: heartbeat failure for node in \"unknown\" state",
                "kraken-4: unknown: ",
            ],
            "kraken-3 is not on"
        );
        assert!(why.cause.unwrap().starts_with("the leader gave up kraken-2;"));
        assert_eq!(of(&absent(notes, &on[..1])), Why::default());
    }
}

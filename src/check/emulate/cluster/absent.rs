//! Why nodes that are up are not Ready: what the manager notes of them, and what their own Docker says.

use serde_json::Value;

use super::super::node::Running;
use super::ask_manager;

/// The words of a leader that waited in vain for a node (swarmkit, `manager/dispatcher`).
const LATE: &str = "in \"unknown\" state";
/// What is asked of a manager for each node: its name, its state, and what is noted beside it.
const STATES: &str = "docker node ls -q | xargs docker node inspect --format '{{json .}}'";
/// The end of what Docker says on the node itself.
const OWN_WORDS: &str = "docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' 2>&1
journalctl --boot --unit docker --quiet --no-pager --output cat --lines 6";

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Why {
    /// Lines for the evidence.
    pub(super) seen: Vec<String>,
    /// What they mean, where it is known.
    pub(super) cause: Option<String>,
}

/// Asks a manager, and then those nodes that are on.
pub(super) fn ask(nodes: &mut [Running<'_>]) -> Why {
    let mut why = match ask_manager(nodes, STATES) {
        Ok(text) => of(&text),
        Err(words) => Why {
            seen: vec![words],
            cause: None,
        },
    };
    for node in nodes.iter_mut().filter(|node| node.passed("swarm-node")) {
        let name = node.report.hostname.clone();
        if !why.seen.iter().any(|line| line.starts_with(&format!("{name}: "))) {
            continue;
        }
        let (Ok(words) | Err(words)) = node.ssh(OWN_WORDS);
        let lines = words.lines().filter(|line| !line.trim().is_empty());
        why.seen.extend(lines.map(|line| format!("{name}'s Docker: {line}")));
    }
    why.seen = crate::clean::lines(&why.seen.join("\n")).collect();
    why
}

/// What a manager's notes tell of those that are not Ready.
fn of(notes: &str) -> Why {
    let mut why = Why::default();
    for node in notes
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, state) = (text(&node["Description"]["Hostname"]), text(&node["Status"]["State"]));
        if state == "ready" {
            continue;
        }
        let message = text(&node["Status"]["Message"]);
        if message.contains(LATE) {
            why.cause = Some(format!(
                "{name} may have registered in the very moment in which its manager gave it up, and is held for down since then; \
                 swarm-nodes on the manager mends that within a minute, `sudo systemctl restart docker` on {name} at once"
            ));
        }
        why.seen.push(format!("{name}: {state}: {message}"));
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_not_ready_are_named_with_what_the_manager_notes() {
        let notes = r#"{"Description":{"Hostname":"kraken-1"},"Status":{"State":"ready","Addr":"0.0.0.0"}}
{"Description":{"Hostname":"kraken-2"},"Status":{"State":"down","Message":"heartbeat failure for node in \"unknown\" state"}}
{"Description":{"Hostname":"kraken-3"},"Status":{"State":"down","Message":"its card has not been started yet"}}
no JSON"#;
        let why = of(notes);
        assert_eq!(
            why.seen,
            [
                "kraken-2: down: heartbeat failure for node in \"unknown\" state",
                "kraken-3: down: its card has not been started yet"
            ]
        );
        assert!(why.cause.unwrap().starts_with("kraken-2 may have registered"));
        assert_eq!(of(notes.lines().next().unwrap()), Why::default());
    }
}

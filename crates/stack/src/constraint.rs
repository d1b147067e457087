//! Placement constraints, judged as swarmkit does it (`manager/constraint`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// What a constraint can ask of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTraits<'a> {
    /// Its id in the swarm.
    pub id: &'a str,
    /// Its host name.
    pub hostname: &'a str,
    /// Its address, as managers know it.
    pub address: Option<IpAddr>,
    /// Its role.
    pub role: NodeRole,
    /// Its labels in the swarm.
    pub labels: &'a BTreeMap<String, String>,
    /// The labels of its dockerd.
    pub engine_labels: &'a BTreeMap<String, String>,
    /// Its architecture as its kernel names it: `aarch64`, `armv7l`, `x86_64`.
    pub architecture: &'a str,
}

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// Takes part in the raft, and runs tasks unless it is drained.
    Manager,
    /// Runs tasks only.
    Worker,
}

/// The operating system of every node.
const OS: &str = "linux";

/// One constraint: `node.labels.disk == ssd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constraint<'a> {
    key: Key<'a>,
    is_equal: bool,
    value: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key<'a> {
    Id,
    Hostname,
    Address,
    Role,
    Os,
    Architecture,
    Label(&'a str),
    EngineLabel(&'a str),
}

impl<'a> Constraint<'a> {
    /// Reads a constraint.
    ///
    /// # Errors
    /// Says what is wrong with it: what swarmkit refuses, and what no node can ever fulfil.
    pub(crate) fn parse(text: &'a str) -> Result<Self, &'static str> {
        // swarmkit tries `==` first, wherever it is.
        let (parts, is_equal) = match (text.split_once("=="), text.split_once("!=")) {
            (Some(parts), _) => (parts, true),
            (None, Some(parts)) => (parts, false),
            (None, None) => return Err("it has neither `==` nor `!=`"),
        };
        let (name, value) = (parts.0.trim(), parts.1.trim());
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.len() < 2
            || name.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_')
            || !name.chars().all(is_part)
        {
            return Err("what stands before the operator is not a name");
        }
        let is_value =
            |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":-_.*()?+[]\\^$|/".contains(c);
        if value.is_empty() || !value.chars().all(is_value) {
            return Err("what stands behind the operator is empty, or has a character that Docker does not allow");
        }
        let key = Key::parse(name).ok_or("Docker knows no such property of a node")?;
        let role = ["manager", "worker"]
            .iter()
            .any(|role| role.eq_ignore_ascii_case(value));
        let network = value.parse::<IpAddr>().is_ok() || value.parse::<IpNet>().is_ok();
        match key {
            Key::Role if !role => Err("a role is `manager` or `worker`"),
            Key::Address if !network => Err("it does not name an address or a network"),
            _ => Ok(Self { key, is_equal, value }),
        }
    }

    /// Whether a node fulfils it.
    pub(crate) fn is_met_by(&self, node: &NodeTraits<'_>) -> bool {
        let is = |what: &str| what.to_lowercase() == self.value.to_lowercase();
        let label = |labels: &BTreeMap<String, String>, name: &str| is(labels.get(name).map_or("", String::as_str));
        let matches = match self.key {
            Key::Id => is(node.id),
            Key::Hostname => is(node.hostname),
            Key::Address => node.address.is_some_and(|address| self.holds(address)),
            Key::Role => is(match node.role {
                NodeRole::Manager => "manager",
                NodeRole::Worker => "worker",
            }),
            Key::Os => is(OS),
            Key::Architecture => is(node.architecture),
            Key::Label(name) => label(node.labels, name),
            Key::EngineLabel(name) => label(node.engine_labels, name),
        };
        matches == self.is_equal
    }

    /// Whether an address is the one that it names, or in the network.
    fn holds(&self, address: IpAddr) -> bool {
        match (self.value.parse::<IpAddr>(), self.value.parse::<IpNet>()) {
            (Ok(named), _) => named == address,
            (_, Ok(network)) => network.contains(&address),
            _ => false,
        }
    }
}

impl<'a> Key<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let label = |prefix: &str| {
            let (start, label) = name.split_at_checked(prefix.len())?;
            (start.eq_ignore_ascii_case(prefix) && !label.is_empty()).then_some(label)
        };
        match name.to_ascii_lowercase().as_str() {
            "node.id" => Some(Key::Id),
            "node.hostname" => Some(Key::Hostname),
            "node.ip" => Some(Key::Address),
            "node.role" => Some(Key::Role),
            "node.platform.os" => Some(Key::Os),
            "node.platform.arch" => Some(Key::Architecture),
            _ => label("node.labels.")
                .map(Key::Label)
                .or_else(|| label("engine.labels.").map(Key::EngineLabel)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_met(constraint: &str) -> bool {
        let labels = BTreeMap::from([("disk".to_owned(), "SSD".to_owned())]);
        let node = NodeTraits {
            id: "abc123",
            hostname: "pi-1",
            address: Some("10.0.0.11".parse().unwrap()),
            role: NodeRole::Worker,
            labels: &labels,
            engine_labels: &BTreeMap::new(),
            architecture: "aarch64",
        };
        Constraint::parse(constraint).unwrap().is_met_by(&node)
    }

    #[test]
    fn constraints_are_judged_as_swarmkit_does_it() {
        for constraint in [
            "node.id == ABC123",
            "node.hostname==PI-1",
            "node.hostname != pi-2",
            "node.role == worker",
            "NODE.ROLE != Manager",
            "node.platform.os == Linux",
            "node.platform.arch == aarch64",
            "node.labels.disk == ssd",
            "node.labels.none != x",
            "Node.Labels.disk == ssd",
            "engine.labels.x != y",
            "node.ip == 10.0.0.11",
            "node.ip == 10.0.0.0/24",
            "node.ip != 10.1.0.0/24",
        ] {
            assert!(is_met(constraint), "{constraint}");
        }
        for constraint in [
            "node.role == manager",
            "node.labels.Disk == ssd",
            "node.labels.disk != SSD",
            "node.platform.arch == arm64",
            "node.ip == 10.0.0.12",
        ] {
            assert!(!is_met(constraint), "{constraint}");
        }
    }

    #[test]
    fn what_no_node_can_be_is_refused() {
        for constraint in [
            "node.role = manager",
            "node.role == boss",
            "role == manager",
            "node.labels. == x",
            "node.hostname == ",
            "node.hostname == a,b",
            "node.ip == x",
            "==",
            "",
            "a b == c",
        ] {
            assert!(Constraint::parse(constraint).is_err(), "{constraint}");
        }
    }
}

//! Checks all nodes of a cluster together: whether their addresses fit, whether two of them
//! collide, and whether there are managers.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::hash::Hash;
use std::ops::Range;

use super::network::{Addresses, last_host};
use crate::cluster::InterfaceChoice;
use crate::field::Field;
use crate::node::{Node, Role};
use crate::problem::{Problem, Problems};
use crate::raw::{RawConfig, RawNode};

/// Notes once, not for each node, that the addresses counted up from the first one leave the subnet
/// or include the gateway.
pub(super) fn check_room(
    count: u32,
    field: &Field<u32>,
    overrides: &BTreeMap<u32, &RawNode>,
    addresses: &Addresses,
    problems: &mut Problems,
) {
    let (Some(subnet), Some(first)) = (addresses.subnet, addresses.first) else {
        return;
    };
    let counted = |number: &u32| !overrides.get(number).is_some_and(|raw| raw.address.is_set());
    let Some(last) = (1..=count).rev().find(counted) else {
        return;
    };
    if addresses.why_no_host(first).is_some() {
        return;
    }
    let room = last_host(subnet).map_or(0, |host| u32::from(host).saturating_sub(u32::from(first)) + 1);
    if last > room {
        problems.push(
            Problem::new(format!(
                "{count} nodes do not fit: from {first} on, {subnet} has room for {room}"
            ))
            .at_some(
                field
                    .span()
                    .or(addresses.first_span.clone())
                    .or(addresses.subnet_span.clone()),
                "too many for the subnet",
            )
            .help("set a larger subnet, a lower first-address, or fewer nodes"),
        );
        return;
    }
    let Some(gateway) = addresses.gateway else { return };
    let number = u32::from(gateway)
        .checked_sub(u32::from(first))
        .and_then(|gap| gap.checked_add(1));
    if let Some(number) = number.filter(|number| *number <= count && counted(number)) {
        problems.push(
            Problem::new(format!("node {number} would have the gateway's address {gateway}"))
                .at_some(
                    addresses
                        .first_span
                        .clone()
                        .or(addresses.gateway_span.clone())
                        .or(addresses.subnet_span.clone()),
                    format!("{count} nodes are counted up from {first}"),
                )
                .help("set another first-address, so that the gateway is not among the nodes, or another gateway"),
        );
    }
}

/// Notes every address, host name and MAC that two nodes have.
pub(super) fn check_unique(nodes: &[Option<Node>], overrides: &BTreeMap<u32, &RawNode>, problems: &mut Problems) {
    let at =
        |number: u32, field: fn(&RawNode) -> Option<Range<usize>>| overrides.get(&number).and_then(|raw| field(raw));
    let all = || nodes.iter().flatten();
    let hosts = all().map(|node| (node.number, node.hostname.as_str()));
    twice(
        "host name",
        hosts,
        |number| at(number, |raw| raw.hostname.span()),
        problems,
    );
    let addresses = all().map(|node| (node.number, node.address));
    twice(
        "address",
        addresses,
        |number| at(number, |raw| raw.address.span()),
        problems,
    );
    let macs = all().filter_map(|node| Some((node.number, node.mac?)));
    twice("MAC address", macs, |number| at(number, |raw| raw.mac.span()), problems);
}

/// Notes what is in the list twice. The problem points at a value that the spec sets before one
/// that is a default.
fn twice<T: Eq + Hash + Copy + Display>(
    what: &str,
    values: impl Iterator<Item = (u32, T)>,
    place: impl Fn(u32) -> Option<Range<usize>>,
    problems: &mut Problems,
) {
    let mut seen: HashMap<T, u32> = HashMap::new();
    for (number, value) in values {
        let Some(first) = seen.get(&value).copied() else {
            seen.insert(value, number);
            continue;
        };
        let mut problem = Problem::new(format!("nodes {first} and {number} have the same {what} {value}"));
        for (node, text) in [(number, "again here"), (first, "given here")] {
            problem = problem.at_some(place(node), format!("node {node}, {text}"));
        }
        problems.push(problem.help(match what {
            "MAC address" => "every network interface has its own: read it off the board".to_owned(),
            _ => format!("give node {number} or node {first} another one; without one it is counted up by number"),
        }));
    }
}

/// With `interface = "mac"`, notes which nodes have no `mac`.
pub(super) fn check_macs(
    raw: &RawConfig,
    nodes: &[Option<Node>],
    overrides: &BTreeMap<u32, &RawNode>,
    problems: &mut Problems,
) {
    let Field::Given(interface) = &raw.network.interface else {
        return;
    };
    if interface.value != InterfaceChoice::Mac {
        return;
    }
    let has = |number: &u32| overrides.get(number).is_some_and(|raw| raw.mac.is_set());
    let missing: Vec<u32> = (1_u32..).take(nodes.len()).filter(|number| !has(number)).collect();
    let Some(first) = missing.first() else { return };
    let mut list: Vec<String> = missing.iter().take(10).map(u32::to_string).collect();
    if missing.len() > list.len() {
        list.push(format!("{} more", missing.len() - list.len()));
    }
    problems.push(
        Problem::new(format!(
            "interface = \"mac\" needs the `mac` of every node; there is none for {}",
            list.join(", ")
        ))
        .at(interface.span.clone(), "chosen here")
        .help(format!(
            "add a [[node]] with number = {first} and its mac, or choose interface = \"auto\""
        )),
    );
}

/// Notes that there are more managers than nodes.
pub(super) fn check_managers(raw: &RawConfig, count: u32, problems: &mut Problems) {
    if let Field::Given(at) = &raw.swarm.managers
        && at.value > count
    {
        problems.push(
            Problem::new(format!(
                "{} managers are more than the {count} nodes that there are",
                at.value
            ))
            .at(at.span.clone(), "too many")
            .help("write a smaller odd number, or more `nodes` in [cluster]"),
        );
    }
}

/// Notes that no node is a manager: a swarm needs one.
pub(super) fn check_manager(nodes: &[Node], overrides: &BTreeMap<u32, &RawNode>, problems: &mut Problems) {
    if nodes.iter().any(|node| node.role == Role::Manager) {
        return;
    }
    problems.push(
        Problem::new("no node is a manager")
            .at_some(
                overrides.get(&1).and_then(|raw| raw.role.span()),
                "node 1 would have been the manager",
            )
            .help("give at least one [[node]] role = \"manager\""),
    );
}

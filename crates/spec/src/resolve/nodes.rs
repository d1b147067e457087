//! `[cluster] nodes` and `[[node]]`: how many nodes there are, and what each of them is.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::field::{check_text, checked, parsed, value_or};
use super::network::{Addresses, parse_address};
use super::nodes_together::{check_macs, check_manager, check_managers, check_room, check_unique};
use kraken_foundation::mac::Mac;

use crate::defaults::{DRAIN_MANAGERS, MANAGERS, MOST_NODES, NODES};
use crate::field::{At, Field, Pairs};
use crate::names::{self, Check, wrong};
use crate::node::{Availability, Board, Node, NodeId, Role};
use crate::problem::{Problem, Problems};
use crate::raw::{RawConfig, RawNode};

const MOST_LABELS: usize = 64;

/// What `[cluster]` and `[swarm]` set for nodes that do not set it themselves.
#[derive(Clone, Copy)]
struct Defaults<'a> {
    /// The cluster's name; `None` when it is wrong.
    cluster_name: Option<&'a str>,
    managers: u32,
    drain_managers: bool,
}

impl<'a> Defaults<'a> {
    fn new(raw: &RawConfig, cluster_name: Option<&'a str>) -> Self {
        Self {
            cluster_name,
            managers: value_or(&raw.swarm.managers, MANAGERS).unwrap_or(MANAGERS),
            drain_managers: value_or(&raw.swarm.drain_managers, DRAIN_MANAGERS).unwrap_or(DRAIN_MANAGERS),
        }
    }
}

/// Returns all nodes; `None` when one of them is wrong, or something that they depend on.
pub(super) fn nodes(
    raw: &RawConfig,
    cluster_name: Option<&str>,
    addresses: &Addresses,
    problems: &mut Problems,
) -> Option<Vec<Node>> {
    let overrides = by_number(&raw.node, problems);
    let count = count(raw, &overrides, problems);
    let none = RawNode::default();
    let defaults = Defaults::new(raw, cluster_name);
    if count.is_none() {
        // The nodes cannot be made, but their keys can be checked.
        for raw in &raw.node {
            node(1, &raw.value, defaults, addresses, problems);
        }
        return None;
    }
    let count = count?;
    check_room(count, &raw.cluster.nodes, &overrides, addresses, problems);
    let nodes: Vec<Option<Node>> = (1..=count)
        .map(|number| {
            let raw = overrides.get(&number).copied().unwrap_or(&none);
            node(number, raw, defaults, addresses, problems)
        })
        .collect();
    check_unique(&nodes, &overrides, problems);
    check_macs(raw, &nodes, &overrides, problems);
    let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
    check_manager(&nodes, &overrides, problems);
    check_managers(raw, count, problems);
    Some(nodes)
}

/// Returns the `[[node]]` sections by number. Notes those without a number, and those with the
/// number of another one.
fn by_number<'a>(raw: &'a [At<RawNode>], problems: &mut Problems) -> BTreeMap<u32, &'a RawNode> {
    let mut map: BTreeMap<u32, &RawNode> = BTreeMap::new();
    for At { value: node, span, .. } in raw {
        let at = match &node.number {
            Field::Given(at) => at,
            Field::Wrong => continue,
            Field::Absent => {
                problems.push(
                    Problem::new("this [[node]] does not say which node it is")
                        .at(span.clone(), "no `number`")
                        .help("add number = 1, or another number"),
                );
                continue;
            }
        };
        if at.value == 0 || at.value > MOST_NODES {
            problems.push(
                Problem::new(format!("there is no node {}", at.value))
                    .at(
                        at.span.clone(),
                        format!("nodes are numbered from 1 to at most {MOST_NODES}"),
                    )
                    .help("the first node is number = 1"),
            );
        } else if let Some(first) = map.get(&at.value) {
            problems.push(
                Problem::new(format!("node {} is described twice", at.value))
                    .at(at.span.clone(), "again here")
                    .at_some(first.number.span(), "first here")
                    .help("put all keys into one [[node]], or correct the number"),
            );
        } else {
            map.insert(at.value, node);
        }
    }
    map
}

/// Returns how many nodes there are: `nodes`; without it seven, or as many as the highest number of
/// a `[[node]]` when the numbers from eight on follow each other without a gap.
fn count(raw: &RawConfig, overrides: &BTreeMap<u32, &RawNode>, problems: &mut Problems) -> Option<u32> {
    match &raw.cluster.nodes {
        Field::Wrong => None,
        Field::Given(at) if at.value == 0 || at.value > MOST_NODES => {
            problems.push(
                Problem::new(format!("a cluster of {} nodes cannot be made", at.value))
                    .at(at.span.clone(), "out of range")
                    .help(format!("write a number from 1 to {MOST_NODES}")),
            );
            None
        }
        Field::Given(at) => {
            for (number, node) in overrides.range(at.value + 1..) {
                problems.push(
                    Problem::new(format!("there is no node {number}: the cluster has {}", at.value))
                        .at_some(node.number.span(), "beyond the last node")
                        .at(at.span.clone(), "the number of nodes")
                        .help(format!("set nodes = {number}, or correct the number")),
                );
            }
            Some(at.value)
        }
        Field::Absent => Some(count_from_overrides(overrides, problems)),
    }
}

fn count_from_overrides(overrides: &BTreeMap<u32, &RawNode>, problems: &mut Problems) -> u32 {
    let mut count = NODES;
    for (number, node) in overrides.range(NODES + 1..) {
        if *number != count + 1 {
            problems.push(
                Problem::new(format!(
                    "node {number} is described, but there is no node {}",
                    count + 1
                ))
                .at_some(node.number.span(), "a gap before this number")
                .help(format!("set nodes = {number} in [cluster], or correct the number")),
            );
            return count;
        }
        count = *number;
    }
    count
}

/// Returns one node; `None` when it is wrong.
fn node(
    number: u32,
    raw: &RawNode,
    defaults: Defaults<'_>,
    addresses: &Addresses,
    problems: &mut Problems,
) -> Option<Node> {
    let hostname = match defaults.cluster_name {
        None if !raw.hostname.is_set() => None,
        name => {
            let default = format!("{}-{number}", name.unwrap_or_default());
            checked(&raw.hostname, &default, names::hostname, problems)
        }
    };
    let address = address(number, raw, addresses, problems);
    let default_role = if number <= defaults.managers {
        Role::Manager
    } else {
        Role::Worker
    };
    let role = value_or(&raw.role, default_role);
    let default_availability = match role {
        Some(Role::Manager) if defaults.drain_managers => Availability::Drain,
        _ => Availability::Active,
    };
    let availability = value_or(&raw.availability, default_availability);
    let board = value_or(&raw.board, Board::default());
    let mac = match &raw.mac {
        Field::Absent => Some(None),
        Field::Wrong => None,
        Field::Given(at) => parsed(at, parse_mac, problems).map(Some),
    };
    let labels = labels(&raw.labels, problems);
    Some(Node {
        id: NodeId {
            number,
            hostname: hostname?,
            address: address?,
            role: role?,
        },
        board: board?,
        mac: mac?,
        labels: labels?,
        availability: availability?,
    })
}

fn address(number: u32, raw: &RawNode, addresses: &Addresses, problems: &mut Problems) -> Option<Ipv4Addr> {
    let at = match &raw.address {
        Field::Wrong => return None,
        Field::Absent => {
            let first = u32::from(addresses.first?);
            return first.checked_add(number - 1).map(Ipv4Addr::from);
        }
        Field::Given(at) => at,
    };
    let address = parsed(at, parse_address, problems)?;
    let gateway = (addresses.gateway == Some(address)).then(|| "it is the gateway's".to_owned());
    if let Some(why) = addresses.why_no_host(address).or(gateway) {
        problems.push(
            Problem::new(format!("{address} cannot be a node's address: {why}"))
                .at(at.span.clone(), why)
                .help(addresses.help()),
        );
        return None;
    }
    Some(address)
}

/// Reads a unicast MAC address: six pairs of hexadecimal digits with colons or hyphens between
/// them.
fn parse_mac(text: &str) -> Check<Mac> {
    let help = "write six pairs of hexadecimal digits, for example \"b8:27:eb:12:34:56\"";
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let mut bytes = [0_u8; 6];
    if parts.len() != bytes.len() {
        return wrong("this is not a MAC address", help);
    }
    for (byte, part) in bytes.iter_mut().zip(&parts) {
        if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
            return wrong("this is not a MAC address", help);
        }
        *byte = u8::from_str_radix(part, 16).unwrap_or_default();
    }
    if bytes[0] & 1 == 1 {
        return wrong(
            "it is a group address (multicast), which no interface has",
            "read it off the board: `ip link`",
        );
    }
    if bytes == [0; 6] {
        return wrong("it is all zeros", "read it off the board: `ip link`");
    }
    Ok(Mac(bytes))
}

fn labels(field: &Field<Pairs>, problems: &mut Problems) -> Option<BTreeMap<String, String>> {
    let list = match field {
        Field::Absent => return Some(BTreeMap::new()),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    if list.value.0.len() > MOST_LABELS {
        problems.push(
            Problem::new(format!("a node has at most {MOST_LABELS} labels"))
                .at(list.span.clone(), format!("{} labels", list.value.0.len()))
                .help("leave some out"),
        );
        return None;
    }
    let pairs: Vec<_> = list
        .value
        .0
        .iter()
        .map(|pair| {
            let key = check_text(&pair.name, names::label_key, problems);
            let value = check_text(&pair.value, names::label_value, problems);
            key.zip(value)
        })
        .collect();
    pairs.into_iter().collect()
}

//! `[swarm]`: how the nodes become one swarm, and with which networks.

use ipnet::Ipv4Net;

use super::field::{parsed, value_or};
use super::pools::{Choice, Nets, overlap, swarm_pool};
use crate::Files;
use crate::cluster::{DockerSource, Swarm, SwarmMode};
use crate::defaults::{
    DATA_PORT, FIRST_DATA_PORT, KEYS_FILE, LARGEST_SUBNET, LAST_DATA_PORT, MANAGERS, MOST_MANAGERS, SMALLEST_SUBNET,
    SUBNET_SIZE,
};
use crate::field::Field;
use crate::names::{Check, wrong};
use crate::nets::addresses_in;
use crate::problem::{Problem, Problems};
use crate::raw::RawConfig;

const MOST_POOLS: usize = 100;
/// UDP ports in the allowed range that other programs use on every node.
const OTHERS_PORTS: [(u16, &str); 4] = [
    (2377, "the managers listen on it"),
    (5353, "multicast DNS has it, which Raspberry Pi OS runs"),
    (5355, "systemd-resolved has it, for LLMNR"),
    (7946, "the nodes tell one another there who is up (Docker's gossip)"),
];

/// Resolves the whole section. `nodes` is their number, if it is known.
pub(super) fn swarm(
    config: &RawConfig,
    files: &dyn Files,
    nets: &Nets,
    nodes: Option<usize>,
    problems: &mut Problems,
) -> Option<Swarm> {
    let raw = &config.swarm;
    let mode = mode(config, problems);
    let keys_file = value_or(&raw.keys_file, KEYS_FILE.to_owned()).map(|written| files.locate(&written));
    let managers = number(&raw.managers, MANAGERS, 1..=MOST_MANAGERS, problems);
    let nodes = nodes.and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let subnet_size = number(
        &raw.subnet_size,
        size_for(nodes),
        LARGEST_SUBNET..=SMALLEST_SUBNET,
        problems,
    );
    check_size(&raw.subnet_size, subnet_size, nodes, problems);
    let data_port = number(&raw.data_port, DATA_PORT, FIRST_DATA_PORT..=LAST_DATA_PORT, problems);
    check_port(&raw.data_port, problems);
    let pools = pools(config, subnet_size, nets, problems);
    managers?;
    let pools = pools?;
    Some(Swarm {
        mode: mode?,
        keys_file: keys_file?,
        address_pools: pools.list,
        pool_avoids: pools.avoids,
        subnet_size: subnet_size?,
        data_port: data_port?,
    })
}

/// Returns how many addresses each subnet should have: every node needs one address in `ingress`,
/// and every published service one more; a service with one task on each node needs as many again.
fn wanted(nodes: u32) -> u32 {
    nodes.saturating_mul(2).saturating_add(8)
}

/// Returns Docker's default prefix length, or a shorter one when so many nodes would not fit.
fn size_for(nodes: u32) -> u8 {
    (LARGEST_SUBNET..=SUBNET_SIZE)
        .rev()
        .find(|size| addresses_in(*size) >= wanted(nodes))
        .unwrap_or(LARGEST_SUBNET)
}

/// Notes a size that is too small. `ingress` has a subnet of this size, too: each node needs one
/// address in it, and so does each published service.
fn check_size(field: &Field<u32>, size: Option<u8>, nodes: u32, problems: &mut Problems) {
    let (Some(size), Some(span)) = (size, field.span()) else {
        return;
    };
    if addresses_in(size) <= nodes {
        problems.push(
            Problem::new(format!("a subnet of /{size} is too small for {nodes} nodes"))
                .at(span, format!("room for {} addresses", addresses_in(size)))
                .help(format!(
                    "each node takes one in the network `ingress`, and each published service: write at most {}",
                    size_for(nodes)
                )),
        );
    }
}

fn check_port(field: &Field<u32>, problems: &mut Problems) {
    let Field::Given(at) = field else { return };
    if let Some((port, why)) = OTHERS_PORTS.iter().find(|(port, _)| u32::from(*port) == at.value) {
        problems.push(
            Problem::new(format!("{port} cannot be `{}`: {why}", at.key))
                .at(at.span.clone(), "taken")
                .help(format!("leave the line out for {DATA_PORT}, or write another port")),
        );
    }
}

/// Without Docker there is no swarm, unless the user asks for one.
fn mode(config: &RawConfig, problems: &mut Problems) -> Option<SwarmMode> {
    let source = value_or(&config.docker.source, DockerSource::default())?;
    let without = source == DockerSource::None;
    match &config.swarm.mode {
        Field::Wrong => None,
        Field::Absent if without => Some(SwarmMode::None),
        Field::Absent => Some(SwarmMode::default()),
        Field::Given(at) if without && at.value != SwarmMode::None => {
            problems.push(
                Problem::new("a swarm needs Docker, and none is baked in")
                    .at(at.span.clone(), "asked for here")
                    .at_some(config.docker.source.span(), "no Docker")
                    .help("leave `source` in [docker] out, or set mode = \"none\""),
            );
            None
        }
        Field::Given(at) => Some(at.value),
    }
}

/// Returns a number in a range, or its default.
fn number<T>(field: &Field<u32>, default: T, range: std::ops::RangeInclusive<T>, problems: &mut Problems) -> Option<T>
where
    T: TryFrom<u32> + PartialOrd + std::fmt::Display + Copy,
{
    let at = match field {
        Field::Absent => return Some(default),
        Field::Wrong => return None,
        Field::Given(at) => at,
    };
    match T::try_from(at.value).ok().filter(|value| range.contains(value)) {
        Some(value) => Some(value),
        None => {
            problems.push(
                Problem::new(format!("{} cannot be `{}`", at.value, at.key))
                    .at(at.span.clone(), "out of range")
                    .help(format!("write a number from {} to {}", range.start(), range.end())),
            );
            None
        }
    }
}

/// The pools, and what uses a part of Docker's own when they were chosen for that reason.
struct Pools {
    list: Vec<Ipv4Net>,
    avoids: Option<String>,
}

fn pools(config: &RawConfig, subnet_size: Option<u8>, nets: &Nets, problems: &mut Problems) -> Option<Pools> {
    let list = match &config.swarm.address_pools {
        Field::Absent => return default_pools(config, subnet_size?, nets, problems),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    if list.value.is_empty() || list.value.len() > MOST_POOLS {
        problems.push(
            Problem::new(format!("`{}` has {} entries", list.key, list.value.len()))
                .at(list.span.clone(), format!("from 1 to {MOST_POOLS} are possible"))
                .help("leave the line out for Docker's own pool, 10.0.0.0/8, or one beside your LAN"),
        );
        return None;
    }
    let mut pools: Vec<Ipv4Net> = Vec::new();
    let mut wrong_ones = false;
    for at in &list.value {
        let Some(pool) = parsed(at, |text| parse_pool(text, subnet_size, nets, &pools), problems) else {
            wrong_ones = true;
            continue;
        };
        pools.push(pool);
    }
    if wrong_ones {
        return None;
    }
    let size = subnet_size?;
    if let [pool] = pools.as_slice()
        && pool.prefix_len() == size
    {
        problems.push(
            Problem::new(format!(
                "{pool} holds one subnet of /{size}, which the network `ingress` takes"
            ))
            .at(list.span.clone(), "no room for another network")
            .at_some(config.swarm.subnet_size.span(), "the size of a subnet")
            .help("write a larger pool, a second one, or a larger number as `subnet-size`"),
        );
        return None;
    }
    Some(Pools {
        list: pools,
        avoids: None,
    })
}

/// Returns Docker's own pool, or one that does not overlap with what uses a part of it.
fn default_pools(config: &RawConfig, size: u8, nets: &Nets, problems: &mut Problems) -> Option<Pools> {
    let (list, avoids) = match swarm_pool(size, nets) {
        Choice::Dockers => (Vec::new(), None),
        Choice::Beside(pool, taken) => (vec![pool], Some(taken)),
        Choice::Nothing => {
            problems.push(
                Problem::new(format!("no private network has room for several subnets of /{size}"))
                    .at_some(config.swarm.subnet_size.span(), "the size of a subnet")
                    .help(
                        "write a larger number as `subnet-size` in [swarm] (24 is Docker's), or networks that are free as `address-pools`",
                    ),
            );
            return None;
        }
    };
    Some(Pools { list, avoids })
}

fn parse_pool(text: &str, subnet_size: Option<u8>, nets: &Nets, others: &[Ipv4Net]) -> Check<Ipv4Net> {
    let help = "write a private network of no node, for example \"10.20.0.0/16\"";
    let Ok(pool) = text.parse::<Ipv4Net>() else {
        return wrong("this is not an IPv4 network", help);
    };
    if pool != pool.trunc() {
        return wrong(format!("its host bits are set: the network is {}", pool.trunc()), help);
    }
    if subnet_size.is_some_and(|size| pool.prefix_len() > size) {
        return wrong("it is smaller than one subnet of `subnet-size`", help);
    }
    if let Some(taken) = nets.all().find(|taken| overlap(&taken.net, &pool)) {
        let help = match swarm_pool(subnet_size.unwrap_or(SUBNET_SIZE), nets) {
            Choice::Beside(free, _) => {
                format!("leave the line out for {free}, which is free, or write another network")
            }
            Choice::Dockers | Choice::Nothing => help.to_owned(),
        };
        return wrong(taken.why.clone(), help);
    }
    if others.iter().any(|other| overlap(other, &pool)) {
        return wrong("it overlaps another pool", help);
    }
    let octets = pool.network().octets();
    if octets[0] == 0 || octets[0] == 127 || octets[0] >= 224 || (octets[0] == 169 && octets[1] == 254) {
        return wrong(
            "no containers can be there (loopback, link-local, multicast or reserved)",
            help,
        );
    }
    Ok(pool)
}

//! `[swarm]`: how the nodes become one swarm, and with which networks.

use ipnet::Ipv4Net;

use super::network::Addresses;
use super::{parsed, value_or};
use crate::spec::Files;
use crate::spec::cluster::{DockerSource, Swarm, SwarmMode};
use crate::spec::names::{Check, wrong};
use crate::spec::problem::{Problem, Problems};
use crate::spec::raw::{Field, RawConfig};

/// Where the keys are when the spec does not say.
const KEYS_FILE: &str = "kraken.keys";
/// More managers than this only make a swarm slower (Docker's documentation, "Administer and maintain a swarm").
const MOST_MANAGERS: u32 = 7;
const MOST_POOLS: usize = 100;
/// Docker's default (moby, `daemon/cluster/swarm.go`).
const SUBNET_SIZE: u8 = 24;
/// The smallest subnets that Docker takes.
const SMALLEST_SUBNET: u8 = 29;
const DATA_PORT: u16 = 4789;
/// Ports that Docker takes (moby, `daemon/cluster/swarm.go`).
const DATA_PORTS: std::ops::RangeInclusive<u16> = 1024..=49151;

/// The whole section.
pub(super) fn swarm(
    config: &RawConfig,
    files: &dyn Files,
    addresses: &Addresses,
    problems: &mut Problems,
) -> Option<Swarm> {
    let raw = &config.swarm;
    let mode = mode(config, problems);
    let keys_file = value_or(&raw.keys_file, KEYS_FILE.to_owned()).map(|written| files.locate(&written));
    let managers = number(&raw.managers, "managers", 1_u32, 1..=MOST_MANAGERS, problems);
    let subnet_size = number(
        &raw.subnet_size,
        "subnet-size",
        SUBNET_SIZE,
        8..=SMALLEST_SUBNET,
        problems,
    );
    let data_port = number(&raw.data_port, "data-port", DATA_PORT, DATA_PORTS, problems);
    let pools = pools(config, subnet_size, addresses, problems);
    live_restore(config, mode, problems);
    managers?;
    Some(Swarm {
        mode: mode?,
        keys_file: keys_file?,
        address_pools: pools?,
        subnet_size: subnet_size?,
        data_port: data_port?,
    })
}

/// Without Docker there is no swarm, unless somebody asks for one.
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

/// A number in a range, or its default.
fn number<T>(
    field: &Field<u32>,
    key: &str,
    default: T,
    range: std::ops::RangeInclusive<T>,
    problems: &mut Problems,
) -> Option<T>
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
                Problem::new(format!("{} cannot be `{key}`", at.value))
                    .at(at.span.clone(), "out of range")
                    .help(format!("write a number from {} to {}", range.start(), range.end())),
            );
            None
        }
    }
}

fn pools(
    config: &RawConfig,
    subnet_size: Option<u8>,
    addresses: &Addresses,
    problems: &mut Problems,
) -> Option<Vec<Ipv4Net>> {
    let list = match &config.swarm.address_pools {
        Field::Absent => return Some(Vec::new()),
        Field::Wrong => return None,
        Field::Given(list) => list,
    };
    if list.value.is_empty() || list.value.len() > MOST_POOLS {
        problems.push(
            Problem::new(format!("`address-pools` has {} entries", list.value.len()))
                .at(list.span.clone(), format!("from 1 to {MOST_POOLS} are possible"))
                .help("leave the line out for Docker's own pool, 10.0.0.0/8"),
        );
        return None;
    }
    let mut pools: Vec<Ipv4Net> = Vec::new();
    let mut wrong_ones = false;
    for at in &list.value {
        let Some(pool) = parsed(
            at,
            "address-pools",
            |text| parse_pool(text, subnet_size, addresses.subnet, &pools),
            problems,
        ) else {
            wrong_ones = true;
            continue;
        };
        pools.push(pool);
    }
    (!wrong_ones).then_some(pools)
}

fn parse_pool(text: &str, subnet_size: Option<u8>, lan: Option<Ipv4Net>, others: &[Ipv4Net]) -> Check<Ipv4Net> {
    let mend = "write a private network of no node, for example \"10.20.0.0/16\"";
    let Ok(pool) = text.parse::<Ipv4Net>() else {
        return wrong("this is no IPv4 network", mend);
    };
    let overlaps = |other: &Ipv4Net| other.contains(&pool) || pool.contains(other);
    if pool != pool.trunc() {
        return wrong(format!("its host bits are set: the network is {}", pool.trunc()), mend);
    }
    if subnet_size.is_some_and(|size| pool.prefix_len() > size) {
        return wrong("it is smaller than one subnet of `subnet-size`", mend);
    }
    if lan.is_some_and(|lan| overlaps(&lan)) {
        return wrong("the nodes themselves are in it", mend);
    }
    if others.iter().any(overlaps) {
        return wrong("it overlaps another pool", mend);
    }
    Ok(pool)
}

/// dockerd refuses to be in a swarm with it (moby, `daemon/cluster`).
fn live_restore(config: &RawConfig, mode: Option<SwarmMode>, problems: &mut Problems) {
    let Field::Given(daemon) = &config.docker.daemon else {
        return;
    };
    let on = daemon.value.get("live-restore").and_then(serde_json::Value::as_bool);
    if on == Some(true) && mode.is_some_and(|mode| mode != SwarmMode::None) {
        problems.push(
            Problem::new("Docker's `live-restore` and a swarm exclude each other")
                .at(daemon.span.clone(), "set here")
                .help("leave live-restore out, or set mode = \"none\" in [swarm]"),
        );
    }
}

//! Which networks Docker makes on the nodes: none of them may contain an address that the nodes
//! need, nor overlap with another one.
//!
//! Docker takes the subnet of a container network from pools: for overlay networks, `ingress`
//! first, from the swarm's pools; for all others (`docker0`, `docker_gwbridge`) from each node's
//! own. Docker does not always compare them with the LAN: overlay networks never, the others only
//! with the routes that exist when they are made, and a node whose cable is out has none.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::network::Addresses;
use crate::cluster::{DockerSource, Network};
use crate::field::Field;
use crate::nets::LocalPool;
use crate::options::Options;
use crate::problem::{Problem, Problems};
use crate::raw::RawConfig;

/// Docker's own pool for overlay networks (moby, `libnetwork/ipamutils`).
pub(super) const DOCKERS_POOL: Ipv4Net = net([10, 0, 0, 0], 8);
/// Where a pool for overlay networks is searched, in this order. The second and the third leave
/// Docker's own pools of local networks most of their space; the last two are not private networks
/// of RFC 1918, but no home network uses them.
const SPACES: [Ipv4Net; 5] = [
    DOCKERS_POOL,
    net([172, 24, 0, 0], 13),
    net([192, 168, 128, 0], 17),
    net([100, 64, 0, 0], 10),
    net([198, 18, 0, 0], 15),
];
/// Docker's own pools for local networks (moby, `libnetwork/ipamutils`), in its order: `docker0`
/// gets the first that is free.
const DOCKERS_LOCAL: [LocalPool; 7] = [
    local([172, 17, 0, 0], 16, 16),
    local([172, 18, 0, 0], 16, 16),
    local([172, 19, 0, 0], 16, 16),
    local([172, 20, 0, 0], 14, 16),
    local([172, 24, 0, 0], 14, 16),
    local([172, 28, 0, 0], 14, 16),
    LAST_LOCAL,
];
/// The last of Docker's own pools, which it uses only after fifteen networks. By then the node has
/// its routes, and Docker takes no subnet that one of them leads to, nor one with a name server.
const LAST_LOCAL: LocalPool = local([192, 168, 0, 0], 16, 20);
/// Prefix length of a local network when nothing of Docker's own pools is left.
const LOCAL_SIZE: u8 = 20;
/// How many subnets (as a power of two) a pool that is chosen here should contain, and how many it
/// must contain.
const ROOM: [u8; 2] = [4, 1];

const fn net([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn local(address: [u8; 4], length: u8, size: u8) -> LocalPool {
    LocalPool {
        base: net(address, length),
        size,
    }
}

/// A network that is in use.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The network, or one address.
    pub(super) net: Ipv4Net,
    /// Why no other network may overlap with it, as the end of a sentence.
    pub(super) why: String,
    /// Where the spec names it.
    pub(super) span: Option<Range<usize>>,
}

/// Returns a network as text, or the address alone when it is only one.
fn shown(net: &Ipv4Net) -> String {
    match net.prefix_len() {
        32 => net.addr().to_string(),
        _ => net.to_string(),
    }
}

/// Returns whether two networks have an address in common.
pub(super) fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(other) || other.contains(one)
}

fn host(address: Ipv4Addr) -> Ipv4Net {
    Ipv4Net::from(address)
}

/// All networks that the spec names.
pub(super) struct Nets {
    /// What the nodes and their containers must reach: the LAN, which contains the gateway, and
    /// name servers elsewhere.
    pub(super) needed: Vec<Taken>,
    /// The networks that `[docker.daemon]` gives to Docker's local networks.
    pub(super) own_local: Vec<Taken>,
}

impl Nets {
    /// Collects them. Texts that are not an address or a network are left out: they are reported
    /// elsewhere.
    pub(super) fn new(raw: &RawConfig, addresses: &Addresses, network: Option<&Network>) -> Self {
        let nothing = Field::Absent;
        let without = matches!(&raw.docker.source, Field::Given(at) if at.value == DockerSource::None);
        let daemon = if without { &nothing } else { &raw.docker.daemon };
        Self {
            needed: needed(addresses, network, raw.network.dns.span(), daemon),
            own_local: own_local(daemon),
        }
    }

    /// Returns the networks that overlay networks must not overlap with.
    pub(super) fn all(&self) -> impl Iterator<Item = &Taken> {
        self.needed.iter().chain(&self.own_local)
    }
}

fn needed(
    addresses: &Addresses,
    network: Option<&Network>,
    servers: Option<Range<usize>>,
    daemon: &Field<Options>,
) -> Vec<Taken> {
    let mut list: Vec<Taken> = Vec::new();
    if let Some(subnet) = addresses.subnet {
        list.push(Taken {
            net: subnet,
            why: "the nodes themselves are in it".to_owned(),
            span: addresses.subnet_span.clone(),
        });
    }
    let own = network
        .into_iter()
        .flat_map(|network| &network.dns)
        .map(|server| (*server, servers.clone()));
    let containers = given(daemon, "dns").filter_map(|given| Some((given.text.parse().ok()?, Some(given.span))));
    for (server, span) in own.chain(containers) {
        let IpAddr::V4(server) = server else { continue };
        // Docker's own resolver answers on loopback.
        if server.is_loopback() || list.iter().any(|taken| taken.net.contains(&server)) {
            continue;
        }
        list.push(Taken {
            net: host(server),
            why: format!("the DNS server {server} is in it"),
            span,
        });
    }
    list
}

/// A text of an option, and its place in the spec.
struct Given<'a> {
    text: &'a str,
    span: Range<usize>,
}

fn own_local(daemon: &Field<Options>) -> Vec<Taken> {
    let taken = |key: &'static str| {
        move |given: Given<'_>| {
            Some(Taken {
                net: given.text.parse::<Ipv4Net>().ok()?.trunc(),
                why: format!("`{key}` in [docker.daemon] gives it to Docker's local networks"),
                span: Some(given.span),
            })
        }
    };
    let pools = given_bases(daemon).filter_map(taken("default-address-pools"));
    let bip = given(daemon, "bip").filter_map(taken("bip"));
    let fixed = given(daemon, "fixed-cidr").filter_map(taken("fixed-cidr"));
    bip.chain(fixed).chain(pools).collect()
}

/// Returns the texts of an option, which may be one or a list, with their places.
fn given<'a>(daemon: &'a Field<Options>, key: &'static str) -> impl Iterator<Item = Given<'a>> {
    let options = match daemon {
        Field::Given(at) => Some(&at.value),
        Field::Absent | Field::Wrong => None,
    };
    options.into_iter().flat_map(move |options| {
        let values = match options.values.get(key) {
            Some(Value::Array(items)) => items.iter().collect(),
            Some(value) => vec![value],
            None => Vec::new(),
        };
        let many = matches!(options.values.get(key), Some(Value::Array(_)));
        let place = move |index: usize| if many { format!("{key}/{index}") } else { key.to_owned() };
        values.into_iter().enumerate().filter_map(move |(index, value)| {
            Some(Given {
                text: value.as_str()?,
                span: options.value_span(&place(index))?,
            })
        })
    })
}

fn given_bases(daemon: &Field<Options>) -> impl Iterator<Item = Given<'_>> {
    let options = match daemon {
        Field::Given(at) => Some(&at.value),
        Field::Absent | Field::Wrong => None,
    };
    options.into_iter().flat_map(|options| {
        let list = options.values.get("default-address-pools").and_then(Value::as_array);
        list.into_iter().flatten().enumerate().filter_map(|(index, pool)| {
            let place = format!("default-address-pools/{index}/base");
            Some(Given {
                text: pool.get("base")?.as_str()?,
                span: options.value_span(&place)?,
            })
        })
    })
}

/// Notes the networks of `[docker.daemon]` that overlap with what the nodes need.
pub(super) fn check_own_local(nets: &Nets, problems: &mut Problems) {
    for one in &nets.own_local {
        let Some(other) = nets.needed.iter().find(|other| overlap(&one.net, &other.net)) else {
            continue;
        };
        let Some(span) = one.span.clone() else { continue };
        problems.push(
            Problem::new(format!(
                "{} cannot be a network of Docker's: {}",
                shown(&one.net),
                other.why
            ))
            .at(span, "containers could not reach it, nor it them")
            .at_some(other.span.clone(), "needed")
            .help("write a private network beside it, or leave the line out: one is chosen then"),
        );
    }
}

/// Returns the parts of a network that overlap with no network in use, each as large as possible,
/// in order.
fn free(space: Ipv4Net, taken: &[Ipv4Net]) -> Vec<Ipv4Net> {
    if !taken.iter().any(|one| overlap(one, &space)) {
        return vec![space];
    }
    if taken.iter().any(|one| one.contains(&space)) {
        return Vec::new();
    }
    match space.subnets(space.prefix_len() + 1) {
        Ok(halves) => halves.flat_map(|half| free(half, taken)).collect(),
        Err(_) => Vec::new(),
    }
}

/// Returns the largest of the networks; of equal ones the last, because routers assign low
/// addresses.
fn largest(nets: Vec<Ipv4Net>) -> Option<Ipv4Net> {
    nets.into_iter()
        .max_by_key(|net| (32 - net.prefix_len(), net.network()))
}

/// Returns a free part for subnets of this size, from the first space that has one.
fn chosen(size: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    ROOM.iter().find_map(|bits| {
        SPACES
            .iter()
            .filter_map(|space| largest(free(*space, taken)))
            .find(|pool| pool.prefix_len() + bits <= size)
    })
}

/// The pool for overlay networks where the spec names none.
pub(super) enum Choice {
    /// Docker's own.
    Dockers,
    /// Another pool, and what is in Docker's own.
    Beside(Ipv4Net, String),
    /// No space has room for one.
    Nothing,
}

/// Chooses the pool. `size` is the prefix length of a subnet.
pub(super) fn swarm_pool(size: u8, nets: &Nets) -> Choice {
    let taken: Vec<Ipv4Net> = nets.all().map(|taken| taken.net).collect();
    let in_dockers = nets.all().find(|taken| overlap(&taken.net, &DOCKERS_POOL));
    match (in_dockers, chosen(size, &taken)) {
        (_, None) => Choice::Nothing,
        (None, Some(_)) => Choice::Dockers,
        (Some(taken), Some(pool)) => Choice::Beside(pool, shown(&taken.net)),
    }
}

/// Returns the pools of local networks that dockerd must get as an option; none when its own are
/// free. `overlay` are the pools of overlay networks.
pub(super) fn local_pools(needed: &[Taken], overlay: &[Ipv4Net]) -> Vec<LocalPool> {
    let lan = |base: &Ipv4Net| needed.iter().any(|taken| overlap(&taken.net, base));
    let others = |base: &Ipv4Net| overlay.iter().any(|pool| overlap(pool, base));
    // No route leads to an overlay network, so Docker would not notice.
    let clash = DOCKERS_LOCAL
        .iter()
        .any(|pool| others(&pool.base) || (*pool != LAST_LOCAL && lan(&pool.base)));
    if !clash {
        return Vec::new();
    }
    let taken: Vec<Ipv4Net> = needed
        .iter()
        .map(|taken| taken.net)
        .chain(overlay.iter().copied())
        .collect();
    let left: Vec<LocalPool> = DOCKERS_LOCAL
        .iter()
        .flat_map(|pool| {
            let parts = free(pool.base, &taken).into_iter();
            let roomy = parts.filter(|part| part.prefix_len() <= pool.size);
            roomy.map(|base| LocalPool { base, size: pool.size })
        })
        .collect();
    if !left.is_empty() {
        return left;
    }
    let base = chosen(LOCAL_SIZE, &taken).into_iter();
    base.map(|base| LocalPool { base, size: LOCAL_SIZE }).collect()
}

#[cfg(test)]
#[path = "pools_test.rs"]
mod tests;

//! With any LAN, no network of Docker's overlaps with it, nor with another network.

use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::{Cluster, DefaultKeys, Files, SpecErrors, load};

struct Nothing;

impl Files for Nothing {
    fn locate(&self, written: &str) -> PathBuf {
        written.into()
    }
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::other("no such file"))
    }
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }
    fn is_file(&self, _: &Path) -> bool {
        true
    }
    fn is_folder(&self, _: &Path) -> bool {
        true
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::ToBeMade
    }
}

fn read(text: &str) -> Result<Cluster, SpecErrors> {
    load("x", text, &Nothing)
}

fn cluster(text: &str) -> Cluster {
    read(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"))
}

/// Returns the pools of overlay networks, and those of the local networks that are made before a
/// node has routes.
fn overlay(cluster: &Cluster) -> Vec<Ipv4Net> {
    match cluster.swarm.address_pools.as_slice() {
        [] => vec![DOCKERS_POOL],
        own => own.to_vec(),
    }
}

fn local_nets(cluster: &Cluster) -> Vec<Ipv4Net> {
    match cluster.docker.local_pools.as_slice() {
        [] => DOCKERS_LOCAL
            .iter()
            .filter(|pool| **pool != LAST_LOCAL)
            .map(|pool| pool.base)
            .collect(),
        own => own.iter().map(|pool| pool.base).collect(),
    }
}

/// Panics when any two of the LAN, the name servers, the overlay and the local networks overlap.
fn check(text: &str) {
    let cluster = cluster(text);
    let mut lan = vec![cluster.network.subnet];
    for server in &cluster.network.dns {
        if let IpAddr::V4(server) = server
            && !server.is_loopback()
            && !cluster.network.subnet.contains(server)
        {
            lan.push(host(*server));
        }
    }
    let (overlay, local) = (overlay(&cluster), local_nets(&cluster));
    assert!(!overlay.is_empty() && !local.is_empty(), "{text}");
    for (name, one, others) in [
        ("LAN", &lan, &overlay),
        ("LAN", &lan, &local),
        ("overlay", &overlay, &local),
    ] {
        for (one, other) in one.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
            assert!(!overlap(one, other), "{text}: {name} {one} and {other}");
        }
    }
    let size = cluster.swarm.subnet_size;
    assert!(
        overlay.iter().any(|pool| pool.prefix_len() < size),
        "{text}: {overlay:?} for /{size}"
    );
    for pool in &cluster.docker.local_pools {
        assert!(
            pool.base == pool.base.trunc() && pool.base.prefix_len() <= pool.size,
            "{text}"
        );
    }
}

#[test]
fn home_lans_have_docker_beside_them() {
    for (lan, overlay, local) in [
        // The networks that most routers use do not overlap with Docker's own pools.
        ("192.168.3.0/24", "", ""),
        ("192.168.0.0/16", "", ""),
        ("10.0.0.0/24", "10.128.0.0/9", ""),
        ("10.0.1.0/24", "10.128.0.0/9", ""),
        ("10.1.2.0/23", "10.128.0.0/9", ""),
        ("10.200.0.0/16", "10.0.0.0/9", ""),
        ("10.0.0.0/9", "10.128.0.0/9", ""),
        (
            "10.0.0.0/8",
            "172.24.0.0/13",
            "172.17.0.0/16 172.18.0.0/16 172.19.0.0/16 172.20.0.0/14 192.168.0.0/16",
        ),
        ("100.64.0.0/10", "", ""),
        ("172.16.0.0/24", "", ""),
        (
            "172.17.5.0/24",
            "",
            "172.18.0.0/16 172.19.0.0/16 172.20.0.0/14 172.24.0.0/14 172.28.0.0/14 192.168.0.0/16",
        ),
        (
            "172.20.10.0/28",
            "",
            "172.17.0.0/16 172.18.0.0/16 172.19.0.0/16 172.21.0.0/16 172.22.0.0/15 172.24.0.0/14 172.28.0.0/14 192.168.0.0/16",
        ),
        ("172.16.0.0/12", "", "192.168.0.0/16"),
    ] {
        let first = if lan.ends_with("/28") {
            "first-address = \"172.20.10.2\"\n"
        } else {
            ""
        };
        let text = format!("[network]\nsubnet = \"{lan}\"\n{first}");
        check(&text);
        let cluster = cluster(&text);
        let shown = |nets: Vec<Ipv4Net>| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(cluster.swarm.address_pools.clone()), overlay, "{lan}");
        let bases = cluster.docker.local_pools.iter().map(|pool| pool.base).collect();
        assert_eq!(shown(bases), local, "{lan}");
        let avoids = (!overlay.is_empty()).then(|| lan.to_owned());
        assert_eq!(cluster.swarm.pool_avoids, avoids, "{lan}");
    }
}

#[test]
fn name_servers_and_own_networks_are_stayed_clear_of_too() {
    for (text, overlay, local) in [
        ("[network]\ndns = [\"10.0.0.53\"]\n", "10.128.0.0/9", None),
        (
            "[network]\ndns = [\"10.0.0.53\", \"10.130.0.1\", \"fd00::1\", \"127.0.0.1\"]\n",
            "10.192.0.0/10",
            None,
        ),
        ("[docker]\ndaemon = { dns = [\"10.0.0.53\"] }\n", "10.128.0.0/9", None),
        ("[docker]\ndaemon = { bip = \"10.200.0.1/24\" }\n", "10.0.0.0/9", None),
        (
            "[docker]\ndaemon = { default-address-pools = [{ base = \"10.0.0.0/8\", size = 24 }] }\n",
            "172.24.0.0/13",
            Some("172.17.0.0/16"),
        ),
        ("[network]\ndns = [\"172.17.0.53\"]\n", "", Some("172.18.0.0/16")),
        (
            "[swarm]\naddress-pools = [\"172.16.0.0/12\"]\n",
            "172.16.0.0/12",
            Some("192.168.16.0/20"),
        ),
    ] {
        check(text);
        let cluster = cluster(text);
        let pools: Vec<String> = cluster.swarm.address_pools.iter().map(ToString::to_string).collect();
        assert_eq!(pools.join(" "), overlay, "{text}");
        let first = cluster.docker.local_pools.first().map(|pool| pool.base.to_string());
        assert_eq!(first.as_deref(), local, "{text}");
    }
}

#[test]
fn own_networks_that_overlap_are_refused_with_their_place() {
    for (text, place, why) in [
        (
            "[swarm]\naddress-pools = [\"192.168.3.0/25\"]\nsubnet-size = 26\n",
            "\"192.168.3.0/25\"",
            "the nodes themselves",
        ),
        (
            "[network]\nsubnet = \"10.0.0.0/24\"\n[swarm]\naddress-pools = [\"10.0.0.0/8\"]\n",
            "\"10.0.0.0/8\"",
            "the nodes themselves",
        ),
        (
            "[network]\ndns = [\"10.20.0.53\"]\n[swarm]\naddress-pools = [\"10.20.0.0/16\"]\n",
            "\"10.20.0.0/16\"",
            "DNS server 10.20.0.53",
        ),
        (
            "[swarm]\naddress-pools = [\"10.20.0.0/16\"]\n[docker]\ndaemon = { bip = \"10.20.9.1/24\" }\n",
            "\"10.20.0.0/16\"",
            "`bip`",
        ),
        (
            "[docker]\ndaemon = { bip = \"192.168.3.1/24\" }\n",
            "\"192.168.3.1/24\"",
            "the nodes themselves",
        ),
        (
            "[docker]\ndaemon = { fixed-cidr = \"192.168.0.0/16\" }\n",
            "\"192.168.0.0/16\"",
            "the nodes themselves",
        ),
        (
            "[docker.daemon]\ndefault-address-pools = [{ base = \"172.20.0.0/16\", size = 24 }, { base = \"192.168.0.0/16\", size = 24 }]\n",
            "\"192.168.0.0/16\"",
            "the nodes themselves",
        ),
        (
            "[swarm]\naddress-pools = [\"127.0.0.0/8\"]\n",
            "\"127.0.0.0/8\"",
            "loopback",
        ),
    ] {
        let errors = read(text).unwrap_err();
        let problem = &errors.problems()[0];
        assert_eq!(&text[problem.span().unwrap()], place, "{errors:?}");
        assert!(problem.to_string().contains(why), "{errors:?}");
        assert!(problem.hint().is_some(), "{errors:?}");
        assert_eq!(errors.problems().len(), 1, "{errors:?}");
    }
    let errors = read("[network]\nsubnet = \"10.0.0.0/24\"\n[swarm]\naddress-pools = [\"10.0.0.0/16\"]\n").unwrap_err();
    assert!(
        errors.problems()[0].hint().unwrap().contains("10.128.0.0/9"),
        "{errors:?}"
    );
}

#[test]
fn a_subnet_has_room_for_all_nodes_and_a_pool_for_several_subnets() {
    for (text, size) in [
        ("", 24),
        ("[cluster]\nnodes = 122\n", 24),
        ("[cluster]\nnodes = 123\n", 23),
        ("[cluster]\nnodes = 10000\n[network]\nsubnet = \"10.9.0.0/16\"\n", 17),
        ("[cluster]\nnodes = 3\n[swarm]\nsubnet-size = 29\n", 29),
    ] {
        check(text);
        assert_eq!(cluster(text).swarm.subnet_size, size, "{text}");
    }
    for (text, place, help) in [
        ("[swarm]\nsubnet-size = 29\n", "29", "at most 24"),
        ("[cluster]\nnodes = 15\n[swarm]\nsubnet-size = 28\n", "28", "at most 24"),
        ("[swarm]\nsubnet-size = 8\n", "8", "larger number"),
        (
            "[swarm]\naddress-pools = [\"10.20.0.0/24\"]\n",
            "[\"10.20.0.0/24\"]",
            "larger pool",
        ),
        ("[swarm]\ndata-port = 7946\n", "7946", "4789"),
        ("[swarm]\ndata-port = 2377\n", "2377", "4789"),
        ("[swarm]\ndata-port = 5353\n", "5353", "4789"),
    ] {
        let errors = read(text).unwrap_err();
        assert_eq!(errors.problems().len(), 1, "{errors:?}");
        let problem = &errors.problems()[0];
        assert_eq!(&text[problem.span().unwrap()], place, "{errors:?}");
        assert!(problem.hint().unwrap().contains(help), "{errors:?}");
    }
    cluster("[swarm]\naddress-pools = [\"10.20.0.0/24\", \"10.21.0.0/24\"]\n");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_lan_and_no_name_server_overlaps_with_a_network_of_dockers(
        space in prop::sample::select(vec!["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "0.0.0.0/0"]),
        bits in any::<u32>(),
        length in 8_u8..=28,
        servers in proptest::collection::vec(any::<u32>(), 0..4),
        size in prop::option::of(12_u8..=27),
    ) {
        let space: Ipv4Net = space.parse().unwrap();
        let within = |bits: u32| Ipv4Addr::from(u32::from(space.network()) | (bits & u32::from(space.hostmask())));
        let subnet = Ipv4Net::new(within(bits), length.max(space.prefix_len())).unwrap().trunc();
        let first = Ipv4Addr::from(u32::from(subnet.network()) + 2);
        let servers: Vec<String> = servers.into_iter().map(|bits| format!("\"{}\"", within(bits))).collect();
        let size = size.map_or(String::new(), |size| format!("[swarm]\nsubnet-size = {size}\n"));
        let text = format!(
            "[network]\nsubnet = \"{subnet}\"\nfirst-address = \"{first}\"\ndns = [{}]\n{size}", servers.join(", "),
        );
        // An address that no host can have is refused elsewhere.
        if read(&text).is_ok() {
            check(&text);
        } else {
            prop_assert!(space.prefix_len() == 0, "{}", text);
        }
    }
}

//! A LAN whose addresses Docker would use itself: the results of kraken.toml avoid them, on a real
//! dockerd.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use kraken_spec::{Cluster, DefaultKeys, Files};
use kraken_swarm_state::{Availability, ClusterKeys, Member, Role, Spec, StateKind, StateWriter};

use super::MINUTE;
use testkit::swarm::{Bench, Engine, Node};

/// A user without files.
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
        false
    }
    fn is_folder(&self, _: &Path) -> bool {
        false
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::ToBeMade
    }
}

/// Returns the state of the only node, in a folder.
fn lay(cluster: &Cluster, address: Ipv4Addr, folder: &Path) {
    let node = Member {
        number: 1,
        hostname: "kraken-1".to_owned(),
        address,
        role: Role::Manager,
        labels: Default::default(),
        availability: Availability::Active,
    };
    let spec = Spec {
        nodes: vec![node],
        address_pools: cluster.swarm.address_pools.clone(),
        subnet_size: cluster.swarm.subnet_size,
        data_port: cluster.swarm.data_port,
        created: 1_700_000_000,
    };
    let keys = ClusterKeys::from_seed([5; 32]);
    for entry in StateWriter::new(&keys, &spec).unwrap().node(1).unwrap() {
        let path = folder.join(entry.path);
        match entry.kind {
            StateKind::Folder => fs::create_dir_all(&path).unwrap(),
            StateKind::File(bytes) => fs::write(&path, &*bytes).unwrap(),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode.into())).unwrap();
    }
}

/// Returns the subnets of all networks of a node, by their names.
fn subnets(node: &Node) -> Vec<(String, Ipv4Net)> {
    let ids = node.docker(&["network", "ls", "--quiet"]);
    let format = "{{.Name}}{{range .IPAM.Config}} {{.Subnet}}{{end}}";
    let mut command = vec!["network", "inspect", "--format", format];
    command.extend(ids.lines());
    let said = node.docker(&command);
    let lines = said.lines().filter_map(|line| line.trim().split_once(' '));
    lines
        .map(|(name, subnet)| (name.to_owned(), subnet.parse().unwrap()))
        .collect()
}

#[test]
fn swarm_no_network_of_dockers_is_the_lan() {
    let engine = Engine::suite("trixie");
    // In Docker's pool for overlay networks; in the pool for docker0.
    for (lan, address) in [("10.0.0.0/24", "10.0.0.11"), ("172.17.0.0/24", "172.17.0.11")] {
        let text = format!("[cluster]\nnodes = 1\n[network]\nsubnet = \"{lan}\"\n");
        let cluster = kraken_spec::load("kraken.toml", &text, &Nothing).unwrap();
        let folder = tempfile::tempdir().unwrap();
        lay(&cluster, address.parse().unwrap(), folder.path());
        let bench = Bench::new(&engine);
        let node = bench.node("kraken-1", address, Some(folder.path()));
        // The bench has no docker0.
        node.option("--bridge=");
        for pool in &cluster.docker.local_pools {
            node.option(&format!("--default-address-pool=base={},size={}", pool.base, pool.size));
        }
        // Without its cable it has no route to the LAN that dockerd could avoid.
        node.link_down();
        node.start();
        bench.wait_ready(&node, 1, MINUTE);
        let names = ["bridge", "docker_gwbridge", "ingress"];
        let found = bench.wait_for("all networks of Docker's own", MINUTE, || {
            let found = subnets(&node);
            let has = |name: &&str| found.iter().any(|(other, _)| other == name);
            names.iter().all(has).then_some(found)
        });
        println!("{lan}: {found:?}");
        let mut taken: Vec<Ipv4Net> = vec![lan.parse().unwrap()];
        for (name, subnet) in found {
            let clash = taken
                .iter()
                .find(|other| other.contains(&subnet) || subnet.contains(*other));
            assert_eq!(clash, None, "{name} has {subnet}, the LAN is {lan}");
            taken.push(subnet);
        }
        // A network that is added later does not either.
        node.docker(&["network", "create", "--driver", "overlay", "--attachable", "wide"]);
        node.docker(&["network", "create", "narrow"]);
        for (name, subnet) in subnets(&node) {
            let lan: Ipv4Net = lan.parse().unwrap();
            assert!(!lan.contains(&subnet) && !subnet.contains(&lan), "{name} has {subnet}");
        }
    }
}

//! Any swarm: the independent reader finds in it what was requested.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use kraken_swarm_check::{NamedState, NodeState, check_cluster};
use kraken_swarm_state::{Availability, ClusterKeys, Member, NOT_AFTER, NOT_BEFORE, Role, Spec, StateWriter};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::lay;

fn members() -> impl Strategy<Value = Vec<Member>> {
    let availability = prop_oneof![
        Just(Availability::Active),
        Just(Availability::Pause),
        Just(Availability::Drain)
    ];
    let one = (
        "[a-z][a-z0-9-]{0,40}",
        btree_map("[a-zA-Z0-9]([a-zA-Z0-9./_-]{0,20}[a-z0-9])?", "\\PC{0,30}", 0..4),
        availability,
    );
    let roles = (1_usize..=7, 0_usize..=20)
        .prop_map(|(managers, workers)| {
            let mut roles = vec![Role::Manager; managers];
            roles.resize(managers + workers, Role::Worker);
            roles
        })
        .prop_shuffle();
    (roles, any::<u32>()).prop_flat_map(move |(roles, address)| {
        let count = roles.len();
        let numbers = btree_set(1_u32..2000, count)
            .prop_map(|numbers| numbers.into_iter().collect::<Vec<_>>())
            .prop_shuffle();
        (Just(roles), numbers, vec(one.clone(), count)).prop_map(move |(roles, numbers, rest)| {
            let nodes = roles.into_iter().zip(numbers).zip(rest);
            nodes
                .map(|((role, number), (hostname, labels, availability))| Member {
                    number,
                    hostname,
                    address: Ipv4Addr::from(address.wrapping_add(number)),
                    role,
                    labels,
                    availability,
                })
                .collect()
        })
    })
}

fn specs() -> impl Strategy<Value = Spec> {
    let pool = (any::<u32>(), 8_u8..=24)
        .prop_map(|(address, length)| ipnet::Ipv4Net::new(address.into(), length).unwrap().trunc());
    (members(), vec(pool, 0..4), 8_u8..=29, 1024_u16..=49151, any::<i64>()).prop_map(
        |(nodes, address_pools, subnet_size, data_port, created)| Spec {
            nodes,
            address_pools,
            subnet_size,
            data_port,
            created,
        },
    )
}

fn read_role(role: Role) -> kraken_swarm_check::Role {
    match role {
        Role::Manager => kraken_swarm_check::Role::Manager,
        Role::Worker => kraken_swarm_check::Role::Worker,
    }
}

fn read_availability(availability: Availability) -> kraken_swarm_check::Availability {
    match availability {
        Availability::Active => kraken_swarm_check::Availability::Active,
        Availability::Pause => kraken_swarm_check::Availability::Pause,
        Availability::Drain => kraken_swarm_check::Availability::Drain,
    }
}

/// Returns the content of one node's files, except for the store.
fn is_the_node(state: &NodeState, forge: &StateWriter<'_>, spec: &Spec, node: &Member) {
    let first = spec.first_manager().unwrap();
    let manager = node.role == Role::Manager;
    let endpoint = |node: &Member| format!("{}:2377", node.address);
    let pools: Vec<String> = spec.address_pools.iter().map(ToString::to_string).collect();
    let wanted = kraken_swarm_check::DockerState {
        local_addr: node.address.to_string(),
        remote_addr: if node.number == first.number {
            String::new()
        } else {
            endpoint(first)
        },
        listen_addr: "0.0.0.0:2377".into(),
        advertise_addr: if manager { endpoint(node) } else { String::new() },
        data_path_addr: String::new(),
        default_address_pool: (manager && !pools.is_empty()).then_some(pools),
        subnet_size: if manager { spec.subnet_size.into() } else { 0 },
        data_path_port: if manager { spec.data_port.into() } else { 0 },
        join_in_progress: false,
    };
    assert_eq!(state.docker_state, wanted);

    let mut remotes: Vec<(String, String)> = spec
        .managers()
        .filter(|known| !manager || known.number == first.number)
        .map(|known| (forge.node_id(known.number), endpoint(known)))
        .collect();
    remotes.sort();
    let found: Vec<_> = state
        .remotes
        .iter()
        .map(|r| (r.node_id.clone(), r.addr.clone()))
        .collect();
    assert_eq!(found, remotes);

    let (id, certificate) = (forge.node_id(node.number), &state.certificate);
    assert_eq!(
        (state.id(), state.cluster_id()),
        (id.as_str(), forge.cluster_id().as_str())
    );
    assert_eq!((state.is_manager(), state.kek_version), (manager, 0));
    assert_eq!(certificate.role(), Some(read_role(node.role)));
    let names: &[&str] = match node.role {
        Role::Manager => &["swarm-manager", &id, "swarm-ca"],
        Role::Worker => &["swarm-worker", &id],
    };
    assert_eq!(certificate.dns_names, names);
    for certificate in [certificate, &state.root_ca] {
        let window = (
            certificate.window.not_before as u64,
            certificate.window.not_after as u64,
        );
        assert_eq!(window, (NOT_BEFORE, NOT_AFTER));
    }
}

fn is_a_token(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], ["SWMTKN", "1", digest, secret]
        if digest.len() == 50 && secret.len() == 25 && digits(digest) && digits(secret))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_reader_finds_what_was_asked_for(seed in any::<[u8; 32]>(), spec in specs()) {
        let keys = ClusterKeys::from_seed(seed);
        let forge = StateWriter::new(&keys, &spec).unwrap();
        let first = spec.first_manager().unwrap();
        let mut states = Vec::new();
        for node in &spec.nodes {
            let files = lay(&forge, node.number);
            let state = files.node();
            is_the_node(&state, &forge, &spec, node);
            prop_assert_eq!(state.raft.is_some(), node.number == first.number);
            prop_assert_eq!(files.modes.keys().any(|path| path.starts_with("raft")), state.raft.is_some());
            states.push((node.number.to_string(), state));
        }
        let named: Vec<NamedState<'_>> = states.iter().map(|(name, state)| NamedState { name, state }).collect();
        prop_assert_eq!(check_cluster(&named), []);
        let ids: BTreeSet<&str> = named.iter().map(|node| node.state.id()).collect();
        prop_assert_eq!(ids.len(), spec.nodes.len());

        let raft = states.iter().find_map(|(_, state)| state.raft.as_ref()).unwrap();
        prop_assert_eq!((raft.members.len(), raft.term, raft.commit, raft.last), (1, 1, 2, 2));
        prop_assert_eq!((&raft.refused[..], &raft.skipped_snapshots[..], raft.snapshot), (&[][..], &[][..], None));
        prop_assert_eq!(&raft.member.node_id, &forge.node_id(first.number));
        prop_assert_eq!(&raft.member.addr, &format!("{}:2377", first.address));

        let cluster = raft.store.cluster().unwrap();
        prop_assert_eq!((&cluster.name[..], &cluster.id), ("default", &forge.cluster_id()));
        prop_assert_eq!(&cluster.ca_cert[..], forge.root_certificate().as_bytes());
        prop_assert!(cluster.ca_key_present() && !cluster.auto_lock && !cluster.rotating && !cluster.fips);
        let pools: Vec<String> = spec.address_pools.iter().map(ToString::to_string).collect();
        prop_assert_eq!(&cluster.address_pools, &pools);
        prop_assert_eq!(cluster.subnet_size, u32::from(spec.subnet_size));
        prop_assert_eq!(cluster.vxlan_port, u32::from(spec.data_port));
        for (token, role) in [(&cluster.worker_token, Role::Worker), (&cluster.manager_token, Role::Manager)] {
            prop_assert!(is_a_token(token.expose()), "{}", token.expose());
            prop_assert_eq!(token.expose(), forge.token(role).reveal());
            let library = kraken_swarm_state::token(&keys, role).unwrap();
            prop_assert_eq!(token.expose(), library.reveal());
        }
        prop_assert_ne!(cluster.worker_token.expose(), cluster.manager_token.expose());

        let networks: Vec<_> = raft.store.networks().map(|network| (&network.name[..], network.ingress)).collect();
        prop_assert_eq!(networks, [("ingress", true)]);
        prop_assert_eq!(raft.store.nodes().count(), spec.nodes.len());
        for node in &spec.nodes {
            let object = raft.store.node(&forge.node_id(node.number)).unwrap();
            let role = read_role(node.role);
            prop_assert_eq!((object.role, object.desired_role, object.certificate.role), (role, role, role));
            prop_assert_eq!(&object.hostname, &node.hostname);
            prop_assert_eq!(&object.labels, &node.labels);
            prop_assert_eq!(object.availability, read_availability(node.availability));
            prop_assert_eq!(object.membership, kraken_swarm_check::Membership::Accepted);
            prop_assert_eq!(object.certificate.state, kraken_swarm_check::IssuanceState::Issued);
            prop_assert_eq!(&object.certificate.common_name, &object.id);
        }
    }
}

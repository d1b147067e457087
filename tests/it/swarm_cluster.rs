//! The clusters that `build` makes, on real dockerds: their images are a swarm that works, fails,
//! and comes back.

mod kept_out;
mod lan;
mod mislaid;

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::cards::{Card, Cluster, On};
use testkit::swarm::{Bench, Engine, IMAGE, Node};

const MINUTE: Duration = Duration::from_secs(60);
const YEAR: i64 = 365 * 24 * 3600;

fn on_all(bench: &Bench, cards: &[Card]) -> Vec<On> {
    cards.iter().map(|card| On::new(&card.put_into(bench))).collect()
}

/// Switches on again the nodes that were on, with the same disks.
fn on_again(nodes: Vec<On>) -> Vec<On> {
    let nodes: Vec<_> = nodes
        .into_iter()
        .map(|on| {
            let node = on.node.clone();
            on.cut();
            node
        })
        .collect();
    nodes.iter().map(On::new).collect()
}

/// Waits until every node has said itself that it is in the swarm.
///
/// The list of nodes counts a manager as reachable before its own log has the others' addresses. A
/// manager that is cut off in that second does not come back (docs/operations.md).
fn wait_until_all_are_in(bench: &Bench, nodes: &[On]) {
    bench.wait_for("the word of every node that it is in the swarm", 2 * MINUTE, || {
        let is_in = |on: &On| on.said().contains("this node is in the swarm as");
        nodes.iter().all(is_in).then_some(())
    });
}

fn list(manager: &Node) -> Vec<String> {
    let format = "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}";
    let said = manager.docker(&["node", "ls", "--format", format]);
    let mut lines: Vec<String> = said.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort_unstable();
    lines
}

/// Returns the address of the leader, as another manager reports it; nothing while there is none.
fn leader(manager: &Node) -> Option<String> {
    let said = manager.try_docker(&["node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_suffix(" Leader").map(str::to_owned))
}

fn id(node: &Node) -> String {
    node.info()["Swarm"]["NodeID"].as_str().unwrap().to_owned()
}

/// Waits until a service runs on all possible nodes, and its containers reach each other by name
/// and address.
fn serves(bench: &Bench, manager: &Node, nodes: &[&Node]) {
    nodes.iter().for_each(|node| node.load_image());
    manager.docker(&["network", "create", "--driver", "overlay", "wide"]);
    let create = "service create --detach --no-resolve-image --name sleepers --network wide --endpoint-mode dnsrr \
        --mode global --stop-grace-period 1s";
    let create: Vec<&str> = create.split_whitespace().chain([IMAGE, "sleep", "3600"]).collect();
    manager.docker(&create);
    let count = nodes.len();
    bench.wait_for("a task on every node", 2 * MINUTE, || {
        let format = "{{.Node}} {{.CurrentState}}";
        let filter = "desired-state=running";
        let tasks = manager.docker(&["service", "ps", "sleepers", "--filter", filter, "--format", format]);
        let running: BTreeSet<&str> = tasks.lines().filter(|line| line.contains(" Running ")).collect();
        (running.len() == count).then_some(())
    });
    bench.wait_containers_reach(manager, "sleepers", count);
}

#[test]
fn swarm_seven_images_are_one_swarm() {
    let cluster = Cluster::new(
        "[[node]]\nnumber = 3\nlabels = { disk = \"ssd\" }\n[[node]]\nnumber = 4\navailability = \"drain\"\n\
         [swarm]\naddress-pools = [\"10.20.0.0/16\"]\nsubnet-size = 26\n",
    );
    let cards = cluster.build(&[]);
    assert_eq!(cards.len(), 7);
    let engine = Engine::suite("trixie");
    let bench = Bench::new(&engine);
    let mut nodes = on_all(&bench, &cards);
    let took = bench.wait_ready(&nodes[0].node, 7, MINUTE);
    println!(
        "one manager: 7 Ready {:.2} s after the last dockerd's start",
        took.as_secs_f64()
    );
    let manager = nodes[0].node.clone();
    let seven = [
        "kraken-1 Ready Active Leader",
        "kraken-2 Ready Active",
        "kraken-3 Ready Active",
        "kraken-4 Ready Drain",
        "kraken-5 Ready Active",
        "kraken-6 Ready Active",
        "kraken-7 Ready Active",
    ];
    assert_eq!(list(&manager), seven);
    let labels = manager.docker(&["node", "inspect", "kraken-3", "--format", "{{json .Spec.Labels}}"]);
    assert_eq!(labels, r#"{"disk":"ssd"}"#);
    for role in ["worker", "manager"] {
        let token = manager.docker(&["swarm", "join-token", "-q", role]);
        assert_eq!(token, cluster.run(&["token", role]));
    }
    let info = manager.info();
    assert_eq!(info["Swarm"]["Cluster"]["DefaultAddrPool"][0], "10.20.0.0/16");
    assert_eq!(info["Swarm"]["Cluster"]["SubnetSize"], 26);

    // A service and an overlay network work across nodes.
    let able: Vec<&Node> = nodes
        .iter()
        .filter(|on| on.node.name() != "kraken-4")
        .map(|on| &*on.node)
        .collect();
    serves(&bench, &manager, &able);
    manager.docker(&["service", "rm", "sleepers"]);

    // An eighth node, which is in no image, joins with the token.
    let eighth = bench.node("eighth", "192.168.3.18", None);
    eighth.start();
    eighth.wait_api(MINUTE);
    let token = cluster.run(&["token", "worker"]);
    eighth.docker(&["swarm", "join", "--token", &token, "192.168.3.11:2377"]);
    bench.wait_ready(&manager, 8, MINUTE);
    eighth.docker(&["swarm", "leave"]);
    bench.wait_for("the eighth to be gone", MINUTE, || {
        manager
            .try_docker(&["node", "rm", "eighth"])
            .status
            .success()
            .then_some(())
    });

    // The power fails on all nodes at the same time.
    nodes = on_again(nodes);
    let took = bench.wait_ready(&nodes[0].node, 7, MINUTE);
    println!(
        "after a power cut: 7 Ready {:.2} s after the last dockerd's start",
        took.as_secs_f64()
    );
    assert_eq!(list(&manager), seven);

    // A card breaks. Its image is written again: the same node comes back.
    let same = id(&nodes[4].node);
    nodes.remove(4).cut();
    bench.wait_for("the loss of a node", MINUTE, || {
        list(&manager)
            .contains(&"kraken-5 Down Active".to_owned())
            .then_some(())
    });
    let again = cluster.build(&["--node", "5"]);
    nodes.push(On::new(&again[0].put_into(&bench)));
    bench.wait_ready(&manager, 7, MINUTE);
    assert_eq!(id(&nodes[6].node), same);
    assert_eq!(list(&manager), seven);

    // The same for the only manager's card: its services are lost, the nodes are not.
    nodes.remove(0).cut();
    let again = cluster.build(&["--node", "1"]);
    nodes.insert(0, On::new(&again[0].put_into(&bench)));
    let manager = nodes[0].node.clone();
    bench.wait_ready(&manager, 7, 2 * MINUTE);
    assert_eq!(list(&manager), seven);

    // All secrets of the time when the cards were made are replaced.
    manager.docker(&["swarm", "join-token", "--rotate", "-q", "worker"]);
    manager.docker(&["swarm", "ca", "--rotate", "--detach=false", "-q"]);
    bench.wait_ready(&manager, 7, MINUTE);
    assert_ne!(manager.docker(&["swarm", "join-token", "-q", "worker"]), token);
    nodes = on_again(nodes);
    bench.wait_ready(&nodes[0].node, 7, MINUTE);
}

#[test]
fn swarm_three_managers_are_a_quorum_and_bear_a_loss() {
    let cluster = Cluster::new("[swarm]\nmanagers = 3\ndrain-managers = true\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let mut nodes = on_all(&bench, &cards);
    let took = bench.wait_ready(&nodes[0].node, 7, MINUTE);
    println!(
        "three managers: 7 Ready {:.2} s after the last dockerd's start",
        took.as_secs_f64()
    );
    let quorum = |manager: &Node| {
        let list = list(manager);
        list.iter()
            .filter(|line| line.ends_with(" Leader") || line.ends_with(" Reachable"))
            .count()
    };
    bench.wait_for("three managers in the quorum", MINUTE, || {
        (quorum(&nodes[0].node) == 3).then_some(())
    });
    assert_eq!(list(&nodes[1].node)[1], "kraken-2 Ready Drain Reachable");
    wait_until_all_are_in(&bench, &nodes);

    // The leader's power fails; another manager becomes the leader.
    let first = nodes.remove(0);
    let card = first.node.clone();
    first.cut();
    let second = nodes[0].node.clone();
    bench.wait_for("another leader", 2 * MINUTE, || {
        leader(&second).filter(|name| name != "kraken-1")
    });
    // It comes back as it was.
    nodes.insert(0, On::new(&card));
    bench.wait_for("three managers in the quorum", 2 * MINUTE, || {
        (quorum(&second) == 3).then_some(())
    });
    bench.wait_ready(&second, 7, MINUTE);

    // A manager's card is lost. A new one joins by token; the old node is removed from the list.
    let lost = nodes.remove(2);
    let old = id(&lost.node);
    lost.cut();
    // It may have been the leader: until there is another one, nothing can be changed.
    for step in [&["node", "demote", &old][..], &["node", "rm", "--force", &old]] {
        bench.wait_for("the lost manager to be taken off the list", 2 * MINUTE, || {
            second.try_docker(step).status.success().then_some(())
        });
    }
    // The keys' token is no longer valid; the new one is on its card.
    let token = second.docker(&["swarm", "join-token", "--rotate", "-q", "manager"]);
    assert_ne!(token, cluster.run(&["token", "manager"]));
    cluster.secret("token", &token);
    let again = cluster.build(&["--node", "3", "--rejoin", "--token-file", "token"]);
    assert!(again[0].state.is_none(), "no old log may come back");
    nodes.insert(2, On::new(&again[0].put_into(&bench)));
    bench.wait_ready(&second, 7, MINUTE);
    bench.wait_for("three managers in the quorum", MINUTE, || {
        (quorum(&second) == 3).then_some(())
    });
    bench.wait_for("the token to be gone from the card", MINUTE, || {
        let mut test = nodes[2].node.command("test");
        let there = test.args(["-e", "/var/lib/kraken-flash/join-token"]).status().unwrap();
        (!there.success()).then_some(())
    });
    assert_eq!(list(&second).len(), 7);
}

#[test]
fn swarm_nodes_may_start_in_any_order_with_any_clock() {
    let cluster = Cluster::new("[swarm]\nmanagers = 3\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let machines: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
    // Years behind, years ahead, and correct.
    for (machine, years) in machines.iter().zip([-1, 0, -19, -2, 3, 0, -6]) {
        machine.set_clock(years * YEAR);
    }
    // The first manager starts more than a minute after all others, later than they wait for it.
    let mut nodes: Vec<On> = machines[1..].iter().map(On::new).collect();
    std::thread::sleep(Duration::from_secs(80));
    nodes.insert(0, On::new(&machines[0]));
    let took = bench.wait_ready(&machines[0], 7, 3 * MINUTE);
    println!(
        "the first manager 80 s late: 7 Ready {:.2} s after its start",
        took.as_secs_f64()
    );
    let format = "{{.ManagerStatus}}";
    bench.wait_for("three managers in the quorum", 2 * MINUTE, || {
        let said = machines[0].docker(&["node", "ls", "--format", format]);
        (said.lines().filter(|line| !line.is_empty()).count() == 3).then_some(())
    });
    // The clocks are set while everything runs.
    machines.iter().for_each(|machine| machine.set_clock(0));
    std::thread::sleep(Duration::from_secs(10));
    bench.wait_ready(&machines[0], 7, MINUTE);

    // More than half of the lifetime of the certificates on the cards passes: they are renewed, and
    // are valid after the next start.
    let certificate =
        |machine: &Node| std::fs::read(machine.data_root().join("swarm/certificates/swarm-node.crt")).unwrap();
    let baked: Vec<_> = machines.iter().map(|machine| certificate(machine)).collect();
    drop(nodes);
    machines.iter().for_each(|machine| machine.set_clock(60 * YEAR));
    let nodes: Vec<On> = machines.iter().map(On::new).collect();
    bench.wait_for("renewed certificates", 3 * MINUTE, || {
        let renewed = machines
            .iter()
            .zip(&baked)
            .filter(|(machine, old)| certificate(machine) != **old);
        (renewed.count() == 7).then_some(())
    });
    let nodes = on_again(nodes);
    bench.wait_ready(&machines[0], 7, 2 * MINUTE);
    drop(nodes);
}

#[test]
fn swarm_nodes_join_by_token_where_that_is_asked_for() {
    let cluster = Cluster::new(
        "[cluster]\nnodes = 4\n[swarm]\nmode = \"join\"\nmanagers = 3\n[[node]]\nnumber = 4\nlabels = { disk = \"ssd\" }\navailability = \"drain\"\n",
    );
    let cards = cluster.build(&[]);
    assert!(cards[1..].iter().all(|card| card.state.is_none()));
    let bench = Bench::new(&Engine::suite("trixie"));
    let machines: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
    // The manager is late.
    let mut nodes: Vec<On> = machines[1..].iter().map(On::new).collect();
    std::thread::sleep(Duration::from_secs(10));
    nodes.insert(0, On::new(&machines[0]));
    bench.wait_ready(&machines[0], 4, 2 * MINUTE);
    let list = bench.wait_for("three managers in the quorum", MINUTE, || {
        let list = list(&machines[0]);
        (list.iter().filter(|line| line.ends_with(" Reachable")).count() == 2).then_some(list)
    });
    assert_eq!(list[3], "kraken-4 Ready Drain");
    bench.wait_for("the label", MINUTE, || {
        let labels = machines[0].docker(&["node", "inspect", "kraken-4", "--format", "{{json .Spec.Labels}}"]);
        (labels == r#"{"disk":"ssd"}"#).then_some(())
    });
    wait_until_all_are_in(&bench, &nodes);
    nodes = on_again(nodes);
    bench.wait_ready(&machines[0], 4, 2 * MINUTE);
    drop(nodes);
}

#[test]
fn swarm_a_state_that_docker_does_not_take_is_said_loudly() {
    let cluster = Cluster::new("[cluster]\nnodes = 1\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let machine = cards[0].put_into(&bench);
    let log = "swarm/raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";
    let log = machine.data_root().join(log);
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let on = On::new(&machine);
    let said = bench.wait_for("a word about it", 5 * MINUTE, || {
        Some(on.said()).filter(|said| said.contains("DOCKER DID NOT TAKE"))
    });
    for want in ["engine 26.1.", "sudo docker swarm init --advertise-addr 192.168.3.11"] {
        assert!(said.contains(want), "{want:?} in {said}");
    }
}

#[test]
fn swarm_a_card_without_its_key_or_with_a_damaged_certificate_says_so() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let machines: Vec<_> = cards.iter().map(|card| card.put_into(&bench)).collect();
    let certificates = |number: usize| machines[number - 1].data_root().join("swarm/certificates");
    std::fs::remove_file(certificates(2).join("swarm-node.key")).unwrap();
    let path = certificates(3).join("swarm-node.crt");
    let mut certificate = std::fs::read(&path).unwrap();
    let middle = certificate.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    certificate[middle] = if certificate[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&path, certificate).unwrap();
    let nodes: Vec<On> = machines.iter().map(On::new).collect();
    for (node, error) in nodes[1..]
        .iter()
        .zip(["signed by unknown authority", "error while loading TLS certificate"])
    {
        let said = bench.wait_for("a word about it", MINUTE, || {
            Some(node.said()).filter(|said| said.contains("DOCKER DID NOT TAKE"))
        });
        for want in [error, "sudo docker swarm join 192.168.3.11:2377 --token TOKEN"] {
            assert!(said.contains(want), "{want:?} in {said}");
        }
        // Nothing that Docker tries again would help.
        assert!(!said.contains("restarting Docker"), "{said}");
    }
    bench.wait_for("a word of the manager that it is in the swarm", MINUTE, || {
        nodes[0].said().contains("this node is in the swarm as").then_some(())
    });
}

#[test]
fn swarm_every_release_of_docker_takes_the_state() {
    for managers in [1, 3] {
        // A worker besides the managers is enough: seven nodes are another test's.
        let cluster = Cluster::new(&format!("[cluster]\nnodes = 4\n[swarm]\nmanagers = {managers}\n"));
        let cards = cluster.build(&[]);
        let tokens = ["worker", "manager"].map(|role| cluster.run(&["token", role]));
        for suite in ["bookworm", "trixie", "sid"] {
            let engine = Engine::suite(suite);
            let bench = Bench::new(&engine);
            let nodes = on_all(&bench, &cards);
            let manager = &nodes[0].node;
            let took = bench.wait_ready(manager, 4, 2 * MINUTE).as_secs_f64();
            println!(
                "{suite}, dockerd {}, {managers} managers: 4 Ready after {took:.2} s",
                engine.version()
            );
            bench.wait_for("all managers in the quorum", 2 * MINUTE, || {
                let list = list(manager);
                let count = list
                    .iter()
                    .filter(|line| line.ends_with("Leader") || line.ends_with("Reachable"))
                    .count();
                (count == managers).then_some(())
            });
            for (role, token) in ["worker", "manager"].iter().zip(&tokens) {
                assert_eq!(manager.docker(&["swarm", "join-token", "-q", role]), *token);
            }
            wait_until_all_are_in(&bench, &nodes);
            let nodes = on_again(nodes);
            bench.wait_ready(&nodes[0].node, 4, 2 * MINUTE);
        }
    }
}

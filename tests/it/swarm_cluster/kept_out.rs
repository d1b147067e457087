//! Cards that would harm a running swarm, or that it does not know: they are kept out, and report
//! why.

use super::{MINUTE, leader, on_again, on_all, wait_until_all_are_in};
use testkit::cards::{Cluster, On};
use testkit::swarm::{Bench, Engine, Node};

/// Waits until this node's Docker is not started, for this reason; and checks that it did not run.
fn is_held(bench: &Bench, on: &On, why: &str) {
    bench.wait_for("a card to be kept out of the swarm", MINUTE, || {
        let said = on.said();
        (said.contains("THIS CARD MUST NOT ENTER THE SWARM") && said.contains(why)).then_some(())
    });
    assert!(!on.node.is_running(), "Docker runs on {}", on.node.name());
    assert!(on.said().contains("--rejoin"), "{}", on.said());
}

/// Waits until a running Docker reports that the swarm does not know it.
fn is_unknown(bench: &Bench, on: &On) {
    bench.wait_for("a word that the swarm does not know the node", 2 * MINUTE, || {
        let said = on.said();
        (said.contains("THE SWARM DOES NOT TAKE THIS NODE") && said.contains("does not know this node")).then_some(())
    });
}

/// Returns how many managers are in the quorum; none while no manager can answer.
fn managers(manager: &Node) -> usize {
    let said = manager.try_docker(&["node", "ls", "--format", "{{.ManagerStatus}}"]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let counts = |line: &&str| ["Leader", "Reachable"].contains(line);
    text.lines().filter(counts).count()
}

#[test]
fn swarm_cards_that_a_running_swarm_does_not_know_are_kept_out_and_say_so() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let mut nodes = on_all(&bench, &cards);
    let manager = nodes[0].node.clone();
    bench.wait_ready(&manager, 3, MINUTE);

    // More managers and a fourth node, and cards made for them as if no swarm ran.
    cluster.spec("[cluster]\nnodes = 4\n[swarm]\nmanagers = 2\n");
    let raised = cluster.build(&["--node", "2", "--node", "4"]);
    nodes.remove(1).cut();
    let second = On::new(&raised[0].put_into(&bench));
    let fourth = On::new(&raised[1].put_into(&bench));
    is_held(&bench, &second, "has this node as a worker");
    assert_eq!(
        leader(&manager).as_deref(),
        Some("kraken-1"),
        "the swarm has lost its leader"
    );

    // A worker that was removed from the list.
    let third = nodes.remove(1);
    let card = third.node.clone();
    third.cut();
    bench.wait_for("the removal of a node", MINUTE, || {
        manager
            .try_docker(&["node", "rm", "--force", "kraken-3"])
            .status
            .success()
            .then_some(())
    });
    let third = On::new(&card);
    for unknown in [&third, &fourth] {
        is_unknown(&bench, unknown);
    }
    assert_eq!(
        leader(&manager).as_deref(),
        Some("kraken-1"),
        "the swarm has lost its leader"
    );

    // The way out that was printed: it works.
    manager.docker(&["node", "rm", "--force", "kraken-2"]);
    second.cut();
    let again = cluster.build(&["--node", "2", "--rejoin"]);
    let second = On::new(&again[0].put_into(&bench));
    bench.wait_for("two managers", 2 * MINUTE, || (managers(&manager) == 2).then_some(()));
    drop((second, third, fourth));
}

#[test]
fn swarm_a_manager_that_forgot_its_past_is_kept_out() {
    let cluster = Cluster::new("[cluster]\nnodes = 3\n[swarm]\nmanagers = 3\n");
    let cards = cluster.build(&[]);
    let bench = Bench::new(&Engine::suite("trixie"));
    let mut nodes = on_all(&bench, &cards);
    bench.wait_ready(&nodes[0].node, 3, MINUTE);
    bench.wait_for("three managers", MINUTE, || {
        (managers(&nodes[0].node) == 3).then_some(())
    });
    wait_until_all_are_in(&bench, &nodes);
    let third = nodes[2].node.clone();
    // The notes about a manager that was let in are on its card: it comes back after a power cut.
    nodes = on_again(nodes);
    bench.wait_for("three managers after a power cut", 2 * MINUTE, || {
        (managers(&third) == 3).then_some(())
    });

    // Its card is written again, first the second manager's, then the first one's.
    for number in [2, 1] {
        let lost = nodes.remove(number - 1);
        let card = lost.node.clone();
        lost.cut();
        let other = nodes[number - 1].node.clone();
        bench.wait_for("a leader", 2 * MINUTE, || {
            leader(&other).filter(|name| *name != format!("kraken-{number}"))
        });
        let again = On::new(&cards[number - 1].put_into(&bench));
        is_held(&bench, &again, "has had this node as a manager");
        assert!(leader(&other).is_some(), "the swarm has lost its leader");
        again.cut();
        // The card with its earlier state comes back.
        nodes.insert(number - 1, On::new(&card));
        bench.wait_for("three managers again", 2 * MINUTE, || {
            (managers(&third) == 3).then_some(())
        });
    }
}

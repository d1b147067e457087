//! What fails on a node, in words with what to do.

mod docker;
mod machine;

use super::engine::Says;
use super::node::{Node, swarm};
use super::{READY, WAITING, ready_worker};

/// Docker's answer on a node that is in no swarm.
const IN_NO_SWARM: Says = Says {
    state: "inactive",
    ..READY
};

/// Docker's answer when its swarm failed.
const fn fault(error: &'static str) -> Says {
    Says {
        state: "error",
        error,
        ..READY
    }
}

/// Node `number` with a network, before its status is started.
fn networked(number: usize) -> Node {
    let node = Node::new(&swarm(), number);
    node.network(true);
    node
}

/// Docker runs on the node, and answers this.
fn docker_is_up(node: &mut Node, says: Says) {
    node.unit("docker.service", "active/running");
    node.docker.says(says);
}

#[test]
fn what_fails_is_shown_in_words_with_what_to_do() {
    type Case = (&'static str, fn(&mut Node));
    let cases: [Case; 13] = [
        (
            "FAILED  packages are not configured  sudo dpkg --configure -a",
            |node| {
                node.put("var/lib/kraken-flash/configure", "");
                node.unit("kraken-configure.service", "failed/failed/exit-code");
            },
        ),
        (
            "FAILED  docker.service: start-limit-hit  sudo journalctl -u docker",
            |node| {
                node.unit("docker.service", "failed/failed/start-limit-hit");
            },
        ),
        ("FAILED  cloud-init had errors  cloud-init status --long", |node| {
            node.remove("ip");
            node.cloud_init(None);
            node.unit("cloud-init-local.service", "failed/failed/exit-code");
        }),
        (
            "FAILED  emergency mode  its console says why: fix it there, then reboot",
            |node| {
                node.unit("emergency.target", "active/active");
            },
        ),
        (
            "FAILED  the swarm at 192.168.3.11 has this node as a worker  make its card with --rejoin",
            |node| {
                let held = "the swarm at 192.168.3.11 has this node as a worker: make its card with --rejoin\n";
                node.put("run/kraken-flash/swarm-held", held);
            },
        ),
        ("FAILED  the swarm is locked  sudo docker swarm unlock", |node| {
            docker_is_up(
                node,
                Says {
                    state: "locked",
                    ..READY
                },
            );
        }),
        (
            "FAILED  this node is in no swarm  sudo systemctl restart kraken-swarm",
            |node| {
                docker_is_up(node, IN_NO_SWARM);
            },
        ),
        (
            "FAILED  this node is in no swarm  sudo journalctl -u kraken-swarm",
            |node| {
                node.unit("kraken-swarm.service", "failed/failed/exit-code");
                docker_is_up(node, IN_NO_SWARM);
            },
        ),
        (
            "FAILED  x509: it has expired  sudo systemctl restart kraken-swarm",
            |node| {
                docker_is_up(node, fault("x509:  it\nhas\u{1b} expired\\"));
            },
        ),
        (
            "FAILED  x509: it has expired  sudo systemctl restart kraken-swarm",
            |node| {
                docker_is_up(
                    node,
                    Says {
                        old: true,
                        ..fault("x509: it has expired")
                    },
                );
            },
        ),
        (
            "FAILED  joining with the token was refused  sudo systemctl restart kraken-swarm",
            |node| {
                node.put("var/lib/kraken-flash/join-token", "SWMTKN-1-0secret\n");
                docker_is_up(node, fault("joining with SWMTKN-1-0secret was refused"));
            },
        ),
        // Another process has a job for it.
        ("docker up  swarm waiting  x509: it has expired", |node| {
            node.unit("kraken-swarm.service", "active/running");
            docker_is_up(node, fault("x509: it has expired"));
        }),
        ("docker up  swarm waiting  to join at 192.168.3.11", |node| {
            node.unit("kraken-swarm.service", "active/running");
            docker_is_up(node, IN_NO_SWARM);
        }),
    ];
    for (text, happens) in cases {
        let mut node = networked(3);
        node.start();
        node.shows("booting", "network up");
        happens(&mut node);
        let light = if text.starts_with("FAILED") {
            "failed"
        } else {
            "waiting"
        };
        node.shows(light, text);
    }
}

#[test]
fn the_only_manager_waits_for_no_other_node() {
    let mut node = networked(1);
    node.unit("docker.service", "activating/start-pre");
    node.start();
    node.shows("booting", "docker starting");
    let mut cluster = swarm();
    cluster.nodes[1].id.role = kraken_spec::Role::Manager;
    cluster.nodes[2].id.role = kraken_spec::Role::Manager;
    let mut node = Node::new(&cluster, 2);
    node.network(true);
    node.unit("docker.service", "activating/start-pre");
    node.start();
    node.shows("waiting", "docker starting  swarm waiting  for a manager");
}

#[test]
fn what_holds_nothing_back_is_a_remark() {
    let mut node = ready_worker();
    node.cloud_init(None);
    node.unit("cloud-final.service", "failed/failed/exit-code");
    node.shows("ready", "docker up  swarm Ready  cloud-init had errors");
    let mut node = ready_worker();
    node.cloud_init(None);
    node.shows("ready", "docker up  swarm Ready  cloud-init running");
    node.cloud_init(Some("\"('scripts_user', RuntimeError('Runparts: 1 failures'))\""));
    node.shows("ready", "docker up  swarm Ready  cloud-init had errors");
    let mut node = ready_worker();
    node.put("var/lib/kraken-flash/configure", "");
    node.unit("kraken-configure.service", "failed/failed/exit-code");
    node.shows("ready", "docker up  swarm Ready  packages are not configured");
}

#[test]
fn a_node_that_its_swarm_does_not_know_shows_what_to_do() {
    let mut node = networked(3);
    docker_is_up(&mut node, WAITING);
    node.unit("kraken-swarm.service", "active/running");
    let trouble = "the swarm at 192.168.3.11 does not know this node: make its card with --rejoin";
    node.put("run/kraken-flash/swarm-trouble", &format!("{trouble}\n"));
    node.start();
    node.shows("waiting", &format!("docker up  swarm waiting  {trouble}"));
}

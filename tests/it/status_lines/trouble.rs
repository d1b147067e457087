//! What fails on a node, and what must not: a Docker or a systemd that hangs, a console that
//! accepts nothing, a script that starts again.

use std::fs;
use std::process::Command;

use super::engine::Says;
use super::node::{self, Node, swarm};
use super::{MANAGER, READY, WAITING, ready_worker};

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
fn a_docker_that_nothing_will_start_is_shown_and_one_that_is_about_to_be_started_is_not() {
    let stopped = "docker stopped  sudo systemctl start docker";
    let off = "docker switched off  sudo systemctl enable --now docker";
    for (unit, light, text) in [
        // It was never up in this boot: its start was lost, or its socket failed.
        ("inactive", "waiting", stopped),
        ("inactive/dead/success/disabled", "waiting", off),
        ("inactive/dead/success/masked", "waiting", off),
        ("inactive/dead/success/enabled/812", "booting", "network up"),
        (
            "failed/failed/exit-code",
            "failed",
            "FAILED  docker.service: exit-code  sudo journalctl -u docker",
        ),
    ] {
        let mut node = networked(3);
        node.unit("docker.service", unit);
        node.unit("multi-user.target", "activating");
        node.start();
        node.polls(2);
        node.unit("multi-user.target", "active/active");
        node.shows(light, text);
    }
    // Only when the boot has started all of its units.
    let mut node = networked(3);
    node.start();
    node.shows("booting", "network up");
    node.polls(2);
    assert_eq!(node.console("ttyAMA0").len(), 1, "{:?}", node.console("ttyAMA0"));
    // A restart stops it for a moment.
    let mut node = ready_worker();
    node.unit("docker.service", "deactivating/stop-sigterm/success/enabled/900");
    node.shows("booting", "network up");
    node.unit("docker.service", "inactive");
    node.shows("waiting", stopped);
}

#[test]
fn docker_is_shown_though_another_package_failed() {
    let mut node = networked(3);
    node.put("var/lib/kraken-flash/configure", "");
    node.unit("kraken-configure.service", "failed/failed/exit-code");
    node.unit("docker.service", "inactive/dead/success/enabled/812");
    node.start();
    node.shows("booting", "network up  packages are not configured");
    node.unit("docker.service", "activating/start");
    node.shows("booting", "docker starting  packages are not configured");
    node.unit("docker.service", "inactive");
    node.shows(
        "failed",
        "FAILED  packages are not configured  sudo dpkg --configure -a",
    );
}

#[test]
fn a_swarm_without_docker_has_no_silence() {
    let mut cluster = swarm();
    cluster.docker.source = kraken_spec::DockerSource::None;
    let mut node = Node::new(&cluster, 3);
    node.network(true);
    node.start();
    node.shows("booting", "network up");
    node.unit("multi-user.target", "active/active");
    node.shows(
        "failed",
        "FAILED  docker is not installed  sudo apt-get install docker.io",
    );
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
fn a_docker_before_23_is_asked_the_long_way() {
    let mut node = networked(1);
    docker_is_up(&mut node, Says { old: true, ..WAITING });
    node.start();
    node.shows("waiting", "docker up  swarm waiting  for a manager");
    node.docker.says(Says { old: true, ..MANAGER });
    node.shows("ready", "docker up  swarm Ready  2 of 4 nodes");
}

#[test]
fn a_docker_that_hangs_holds_up_nothing_else() {
    let mut node = ready_worker();
    node.docker.hangs();
    // Docker is asked when connections change, and its silence is not reported at once.
    node.connections(&[("0D03A8C0:BBBB", node::MANAGER, "01")]);
    node.polls(2);
    node.linked(false);
    node.shows(
        "failed",
        "FAILED  docker does not answer  sudo systemctl restart docker",
    );
    node.linked(true);
    node.docker.says(READY);
    node.shows("ready", "docker up  swarm Ready");
}

#[test]
fn a_systemd_that_does_not_answer_leaves_all_as_it_was() {
    let mut node = ready_worker();
    let units = node.read("units");
    node.remove("units");
    node.cable(false);
    node.polls(3);
    assert!(node.console("ttyAMA0").last().unwrap().ends_with("swarm Ready"));
    node.put("units", &units);
    node.shows("waiting", "docker up  no network  no cable has a link");
    // A request without an end has a time limit.
    node.put("hang", "");
    node.polls(3);
    node.cable(true);
    node.remove("hang");
    node.shows("ready", "docker up  swarm Ready");
}

#[test]
fn a_missing_network_is_shown_when_it_is_late_for_one() {
    let mut node = Node::new(&swarm(), 3);
    node.cable(false);
    node.start();
    node.shows("booting", "booting");
    node.put("proc/uptime", "100.00 1.00\n");
    node.unit("network.target", "active/active");
    node.polls(3);
    assert_eq!(node.console("ttyAMA0").len(), 1, "a network takes its time");
    node.put("proc/uptime", "161.00 1.00\n");
    node.shows("waiting", "no network  no cable has a link");
    node.cable(true);
    node.shows("waiting", "no network  no port has the address");
    node.network(true);
    node.shows("booting", "network up");
}

#[test]
fn a_console_that_takes_nothing_holds_up_no_other() {
    let mut node = Node::new(&swarm(), 3);
    node.remove("dev/tty1");
    let made = Command::new("mkfifo").arg(node.path("dev/tty1")).status().unwrap();
    assert!(made.success());
    node.put("sys/class/tty/console/active", "tty1 ttyGS0 ttyAMA0\n");
    node.start();
    node.shows("booting", "booting");
    assert!(
        !node.path("dev/ttyGS0").exists(),
        "a file was made where a console is missing"
    );
}

#[test]
fn a_second_start_says_nothing_twice() {
    let mut node = ready_worker();
    let before = node.console("ttyAMA0");
    node.stop();
    node.put("lights", "");
    node.start();
    node.polls(8);
    assert_eq!(node.read("lights"), "ready\n");
    assert_eq!(node.console("ttyAMA0"), before);
}

#[test]
fn nothing_is_written_but_to_memory() {
    let listing = |node: &Node| {
        let found = Command::new("find")
            .arg(node.path(""))
            .args([
                "(",
                "-path",
                "*/etc*",
                "-o",
                "-path",
                "*/usr*",
                "-o",
                "-path",
                "*/var*",
                ")",
                "-printf",
                "%p %T@ %C@ %s\n",
            ])
            .output()
            .unwrap();
        let mut lines: Vec<String> = String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        assert!(lines.len() > 6, "{lines:?}");
        lines
    };
    let mut node = networked(3);
    node.linked(true);
    docker_is_up(&mut node, READY);
    let before = listing(&node);
    node.start();
    node.shows("ready", "docker up  swarm Ready");
    node.stop();
    assert_eq!(listing(&node), before);
    let state: Vec<_> = fs::read_dir(node.path("run/kraken-flash/status")).unwrap().collect();
    assert_eq!(state.len(), 1, "{state:?}");
    assert!(node.path("run/kraken-flash/status/line").exists());
}

#[test]
fn a_docker_that_is_held_until_a_manager_is_there_is_waited_for() {
    let mut node = networked(2);
    node.put("run/kraken-flash/swarm-held", "\n");
    node.start();
    node.shows("waiting", "swarm waiting  for a manager");
    node.docker.says(READY);
    node.linked(true);
    node.unit("docker.service", "active/running");
    node.shows("ready", "docker up  swarm Ready");
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

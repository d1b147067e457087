//! From power-on to Ready and back, line by line.

use std::fs;
use std::os::unix::fs::symlink;

use kraken_spec::{DockerSource, SwarmMode};

use super::engine::Says;
use super::node::{self, Node, swarm};
use super::{MANAGER, READY, WAITING, ready_worker};
use testkit::images::kraken;

/// Compares with `tests/golden/status/NAME.txt`.
fn golden(name: &str, got: &[String]) {
    testkit::golden::golden(&format!("tests/golden/status/{name}.txt"), &(got.join("\n") + "\n"));
}

#[test]
fn a_worker_shows_each_stage_falls_out_and_comes_back() {
    let mut node = Node::new(&swarm(), 3);
    node.put("var/lib/kraken-flash/configure", "");
    node.unit("docker.service", "inactive/dead/success/disabled");
    node.cloud_init(None);
    node.start();
    node.shows("booting", "booting");
    node.unit("kraken-configure.service", "activating/start");
    node.shows("booting", "configuring packages");
    node.network(true);
    node.shows("booting", "network up  configuring packages");
    node.unit("docker.service", "inactive/dead");
    node.remove("var/lib/kraken-flash/configure");
    node.shows("booting", "network up  packages configured");
    node.unit("docker.service", "activating/start-pre");
    node.shows("waiting", "docker starting  swarm waiting  for a manager");
    node.unit("docker.service", "activating/start");
    node.shows("booting", "docker starting");
    node.unit("kraken-swarm.service", "active/running");
    node.unit("docker.service", "active/running");
    node.shows(
        "waiting",
        "docker up  swarm waiting  for a manager at 192.168.3.11  cloud-init running",
    );
    node.linked(true);
    node.polls(2);
    node.docker.says(READY);
    node.shows("ready", "docker up  swarm Ready  cloud-init running");
    node.unit("kraken-swarm.service", "inactive");
    node.cloud_init(Some(""));
    node.shows("ready", "docker up  swarm Ready");

    // Docker still reports the node as active; only its lost connection to a manager shows the
    // change.
    node.linked(false);
    node.shows("waiting", "docker up  swarm waiting  for a manager at 192.168.3.11");
    node.linked(true);
    node.shows("ready", "docker up  swarm Ready");
    node.unit("docker.service", "inactive");
    node.shows("waiting", "docker stopped  sudo systemctl start docker");
    node.unit("docker.service", "active/running");
    node.shows("ready", "docker up  swarm Ready");
    node.cable(false);
    node.shows("waiting", "docker up  no network  no cable has a link");
    node.cable(true);
    node.shows("ready", "docker up  swarm Ready");

    let lines = node.console("ttyAMA0");
    golden("worker", &lines);
    assert_eq!(
        node.console("tty1"),
        lines,
        "the screen shows what the serial line shows"
    );
    let journal: Vec<String> = node.read("journal").lines().map(str::to_owned).collect();
    assert_eq!(journal, lines, "the journal has the lines, and nothing else");
    assert_eq!(
        node.read("run/kraken-flash/status/line"),
        format!("{}\n", lines.last().unwrap())
    );
}

#[test]
fn every_line_stands_on_a_line_of_its_own_whatever_stood_there() {
    let mut node = Node::new(&swarm(), 3);
    for console in ["dev/tty1", "dev/ttyAMA0"] {
        node.put(console, "kraken-3 login: ");
    }
    node.start();
    node.shows("booting", "booting");
    assert_eq!(
        node.read("dev/ttyAMA0"),
        "kraken-3 login: \r\nkraken-3  192.168.3.13     booting\r\n"
    );
}

#[test]
fn a_manager_shows_how_many_nodes_are_ready() {
    let mut node = Node::new(&swarm(), 1);
    node.network(true);
    node.unit("docker.service", "active/running");
    node.docker.says(MANAGER);
    node.start();
    node.shows("ready", "docker up  swarm Ready  2 of 4 nodes");
    node.docker.says(Says {
        nodes: Some(&["ready"; 4]),
        ..MANAGER
    });
    node.shows("ready", "docker up  swarm Ready  4 of 4 nodes");
    node.docker.says(Says { nodes: None, ..MANAGER });
    node.shows(
        "waiting",
        "docker up  swarm waiting  for more managers: it has no leader",
    );
    node.docker.says(MANAGER);
    node.shows("ready", "docker up  swarm Ready  2 of 4 nodes");
    golden("manager", &node.console("ttyAMA0"));
}

#[test]
fn a_connection_that_comes_or_goes_is_a_reason_to_ask_docker_and_time_seldom_is() {
    let mut node = ready_worker();
    node.polls(2);
    node.docker.asked();
    node.polls(4);
    assert!(node.docker.asked().len() <= 1, "Docker is asked again and again");
    node.docker.says(WAITING);
    node.connections(&[("0D03A8C0:BBBB", node::MANAGER, "01")]);
    node.shows("waiting", "docker up  swarm waiting  for a manager at 192.168.3.11");
    assert!(
        !node.docker.asked().contains(&"/info".to_owned()),
        "/info runs programs"
    );
}

#[test]
fn attempts_that_lead_to_nothing_are_no_connection() {
    let mut node = ready_worker();
    // Each poll finds another connection.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let waiting = "swarm waiting  for a manager at 192.168.3.11";
    let mut port = 0x1000;
    while !node.console("ttyAMA0").last().unwrap().ends_with(waiting) {
        assert!(std::time::Instant::now() < end, "it is Ready still");
        port += 1;
        let near = format!("0D03A8C0:{port:04X}");
        node.connections(&[(&near, node::MANAGER, "01")]);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // A manager's answer on an IPv6 socket counts, too.
    let mapped = "0000000000000000FFFF0000";
    node.connections(&[(
        &format!("{mapped}0D03A8C0:9999"),
        &format!("{mapped}0B03A8C0:0949"),
        "01",
    )]);
    node.shows("ready", "docker up  swarm Ready");
}

#[test]
fn a_node_shows_the_stages_that_it_has() {
    // Docker, no swarm.
    let mut cluster = swarm();
    cluster.swarm.mode = SwarmMode::None;
    let mut node = Node::new(&cluster, 3);
    node.network(true);
    node.start();
    node.shows("booting", "network up");
    node.unit("docker.service", "activating/start-pre");
    node.shows("booting", "docker starting");
    node.unit("docker.service", "active/running");
    node.shows("ready", "docker up  Ready");
    assert_eq!(node.docker.asked(), [""; 0], "no stage needs an answer");
    // The user has switched Docker off.
    node.stop();
    node.unit("docker.service", "inactive/dead/success/disabled");
    node.unit("multi-user.target", "active/active");
    node.start();
    node.shows("ready", "Ready");

    // No Docker; packages from the network, without cloud-init.
    let mut cluster = kraken();
    cluster.docker.source = DockerSource::None;
    let mut node = Node::new(&cluster, 3);
    let wants = "etc/systemd/system/multi-user.target.wants";
    fs::create_dir_all(node.path(wants)).unwrap();
    let link = format!("{wants}/kraken-packages.service");
    symlink("/etc/systemd/system/kraken-packages.service", node.path(&link)).unwrap();
    node.start();
    node.shows("booting", "booting");
    node.unit("multi-user.target", "active/active");
    node.network(true);
    node.shows("booting", "network up");
    node.unit("kraken-packages.service", "activating/auto-restart/exit-code");
    node.shows("booting", "network up  installing packages");
    node.remove(&link);
    node.shows("ready", "Ready");

    // No Docker; cloud-init.
    let mut node = Node::new(&cluster, 3);
    node.cloud_init(None);
    node.network(true);
    node.unit("multi-user.target", "active/active");
    node.start();
    node.shows("booting", "network up");
    node.unit("multi-user.target", "inactive");
    node.cloud_init(Some(""));
    node.shows("booting", "network up  cloud-init done");
    node.unit("multi-user.target", "active/active");
    node.shows("ready", "Ready");
}

//! A Docker that hangs, is old, or does not start.

use super::super::engine::Says;
use super::super::node::{self, Node, swarm};
use super::super::{MANAGER, READY, WAITING, ready_worker};
use super::{docker_is_up, networked};

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

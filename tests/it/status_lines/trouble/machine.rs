//! What must not fail with the rest of the machine: a systemd that hangs, a network that is late, a
//! console that accepts nothing, a script that starts again.

use std::fs;
use std::process::Command;

use super::super::node::{Node, swarm};
use super::super::{READY, ready_worker};
use super::{docker_is_up, networked};

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

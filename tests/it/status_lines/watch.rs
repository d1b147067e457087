//! How Docker and the swarm are watched on a node (`swarm watch`), with a systemctl and a Docker
//! whose answers the test chooses.

use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::engine::{Break, Says};
use super::node::{Node, swarm};
use super::{MANAGER, READY, WAITING};

/// Records its calls. `docker.service`, a file of that name, has its state. A start or a restart
/// makes it active, except where the file `refuses` exists: that is what systemd does when it was
/// started too often.
const SYSTEMCTL: &str = r#"cd "${0%/*}/.."
echo "$*" >> wanted
case $1 in
  show)
    eval "unit=\${$#}"
    cat "unit.$unit" 2>/dev/null || echo ActiveState=inactive ;;
  start | restart)
    if [ -e refuses ]; then echo "Job for $2 failed."; exit 1; fi
    printf 'ActiveState=active\nUnitFileState=enabled\nResult=success\n' > unit.docker.service ;;
esac"#;

struct Watched {
    node: Node,
    child: Child,
}

impl Watched {
    /// A worker whose docker.service is in this state.
    fn new(docker: [&str; 3], prepare: impl FnOnce(&Node)) -> Self {
        let node = Node::new(&swarm(), 3);
        node.program("bin/systemctl", SYSTEMCTL);
        node.docker.says(WAITING);
        unit(&node, "docker.service", docker);
        prepare(&node);
        let child = node
            .swarm_program("swarm")
            .arg("watch")
            .env("KRAKEN_SYSTEMCTL", node.path("bin/systemctl"))
            .env("KRAKEN_SWARM_PAUSE", "0.01")
            .spawn()
            .unwrap();
        Self { node, child }
    }

    /// Waits until it has printed this.
    fn says(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.node.read("said").contains(text) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < Duration::from_secs(30),
                "{text:?} is missing (ended: {ended:?}) in:\n{}\nwanted of systemd:\n{}",
                self.node.read("said"),
                self.node.read("wanted")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it has done its work and ended.
    fn ends_well(&mut self) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", self.node.read("said"));
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "{status}: {}", self.node.read("said"));
    }

    /// Returns its calls of systemctl so far, except queries.
    fn wanted(&self) -> Vec<String> {
        let wanted = self.node.read("wanted");
        let acts = wanted.lines().filter(|line| !line.starts_with("show"));
        acts.map(str::to_owned).collect()
    }

    /// Waits for some more polls.
    fn polls(&self) {
        let count = || self.node.read("wanted").lines().count();
        let before = count();
        let begun = Instant::now();
        while count() < before + 6 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not poll any more");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unit(node: &Node, name: &str, [active, file, result]: [&str; 3]) {
    let text = format!("ActiveState={active}\nUnitFileState={file}\nResult={result}\n");
    node.put(&format!("unit.{name}"), &text);
}

/// Other settings of the node's place in the swarm.
fn set(node: &Node, changes: &[(&str, Value)]) {
    const SETTINGS: &str = "etc/kraken-flash/swarm.json";
    let mut settings: Value = serde_json::from_str(&node.read(SETTINGS)).unwrap();
    for (key, value) in changes {
        settings[*key] = value.clone();
    }
    node.put(SETTINGS, &settings.to_string());
}

const ACTIVE: [&str; 3] = ["active", "enabled", "success"];
const TOKEN: &str = "var/lib/kraken-flash/join-token";
const START: [&str; 2] = ["reset-failed docker.service docker.socket", "start docker.service"];

#[test]
fn a_docker_that_nothing_starts_is_started_once_and_then_the_command_is_printed() {
    for docker in [
        ["inactive", "enabled", "success"],
        ["failed", "enabled", "start-limit-hit"],
        ["failed", "disabled", "exit-code"],
    ] {
        let mut watched = Watched::new(docker, |_| ());
        watched.says("nothing starts it; starting it");
        watched.says("waiting for the swarm's managers at 192.168.3.11");
        assert_eq!(watched.wanted(), START, "{docker:?}");
    }
    let mut watched = Watched::new(["failed", "enabled", "exit-code"], |node| node.put("refuses", ""));
    watched.says("Docker could not be started: Job for docker.service failed.");
    watched.says("Docker does not run (exit-code)");
    watched.says("sudo systemctl start docker");
    watched.polls();
    assert_eq!(watched.wanted(), START, "it was started more than once");
    assert!(
        watched.node.docker.asked().is_empty(),
        "a stopped Docker's socket was asked"
    );
}

#[test]
fn a_docker_that_is_busy_or_switched_off_is_left_alone() {
    let configuring: fn(&Node) = |node| unit(node, "kraken-configure.service", ["activating", "enabled", "success"]);
    type Case = ([&'static str; 3], fn(&Node), &'static str);
    let nothing: fn(&Node) = |_| ();
    let unconfigured: fn(&Node) = |node| node.put("var/lib/kraken-flash/configure", "");
    let cases: [Case; 6] = [
        (["activating", "enabled", "success"], nothing, "which is activating"),
        (
            ["inactive", "enabled", "success"],
            configuring,
            "whose packages are being configured",
        ),
        (["inactive", "", "success"], unconfigured, "sudo dpkg --configure -a"),
        (
            ["inactive", "disabled", "success"],
            nothing,
            "sudo systemctl enable --now docker",
        ),
        (["inactive", "masked", "success"], nothing, "Docker is switched off"),
        (["deactivating", "enabled", "success"], nothing, "which is deactivating"),
    ];
    for (docker, prepare, text) in cases {
        let mut watched = Watched::new(docker, prepare);
        watched.says(text);
        watched.polls();
        assert!(watched.wanted().is_empty(), "{docker:?}: {:?}", watched.wanted());
        assert!(
            watched.node.docker.asked().is_empty(),
            "{docker:?}: its socket was asked"
        );
    }
}

#[test]
fn a_docker_that_is_stopped_while_it_is_watched_stays_stopped() {
    let mut watched = Watched::new(["active", "enabled", "success"], |_| ());
    watched.says("waiting for the swarm's managers");
    unit(&watched.node, "docker.service", ["inactive", "enabled", "success"]);
    watched.says("Docker was stopped; to go on, run: sudo systemctl start docker");
    watched.node.docker.asked();
    watched.polls();
    assert!(watched.wanted().is_empty(), "{:?}", watched.wanted());
    assert!(
        watched.node.docker.asked().is_empty(),
        "its socket was asked, which starts it"
    );
    unit(&watched.node, "docker.service", ["active", "enabled", "success"]);
    watched.node.docker.says(READY);
    watched.says("and its card was made for");
}

#[test]
fn each_restart_begins_with_a_new_count_and_its_failure_is_said() {
    let mut watched = Watched::new(["active", "enabled", "success"], |node| {
        // A first manager does not wait for another.
        set(node, &[("managers", json!([]))]);
        node.put("refuses", "");
        node.docker.says(Says {
            state: "error",
            error: "a leader that is busy",
            ..READY
        });
    });
    watched.says("Docker could not be restarted: Job for docker.service failed.");
    watched.says("DOCKER DID NOT TAKE THE SWARM STATE OF THIS CARD");
    let restart = ["reset-failed docker.service docker.socket", "restart docker.service"];
    let wanted = watched.wanted();
    assert!(wanted.len() >= 8, "{wanted:?}");
    assert!(wanted.chunks(2).all(|pair| pair == restart), "{wanted:?}");
}

#[test]
fn a_docker_that_breaks_off_in_the_middle_of_a_join_ends_no_watch() {
    let joining = Says {
        state: "inactive",
        ..READY
    };
    // The remains of a failed join are removed first.
    let failed = Says {
        state: "error",
        error: "a join that failed",
        ..READY
    };
    let cases = [
        (joining, "/swarm/join", Break::Mute),
        (joining, "/swarm/join", Break::Half),
        (joining, "/swarm/join", Break::Garbage),
        (failed, "/swarm/leave?force=1", Break::Mute),
    ];
    for (place, (says, path, how)) in (1..).zip(cases) {
        // Each case has a manager of its own: its port is always the same.
        let address = format!("127.23.78.{place}");
        let _listener = TcpListener::bind((address.as_str(), 2377)).unwrap();
        let mut watched = Watched::new(ACTIVE, |node| {
            set(
                node,
                &[("managers", json!([address])), ("availability", json!("active"))],
            );
            node.put(TOKEN, "SWMTKN-1-secret\n");
            node.docker.says(says);
            node.docker.breaks_off(Some((path, how)));
        });
        watched.says("Docker broke off: ");
        watched.node.docker.asked();
        watched.polls();
        let asked = watched.node.docker.asked();
        assert!(
            asked.contains(&path.to_owned()),
            "{path} {how:?}: it tried no more: {asked:?}"
        );
        watched.node.docker.breaks_off(None);
        watched.node.docker.says(READY);
        watched.says("and its card was made for");
        watched.ends_well();
        assert!(!watched.node.path(TOKEN).exists(), "{path} {how:?}");
        let said = watched.node.read("said");
        assert!(!said.contains("Traceback") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn a_card_that_takes_no_file_ends_no_watch_of_a_node_that_is_in() {
    let mut watched = Watched::new(ACTIVE, |node| {
        // A file that no user can remove, not even root.
        node.put(&format!("{TOKEN}/there"), "");
        node.docker.says(MANAGER);
    });
    watched.ends_well();
    let said = watched.node.read("said");
    assert!(
        said.contains("the token with which this node joined stays on its card"),
        "{said}"
    );
}

//! What a manager does for the swarm's other nodes (`swarm-nodes`), with a Docker and an iptables
//! whose answers the test chooses.

use std::net::TcpListener;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::engine::Says;
use super::node::{Node, swarm};
use super::{MANAGER, READY};

/// Keeps the rules of INPUT in a file, and writes each change to another; where the file `broken`
/// exists, it only prints an error.
const IPTABLES: &str = r#"cd "${0%/*}/.."
if [ -e broken ]; then echo "iptables: no chain by that name" >&2; exit 1; fi
[ "$1 $2" = "-w 10" ] || exit 2
shift 2
how=$1
shift
touch rules
case $how in
  -S) echo "-P INPUT ACCEPT"; sed 's/^/-A /' rules ;;
  -I) echo "$*" >> rules; echo "$how $*" >> changes ;;
  -D) grep -vxF -e "$*" rules > rules.new; mv rules.new rules; echo "$how $*" >> changes ;;
esac"#;

struct Nodes {
    node: Node,
    child: Child,
}

impl Nodes {
    /// Starts it on a node whose Docker answers this.
    fn new(says: Says, prepare: impl FnOnce(&Node)) -> Self {
        let node = Node::new(&swarm(), 1);
        node.program("bin/iptables", IPTABLES);
        node.docker.says(says);
        prepare(&node);
        let child = node
            .swarm_program("swarm-nodes")
            .env("KRAKEN_SWARM_SECOND", "0.02")
            .env("KRAKEN_IPTABLES", node.path("bin/iptables"))
            .spawn()
            .unwrap();
        Self { node, child }
    }

    /// Starts it on a manager whose swarm has these nodes.
    fn manager(nodes: &'static [&'static str]) -> Self {
        Self::new(among(nodes), |_| ())
    }

    fn waits_for(&self, what: &str, mut is_so: impl FnMut(&Node) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !is_so(&self.node) {
            assert!(Instant::now() < end, "{what}: {}", self.node.read("said"));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn says(&self, text: &str) {
        self.waits_for(text, |node| node.read("said").contains(text));
    }

    /// Waits for some more polls.
    fn polls(&self) {
        self.node.docker.asked();
        let mut polls = 0;
        self.waits_for("more polls", |node| {
            polls += node.docker.asked().iter().filter(|path| *path == "/nodes").count();
            polls > 8
        });
    }

    /// Stops it as systemd does.
    fn stops(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn among(nodes: &'static [&'static str]) -> Says {
    Says {
        nodes: Some(nodes),
        ..MANAGER
    }
}

fn rule(address: &str) -> String {
    format!(
        "INPUT -s {address} -p tcp --dport 2377 -m comment --comment kraken-flash-register-again -j REJECT --reject-with tcp-reset"
    )
}

#[test]
fn a_node_that_is_up_and_held_for_down_is_made_to_register_again() {
    // Of these, one is up, one is not, and one is down for another reason.
    let _up = TcpListener::bind("127.77.0.2:7946").unwrap();
    let _other = TcpListener::bind("127.77.0.4:7946").unwrap();
    let mut nodes = Nodes::manager(&["ready", "late", "late", "down"]);
    nodes.says("Docker holds kraken-2 for down, though it is up; for ");
    nodes.node.docker.says(among(&["ready", "ready", "late", "down"]));
    nodes.polls();
    assert!(nodes.stops().success());
    let changes = nodes.node.read("changes");
    let changes: Vec<&str> = changes.lines().collect();
    let rule = rule("127.77.0.2");
    assert_eq!(changes, [format!("-I {rule}"), format!("-D {rule}")]);
    let said = nodes.node.read("said");
    assert!(!said.contains("restart docker") && !said.contains("kraken-3"), "{said}");
}

#[test]
fn a_node_that_stays_down_is_given_up_with_what_to_type() {
    let _up = TcpListener::bind("127.77.0.5:7946").unwrap();
    let nodes = Nodes::manager(&["ready", "ready", "ready", "ready", "late"]);
    nodes.says("kraken-5 is up, and Docker holds it for down; on kraken-5, run: sudo systemctl restart docker");
    nodes.polls();
    let said = nodes.node.read("said");
    assert_eq!(said.matches("are refused").count(), 3, "{said}");
    assert_eq!(said.matches("restart docker").count(), 1, "{said}");
    assert_eq!(nodes.node.read("rules"), "");
    // It was connected again, and fails again.
    nodes.node.docker.says(among(&["ready"]));
    nodes.polls();
    nodes
        .node
        .docker
        .says(among(&["ready", "ready", "ready", "ready", "late"]));
    nodes.waits_for("another try", |node| {
        node.read("said").matches("are refused").count() > 3
    });
}

#[test]
fn a_node_that_the_last_try_helps_is_not_given_up() {
    let _up = TcpListener::bind("127.77.0.9:7946").unwrap();
    const HELD: &[&str] = &[
        "ready", "ready", "ready", "ready", "ready", "ready", "ready", "ready", "late",
    ];
    let nodes = Nodes::manager(HELD);
    nodes.waits_for("the last try", |node| {
        node.read("said").matches("are refused").count() == 3
    });
    nodes.node.docker.says(among(&["ready"]));
    nodes.polls();
    let said = nodes.node.read("said");
    assert!(!said.contains("restart docker"), "{said}");
}

#[test]
fn a_manager_that_is_held_for_down_is_not_cut_off_from_its_peers() {
    let _up = TcpListener::bind("127.77.0.8:7946").unwrap();
    let nodes = Nodes::manager(&[
        "ready",
        "ready",
        "ready",
        "ready",
        "ready",
        "ready",
        "ready",
        "late-manager",
    ]);
    nodes.says(
        "kraken-8 is up, and Docker holds it for down (a manager); on kraken-8, run: sudo systemctl restart docker",
    );
    nodes.polls();
    assert_eq!(nodes.node.read("changes"), "");
    assert_eq!(nodes.node.read("said").matches("restart docker").count(), 1);
}

#[test]
fn where_there_is_no_iptables_it_is_said_what_to_type() {
    let _up = TcpListener::bind("127.77.0.6:7946").unwrap();
    let nodes = Nodes::new(among(&["ready", "ready", "ready", "ready", "ready", "late"]), |node| {
        node.put("broken", "");
    });
    nodes.says("kraken-6 is up, and Docker holds it for down (iptables: no chain by that name); on kraken-6, run: sudo systemctl");
    nodes.polls();
    assert_eq!(nodes.node.read("said").matches("are refused").count(), 1);
}

#[test]
fn one_that_is_stopped_or_killed_in_the_middle_cuts_no_node_off_for_good() {
    let _up = TcpListener::bind("127.77.0.7:7946").unwrap();
    const ALL: &[&str] = &["late", "late", "late", "late", "late", "late", "late"];
    let mut nodes = Nodes::manager(ALL);
    nodes.waits_for("a rule", |node| !node.read("rules").is_empty());
    let status = nodes.stops();
    assert!(status.success(), "{status}: {}", nodes.node.read("said"));
    assert_eq!(nodes.node.read("rules"), "");

    let mine = "INPUT -p tcp --dport 2377 -m comment --comment mine -j DROP\n";
    let mut nodes = Nodes::new(among(ALL), |node| node.put("rules", mine));
    nodes.waits_for("a rule", |node| node.read("rules").contains("127.77.0.7"));
    nodes.child.kill().unwrap();
    nodes.child.wait().unwrap();
    // What systemd runs at the end.
    let cleared = nodes
        .node
        .swarm_program("swarm-nodes")
        .arg("clear")
        .env("KRAKEN_IPTABLES", nodes.node.path("bin/iptables"))
        .status()
        .unwrap();
    assert!(cleared.success());
    assert_eq!(nodes.node.read("rules"), mine);
}

#[test]
fn a_worker_does_not_check_other_nodes() {
    let mut nodes = Nodes::new(READY, |_| ());
    let end = Instant::now() + Duration::from_secs(60);
    while nodes.child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(nodes.child.wait().unwrap().success());
    assert_eq!(nodes.node.read("said"), "");
}

#[test]
fn labels_are_given_though_the_card_takes_no_file() {
    const SETTINGS: &str = "etc/kraken-flash/swarm.json";
    let nodes = Nodes::new(MANAGER, |node| {
        let mut settings: Value = serde_json::from_str(&node.read(SETTINGS)).unwrap();
        settings["labels"] = json!({"kraken-1": {"disk": "ssd"}});
        node.put(SETTINGS, &settings.to_string());
        std::fs::create_dir_all(node.path("var/lib/docker")).unwrap();
        std::os::unix::fs::symlink("nowhere/at/all", node.path("var/lib/docker/kraken-labels-given")).unwrap();
    });
    nodes.says("this node's card takes no file");
    let asked = nodes.node.docker.asked();
    assert!(asked.contains(&"/nodes/id1/update?version=7".to_owned()), "{asked:?}");
}

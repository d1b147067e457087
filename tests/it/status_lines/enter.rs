//! Whether a manager's card may enter a swarm (`swarm wait`): what the other managers answer, and
//! the result.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::child::Killed;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::node::{Node, swarm};

const LET_IN: &str =
    r#"{"known": true, "role": "manager", "leader": "192.168.3.11:2377", "list-role": "manager", "member": false}"#;
const MEMBER: &str = r#"{"known": true, "role": "manager", "leader": "192.168.3.13:2377", "list-role": "manager", "member": true, "managers": [{"node_id": "third", "addr": "192.168.3.13:2377"}]}"#;
const LEADERLESS: &str = r#"{"undecided": "status 2", "leader": "", "list-role": "manager", "member": true}"#;

/// A card, and what exists already.
#[derive(Clone, Copy, Default)]
struct Card {
    worker: bool,
    log: bool,
    begun: bool,
    gone: bool,
    /// The card accepts no new file.
    full: bool,
}

const FURTHER: Card = Card {
    worker: false,
    log: false,
    begun: false,
    gone: false,
    full: false,
};
const FIRST: Card = Card { log: true, ..FURTHER };

/// The result of the wait: accepted, or the reason why Docker is not started.
fn wait(place: u8, card: Card, answer: Option<&str>) -> (Result<(), String>, Node) {
    let node = Node::new(&swarm(), 2);
    // Each case has a manager of its own: its port is always the same.
    let address = format!("127.23.77.{place}");
    let _listener = answer.map(|_| TcpListener::bind((address.as_str(), 2377)).unwrap());
    let role = if card.worker { "swarm-worker" } else { "swarm-manager" };
    let id = node.read("etc/kraken-flash/swarm-node-id");
    let id = if card.gone { "another" } else { id.trim() };
    let plain = STANDARD.encode(format!("0\u{1}{role}, {id}"));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{plain}\n-----END CERTIFICATE-----\n");
    node.put("var/lib/docker/swarm/certificates/swarm-node.crt", &pem);
    if card.log {
        node.put("var/lib/docker/swarm/raft/wal-v3-encrypted/0.wal", "");
    }
    if card.begun {
        node.put("var/lib/docker/kraken-swarm-begun", "\n");
    }
    if card.full {
        std::fs::create_dir_all(node.path("var/lib/docker/kraken-swarm-begun.new")).unwrap();
    }
    let settings = json!({"membership": "baked", "role": "manager", "managers": [address], "address": "127.0.0.1"});
    node.put("etc/kraken-flash/swarm.json", &settings.to_string());
    let said = answer.map(|answer| {
        let mut answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        answer["address"] = json!(address);
        answer.to_string()
    });
    node.program("bin/ask", &format!("echo '{}'", said.unwrap_or_default()));
    node.program("bin/systemctl", "echo \"$*\" >> \"${0%/*}/../wanted\"");
    let mut child = Killed::spawn(
        Command::new("python3")
            .arg(node.path("usr/local/lib/kraken-flash/swarm"))
            .arg("wait")
            .env("KRAKEN_SYSTEMCTL", node.path("bin/systemctl"))
            .env("KRAKEN_SWARM_ASK", node.path("bin/ask"))
            .env("KRAKEN_SWARM_SETTINGS", node.path("etc/kraken-flash/swarm.json"))
            .env("KRAKEN_SWARM_NODE_ID", node.path("etc/kraken-flash/swarm-node-id"))
            .env("KRAKEN_SWARM_RUN", node.path("run/kraken-flash"))
            .env("KRAKEN_DOCKER_ROOT", node.path("var/lib/docker"))
            .env("KRAKEN_MOUNTS", node.path("mounts"))
            .env("KRAKEN_SWARM_PATIENCE", "0.5")
            .stdout(Stdio::null()),
    );
    let begun = Instant::now();
    let stopped = || {
        node.read("wanted")
            .contains("stop --no-block docker.socket docker.service")
    };
    let result = loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "case {place}: {status}");
            break Ok(());
        }
        if stopped() {
            break Err(node.read("run/kraken-flash/swarm-held"));
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "case {place}: neither in nor held"
        );
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(child);
    (result, node)
}

#[test]
fn a_managers_card_enters_only_a_swarm_that_does_not_suffer_from_it() {
    let known = Card { begun: true, ..FURTHER };
    let demoted = Card {
        worker: true,
        ..FURTHER
    };
    let left = Card { gone: true, ..FURTHER };
    let full = Card { full: true, ..FURTHER };
    let unknown = r#"{"known": false, "list-refused": 7}"#;
    let worker = r#"{"known": true, "role": "worker", "leader": "x:2377", "list-role": "worker", "member": false}"#;
    let mute = r#"{"known": true, "role": "manager", "list-refused": 12}"#;
    let promoted = r#"{"known": true, "role": "manager"}"#;
    let held = |why: &'static str| Err::<(), &str>(why);
    type Row<'a> = (Card, Option<&'a str>, Result<(), &'a str>);
    let rows: &[Row<'_>] = &[
        (FURTHER, Some(LET_IN), Ok(())),
        (
            FURTHER,
            Some(unknown),
            held("does not know this node: make its card with --rejoin"),
        ),
        (FURTHER, Some(worker), held("has this node as a worker")),
        (FURTHER, Some(MEMBER), held("has had this node as a manager")),
        // The swarm accepted it before: the power failed while it entered.
        (known, Some(MEMBER), Ok(())),
        (known, Some(worker), held("has this node as a worker")),
        // A manager of another swarm, and one of a release that no longer answers: Docker itself
        // reports the error.
        (FURTHER, Some(r#"{"stranger": "self-signed certificate"}"#), Ok(())),
        (FURTHER, Some(mute), Ok(())),
        // No manager answers, or there is no leader: without an answer no node enters.
        (FURTHER, None, held("\n")),
        (FURTHER, Some(r#"{"silent": "it did not answer in time"}"#), held("\n")),
        (FURTHER, Some(LEADERLESS), held("\n")),
        // Managers report it to a worker when it cannot join. It does no harm, unless it was
        // promoted before its card was new.
        (demoted, Some(worker), Ok(())),
        (demoted, Some(r#"{"known": false}"#), Ok(())),
        (demoted, Some(r#"{"undecided": "status 2"}"#), Ok(())),
        (
            demoted,
            Some(promoted),
            held("has this node as a manager, and this card makes it a worker"),
        ),
        (Card { begun: true, ..demoted }, Some(promoted), Ok(())),
        // A node that moved to another swarm is not asked.
        (left, Some(unknown), Ok(())),
        // The first manager starts the swarm, but not beside others that remember it.
        (FIRST, None, Ok(())),
        (FIRST, Some(MEMBER), held("has had this node as a manager")),
        (FIRST, Some(LEADERLESS), held("has had this node as a manager")),
        (FIRST, Some(unknown), held("does not know this node")),
        (Card { begun: true, ..FIRST }, Some(MEMBER), Ok(())),
        // Without a note of it, an accepted card would be refused at its next start.
        (full, Some(LET_IN), held("takes no file")),
        (Card { log: true, ..full }, None, held("takes no file")),
        (
            Card {
                full: true,
                begun: true,
                ..FURTHER
            },
            Some(MEMBER),
            Ok(()),
        ),
        // A node that has a log and started long ago is not delayed.
        (Card { begun: true, ..FIRST }, None, Ok(())),
    ];
    for (place, (card, answer, wanted)) in (1..).zip(rows) {
        let (found, node) = wait(place, *card, *answer);
        match (&found, wanted) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(want)) if why.contains(want) => {}
            _ => panic!("case {place}: {found:?} instead of {wanted:?}"),
        }
        let noted = node.path("var/lib/docker/kraken-swarm-begun").exists();
        let decided = !card.gone && found.is_ok() && answer.is_none_or(|answer| !answer.contains("undecided"));
        assert_eq!(noted, card.begun || decided, "case {place}: what is noted on the card");
    }
}

#[test]
fn a_manager_that_finds_the_first_one_gone_enters_through_the_leader() {
    let known = Card { begun: true, ..FURTHER };
    let (found, node) = wait(200, known, Some(MEMBER));
    assert_eq!(found, Ok(()));
    let remotes = node.read("var/lib/docker/swarm/state.json");
    let remotes: serde_json::Value = serde_json::from_str(&remotes).unwrap();
    assert_eq!(remotes, json!([{"node_id": "third", "addr": "192.168.3.13:2377"}]));
}

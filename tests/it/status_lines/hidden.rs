//! A disk that is mounted over the folder with a node's place in the swarm: the messages, and the
//! commands to type.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::engine::Says;
use super::node::{Node, swarm};
use super::{READY, WAITING};

const INACTIVE: Says = Says {
    state: "inactive",
    role: "",
    ..WAITING
};

/// What a namespace shows of the card: the state beneath, nothing, or an error because there is no
/// namespace.
const BENEATH: &str = "0";
const NOT_BENEATH: &str = "1";
const UNSEEN: &str = "2";

/// The node's script, on its tree. `mounts` lists what is mounted; `bin/unshare` reports what is
/// beneath.
fn script(node: &Node, verb: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(node.path("usr/local/lib/kraken-flash/swarm"))
        .arg(verb)
        .env("KRAKEN_SYSTEMCTL", node.path("bin/systemctl"))
        .env("KRAKEN_SWARM_SETTINGS", node.path("etc/kraken-flash/swarm.json"))
        .env("KRAKEN_SWARM_NODE_ID", node.path("etc/kraken-flash/swarm-node-id"))
        .env("KRAKEN_SWARM_TOKEN", node.path("var/lib/kraken-flash/join-token"))
        .env("KRAKEN_UNCONFIGURED", node.path("var/lib/kraken-flash/configure"))
        .env("KRAKEN_DOCKER_ROOT", node.path("var/lib/docker"))
        .env("KRAKEN_DOCKER_SOCKET", node.path("docker.sock"))
        .env("KRAKEN_SWARM_RUN", node.path("run/kraken-flash"))
        .env("KRAKEN_SWARM_PATIENCE", "1")
        .env("KRAKEN_SWARM_PAUSE", "0.01")
        .env("KRAKEN_UNSHARE", node.path("bin/unshare"))
        .env("KRAKEN_MOUNTS", node.path("mounts"))
        .env("KRAKEN_CARD", node.path(""))
        .stdin(Stdio::null());
    command
}

/// A worker on which these folders are mounts.
fn node(mounts: &[&str], beneath: &str) -> Node {
    let node = Node::new(&swarm(), 3);
    let mut text = "21 1 179:2 / / rw,noatime - ext4 /dev/root rw\nno line of a kernel\n".to_owned();
    for place in mounts {
        let place = node.path(place).display().to_string().replace(' ', "\\040");
        text += &format!("36 21 8:1 / {place} rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
    }
    node.put("mounts", &text);
    // A manager that never answers; no request leaves this machine.
    let settings = node.read("etc/kraken-flash/swarm.json");
    node.put(
        "etc/kraken-flash/swarm.json",
        &settings.replace("192.168.3.11", "127.23.78.3"),
    );
    node.program("bin/unshare", &format!("exit {beneath}"));
    node.program(
        "bin/systemctl",
        "printf 'ActiveState=active\\nUnitFileState=enabled\\nResult=success\\n'",
    );
    std::fs::create_dir_all(node.path("var/lib/docker")).unwrap();
    node
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const WITHOUT: &str = "Docker starts without the swarm: a disk that is mounted at ";

#[test]
fn docker_starts_at_once_and_it_is_said_why_it_has_no_swarm() {
    for (mounts, place) in [
        (&["var/lib/docker"][..], "var/lib/docker"),
        (&["var"], "var"),
        (&["var", "var/lib/docker", "mnt"], "var/lib/docker"),
        (&["var/lib/docker/swarm"], "var/lib/docker/swarm"),
    ] {
        for beneath in [BENEATH, UNSEEN] {
            let node = node(mounts, beneath);
            let output = script(&node, "wait")
                .env("KRAKEN_SWARM_PATIENCE", "60")
                .output()
                .unwrap();
            let words = said(&output);
            let wanted = format!("{WITHOUT}{} hides this node's place", node.path(place).display());
            assert!(
                output.status.success() && words.contains(&wanted),
                "{mounts:?}: {words}"
            );
            // Nothing is left of the check of the card beneath.
            assert!(!node.path("run/kraken-flash/card").exists());
        }
    }
}

#[test]
fn what_is_not_hidden_is_not_said_to_be() {
    let state = "var/lib/docker/swarm/docker-state.json";
    let begun = "var/lib/docker/kraken-swarm-begun";
    for (mounts, beneath, file) in [
        // The card has nothing there.
        (&["var/lib/docker"][..], NOT_BENEATH, ""),
        // Nothing is mounted over it, so nothing has to be checked.
        (&[], BENEATH, ""),
        (&["mnt", "var/lib/dock", "var/lib/docker/overlay2"], BENEATH, ""),
        // It was copied, or the node left the swarm that it joined from this disk.
        (&["var/lib/docker"], BENEATH, state),
        (&["var/lib/docker"], BENEATH, begun),
    ] {
        let node = node(mounts, beneath);
        if !file.is_empty() {
            node.put(file, "x");
        }
        let output = script(&node, "wait").output().unwrap();
        let words = said(&output);
        assert!(!words.contains(WITHOUT), "{mounts:?} {file}: {words}");
        assert!(words.contains("no manager answers"), "{mounts:?} {file}: {words}");
    }
    // A card that joins by token has its state on the disk from which it joined.
    let node = node(&["var/lib/docker"], BENEATH);
    let settings = node.read("etc/kraken-flash/swarm.json");
    let joins = settings.replace("\"membership\": \"baked\"", "\"membership\": \"join\"");
    assert_ne!(joins, settings);
    node.put("etc/kraken-flash/swarm.json", &joins);
    let words = said(&script(&node, "wait").output().unwrap());
    assert!(!words.contains(WITHOUT), "{words}");
}

#[test]
fn the_commands_to_type_are_printed_until_they_were_run() {
    let mut node = node(&["var/lib/docker"], BENEATH);
    node.docker.says(INACTIVE);
    let output = script(&node, "watch").output().unwrap();
    let words = said(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    let root = node.path("var/lib/docker").display().to_string();
    for line in [
        "THIS NODE'S PLACE IN THE SWARM LIES HIDDEN ON ITS CARD".to_owned(),
        format!("a disk that is mounted at {root} hides this node's place in the swarm, which lies on the card"),
        "  sudo systemctl stop docker.socket docker".to_owned(),
        "  sudo mkdir -p /run/kraken-card; sudo mount --bind / /run/kraken-card".to_owned(),
        format!("  sudo sh -c 'cp -a /run/kraken-card{root}/*swarm* {root}/'"),
        "  sudo umount /run/kraken-card; sudo reboot".to_owned(),
    ] {
        assert!(
            words.contains(&format!("kraken-flash: {line}\n")),
            "{line:?} is not in:\n{words}"
        );
    }
    assert!(
        !words.contains("swarm init") && !words.contains("swarm join"),
        "{words}"
    );

    // What `status` asks, and the result on all consoles.
    let asked = said(&script(&node, "state").output().unwrap());
    assert!(
        asked.contains("state error\n") && asked.contains("error a disk that is mounted at "),
        "{asked}"
    );
    node.program(
        "bin/systemctl",
        "[ ! -e \"$KRAKEN_STATUS_ROOT/hang\" ] || exec sleep 600\nexec cat \"$KRAKEN_STATUS_ROOT/units\"",
    );
    let why = "a disk that is mounted at /var/lib/docker hides this node's place in the swarm, which lies on the card";
    node.put("run/kraken-flash/swarm-trouble", why);
    node.network(true);
    node.unit("docker.service", "active/running");
    node.unit("multi-user.target", "active");
    node.unit("kraken-swarm.service", "failed");
    node.start();
    node.shows("failed", &format!("FAILED  {why}  sudo journalctl -u kraken-swarm"));
    node.linked(true);
    node.docker.says(READY);
    node.shows("ready", "docker up  swarm Ready");
}

#[test]
fn a_state_that_is_gone_is_said_as_before() {
    let node = node(&["var/lib/docker"], NOT_BENEATH);
    node.docker.says(INACTIVE);
    // An earlier problem is not the reason.
    node.put("run/kraken-flash/swarm-trouble", "the swarm does not know this node");
    let output = script(&node, "watch").output().unwrap();
    let words = said(&output);
    assert!(
        output.status.code() == Some(1) && words.contains("it does not know of any swarm") && !words.contains("HIDDEN"),
        "{words}"
    );
    let asked = said(&script(&node, "state").output().unwrap());
    assert!(asked.contains("state inactive\n"), "{asked}");
}

/// With a real disk in memory over the real folder, in a mount namespace of its own.
#[test]
fn root_a_state_is_found_beneath_a_real_mount() {
    for (baked, hidden) in [(true, true), (false, false)] {
        let node = node(&[], BENEATH);
        if baked {
            node.put("var/lib/docker/swarm/docker-state.json", "{}");
        }
        let log = node.path("said");
        let mut wait = script(&node, "wait");
        wait.env_remove("KRAKEN_UNSHARE").env_remove("KRAKEN_MOUNTS");
        let mut mounted = Command::new("unshare");
        mounted.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs none \"$0\" && shift && exec python3 \"$@\"",
        ]);
        mounted
            .arg(node.path("var/lib/docker"))
            .arg("python3")
            .args(wait.get_args());
        for (key, value) in wait.get_envs() {
            if let Some(value) = value {
                mounted.env(key, value);
            }
        }
        let begun = Instant::now();
        let output = mounted.stdin(Stdio::null()).output().unwrap();
        let words = said(&output);
        std::fs::write(&log, &words).unwrap();
        assert!(
            output.status.success() && begun.elapsed() < Duration::from_secs(30),
            "{words}"
        );
        assert_eq!(words.contains(WITHOUT), hidden, "{words}");
        // The check left no mount behind, and did not change the card.
        assert_eq!(node.path("var/lib/docker/swarm/docker-state.json").exists(), baked);
        assert!(!node.path("run/kraken-flash/card").exists());
    }
}

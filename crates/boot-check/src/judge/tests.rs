//! Tests the judges with output as guests print it.

use std::io;
use std::path::{Path, PathBuf};

use super::*;
use kraken_guest::limits::Limits;
use kraken_spec::{Cluster, DefaultKeys, Files};

/// File access that finds no file except for a key.
struct Nothing;

impl Files for Nothing {
    fn locate(&self, written: &str) -> PathBuf {
        written.into()
    }
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn is_file(&self, _: &Path) -> bool {
        false
    }
    fn read_secret(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn is_folder(&self, _: &Path) -> bool {
        false
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::ToBeMade
    }
}

const MAC: &str = "52:54:00:6b:00:03";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfgHGqEcc8TkOEqYV8pn4XrXyxv0bQO2YXkQmLFIkc one";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQhvu8IEBkB2Vn4x0k1mFHj3oHzE1rr0T3QfZVQ8U0d two";

/// Returns the default cluster.
pub(in super::super) fn cluster() -> Cluster {
    let mut cluster = kraken_spec::load("kraken.toml", "", &Nothing).unwrap();
    cluster.user.ssh_keys = vec![KEY.to_owned()];
    cluster
}

/// The probe output of a kraken-3 without any fault.
const GOOD: &[(&str, &str)] = &[
    ("hostname", "kraken-3"),
    ("hostname-file", "kraken-3"),
    (
        "addresses",
        r#"[{"ifname":"lo","operstate":"UNKNOWN","addr_info":[{"local":"127.0.0.1","prefixlen":8}]},
            {"ifname":"enp0s3","operstate":"UP","link_type":"ether","address":"52:54:00:6b:00:03","addr_info":[{"local":"192.168.3.13","prefixlen":24}]}]"#,
    ),
    (
        "routes",
        r#"[{"dst":"default","gateway":"192.168.3.1","dev":"enp0s3"}]"#,
    ),
    ("ping", "1 packets transmitted, 1 received"),
    ("root", "/dev/vda2 ext4 rw,relatime"),
    (
        "room",
        "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda2 8000000 900000 6800000 12% /",
    ),
    ("cloud-init", "/run/cloud-init/enabled"),
    (
        "cloud-init-result",
        r#"{"v1":{"datasource":"DataSourceNoCloud [seed=/boot/firmware]","errors":[]}}"#,
    ),
    (
        "cloud-init-status",
        r#"{"v1":{"stage":null,"init":{"errors":[],"recoverable_errors":{}}}}"#,
    ),
    ("passwd", "kraken:x:1000:1000::/home/kraken:/bin/bash"),
    ("groups", "kraken adm sudo users"),
    ("keys", KEY),
    ("packages", ""),
    ("marks", ""),
    ("node-id", "abc"),
    ("failed", ""),
    (
        "units",
        "Id=docker.service\nLoadState=loaded\nActiveState=active\nResult=success\n\n\
         Id=kraken-swarm.service\nLoadState=loaded\nActiveState=active\n\n\
         Id=multi-user.target\nLoadState=loaded\nActiveState=active",
    ),
    (
        "docker",
        r#"{"ServerVersion":"26.1.5","Driver":"overlay2","Architecture":"aarch64",
            "Swarm":{"NodeID":"abc","LocalNodeState":"active","ControlAvailable":false,"RemoteManagers":[{"Addr":"192.168.3.11:2377"}]}}"#,
    ),
];

/// Returns the good output with some parts replaced.
fn probe(changes: &[(&str, &str)]) -> ProbeOutput {
    let mut text = String::new();
    for (name, content) in GOOD {
        let content = changes
            .iter()
            .find(|(changed, _)| changed == name)
            .map_or(*content, |(_, content)| content);
        text.push_str(&format!("\n@@ {name}\n{content}\n\n@@= 0\n"));
    }
    for (name, content) in changes {
        if !GOOD.iter().any(|(known, _)| known == name) {
            text.push_str(&format!("\n@@ {name}\n{content}\n\n@@= 0\n"));
        }
    }
    for (name, content) in super::limits::limits_tests::good() {
        text.push_str(&format!("\n@@ {name}\n{content}\n\n@@= 0\n"));
    }
    ProbeOutput::parse(&text)
}

fn judge(rule: &str, probe: &ProbeOutput) -> Verdict {
    judge_among(rule, probe, true)
}

fn judge_among(rule: &str, probe: &ProbeOutput, managers_are_there: bool) -> Verdict {
    let cluster = cluster();
    let node = &cluster.nodes[2];
    let view = NodeView {
        cluster: &cluster,
        node,
        mac: MAC,
        managers_are_there,
        limits: Limits::of(1.0),
    };
    let rule = RULES.iter().find(|known| known.name == rule).unwrap();
    // It must not read more than it declares.
    (rule.judge)(&probe.only(rule.reads), &view)
}

#[test]
fn a_good_node_passes_every_check() {
    let good = probe(&[]);
    for rule in RULES {
        let verdict = judge(rule.name, &good);
        assert!(matches!(verdict, Verdict::Good(_)), "{}: {verdict:?}", rule.name);
    }
}

#[test]
fn nothing_seen_passes_nothing() {
    let nothing = ProbeOutput::parse("");
    for rule in RULES {
        let verdict = judge(rule.name, &nothing);
        assert!(matches!(verdict, Verdict::NotYet { .. }), "{}: {verdict:?}", rule.name);
    }
}

#[test]
fn what_is_wrong_for_good_is_named_with_its_cause() {
    for (rule, part, content, seen, cause) in [
        ("root", "root", "/dev/vda2 ext4 ro,relatime", "ro,relatime", "damaged"),
        (
            "room",
            "room",
            "head\n/dev/vda2 800000 799000 1000 100% /",
            "0 MiB free",
            "full",
        ),
        (
            "cloud-init",
            "cloud-init-result",
            r#"{"v1":{"errors":["('scripts', RuntimeError('x'))"]}}"#,
            "RuntimeError",
            "",
        ),
        (
            "cloud-init",
            "cloud-init-status",
            r#"{"v1":{"init":{"recoverable_errors":{"WARNING":["Failed loading yaml blob. Invalid format at line 3"],"DEPRECATED":["old"]}}}}"#,
            "WARNING: Failed loading yaml blob",
            "not a valid cloud-config",
        ),
        (
            "cloud-init",
            "cloud-init",
            "absent\n/boot/firmware/user-data",
            "no cloud-init, and /boot/firmware/user-data for it",
            "made for a system with cloud-init",
        ),
        ("ssh-key", "keys", OTHER, "SHA256:", "other SSH keys"),
        (
            "units",
            "failed",
            "ssh.service loaded failed failed OpenBSD Secure Shell server",
            "ssh.service",
            "systemctl",
        ),
        (
            "packages",
            "packages",
            "iF  docker.io",
            "docker.io",
            "dpkg --configure -a",
        ),
        (
            "docker",
            "units",
            "Id=docker.service\nLoadState=loaded\nActiveState=failed\nResult=exit-code",
            "exit-code",
            "does not start",
        ),
        (
            "swarm-node",
            "docker",
            r#"{"ServerVersion":"26","Swarm":{"NodeID":"other","LocalNodeState":"active"}}"#,
            "node other",
            "joined again by token",
        ),
        (
            "swarm-node",
            "docker",
            r#"{"ServerVersion":"26","Swarm":{"NodeID":"abc","LocalNodeState":"locked"}}"#,
            "locked",
            "needs a key",
        ),
        (
            "nic",
            "addresses",
            r#"[{"ifname":"br0","operstate":"UP","address":"02:00:00:00:00:01","addr_info":[{"local":"192.168.3.13","prefixlen":24}]}]"#,
            "br0",
            "something else than the network adapter",
        ),
    ] {
        match judge(rule, &probe(&[(part, content)])) {
            Verdict::Bad {
                seen: found,
                cause: why,
                ..
            } => {
                assert!(found.contains(seen), "{rule}: {found}");
                assert!(why.unwrap_or_default().contains(cause), "{rule}: cause");
            }
            verdict => panic!("{rule} with {content}: {verdict:?}"),
        }
    }
}

#[test]
fn a_system_without_cloud_init_does_not_wait_for_it() {
    let verdict = judge("cloud-init", &probe(&[("cloud-init", "absent")]));
    assert!(matches!(verdict, Verdict::Nothing(_)), "{verdict:?}");
}

#[test]
fn what_may_still_come_is_waited_for() {
    for (rule, part, content) in [
        ("cloud-init", "cloud-init", ""),
        ("hostname", "hostname", "debian"),
        ("address", "addresses", "[]"),
        (
            "address",
            "addresses",
            r#"[{"ifname":"e","operstate":"UP","addr_info":[{"local":"192.168.3.13","prefixlen":16}]}]"#,
        ),
        (
            "nic",
            "addresses",
            r#"[{"ifname":"e","operstate":"DOWN","link_type":"ether","address":"52:54:00:6b:00:03","addr_info":[{"local":"192.168.3.13","prefixlen":24}]}]"#,
        ),
        (
            "gateway",
            "routes",
            r#"[{"dst":"default","gateway":"192.168.3.254","dev":"e"}]"#,
        ),
        ("cloud-init", "cloud-init-result", ""),
        ("packages", "marks", "configure"),
        ("docker", "docker", ""),
        (
            "swarm-node",
            "docker",
            r#"{"ServerVersion":"26","Swarm":{"NodeID":"abc","LocalNodeState":"pending"}}"#,
        ),
        (
            "units",
            "units",
            "Id=multi-user.target\nLoadState=loaded\nActiveState=inactive",
        ),
    ] {
        let verdict = judge(rule, &probe(&[(part, content)]));
        assert!(
            matches!(verdict, Verdict::NotYet { .. }),
            "{rule} with {content}: {verdict:?}"
        );
    }
}

#[test]
fn an_adapter_in_a_bond_is_found() {
    let bond = r#"[{"ifname":"enp0s3","operstate":"UP","link_type":"ether","address":"52:54:00:6b:00:03","master":"kraken0","addr_info":[]},
        {"ifname":"kraken0","operstate":"UP","link_type":"ether","address":"52:54:00:6b:00:03","addr_info":[{"local":"192.168.3.13","prefixlen":24}]}]"#;
    let Verdict::Good(seen) = judge("nic", &probe(&[("addresses", bond)])) else {
        panic!("not good")
    };
    assert_eq!(seen, "kraken0 over enp0s3: link UP, MAC 52:54:00:6b:00:03");
    let other = bond.replace(
        r#""address":"52:54:00:6b:00:03","addr_info":[{"#,
        r#""address":"02:00:00:00:00:01","addr_info":[{"#,
    );
    assert!(
        matches!(judge("nic", &probe(&[("addresses", &other)])), Verdict::Good(_)),
        "a bond with a MAC of its own"
    );
    let apart = other.replace(r#""master":"kraken0","#, "");
    assert!(matches!(
        judge("nic", &probe(&[("addresses", &apart)])),
        Verdict::Bad { .. }
    ));
}

#[test]
fn a_worker_without_its_managers_may_wait_for_them() {
    let waits = probe(&[(
        "docker",
        r#"{"ServerVersion":"26","Swarm":{"NodeID":"abc","LocalNodeState":"pending"}}"#,
    )]);
    assert!(matches!(judge_among("swarm-node", &waits, false), Verdict::Good(_)));
    assert!(matches!(
        judge_among("swarm-node", &waits, true),
        Verdict::NotYet { .. }
    ));
}

#[test]
fn a_word_that_every_raspberry_pi_os_says_is_no_error() {
    let status = r#"{"v1":{"init-local":{"recoverable_errors":{"WARNING":["Unit netplan_nm_patch is dangling"]}}}}"#;
    assert!(matches!(
        judge("cloud-init", &probe(&[("cloud-init-status", status)])),
        Verdict::Good(_)
    ));
}

#[test]
fn a_docker_that_is_held_back_is_wrong_where_the_swarm_says_why_and_waits_where_no_manager_is_there() {
    const OFF: &str = "Id=docker.service\nLoadState=loaded\nActiveState=inactive\nResult=success";
    let held = |why| probe(&[("units", OFF), ("docker", ""), ("held", why)]);
    let refused = held("the swarm at 192.168.3.11 has this node as a worker: make its card with --rejoin");
    for managers in [true, false] {
        match judge_among("docker", &refused, managers) {
            Verdict::Bad { seen, cause, .. } => {
                assert!(seen.contains("as a worker: make its card with --rejoin"), "{seen}");
                assert!(cause.unwrap_or_default().contains("suffer from this card"));
            }
            verdict => panic!("{verdict:?}"),
        }
    }
    for rule in ["docker", "swarm-node"] {
        assert!(
            matches!(judge_among(rule, &held(""), false), Verdict::Good(_)),
            "{rule}"
        );
        let waits = [held(""), probe(&[("units", OFF), ("docker", "")])];
        for waits in waits {
            let verdict = judge_among(rule, &waits, true);
            assert!(matches!(verdict, Verdict::NotYet { .. }), "{rule}: {verdict:?}");
        }
    }
}

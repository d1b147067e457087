//! Invented boot reports: a good one, one with several failures, one that was interrupted, a
//! hostile one.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::Ipv4Addr;
use std::path::PathBuf;

use kraken_flash::boot_check::{BootReport, Check, NodeReport, Outcome, Stage};

/// The checks of a node: name, what it checks, evidence, how long it takes in milliseconds.
const CHECKS: [(&str, &str, &str, u64); 9] = [
    (
        "kernel",
        "the kernel starts",
        "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]",
        3_100,
    ),
    (
        "root",
        "the root file system is mounted",
        "[    8.713441] EXT4-fs (vda2): mounted filesystem with ordered data mode",
        5_600,
    ),
    (
        "growth",
        "the root file system has grown to the card",
        "/dev/vda2 3.6G 1.2G 2.2G 36% /",
        9_800,
    ),
    (
        "cloud-init",
        "cloud-init finished without errors",
        "status: done\nextended_status: done\nerrors: []",
        31_000,
    ),
    (
        "address",
        "the node answers at its address",
        "192.168.3.1#: bytes=56 time=1.3 ms",
        2_400,
    ),
    (
        "ssh-login",
        "the user logs in with the configured key",
        "kraken@kraken-#:~$ id -un\nkraken",
        6_200,
    ),
    ("sudo", "the user may use sudo", "root", 800),
    (
        "docker",
        "Docker runs",
        "Server Version: 26.1.5+dfsg1\nStorage Driver: overlay2\nCgroup Version: 2",
        22_500,
    ),
    (
        "swarm-node",
        "the node says that it is in the swarm",
        "active true",
        11_000,
    ),
];

/// Returns a report of `nodes` nodes that all pass; the first `managers` are managers.
pub(crate) fn good(nodes: u8, managers: u8) -> BootReport {
    let nodes: Vec<NodeReport> = (1..=nodes).map(|number| node(number, number <= managers)).collect();
    let ready = nodes
        .iter()
        .flat_map(|node| &node.checks)
        .map(|check| check.ended_ms)
        .max()
        .unwrap_or(0);
    let count = nodes.len();
    BootReport {
        cluster: "kraken".into(),
        machine: "virt".into(),
        emulator: "QEMU 10.0.2".into(),
        started: "2026-11-25T04:41:00Z".into(),
        took_ms: ready + 14_400,
        slowness: 1.8,
        interrupted: false,
        nodes,
        cluster_checks: vec![
            passed(
                "names",
                "every node finds every other by its name",
                &format!("{} of {0} names", count * count),
                ready,
                6_000,
            ),
            passed(
                "swarm-nodes",
                "`docker node ls` shows every node, Ready",
                &(1..=count)
                    .map(|number| format!("kraken-{number} Ready Active\n"))
                    .collect::<String>(),
                ready + 1_000,
                9_000,
            ),
            passed(
                "quorum",
                "the managers have a leader",
                "kraken-1 Leader",
                ready + 10_000,
                1_400,
            ),
        ],
    }
}

/// Several faults: a login on node 3, everything on node 5, and so the swarm.
pub(crate) fn failing() -> BootReport {
    let mut report = good(7, 3);
    let third = &mut report.nodes[2];
    fail(
        third,
        "ssh-login",
        "a shell within 120 s",
        "kraken@192.168.3.13: Permission denied (publickey).",
        Some(
            "none of the keys on the card is the one of kraken.toml: build the image again, or look at `kraken-flash inspect`",
        ),
        120_000,
    );
    third.console = Some(PathBuf::from("images/boot/kraken-3.console.log"));
    third.stages.truncate(3);
    third.console_tail.remove(2);
    third
        .console_tail
        .push("kraken-3 sshd[812]: Failed publickey for kraken from 192.168.3.1 port 40112".into());
    let fifth = &mut report.nodes[4];
    fail(
        fifth,
        "root",
        "a root file system within 60 s",
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        Some("cmdline.txt names a partition that the card has not"),
        60_000,
    );
    fifth.console = Some(PathBuf::from("images/boot/kraken-5.console.log"));
    fifth.stages.truncate(1);
    fifth.console_tail = [
        "[    4.112041] Waiting for root device PARTUUID=00000000-02...",
        "[   64.201113] /dev/root: Can't open blockdev",
        "[   64.201991] VFS: Cannot open root device \"PARTUUID=00000000-02\" or unknown-block(0,0): error -6",
        "[   64.203010] Please append a correct \"root=\" boot option; here are the available partitions:",
        "[   64.204401] fe00         4194304 vda",
        "[   64.204418]  driver: virtio_blk",
        "[   64.205008]   fe01          524288 vda1 a1b2c3d4-01",
        "[   64.205117]   fe02         3661824 vda2 a1b2c3d4-02",
        "[   64.206001] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "[   64.207127] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---",
    ]
    .map(String::from)
    .to_vec();
    let swarm = &mut report.cluster_checks[1];
    swarm.outcome = Outcome::Failed;
    swarm.expected = Some("7 nodes, Ready, within 240 s".into());
    swarm.seen = "kraken-1 Ready Active\nkraken-2 Ready Active\nkraken-4 Ready Active\nkraken-6 Ready Active\nkraken-7 Ready Active".into();
    swarm.cause = Some("kraken-3 and kraken-5 never came as far as Docker; what is wrong with them is above".into());
    swarm.ended_ms = swarm.began_ms + 240_000;
    report.took_ms = swarm.ended_ms + 1_200;
    let (after_swarm, quorum) = (swarm.ended_ms, &mut report.cluster_checks[2]);
    (quorum.began_ms, quorum.ended_ms) = (after_swarm, after_swarm + 1_000);
    report
}

/// Ctrl-C after half a minute: one node had passed most checks, one had just started, one had not.
pub(crate) fn interrupted() -> BootReport {
    let mut report = good(3, 1);
    report.interrupted = true;
    report.took_ms = 31_000;
    for (node, reached) in report.nodes.iter_mut().zip([4, 1, 0]) {
        node.stages.retain(|stage| stage.at_ms <= report.took_ms);
        node.stages.truncate(reached);
        node.console_tail.truncate(reached);
        for check in node.checks.iter_mut().skip(reached) {
            not_reached(check);
        }
    }
    report.cluster_checks.iter_mut().for_each(not_reached);
    report
}

/// Text that may deceive markup, terminals and readers.
pub(crate) const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script><svg onload=\"alert(2)\"><img src=http://evil.example/x.png onerror=alert(3)>",
    "]]></system-out></testsuite><!-- &lt; &amp; &#0; \u{0}\u{1}\u{b}\u{fffe}",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[31mred\u{9b}0m",
    "\u{202e}gnp.exe\u{2066}\u{200f}\u{feff}",
    "{{ 7 * 7 }}{% include 'x' %}' onmouseover='alert(4)",
    "</style></title></pre></details><base href=\"http://evil.example/\"><meta http-equiv=\"refresh\" content=\"0;url=http://evil.example/\">",
];

/// Like [`failing`], with hostile text wherever a guest, a name or a path could contain it.
pub(crate) fn hostile() -> BootReport {
    let all = HOSTILE.join(" ");
    let mut report = failing();
    report.cluster = all.clone();
    report.machine = all.clone();
    report.emulator = all.clone();
    report.started = all.clone();
    for node in &mut report.nodes {
        node.hostname = format!("n{}{all}", node.node);
        node.role = if node.node == 2 { all.clone() } else { node.role.clone() };
        node.image = Some(PathBuf::from(&all));
        node.console = Some(PathBuf::from(&all));
        node.console_tail = HOSTILE.map(String::from).to_vec();
        node.stages.iter_mut().for_each(|stage| stage.name.push_str(&all));
        node.checks.iter_mut().for_each(|check| corrupt(check, &all));
    }
    report.cluster_checks.iter_mut().for_each(|check| corrupt(check, &all));
    report
}

fn corrupt(check: &mut Check, text: &str) {
    check.title = text.into();
    check.seen = format!("{text}\n{text}");
    check.expected = check.expected.as_ref().map(|_| text.into());
    check.cause = check.cause.as_ref().map(|_| text.into());
}

fn passed(name: &'static str, title: &str, seen: &str, began_ms: u64, took_ms: u64) -> Check {
    Check {
        name,
        title: title.into(),
        outcome: Outcome::Passed,
        expected: None,
        seen: seen.into(),
        cause: None,
        began_ms,
        ended_ms: began_ms + took_ms,
    }
}

/// Nodes start one second after each other, and each is a little slower than the one before.
fn node(number: u8, manager: bool) -> NodeReport {
    let mut at = u64::from(number) * 1_000;
    let (mut checks, mut stages) = (Vec::new(), Vec::new());
    for (name, title, seen, ms) in CHECKS {
        let took = ms + ms * u64::from(number) / 20;
        checks.push(passed(name, title, &seen.replace('#', &number.to_string()), at, took));
        at += took;
        if matches!(name, "kernel" | "root" | "cloud-init" | "docker") {
            stages.push(Stage {
                name: name.into(),
                at_ms: at,
            });
        }
    }
    stages.push(Stage {
        name: "ready".into(),
        at_ms: at,
    });
    let worker = |mut check: Check| {
        check.outcome = Outcome::NotApplicable;
        check.seen = String::new();
        check
    };
    let leader = passed(
        "swarm-manager",
        "the manager is reachable in the raft",
        "Leader",
        at,
        900,
    );
    checks.push(if manager { leader } else { worker(leader) });
    NodeReport {
        node: number.into(),
        hostname: format!("kraken-{number}"),
        address: Ipv4Addr::new(192, 168, 3, 10 + number),
        role: if manager { "manager" } else { "worker" }.into(),
        image: Some(PathBuf::from(format!("images/kraken-{number}.img"))),
        ephemeral_key: number == 2,
        stages,
        checks,
        console_tail: [
            "[  OK  ] Reached target multi-user.target - Multi-User System.",
            "[  OK  ] Started docker.service - Docker Application Container Engine.",
            "kraken-flash: this node is in the swarm as a node",
            "",
            &format!("kraken-{number} login: "),
        ]
        .map(String::from)
        .to_vec(),
        console: None,
    }
}

/// Makes a check fail after a time; later checks are not reached.
fn fail(node: &mut NodeReport, name: &str, expected: &str, seen: &str, cause: Option<&str>, after_ms: u64) {
    let at = node
        .checks
        .iter()
        .position(|check| check.name == name)
        .expect("a check of this name");
    let check = &mut node.checks[at];
    check.outcome = Outcome::Failed;
    check.expected = Some(expected.into());
    check.seen = seen.into();
    check.cause = cause.map(String::from);
    check.ended_ms = check.began_ms + after_ms;
    node.checks
        .iter_mut()
        .skip(at + 1)
        .filter(|check| check.outcome == Outcome::Passed)
        .for_each(not_reached);
}

fn not_reached(check: &mut Check) {
    check.outcome = Outcome::NotReached;
    check.seen = String::new();
    (check.began_ms, check.ended_ms) = (0, 0);
}

/// All nodes pass, and another image is beside theirs.
pub(crate) fn with_a_stranger() -> BootReport {
    let mut report = good(2, 1);
    let seen = "images/kraken-3.img is not an image of this set: it is kraken-3 (node 3), and the cluster has 2 nodes; \
                remove it, with its .bmap, or it ends up on a card";
    let mut set = passed(
        "set",
        "the folder holds images of this cluster, and no others",
        seen,
        0,
        0,
    );
    set.outcome = Outcome::Failed;
    set.expected = Some("in images one image for each node of kraken.toml, and no others".into());
    report.cluster_checks.insert(0, set);
    report
}

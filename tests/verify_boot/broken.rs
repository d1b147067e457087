//! Cards that are broken on purpose: each is found, named and explained.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Bench;
use crate::common::run;
use crate::common::world::Image;
use crate::reports::{assert_all_passed, assert_fails, node};

/// Leaves a few MiB on the root volume.
fn fill(image: &Image, scratch: &Path) {
    let free = image.debugfs("stats -h");
    let value = |name: &str| -> u64 {
        let line = free.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let bytes = (value("Free blocks:") - 1500) * value("Block size:");
    fs::write(scratch, vec![7; usize::try_from(bytes).unwrap()]).unwrap();
    image.change(&[format!("write {} /var/fill", scratch.display())]);
    fs::remove_file(scratch).unwrap();
}

#[test]
fn qemu_boot_names_what_is_wrong_with_each_of_six_cards() {
    let bench = Bench::new("[cluster]\nnodes = 6\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    // 1: there is no kernel.
    run(Command::new("mdel").args(["-i", &bench.image(1).mtools(), "::/kernel8.img"]));
    // 2: another root device.
    let image = bench.image(2);
    let line = String::from_utf8(image.boot_file("cmdline.txt")).unwrap();
    let at = line.find("PARTUUID=").unwrap() + "PARTUUID=".len();
    let other = format!("{}deadbeef-02{}", &line[..at], &line[at + 11..]);
    image.put_boot("cmdline.txt", other.as_bytes());
    // 3: user-data that is none.
    bench
        .image(3)
        .put_boot("user-data", b"#cloud-config\nusers: [\n  - name: }\n");
    // 4: somebody else's key.
    let image = bench.image(4);
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "stranger", "-f"])
        .arg(bench.path("stranger")));
    let key = fs::read_to_string(bench.path("kraken_ed25519.pub")).unwrap();
    let other = fs::read_to_string(bench.path("stranger.pub")).unwrap();
    let word = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let seed = String::from_utf8(image.boot_file("user-data")).unwrap();
    assert!(seed.contains(&word(&key)), "{seed}");
    image.put_boot("user-data", seed.replace(&word(&key), &word(&other)).as_bytes());
    // The root volume holds it from the start, too.
    image.put_root("/home/kraken/.ssh/authorized_keys", other.as_bytes(), 0o600, 1000);
    // 5: no room, nor anything to grow into.
    fill(&bench.image(5), &bench.path("fill"));
    // 6: the address of 4.
    fs::copy(bench.image_path(4), bench.image_path(6)).unwrap();

    let before = bench.fingerprints();
    // In groups of three; 4 and 6 meet in the second.
    let (code, report) = bench.boot(&["images", "--card-size", "1", "--at-once", "3"]);
    assert_eq!(code, 3);
    let checks = |number: u64| &node(&report, number)["checks"];
    assert_fails(checks(1), "boot-files", &["kernel8.img"]);
    assert_fails(checks(2), "root", &["deadbeef", "PARTUUID"]);
    assert_fails(checks(3), "cloud-init", &["no valid cloud-config"]);
    assert_fails(checks(4), "ssh-key", &["SHA256:", "other SSH keys"]);
    assert_fails(checks(4), "ssh-login", &["Permission denied"]);
    assert_fails(checks(5), "room", &["MiB free", "full"]);
    assert_fails(checks(6), "address", &["192.168.3.14 is claimed by", "one address"]);
    assert_fails(
        &report["cluster-checks"],
        "addresses",
        &["192.168.3.14", "kraken-4", "kraken-6", "two cards"],
    );
    for number in [2, 3, 4, 6] {
        let node = node(&report, number);
        let console = node["console"]
            .as_str()
            .unwrap_or_else(|| panic!("no console of node {number}"));
        assert!(fs::metadata(bench.path(console)).unwrap().len() > 1000, "{console}");
        assert!(!node["console-tail"].as_array().unwrap().is_empty());
    }
    assert!(bench.fingerprints() == before, "booting changed an image");
}

#[test]
fn qemu_boot_names_cards_that_cannot_be_members() {
    let bench = Bench::new("[cluster]\nnodes = 3\n");
    bench.build();
    const CERTIFICATES: &str = "/var/lib/docker/swarm/certificates";
    bench.image(2).change(&[format!("rm {CERTIFICATES}/swarm-node.key")]);
    let path = format!("{CERTIFICATES}/swarm-node.crt");
    let image = bench.image(3);
    let mut certificate = image.root_file(&path);
    let middle = certificate.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    certificate[middle] = if certificate[middle] == b'A' { b'B' } else { b'A' };
    image.put_root(&path, &certificate, 0o644, 0);
    let before = bench.fingerprints();
    // The workers take turns beside their manager.
    let (code, report) = bench.boot(&["images", "--at-once", "2"]);
    assert_eq!(code, 3);
    assert_all_passed(&node(&report, 1)["checks"], &["docker", "swarm-node"]);
    for number in [2, 3] {
        assert_fails(&node(&report, number)["checks"], "swarm-node", &["certificate"]);
    }
    let words = [
        "group 2 of 2",
        "kraken-1  Ready",
        "not in the swarm",
        "kraken-2, kraken-3",
    ];
    assert_fails(&report["cluster-checks"], "ready", &words);
    assert!(bench.fingerprints() == before, "booting changed an image");
}

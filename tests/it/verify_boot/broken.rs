//! Cards that are broken on purpose: each is found, named and explained.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::verify_boot::Bench;
use crate::verify_boot::reports::{assert_fails, node};
use testkit::run;
use testkit::world::Image;

const CERTIFICATES: &str = "/var/lib/docker/swarm/certificates";

fn without_kernel(image: &Image) {
    run(Command::new("mdel").args(["-i", &image.mtools(), "::/kernel8.img"]));
}

fn other_root_device(image: &Image) {
    let line = String::from_utf8(image.boot_file("cmdline.txt")).unwrap();
    let at = line.find("PARTUUID=").unwrap() + "PARTUUID=".len();
    let other = format!("{}deadbeef-02{}", &line[..at], &line[at + 11..]);
    image.put_boot("cmdline.txt", other.as_bytes());
}

/// Gives access to another key instead of the configured one: in the seed and on the root volume,
/// which has it from the start.
fn strangers_key(image: &Image, bench: &Bench) {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "stranger", "-f"])
        .arg(bench.path("stranger")));
    let key = fs::read_to_string(bench.path("kraken_ed25519.pub")).unwrap();
    let other = fs::read_to_string(bench.path("stranger.pub")).unwrap();
    let word = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let seed = String::from_utf8(image.boot_file("user-data")).unwrap();
    assert!(seed.contains(&word(&key)), "{seed}");
    image.put_boot("user-data", seed.replace(&word(&key), &word(&other)).as_bytes());
    image.put_root("/home/kraken/.ssh/authorized_keys", other.as_bytes(), 0o600, 1000);
}

/// Changes one letter of the certificate.
fn damaged_certificate(image: &Image) {
    let path = format!("{CERTIFICATES}/swarm-node.crt");
    let mut certificate = image.root_file(&path);
    let middle = certificate.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    certificate[middle] = if certificate[middle] == b'A' { b'B' } else { b'A' };
    image.put_root(&path, &certificate, 0o644, 0);
}

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
fn full_boot_names_what_is_wrong_with_each_of_eight_cards() {
    let bench = Bench::new("[cluster]\nnodes = 8\n");
    bench.build();
    strangers_key(&bench.image(1), &bench);
    without_kernel(&bench.image(2));
    other_root_device(&bench.image(3));
    bench
        .image(4)
        .put_boot("user-data", b"#cloud-config\nusers: [\n  - name: }\n");
    // No free space, and no space for growth.
    fill(&bench.image(5), &bench.path("fill"));
    // A second copy of the manager's card.
    fs::copy(bench.image_path(1), bench.image_path(6)).unwrap();
    bench.image(7).change(&[format!("rm {CERTIFICATES}/swarm-node.key")]);
    damaged_certificate(&bench.image(8));

    let before = bench.fingerprints();
    // In two groups: the manager stays on, 2 to 5 are stopped before 6 to 8 start.
    let (code, report) = bench.boot(&["images", "--card-size", "1", "--at-once", "5"]);
    assert_eq!(code, 3);
    let checks = |number: u64| &node(&report, number)["checks"];
    assert_fails(checks(1), "ssh-key", &["SHA256:", "other SSH keys"]);
    assert_fails(checks(1), "ssh-login", &["Permission denied"]);
    assert_fails(checks(2), "boot-files", &["kernel8.img"]);
    assert_fails(checks(3), "root", &["deadbeef", "PARTUUID"]);
    assert_fails(checks(4), "cloud-init", &["not a valid cloud-config"]);
    assert_fails(checks(5), "room", &["MiB free", "full"]);
    assert_fails(checks(6), "address", &["192.168.3.11 is claimed by", "one address"]);
    for number in [7, 8] {
        assert_fails(checks(number), "swarm-node", &["certificate"]);
    }
    let cluster = &report["cluster-checks"];
    let words = ["192.168.3.11", "kraken-1", "kraken-6", "two cards"];
    assert_fails(cluster, "addresses", &words);
    let words = ["kraken-1  Ready", "not in the swarm", "kraken-7", "kraken-8"];
    assert_fails(cluster, "ready", &words);
    for number in [1, 3, 4, 6, 7, 8] {
        let node = node(&report, number);
        let console = node["console"]
            .as_str()
            .unwrap_or_else(|| panic!("no console of node {number}"));
        assert!(fs::metadata(bench.path(console)).unwrap().len() > 1000, "{console}");
        assert!(!node["console-tail"].as_array().unwrap().is_empty());
    }
    assert!(bench.fingerprints() == before, "booting changed an image");
}

/// One card for each way in which a card can be wrong before Docker: nothing starts, the kernel
/// finds no root, SSH lets no user in, and an address exists twice.
#[test]
fn qemu_boot_names_what_is_wrong_with_a_card_of_each_kind() {
    let bench = Bench::new("[cluster]\nnodes = 4\n[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    bench.build();
    without_kernel(&bench.image(1));
    other_root_device(&bench.image(2));
    strangers_key(&bench.image(3), &bench);
    fs::copy(bench.image_path(3), bench.image_path(4)).unwrap();

    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images"]);
    assert_eq!(code, 3);
    let checks = |number: u64| &node(&report, number)["checks"];
    assert_fails(checks(1), "boot-files", &["kernel8.img"]);
    assert_fails(checks(2), "root", &["deadbeef", "PARTUUID"]);
    assert_fails(checks(3), "ssh-key", &["SHA256:", "other SSH keys"]);
    assert_fails(checks(3), "ssh-login", &["Permission denied"]);
    let words = ["192.168.3.13", "kraken-3", "kraken-4", "two cards"];
    assert_fails(&report["cluster-checks"], "addresses", &words);
    assert!(bench.fingerprints() == before, "booting changed an image");
}

/// And one that is wrong only where Docker reads the swarm's state.
#[test]
fn qemu_boot_names_what_is_wrong_with_a_manager_without_its_key() {
    let bench = Bench::new("[cluster]\nnodes = 1\n");
    bench.build();
    bench.image(1).change(&[format!("rm {CERTIFICATES}/swarm-node.key")]);
    let (code, report) = bench.boot(&["images"]);
    assert_eq!(code, 3);
    let checks = &node(&report, 1)["checks"];
    assert_fails(checks, "swarm-node", &["certificate"]);
}

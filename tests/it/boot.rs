//! Node 3 boots: under QEMU, from a card that the program has written, and with its power cut at the worst moments.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use testkit::docker;
use testkit::loops::{LOOP, LoopDevice};
use testkit::qemu::{Guest, Login, require};

fn key_pair(folder: &Path) -> PathBuf {
    let key = folder.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "boot-test", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    key
}

fn login(key: &Path, number: u8) -> Login {
    Login {
        user: "kraken".into(),
        key: key.to_owned(),
        address: Ipv4Addr::new(192, 168, 3, 10 + number),
    }
}

/// A folder with a `kraken.toml` that names a fresh key, and node 3's image made from it: with Docker, a package from the archive, one of our
/// own, and a container image to try.
fn node_three(folder: &Path) -> (PathBuf, Login) {
    require(&[("ssh-keygen", "openssh-client"), ("dpkg-deb", "dpkg")]);
    let own = docker::own_deb(folder);
    let extra = folder.join("extra/root").join(docker::IMAGE.trim_start_matches('/'));
    fs::create_dir_all(extra.parent().unwrap()).unwrap();
    docker::busybox_image(&extra);
    let key = key_pair(folder);
    fs::write(
        folder.join("kraken.toml"),
        format!(
            "[user]\nname = \"kraken\"\nssh-keys = [\"key.pub\"]\n[docker]\nuser-in-group = true\ndaemon = {{ debug = true }}\n\
             [swarm]\nmode = \"none\"\n\
             [system]\npackages = [\"htop\"]\ndebs = [\"{own}\"]\noverlay = \"extra\"\n"
        ),
    )
    .unwrap();
    assert_cmd::Command::cargo_bin("kraken-flash")
        .unwrap()
        .current_dir(folder)
        .args(["build", "--base", "debian", "--node", "3", "-o", "images"])
        .assert()
        .success();
    (folder.join("images/kraken-3.img"), login(&key, 3))
}

fn fingerprint(image: &Path) -> (SystemTime, Vec<u8>) {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(image).unwrap(), &mut hash).unwrap();
    (
        fs::metadata(image).unwrap().modified().unwrap(),
        hash.finalize().to_vec(),
    )
}

#[test]
fn qemu_node_three_comes_up_as_itself_though_its_power_is_cut_while_it_configures() {
    let folder = tempfile::tempdir().unwrap();
    let (image, login) = node_three(folder.path());
    let before = fingerprint(&image);
    // Not from the file: from a card, written and read back by the program, which held something else before.
    let card = LoopDevice::used(&folder.path().join("card"), 3 << 30);
    assert_cmd::Command::cargo_bin("kraken-flash")
        .unwrap()
        .current_dir(folder.path())
        .env("KRAKEN_FLASH_STATE", folder.path().join("state"))
        .args(["--base", "debian", "--node", "3"])
        .arg(&card.path)
        .args(LOOP)
        .assert()
        .success();
    let mut guest = Guest::boot(&card.path, login);
    // Nothing is configured, and what the unit has just written may not be on the disk.
    guest.wait_for_serial("kraken-flash: configuring ");
    guest.power_cut();
    // Some packages are configured, others are not, and one is half done.
    guest.wait_for_serial("Setting up containerd");
    guest.power_cut();
    guest.wait_for_serial("kraken-3 login:");
    guest.wait_for_ssh();
    let status = guest.ssh("cloud-init status --wait --long");
    assert!(status.contains("status: done"), "{status}");
    assert!(status.contains("errors: []"), "{status}");
    the_node_is_itself(&guest);
    docker::wait_for_docker(&mut guest);
    docker::packages_are_configured(&guest);
    docker::docker_works(&guest);
    let scripts = guest.ssh("cat /var/lib/test/scripts");
    assert!(
        scripts.starts_with("preinst install\n") && scripts.ends_with("postinst configure"),
        "{scripts}"
    );
    assert_eq!(guest.ssh("cat /etc/kraken-own.conf"), "own = true");
    assert!(guest.ssh("htop --version").starts_with("htop "));
    guest.wait_for_serial("kraken-flash: packages configured in");

    // The serial line alone tells it, too: what a user with a cable sees.
    guest.wait_for_serial("finished at");
    for stage in ["booting", "network up  configuring packages", "docker up  Ready"] {
        guest.wait_for_serial(&told(3, stage));
    }
    let serial = guest.serial();
    assert!(serial.contains("DataSourceNoCloud"), "{serial}");
    assert!(serial.contains("192.168.3.13"), "{serial}");

    // The emulated board's clock stands years in the past, as a Pi's does; the image brings it to its floor, and no further.
    let record: serde_json::Value = serde_json::from_str(&guest.ssh("cat /etc/kraken-flash/node.json")).unwrap();
    let floor = record["clock-floor"].as_u64().unwrap();
    let now: u64 = guest.ssh("date +%s").parse().unwrap();
    assert!(
        (floor..floor + 24 * 3600).contains(&now),
        "the guest's clock shows {now}, its floor is {floor}"
    );

    drop(guest);
    assert!(fingerprint(&image) == before, "booting changed the image");
}

/// A line in which a node of the default cluster tells its stage.
fn told(number: u8, stage: &str) -> String {
    format!("kraken-{number}  192.168.3.{}     {stage}\r", 10 + number)
}

fn the_node_is_itself(guest: &Guest) {
    assert_eq!(guest.ssh("hostname"), "kraken-3");
    assert_eq!(guest.ssh("cat /etc/hostname"), "kraken-3");
    let addresses = guest.ssh("ip -br addr");
    let carriers: Vec<&str> = addresses
        .lines()
        .filter(|line| line.contains("192.168.3.13/24"))
        .collect();
    assert_eq!(carriers.len(), 1, "{addresses}");
    assert!(carriers[0].contains(" UP "), "{addresses}");
    assert!(guest.ssh("ip route").contains("default via 192.168.3.1 "));
    for number in 1..=7 {
        let line = guest.ssh(&format!("getent ahostsv4 kraken-{number}"));
        assert!(
            line.starts_with(&format!("192.168.3.{} ", 10 + number)),
            "kraken-{number}: {line}"
        );
    }
    let controllers = guest.ssh("cat /sys/fs/cgroup/cgroup.controllers");
    assert!(controllers.split(' ').any(|name| name == "memory"), "{controllers}");
    assert_eq!(guest.ssh("sudo -n id -u"), "0");
    assert_eq!(
        guest.ssh("systemctl is-system-running --wait || systemctl --failed --no-legend --plain"),
        "running"
    );
}

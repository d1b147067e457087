//! A base that has run on a card, from `plan` to `verify`: its traces are on no other card.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use testkit::tamper::{Bed, Case, case, each};
use testkit::world::{Image, PROGRAM, World, bookworm, names, trixie};
use testkit::{TestImage, fsck};

const DOCKER: &str = "/var/lib/docker";
/// The content of every file of the earlier machine; none of it may be in any byte of a node's
/// image.
const SECRET: &str = "a secret of the earlier machine";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nsystemd-timesync:x:991:991::/:/usr/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nbob:x:1000:1000::/home/bob:/bin/bash\n";
const RPI_ISSUE: &str =
    "Raspberry Pi reference 2026-06-18\nGenerated using pi-gen, https://example.org/pi-gen, 0a1b2c, stage2\n";

fn secret(times: usize) -> Vec<u8> {
    format!("{SECRET}\n").repeat(times).into_bytes()
}

/// The stand-in after some years: more files in a folder than fit in a block, large ones,
/// fragmented ones, links, pipes, attributes.
fn lived() -> TestImage {
    let mut image = trixie()
        .file("etc/rpi-issue", RPI_ISSUE)
        .file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        .file("usr/lib/systemd/system/rpi-resize.service", "[Unit]\nConditionFirstBoot=yes\n[Install]\nWantedBy=sysinit.target\n")
        .file("etc/ssh/ssh_host_ed25519_key", secret(10))
        .file("etc/ssh/ssh_host_ed25519_key.pub", secret(1))
        .file("var/lib/systemd/random-seed", secret(10))
        .file("var/lib/NetworkManager/secret_key", secret(1))
        .file("etc/NetworkManager/system-connections/home.nmconnection", secret(5))
        .file("var/lib/docker/engine-id", secret(1))
        .file("var/lib/docker/swarm/raft/wal-v3-encrypted/0000000000000005-0000000000000123.wal", secret(3000))
        .file("var/lib/cloud/instances/x/user-data.txt", secret(100))
        .file("var/swap", secret(300_000))
        .boot_file("user-data", "#cloud-config\nhostname: frommimager\nusers:\n- name: bob\n")
        .boot_file("userconf.txt", secret(1))
        .boot_file(
            "cmdline.txt",
            "console=tty1 root=PARTUUID=a1b2c3d4-02 rootwait systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot\n",
        )
        .boot_file("firstrun.sh", secret(500));
    for number in 0..500 {
        image = image.file(&format!("var/log/journal/0a/user-1000@{number:040}.journal"), secret(1));
    }
    image.file("var/log/journal/0a/system.journal", secret(200_000))
}

/// Makes e2fsck(8) index the large folder, and makes a file of many extents and the rarer kinds of
/// files.
fn grow_old(base: &Path) {
    let image = Image::open(base);
    let holes = tempfile::NamedTempFile::new().unwrap();
    let block = secret(1).repeat(128);
    for number in 0..700 {
        use std::os::unix::fs::FileExt;
        holes.as_file().write_all_at(&block[..4096], number * 8192).unwrap();
    }
    image.change(&[
        format!("write {} /var/log/journal/0a/holes", holes.path().display()),
        "mknod /var/lib/docker/pipe p".to_owned(),
        format!("symlink /var/lib/docker/long /{}", "x".repeat(100)),
        format!(
            "ea_set /var/log/journal/0a/system.journal user.large {}",
            "v".repeat(900)
        ),
    ]);
    let root = format!("{}?offset={}", image.path.display(), image.root.0);
    let status = testkit::output(Command::new("e2fsck").args(["-fyD", &root])).status;
    assert!(status.code().is_some_and(|code| code < 4), "{status}");
    fsck(&image.path, image.boot, image.root);
}

/// Returns whether a file contains these bytes.
fn holds(path: &Path, words: &str) -> bool {
    let found = testkit::output(Command::new("grep").args(["-aqF", words]).arg(path))
        .status
        .code();
    assert!(matches!(found, Some(0 | 1)), "{found:?}");
    found == Some(0)
}

#[test]
fn a_copy_of_a_card_that_ran_for_years_gives_nodes_of_their_own() {
    let world = World::new(2, lived());
    grow_old(&world.at("base.img"));
    let plan = world.does(&["plan"]);
    for words in [
        "Raspberry Pi OS Lite (Trixie, 2026-06-18), booted before, customised by Raspberry Pi Imager 1",
        "taken out: files and words that set up a first boot, SSH host keys, the random seed",
        "hostname, users of its user-data",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let built = world.does(&["build"]);
    assert!(
        built.contains("Raspberry Pi OS Lite (Trixie, 2026-06-18), booted before"),
        "{built}"
    );
    assert!(world.does(&["verify"]).contains("2 images are right"));
    for number in [1, 2] {
        let image = Image::open(&world.at(&format!("images/kraken-{number}.img")));
        image.is_clean();
        assert!(!holds(&image.path, SECRET), "kraken-{number}");
        let cmdline = String::from_utf8(image.boot_file("/cmdline.txt")).unwrap();
        assert!(
            cmdline.contains(" resize ") && !cmdline.contains("systemd."),
            "{cmdline}"
        );
        assert_eq!(image.root_file("/etc/machine-id"), b"uninitialized\n");
        let wants = image.debugfs("ls -p /etc/systemd/system/sysinit.target.wants");
        assert!(wants.contains("rpi-resize.service"), "{wants}");
        for folder in ["/etc/ssh", "/var/lib/docker", "/var/log/journal"] {
            let left = image.debugfs(&format!("ls -p {folder}"));
            assert!(
                !left.contains("ssh_host") && !left.contains("swarm") && !left.contains("/0a/"),
                "{left}"
            );
        }
        let said = world.does(&["inspect", &format!("images/kraken-{number}.img")]);
        assert!(said.contains("(Trixie, 2026-06-18), never booted"), "{said}");
    }
    for name in names(&world.at("cache/golden"))
        .iter()
        .filter(|name| name.ends_with(".img"))
    {
        assert!(!holds(&world.at("cache/golden").join(name), SECRET), "the golden image");
    }
    // The same base produces the same bytes, from a cache or not.
    let first = fs::read(world.at("images/kraken-2.img")).unwrap();
    fs::remove_dir_all(world.at("cache")).unwrap();
    world.does(&["build", "--node", "2", "-o", "again"]);
    assert!(fs::read(world.at("again/kraken-2.img")).unwrap() == first);
}

#[test]
fn accounts_of_others_are_refused_unless_they_are_wanted() {
    let base = bookworm()
        .file("etc/passwd", PASSWD)
        .file(
            "etc/shadow",
            "root:*:20000:0:99999:7:::\nbob:$6$x$y:20000:0:99999:7:::\n",
        )
        .file("etc/sudoers.d/010_pi-nopasswd", "bob ALL=(ALL) NOPASSWD: ALL\n")
        .file("home/bob/.ssh/authorized_keys", "ssh-ed25519 AAAA bob\n");
    let world = World::new(1, base);
    let bob = "the account bob (user id 1000), with a password, an SSH key, root without being asked";
    let plan = world.does(&["plan"]);
    assert!(
        plan.contains(&format!("refused: {bob}")) && plan.contains("used = \"accept\""),
        "{plan}"
    );
    let plan: Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert_eq!(plan["base-refused"], serde_json::json!([bob]));
    let said = world.ends(&["build"], 1);
    for words in [
        bob,
        "fresh image",
        "used = \"accept\" in [image]",
        "naming it in [user]",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!world.at("images/kraken-1.img").exists());
    assert!(world.does(&["inspect", "base.img"]).contains(bob));

    let toml = fs::read_to_string(world.at("kraken.toml")).unwrap();
    // A new owner of the account is not refused; with a password, the old rule is removed.
    fs::write(
        world.at("kraken.toml"),
        toml.replace("name = \"kraken\"", "name = \"bob\""),
    )
    .unwrap();
    world.does(&["build", "-o", "bobs"]);
    assert!(world.does(&["verify", "bobs"]).contains("1 image is right"));
    let image = Image::open(&world.at("bobs/kraken-1.img"));
    let shadow = String::from_utf8(image.root_file("/etc/shadow")).unwrap();
    assert!(shadow.contains("\nbob:*:20000:0:99999:7:::\n"), "{shadow}");

    fs::write(
        world.at("kraken.toml"),
        toml.replace("[image]", "[image]\nused = \"accept\""),
    )
    .unwrap();
    let plan = world.does(&["plan"]);
    assert!(plan.contains(&format!("on every node: {bob}")), "{plan}");
    world.does(&["build"]);
    assert!(world.does(&["verify"]).contains("1 image is right"));
    // Accepted for one kraken.toml does not mean accepted for another.
    fs::write(world.at("kraken.toml"), &toml).unwrap();
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("pristine: root:/etc/shadow the account \"bob\""),
        "{said}"
    );
    let said = world.ends(&["plan", "--base", "images/kraken-1.img"], 0);
    assert!(said.contains("node 1 of kraken"), "{said}");
}

/// Writes a file into the root volume, with the missing folders of its path.
fn put(folders: &'static [&'static str], path: &'static str, words: &'static [&'static str]) -> Case {
    case(path, words, move |image| {
        let mut requests: Vec<String> = folders.iter().map(|folder| format!("mkdir {folder}")).collect();
        requests.push(format!("write /dev/null {path}"));
        image.change(&requests);
    })
}

#[test]
fn what_no_image_may_have_is_named() {
    let world = World::new(2, bookworm());
    world.does(&["build"]);
    let cases = vec![
        put(
            &[],
            "/etc/ssh/ssh_host_rsa_key",
            &["root:/etc/ssh/ssh_host_rsa_key is a host key"],
        ),
        put(&[], "/var/lib/systemd/random-seed", &["random-seed is the seed"]),
        put(
            &["/var/lib/dbus"],
            "/var/lib/dbus/machine-id",
            &["is a machine-id of its own"],
        ),
        put(
            &["/var/lib/NetworkManager"],
            "/var/lib/NetworkManager/secret_key",
            &["is NetworkManager's key"],
        ),
        put(&["/var/lib/dhcp"], "/var/lib/dhcp/dhclient.leases", &["is a lease"]),
        put(
            &[],
            "/etc/NetworkManager/system-connections/home.nmconnection",
            &["home.nmconnection is a network connection"],
        ),
        put(
            &["/var/log", "/var/log/journal", "/var/log/journal/0a"],
            "/var/log/journal/0a/system.journal",
            &["is the journal"],
        ),
        put(
            &[
                "/var/lib/cloud",
                "/var/lib/cloud/instances",
                "/var/lib/cloud/instances/x",
            ],
            "/var/lib/cloud/instances/x/obj.pkl",
            &["is an instance of cloud-init"],
        ),
        put(&[DOCKER], "/var/lib/docker/engine-id", &["names an engine"]),
        put(
            &[DOCKER, "/var/lib/docker/swarm"],
            "/var/lib/docker/swarm/state.json",
            &["is the state of a swarm"],
        ),
        put(&[], "/var/swap", &["is a swap file"]),
        put(
            &["/root", "/root/.ssh"],
            "/root/.ssh/authorized_keys",
            &["lets another person log in as \"root\""],
        ),
        case("firstrun.sh", &["boot:/firstrun.sh would set the node up"], |image| {
            image.put_boot("/firstrun.sh", b"#!/bin/sh\n");
        }),
        case(
            "a word that runs it",
            &["systemd.run=/boot/firstrun.sh would run a script"],
            |image| {
                let cmdline = String::from_utf8(image.boot_file("/cmdline.txt")).unwrap();
                image.put_boot(
                    "/cmdline.txt",
                    format!("{} systemd.run=/boot/firstrun.sh\n", cmdline.trim()).as_bytes(),
                );
            },
        ),
    ];
    each(&Bed::new(&world, PROGRAM), cases);
}

#[test]
fn what_the_users_own_overlay_brings_is_his_affair() {
    let world = World::new(1, bookworm());
    world.spec(1, "[system]\noverlay = \"extra\"\n");
    for (path, text) in [
        ("extra/boot/userconf.txt", "x\n"),
        (
            "extra/root/etc/NetworkManager/system-connections/lab.nmconnection",
            "[connection]\n",
        ),
        ("extra/root/root/.ssh/authorized_keys", "ssh-ed25519 AAAA me\n"),
    ] {
        fs::create_dir_all(world.at(path).parent().unwrap()).unwrap();
        fs::write(world.at(path), text).unwrap();
    }
    world.does(&["build"]);
    assert!(world.does(&["verify"]).contains("1 image is right"));
}

//! Docker's options on the way to a card: where they move the swarm, which pools it gets, and what
//! is refused before and after.

use std::fs;

use serde_json::{Value, json};

use super::base_of;
use testkit::archive::{TestArchive, make_deb};
use testkit::world::{Image, World};

const OPTIONS: &str = "/etc/docker/daemon.json";

/// A cluster of two with this version of Docker.
fn world(version: &str) -> (World, tempfile::TempDir, TestArchive) {
    let debs = tempfile::tempdir().unwrap();
    let docker = make_deb(debs.path(), "docker.io", version, "", &[("/usr/sbin/dockerd", "d")]);
    let archive = TestArchive::builder().deb(docker).build().serve();
    let world = World::new(2, base_of(&archive).file("usr/bin/python3", "#!\n"));
    (world, debs, archive)
}

fn card(world: &World, number: u32) -> Image {
    Image::open(&world.at("images").join(format!("kraken-{number}.img")))
}

fn options(image: &Image) -> Value {
    serde_json::from_slice(&image.root_file(OPTIONS)).unwrap()
}

#[test]
fn a_data_root_takes_the_place_in_the_swarm_along() {
    let (world, _debs, _archive) = world("26.1.5-1");
    world.spec(2, "[docker]\ndaemon = { data-root = \"/mnt/ssd/docker\" }\n");
    let said = world.does(&["plan"]);
    assert!(
        said.contains("everything of Docker's lies in /mnt/ssd/docker"),
        "{said}"
    );
    world.does(&["build", "--no-sums"]);
    for number in [1, 2] {
        let image = card(&world, number);
        assert_eq!(options(&image)["data-root"], "/mnt/ssd/docker");
        let state = image.debugfs("stat /mnt/ssd/docker/swarm/certificates/swarm-node.key");
        assert!(state.contains("Mode:  0600"), "{state}");
        assert!(image.debugfs("stat /mnt/ssd/docker").contains("Mode:  0710"));
        assert!(image.debugfs("stat /var/lib/docker/swarm").contains("not found"));
        let settings: Value = serde_json::from_slice(&image.root_file("/etc/kraken-flash/swarm.json")).unwrap();
        assert_eq!(settings["docker-root"], "/mnt/ssd/docker");
    }
    let said = world.does(&["verify"]);
    // The Docker of this test is not a real one: the program prints what it could not check.
    assert!(
        said.contains("not checked: docker: the card's own dockerd was not asked"),
        "{said}"
    );

    // dockerd's options name another folder than the one with the state.
    let text = String::from_utf8(card(&world, 2).root_file(OPTIONS)).unwrap();
    let elsewhere = text.replace("/mnt/ssd/docker", "/srv/docker");
    card(&world, 2).put_root(OPTIONS, elsewhere.as_bytes(), 0o644, 0);
    let said = world.ends(&["verify"], 3);
    for words in [
        "a swarm's state lies here, and this card's dockerd looks in /srv/docker/swarm",
        "it says that its node is in the swarm, and has no state of one",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn a_lan_in_dockers_pools_has_others_beside_it_on_the_card() {
    let (world, _debs, _archive) = world("26.1.5-1");
    let lan = |subnet: &str, more: &str| world.spec(2, &format!("[docker]\n[network]\nsubnet = \"{subnet}\"\n{more}"));
    lan("10.0.0.0/24", "");
    let said = world.does(&["plan"]);
    assert!(
        said.contains("overlay networks get /24 subnets of 10.128.0.0/9: 10.0.0.0/24 is in Docker's own 10.0.0.0/8"),
        "{said}"
    );
    let plan: Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert_eq!(plan["cluster"]["swarm"]["address-pools"], json!(["10.128.0.0/9"]));
    world.does(&["build", "--no-sums"]);
    assert_eq!(options(&card(&world, 1)).get("default-address-pools"), None);
    let state = card(&world, 1).root_file("/var/lib/docker/swarm/docker-state.json");
    let state: Value = serde_json::from_slice(&state).unwrap();
    assert_eq!(state["DefaultAddressPool"], json!(["10.128.0.0/9"]));
    world.does(&["verify"]);
    // These cards do not fit a swarm with other pools, because of their store and dockerd's
    // options.
    lan("10.0.0.0/24", "[swarm]\naddress-pools = [\"10.64.0.0/16\"]\n");
    let said = world.ends(&["verify"], 3);
    for words in [
        "by its store overlay networks come from 10.128.0.0/9",
        "by docker-state.json",
    ] {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }

    lan("172.17.4.0/24", "");
    world.does(&["build", "--no-sums", "--node", "2"]);
    let pools = &options(&card(&world, 2))["default-address-pools"];
    assert_eq!(pools[0], json!({"base": "172.18.0.0/16", "size": 16}));
    let said = world.does(&["plan"]);
    assert!(said.contains("docker0 first) come from 172.18.0.0/16"), "{said}");
}

#[test]
fn what_the_image_s_dockerd_does_not_know_is_refused() {
    let (world, _debs, _archive) = world("20.10.24-1");
    // The version in the image decides, not the newest.
    world.spec(2, "[docker]\ndaemon = { log-format = \"json\" }\n");
    let said = world.ends(&["build", "--no-sums"], 1);
    assert!(
        said.contains("Docker 20 has no `log-format` yet: it came with Docker 25"),
        "{said}"
    );
    // A template is checked against the same tables.
    world.spec(2, "[docker]\n");
    fs::create_dir_all(world.at("templates")).unwrap();
    fs::write(world.at("templates/daemon.json"), "{\"log-driverr\": \"local\"}").unwrap();
    let said = world.ends(&["build", "--no-sums"], 1);
    assert!(said.contains("did you mean `log-driver`?"), "{said}");
    fs::write(world.at("templates/daemon.json"), "{\"data-root\": \"/srv/docker\"}").unwrap();
    let said = world.ends(&["build", "--no-sums"], 1);
    assert!(said.contains("write data-root in [docker.daemon]"), "{said}");
    fs::remove_dir_all(world.at("templates")).unwrap();
    // An overlay replaces the whole file; the check of the card finds that.
    world.spec(2, "[docker]\n[system]\noverlay = \"own\"\n");
    fs::create_dir_all(world.at("own/root/etc/docker")).unwrap();
    fs::write(world.at("own/root/etc/docker/daemon.json"), "{\"live-restore\": true}").unwrap();
    world.does(&["build", "--no-sums"]);
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("docker: root:/etc/docker/daemon.json live-restore:"),
        "{said}"
    );
}

#[test]
fn plan_says_what_the_locked_docker_does_not_know() {
    let (world, _debs, mut archive) = world("20.10.24-1");
    let asks = |options: &str| world.spec(2, &format!("[docker]\ndaemon = {{ {options} }}\n"));
    let newer = "log-format = \"json\", ip6tables = true";
    let warned = "`build` will refuse this";
    asks(newer);
    // Nothing is locked yet, so the version of Docker is not known.
    let said = world.does(&["plan"]);
    assert!(!said.contains(warned), "{said}");
    let said = world.does(&["fetch"]);
    let words = [
        "Docker 20 has no `log-format` yet: it came with Docker 25",
        "before Docker 27 `ip6tables` is experimental",
        "kraken.lock has docker.io 20.10.24-1 for this base",
    ];
    for words in words.iter().chain([&warned]) {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    // From now on no server has to be asked.
    archive.stop();
    let said = world.does(&["plan"]);
    for words in words.iter().chain([&warned]) {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    let plan: Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert_eq!(plan["refused"].as_array().unwrap().len(), 2, "{plan}");
    // `build` prints the same for both, before it downloads packages that it cannot use.
    fs::remove_dir_all(world.at("cache/downloads")).unwrap();
    let said = world.ends(&["build", "--no-sums"], 1);
    for words in words {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
    // A template of the user's own counts as well.
    asks("");
    fs::create_dir_all(world.at("templates")).unwrap();
    fs::write(world.at("templates/daemon.json"), "{\"log-format\": \"json\"}").unwrap();
    let said = world.does(&["plan"]);
    assert!(said.contains(warned) && said.contains("`log-format` yet"), "{said}");
    fs::remove_dir_all(world.at("templates")).unwrap();

    // Nothing is known about other packages, about another base, and where no Docker is wanted.
    world.spec(
        2,
        &format!("[docker]\ndaemon = {{ {newer} }}\n[system]\npackages = [\"tool\"]\n"),
    );
    let said = world.does(&["plan"]);
    assert!(!said.contains(warned), "{said}");
    asks(newer);
    fs::copy(world.at("base.img"), world.at("other.img")).unwrap();
    Image::open(&world.at("other.img")).put_root("/usr/bin/python3", b"#!/bin/sh\n", 0o755, 0);
    let said = world.does(&["plan", "--base", "other.img"]);
    assert!(!said.contains(warned), "{said}");
    world.spec(2, &format!("[docker]\nsource = \"none\"\ndaemon = {{ {newer} }}\n"));
    let said = world.does(&["plan"]);
    assert!(!said.contains(warned), "{said}");
    // `build` also reports a lock file that no command can use.
    asks("");
    fs::write(world.at("kraken.lock"), "format = 2\n").unwrap();
    let said = world.does(&["plan"]);
    assert!(said.contains(warned) && said.contains("format 2"), "{said}");
}

#[test]
fn what_the_locked_docker_knows_is_no_matter_at_plan() {
    let (world, _debs, _archive) = world("5:28.5.2-1");
    world.spec(2, "[docker]\ndaemon = { log-format = \"json\", ip6tables = true }\n");
    world.does(&["fetch"]);
    let said = world.does(&["plan"]);
    assert!(!said.contains("will refuse"), "{said}");
    world.does(&["build", "--no-sums"]);
}

#[test]
fn a_disk_over_the_baked_state_is_warned_of() {
    let (world, _debs, _archive) = world("26.1.5-1");
    let spec = |daemon: &str| world.spec(2, &format!("[docker]\ndaemon = {{ {daemon} }}\n"));
    let put = |path: &str, text: &str| {
        let path = world.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let unit = |place: &str| format!("[Mount]\nWhat=/dev/sda1\nWhere={place}\n[Install]\nWantedBy=local-fs.target\n");
    let hidden = "/var/lib/docker/swarm of the card, in which the node's place in the swarm is baked";
    spec("");
    put("overlays/worker/root/etc/systemd/system/mnt.mount", &unit("/mnt"));
    for command in [&["plan"][..], &["build", "--no-sums"], &["verify"]] {
        let said = world.does(command);
        assert!(!said.contains("is baked"), "{command:?}: {said}");
    }
    // With workers only, the card that has it is named.
    put(
        "overlays/worker/root/etc/systemd/system/var-lib-docker.mount",
        &unit("/var/lib/docker"),
    );
    let mounts =
        format!("/etc/systemd/system/var-lib-docker.mount mounts a disk at /var/lib/docker, over the folder {hidden}");
    for command in [&["plan"][..], &["build", "--no-sums"], &["verify"]] {
        let said = world.does(command);
        assert_eq!(said.matches(&mounts).count(), 1, "{command:?}: {said}");
        assert!(said.contains("docs/operations.md"), "{command:?}: {said}");
    }
    let plan: Value = serde_json::from_str(&world.does(&["plan", "--json"])).unwrap();
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 1, "{plan}");
    let output = world.kraken(&["verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["images"][0]["warnings"], json!([]));
    assert_eq!(report["images"][1]["warnings"].as_array().unwrap().len(), 1);
    // A card that rejoins brings no state that could be hidden; nor does one without a swarm.
    let said = world.does(&["build", "--no-sums", "--node", "2", "--rejoin", "-o", "other"]);
    assert!(!said.contains("is baked"), "{said}");
    let said = world.does(&["verify", "other/kraken-2.img"]);
    assert!(!said.contains("is baked"), "{said}");
    world.spec(2, "[docker]\n[swarm]\nmode = \"none\"\n");
    let said = world.does(&["plan"]);
    assert!(!said.contains("is baked"), "{said}");
    // The check follows the state to its folder: also into the base's own table, and without a
    // base.
    fs::remove_dir_all(world.at("overlays")).unwrap();
    spec("data-root = \"/mnt/ssd/docker\"");
    let base = Image::open(&world.at("base.img"));
    let table = String::from_utf8(base.root_file("/etc/fstab")).unwrap();
    let with = table.clone() + "LABEL=ssd /mnt/ssd ext4 defaults,nofail 0 2\n";
    base.put_root("/etc/fstab", with.as_bytes(), 0o644, 0);
    let said = world.does(&["plan"]);
    assert!(
        said.contains("/etc/fstab mounts a disk at /mnt/ssd, over the folder /mnt/ssd/docker/swarm"),
        "{said}"
    );
    // An overlay takes precedence.
    put("overlays/common/root/etc/fstab", &table);
    let said = world.does(&["plan"]);
    assert!(!said.contains("is baked"), "{said}");
    put("overlays/common/root/etc/fstab", &with);
    fs::rename(world.at("base.img"), world.at("away")).unwrap();
    let said = world.does(&["plan"]);
    assert!(said.contains("mounts a disk at /mnt/ssd"), "{said}");
}

//! Docker from Debian's archive and from its own, dockerd's options, and which users may use it.

use std::fs;

use serde_json::{Value, json};

use super::{base_of, image, json, lock_of, locked, no_image, nothing_half_made};
use testkit::archive::{TestArchive, make_deb};
use testkit::world::World;

#[test]
fn docker_of_debian_comes_with_its_settings_and_the_users_group() {
    let folder = tempfile::tempdir().unwrap();
    let docker = make_deb(
        folder.path(),
        "docker.io",
        "27.5-1",
        "Depends: runc\n",
        &[("/usr/sbin/dockerd", "d")],
    );
    let client = make_deb(folder.path(), "docker-cli", "27.5-1", "", &[("/usr/bin/docker", "c")]);
    let runc = make_deb(folder.path(), "runc", "1.1-1", "", &[("/usr/sbin/runc", "r")]);
    let archive = TestArchive::builder().deb(docker).deb(runc).build().serve();
    let world = World::new(1, base_of(&archive));
    // docker.io without docker-cli, as before trixie.
    world.spec(1, "[docker]\n");
    world.does(&["fetch"]);
    assert_eq!(locked(&world, 0), ["docker.io 27.5-1", "runc 1.1-1"]);
    fs::remove_file(world.at("kraken.lock")).unwrap();

    let debs = ["docker.io", "runc"].map(|name| {
        let version = if name == "runc" { "1.1-1" } else { "27.5-1" };
        folder.path().join(format!("{name}_{version}_arm64.deb"))
    });
    let builder = debs
        .into_iter()
        .fold(TestArchive::builder().deb(client), |builder, deb| builder.deb(deb));
    builder.build_over(&archive);
    world.spec(
        1,
        "[docker]\nuser-in-group = true\n[docker.daemon]\ndebug = true\nlog-opts = { max-size = \"1m\" }\ndns = [\"192.168.3.1\"]\n[swarm]\nmode = \"none\"\n",
    );
    world.does(&["build"]);
    assert_eq!(
        locked(&world, 0),
        ["docker-cli 27.5-1", "docker.io 27.5-1", "runc 1.1-1"]
    );
    let baked = image(&world, "images", 1);
    let daemon: Value = serde_json::from_slice(&baked.root_file("/etc/docker/daemon.json")).unwrap();
    assert_eq!(
        daemon,
        json!({
            "log-driver": "local",
            "log-opts": {"max-size": "1m", "max-file": "3"},
            "storage-driver": "overlay2",
            "debug": true,
            "dns": ["192.168.3.1"],
        })
    );
    let group = String::from_utf8(baked.root_file("/etc/group")).unwrap();
    let line = group
        .lines()
        .find(|line| line.starts_with("docker:"))
        .unwrap_or_else(|| panic!("{group}"));
    assert!(line.ends_with(":kraken"), "{line}");
    let cmdline = String::from_utf8(baked.boot_file("cmdline.txt")).unwrap();
    assert!(cmdline.contains("cgroup_enable=memory"), "{cmdline}");
    // Docker enables forwarding itself, and then closes FORWARD.
    let sysctl = baked.debugfs("ls -p /etc/sysctl.d");
    assert!(!sysctl.contains("kraken"), "{sysctl}");
    world.does(&["verify"]);
    baked.is_clean();
    // Options of dockerd are among the things that are verified.
    world.spec(
        1,
        "[docker]\nuser-in-group = true\n[docker.daemon]\ndebug = false\n[swarm]\nmode = \"none\"\n",
    );
    let said = world.ends(&["verify"], 3);
    assert!(said.contains("root:/etc/docker/daemon.json"), "{said}");
}

#[test]
fn docker_of_its_own_archive_is_proven_by_the_pinned_key() {
    let folder = tempfile::tempdir().unwrap();
    let debian = TestArchive::builder()
        .deb(make_deb(
            folder.path(),
            "iptables",
            "1.8-1",
            "",
            &[("/usr/sbin/iptables", "i")],
        ))
        .build()
        .serve();
    let own = TestArchive::builder()
        .component("stable")
        .deb(make_deb(
            folder.path(),
            "docker-ce",
            "5:28.0-1",
            "Depends: containerd.io, docker-ce-cli, iptables\n",
            &[("/usr/bin/dockerd", "d")],
        ))
        .deb(make_deb(
            folder.path(),
            "docker-ce-cli",
            "5:28.0-1",
            "",
            &[("/usr/bin/docker", "c")],
        ))
        .deb(make_deb(
            folder.path(),
            "containerd.io",
            "1.7-1",
            "",
            &[("/usr/bin/containerd", "e")],
        ))
        .build()
        .serve();
    let world = World::new(1, base_of(&debian));
    let spec = |fingerprint: &str, more: &str| {
        world.spec(
            1,
            &format!(
                "[docker]\nsource = \"docker-ce\"\narchive = \"{}\"\nkey-fingerprint = \"{fingerprint}\"\n{more}[swarm]\nmode = \"none\"\n",
                own.address()
            ),
        );
    };
    let fails = |words: &[&str]| {
        let said = world.ends(&["build"], 1);
        for words in words {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!world.at("kraken.lock").exists());
        no_image(&world, "images");
        nothing_half_made(&world);
    };
    // The archive has no key to download yet, then one that is not the pinned one.
    spec(own.fingerprint(), "");
    fails(&["/debian/gpg is not there", "key-file"]);
    fs::write(own.folder().join("debian/gpg"), own.key()).unwrap();
    spec(debian.fingerprint(), "");
    fails(&[
        own.fingerprint(),
        "is pinned",
        "check [docker] key-file and key-fingerprint",
    ]);
    fs::write(world.at("docker.asc"), debian.key()).unwrap();
    spec(own.fingerprint(), "key-file = \"docker.asc\"\n");
    fails(&["docker.asc", "is pinned", "key-fingerprint"]);
    // The right fingerprint, and an archive that another key signs.
    spec(debian.fingerprint(), "key-file = \"docker.asc\"\n");
    fails(&["InRelease is not used", "docker.asc"]);
    fs::write(world.at("docker.asc"), "rubbish").unwrap();
    spec(own.fingerprint(), "key-file = \"docker.asc\"\n");
    fails(&["docker.asc", "key-file"]);

    let all = [
        "containerd.io 1.7-1",
        "docker-ce 5:28.0-1",
        "docker-ce-cli 5:28.0-1",
        "iptables 1.8-1",
    ];
    fs::write(world.at("docker.asc"), own.key()).unwrap();
    world.does(&["fetch"]);
    assert_eq!(locked(&world, 0), all);
    let asked = own.log();
    assert!(
        !asked.iter().any(|path| path.ends_with("/gpg")) || asked.len() > 1,
        "{asked:?}"
    );
    let by_file = lock_of(&world);
    // The key downloaded from the archive gives the same result.
    fs::remove_file(world.at("kraken.lock")).unwrap();
    spec(&own.fingerprint().to_lowercase(), "");
    world.does(&["build"]);
    assert_eq!(lock_of(&world), by_file);
    assert_eq!(
        by_file["bake"][0]["request"]["docker-key"].as_str(),
        Some(own.fingerprint())
    );
    world.does(&["verify"]);
    assert_eq!(image(&world, "images", 1).root_file("/usr/bin/dockerd"), b"d");
    let plan = json(&world, &["plan", "--json"]);
    assert_eq!(plan["packages"].as_array().unwrap().len(), 4);
}

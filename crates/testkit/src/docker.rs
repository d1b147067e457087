//! A container image in a tar, made from Debian's busybox, and what a node with Docker must be able to do.

use std::fs;
use std::path::Path;
use std::process::Command;

use kraken_flash::packages::deb::{Body, DataEntry, Deb, DebError, Scratch};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::host_debs;
use super::qemu::Guest;

/// Where the image lies on the node.
pub const IMAGE: &str = "/var/lib/test/busybox.tar";

/// Writes the image `busybox:test` for arm64 as `docker save` would.
pub fn busybox_image(to: &Path) {
    let deb = host_debs::fetch(&["busybox-static"]).remove(0);
    let folder = tempfile::tempdir().unwrap();
    let mut scratch = Scratch::new(folder.path()).unwrap();
    let mut program = None;
    Deb::open(&deb)
        .unwrap()
        .files(&mut scratch, &mut |entry: DataEntry| {
            if let (true, Body::File { content, .. }) = (entry.path.as_str().ends_with("bin/busybox"), &entry.body) {
                program = Some(content.read().unwrap().into_owned());
            }
            Ok::<_, DebError>(())
        })
        .unwrap();
    image_of(&program.unwrap(), "arm64", to);
}

/// Writes the image `busybox:test` with this busybox, for an architecture as Go names it.
pub fn image_of(program: &[u8], architecture: &str, to: &Path) {
    let layer = tar_of(
        &[("bin/busybox", program, 0o755)],
        &["cat", "echo", "hostname", "nslookup", "ping", "sh", "sleep", "tail"],
    );
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(&layer)))]},
    })
    .to_string();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": ["busybox:test"], "Layers": ["layer.tar"]}]).to_string();
    let files: [(&str, &[u8], u32); 3] = [
        ("config.json", config.as_bytes(), 0o644),
        ("manifest.json", manifest.as_bytes(), 0o644),
        ("layer.tar", &layer, 0o644),
    ];
    fs::write(to, tar_of(&files, &[])).unwrap();
}

fn tar_of(files: &[(&str, &[u8], u32)], applets: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    for applet in applets {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap()
}

/// A package of our own: its scripts say on the node that they ran, and with which arguments.
pub fn own_deb(folder: &Path) -> String {
    let tree = folder.join("own");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(
        tree.join("DEBIAN/control"),
        "Package: kraken-own\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: test\n",
    )
    .unwrap();
    for script in ["preinst", "postinst"] {
        let path = tree.join("DEBIAN").join(script);
        fs::write(
            &path,
            format!("#!/bin/sh\nset -e\necho \"{script} $*\" >> /var/lib/test/scripts\n"),
        )
        .unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, mode).unwrap();
    }
    fs::write(tree.join("DEBIAN/conffiles"), "/etc/kraken-own.conf\n").unwrap();
    fs::write(tree.join("etc/kraken-own.conf"), "own = true\n").unwrap();
    let made = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(folder.join("own.deb"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    "./own.deb".to_owned()
}

/// Waits until the packages are configured and dockerd answers.
pub fn wait_for_docker(guest: &mut Guest) {
    guest.wait_for("dockerd", "docker version --format '{{.Server.Version}}'");
}

/// The packages are configured, and nothing is left by which they would be configured again.
pub fn packages_are_configured(guest: &Guest) {
    assert_eq!(guest.ssh("sudo dpkg --audit"), "");
    let states = guest.ssh("dpkg-query -W -f '${db:Status-Status}\\n' | sort | uniq -c");
    assert!(
        states.ends_with(" installed") && states.lines().count() == 1,
        "{states}"
    );
    for gone in [
        "/var/lib/kraken-flash/configure",
        "/var/lib/kraken-flash/preinst",
        "/var/lib/kraken-flash/configuring",
        "/usr/sbin/policy-rc.d",
    ] {
        assert_eq!(
            guest.ssh(&format!("ls -d {gone} 2>/dev/null || true")),
            "",
            "{gone} is still there"
        );
    }
}

/// Docker does what it is for.
pub fn docker_works(guest: &Guest) {
    let version = guest.ssh("docker version --format '{{.Server.Version}} {{.Server.Arch}}'");
    assert!(version.ends_with(" arm64"), "{version}");
    let info = guest.ssh("docker info --format '{{.Driver}} {{.LoggingDriver}} {{.MemoryLimit}} {{.CgroupVersion}}'");
    assert_eq!(info, "overlay2 local true 2");
    guest.ssh("sudo dockerd --validate --config-file /etc/docker/daemon.json");
    assert_eq!(guest.ssh("cat /proc/sys/net/ipv4/ip_forward"), "1");
    guest.ssh(&format!(
        "docker image inspect busybox:test >/dev/null 2>&1 || docker load -i {IMAGE}"
    ));
    assert_eq!(guest.ssh("docker run --rm busybox:test echo hello"), "hello");
    assert_eq!(
        guest.ssh("docker run --rm --memory 32m busybox:test cat /sys/fs/cgroup/memory.max"),
        "33554432"
    );
    // It takes more than it may: it is stopped, and nothing else is.
    let status = guest.ssh(
        "docker rm -f glutton >/dev/null 2>&1; docker run --name glutton --memory 32m --memory-swap 32m busybox:test tail /dev/zero; \
         docker inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}}' glutton",
    );
    assert_eq!(status, "true 137");
}

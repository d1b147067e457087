//! A container image in a tar, made from Debian's busybox, and a package that checks a node with
//! Docker from within.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use kraken_debian::deb::{Body, DataEntry, Deb, Scratch};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{host_debs, run};

/// The place of the image on the node.
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
            Ok(())
        })
        .unwrap();
    image_of(&program.unwrap(), "arm64", to);
}

/// Writes the image `busybox:test` with this busybox, for an architecture in Go's spelling.
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

/// Makes a package of our own. Its scripts record that they ran; its unit checks, on the node
/// itself, what is not visible from outside: the package's own file and scripts, Docker with a
/// container and for the `user`, limits of memory, the names of all `nodes`, the clock. The unit
/// fails when anything is wrong. The package is `own.deb` in `folder`.
pub fn own_deb(folder: &Path, nodes: u32, user: &str) {
    let tree = folder.join("own");
    let put = |path: &str, text: &str, mode: u32| {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    put(
        "DEBIAN/control",
        "Package: kraken-own\nVersion: 1.0\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n",
        0o644,
    );
    for script in ["preinst", "postinst"] {
        let text = format!("#!/bin/sh\nset -e\necho \"{script} $*\" >> /var/lib/test/scripts\n");
        put(&format!("DEBIAN/{script}"), &text, 0o755);
    }
    put("DEBIAN/conffiles", "/etc/kraken-own.conf\n", 0o644);
    put("etc/kraken-own.conf", "own = true\n", 0o644);
    put(
        "usr/lib/systemd/system/kraken-own.service",
        include_str!("own/kraken-own.service"),
        0o644,
    );
    let probe = include_str!("own/look")
        .replace("@NODES@", &nodes.to_string())
        .replace("@USER@", user);
    put("usr/lib/kraken-own/look", &probe, 0o755);
    let wants = tree.join("usr/lib/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    symlink("../kraken-own.service", wants.join("kraken-own.service")).unwrap();
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(folder.join("own.deb")));
}

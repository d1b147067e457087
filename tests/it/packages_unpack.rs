//! Real packages, unpacked by the image's own dpkg and by this crate: equal in every entry, and in
//! dpkg's database.
//!
//! The oracle is the image's own dpkg, in the mounted image; `tests/it/oracle/image.rs` describes
//! why no scripts run, and `tests/it/oracle/compare.rs` what is compared, with the list of
//! everything that may differ.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracle::{Bench, archive};
use testkit::run;

#[test]
fn root_docker_is_unpacked_as_dpkg_does() {
    let bench = Bench::new().thorough();
    let names = ["docker.io", "docker-cli", "containerd", "runc", "tini", "iptables"];
    let debs = bench.prepare(|mount| archive::closure(mount, &names));
    let outcome = bench.compare(&bench.take(&debs));
    let preinsts: Vec<_> = outcome
        .preinsts
        .iter()
        .map(|preinst| (&*preinst.script, &*preinst.arguments))
        .collect();
    assert_eq!(preinsts, [("docker.io.preinst", "install")]);
}

/// Hard links, set-id programs, file triggers, dozens of conffiles, a foreign architecture beside
/// the image's own.
#[test]
fn root_a_bag_of_packages_is_unpacked_as_dpkg_does() {
    let bench = Bench::new();
    bench.run(&["dpkg", "--add-architecture", "amd64"]);
    let names = [
        "git",
        "man-db",
        "cron",
        "at",
        "screen",
        "plocate",
        "nftables",
        "avahi-daemon",
    ];
    let mut debs = bench.prepare(|mount| archive::closure(mount, &names));
    // Multi-Arch: same, and in the image for arm64: they share files.
    debs.extend(bench.prepare(|mount| archive::these(mount, &["libzstd1:amd64", "gcc-14-base:amd64", "zlib1g:amd64"])));
    let outcome = bench.compare(&bench.take(&debs));
    assert!(
        outcome.counts.second_names > 2,
        "no file has two names: {:?}",
        outcome.counts
    );
}

/// Packages of the image in a higher version, with conffiles that the user changed or removed.
#[test]
fn root_upgrades_of_packages_in_the_image_are_unpacked_as_dpkg_does() {
    let bench = Bench::new();
    let names = [
        "sudo",
        "openssh-client",
        "cloud-init",
        "systemd",
        "libsystemd0",
        "libc-bin",
    ];
    let debs = bench.prepare(|mount| {
        let etc = mount.path().join("etc");
        let sudoers = fs::read_to_string(etc.join("sudoers")).unwrap();
        fs::write(etc.join("sudoers"), sudoers + "# changed\n").unwrap();
        fs::remove_file(etc.join("pam.d/sudo")).unwrap();
        archive::these(mount, &names)
    });
    let debs: Vec<PathBuf> = debs.iter().map(|deb| raised(deb, &bench.debs())).collect();
    let outcome = bench.compare(&debs);
    let upgrade = outcome
        .preinsts
        .iter()
        .find(|preinst| preinst.package == "cloud-init")
        .unwrap();
    assert!(upgrade.arguments.starts_with("upgrade 25."), "{}", upgrade.arguments);
}

/// Returns the same package in a higher version.
fn raised(deb: &Path, folder: &Path) -> PathBuf {
    let tree = tempfile::tempdir().unwrap();
    run(Command::new("dpkg-deb").arg("-R").arg(deb).arg(tree.path()));
    let control = tree.path().join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap();
    let raised = text.lines().map(|line| match line.strip_prefix("Version: ") {
        Some(version) => format!("Version: {version}+kraken1\n"),
        None => format!("{line}\n"),
    });
    fs::write(&control, raised.collect::<String>()).unwrap();
    let to = folder.join(deb.file_name().unwrap());
    run(Command::new("dpkg-deb")
        .args(["-Zgzip", "-z1", "-b"])
        .arg(tree.path())
        .arg(&to));
    to
}

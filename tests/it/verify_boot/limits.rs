//! First boots that take longer than a unit may take by default, and cards on which a unit loses
//! its file while it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::verify_boot::Bench;
use crate::verify_boot::reports::{SYSTEM, assert_all_passed, assert_fails, checks as listed, node};
use testkit::run;

/// A card with a package that does `work` when it is configured.
fn with_package(work: &str) -> Bench {
    let bench = Bench::new("[cluster]\nnodes = 1\n[system]\ndebs = [\"./slow.deb\"]\n");
    let tree = bench.path("slow");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control =
        "Package: slow\nVersion: 1\nArchitecture: all\nMaintainer: Test <test@example.org>\nDescription: test\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let script = tree.join("DEBIAN/postinst");
    fs::write(&script, format!("#!/bin/sh\nset -e\n{work}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let deb = bench.path("slow.deb");
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(&deb));
    bench
}

/// Docker starts although a package takes this many seconds to be configured.
fn docker_starts_after(seconds: u32) {
    let bench = with_package(&format!("sleep {seconds}"));
    let (code, report) = bench.boot(&["--base", "debian"]);
    let checks = &node(&report, 1)["checks"];
    assert_all_passed(checks, &SYSTEM);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    assert_eq!(code, 0);
}

#[test]
fn full_boot_starts_docker_though_packages_take_longer_than_the_default_limit() {
    docker_starts_after(100);
}

#[test]
fn full_boot_starts_docker_though_packages_take_five_minutes() {
    docker_starts_after(300);
}

#[test]
fn full_boot_starts_docker_though_a_package_is_broken() {
    let bench = with_package("exit 1");
    let (code, report) = bench.boot(&["--base", "debian"]);
    let checks = &node(&report, 1)["checks"];
    assert_fails(checks, "packages", &["slow"]);
    for name in ["docker", "swarm-node", "time-limits"] {
        let all = listed(checks);
        let (_, outcome, seen, _) = all.iter().find(|(check, ..)| check == name).unwrap();
        assert_eq!(outcome, "passed", "{name}: {seen}");
    }
    assert_eq!(code, 3);
}

#[test]
fn full_boot_finds_a_unit_that_loses_its_file_while_it_runs() {
    let bench = with_package(
        "rm -f /etc/systemd/system/kraken-configure.service /etc/systemd/system/*.wants/kraken-configure.service\n\
         systemctl daemon-reload",
    );
    let (code, report) = bench.boot(&["--base", "debian"]);
    let words = ["kraken-configure.service", "its file was removed while it started"];
    assert_fails(&node(&report, 1)["checks"], "time-limits", &words);
    assert_eq!(code, 3);
}

//! Cards made of stand-ins for Raspberry Pi OS.

use crate::verify_boot::Bench;
use crate::verify_boot::reports::{SYSTEM, assert_all_passed, assert_grew, assert_is_a_swarm, checks as listed, node};
use testkit::pi_os::{PiOs, without_virtio};
use testkit::run;

/// Builds one node, and checks the result.
fn is_baked_and_right(pi_os: PiOs) {
    let bench = Bench::on_pi_os(pi_os, "[cluster]\nnodes = 1\n", |_| ());
    bench.build();
    run(&mut bench.program(&["verify", "images"]));
    let image = bench.image(1);
    image.is_clean();
    let features = image.debugfs("features");
    for feature in ["metadata_csum_seed", "orphan_file"] {
        assert!(features.contains(feature), "{features}");
    }
    let asked = bench.archive.as_ref().unwrap().log();
    assert!(asked.iter().any(|path| path.ends_with("/InRelease")), "{asked:?}");
    // Its archive has no package of the 32-bit architecture, and none is wanted.
    assert!(!asked.iter().any(|path| path.contains("armhf")), "{asked:?}");
}

#[test]
fn base_a_stand_in_for_raspberry_pi_os_trixie_is_baked_and_right() {
    is_baked_and_right(PiOs::Trixie);
}

#[test]
fn full_a_stand_in_for_raspberry_pi_os_bookworm_is_baked_and_right() {
    is_baked_and_right(PiOs::Bookworm);
}

#[test]
fn full_boot_raspberry_pi_os_bookworm_is_a_swarm_after_its_first_process_restarted() {
    let bench = Bench::on_pi_os(PiOs::Bookworm, "[cluster]\nnodes = 1\n", without_virtio);
    bench.build();
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images/kraken-1.img"]);
    let checks = &node(&report, 1)["checks"];
    let system: Vec<&str> = SYSTEM.into_iter().filter(|name| *name != "cloud-init").collect();
    assert_all_passed(checks, &system);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    assert_grew(checks);
    let all = listed(checks);
    let (.., seen, _) = all.iter().find(|(name, ..)| name == "boot-files").unwrap();
    assert!(
        seen.contains("linux-image-") && seen.contains("busybox-static"),
        "{seen}"
    );
    assert_eq!(code, 0);
    assert!(bench.fingerprints() == before, "booting changed the image");
}

#[test]
fn full_boot_a_home_with_three_managers_on_raspberry_pi_os_survives_its_power_cuts() {
    // Docker's own pools begin at this LAN's addresses; the account is the image's, which has no
    // shell; and the locale is British.
    let spec = "[cluster]\nnodes = 5\n[network]\nsubnet = \"10.0.0.0/24\"\ngateway = \"10.0.0.1\"\nfirst-address = \"10.0.0.11\"\n\
                [user]\nname = \"pi\"\n[swarm]\nmanagers = 3\n[system]\nlocale = \"en_GB.UTF-8\"\nkeyboard = { layout = \"gb\" }\n";
    let bench = Bench::on_pi_os(PiOs::Trixie, spec, |_| ());
    bench.build();
    run(&mut bench.program(&["verify", "images"]));
    let (code, report) = bench.boot(&["images", "--nodes", "1,2,3"]);
    assert_is_a_swarm(&report, 3);
    assert_eq!(code, 0);
}

//! Images whose kernel has no drivers for the machine.

use crate::verify_boot::Bench;
use crate::verify_boot::reports::{SYSTEM, assert_all_passed, assert_grew, checks as listed, node};
use testkit::pi_os::{PiOs, without_virtio};

#[test]
fn full_boot_a_kernel_without_virtio_has_debians_in_its_place() {
    let bench = Bench::on_pi_os(PiOs::Trixie, "[cluster]\nnodes = 1\n", without_virtio);
    bench.build();
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images/kraken-1.img"]);
    let checks = &node(&report, 1)["checks"];
    assert_all_passed(checks, &SYSTEM);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    // Only the card's own initramfs would grow the partition, and the emulator replaces it by
    // another one.
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

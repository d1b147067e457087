//! Images whose kernel is none for the machine.

use crate::Bench;
use crate::reports::{SYSTEM, assert_all_passed, checks as listed, node};

#[test]
fn full_boot_a_kernel_without_virtio_has_debians_in_its_place() {
    let bench = Bench::new("[cluster]\nnodes = 1\n");
    bench.build();
    let image = bench.image(1);
    // As Raspberry Pi OS is for `virt`: a kernel that does not start there, and no module for its disk.
    let modules = image.debugfs("ls -p /usr/lib/modules");
    let release = modules.split('/').find(|word| word.ends_with("-arm64")).unwrap();
    for list in ["modules.dep", "modules.builtin"] {
        let path = format!("/usr/lib/modules/{release}/{list}");
        let text = String::from_utf8(image.root_file(&path)).unwrap();
        let lines: String = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("virtio"))
            .collect();
        image.put_root(&path, lines.as_bytes(), 0o644, 0);
    }
    for name in ["kernel8.img", "initramfs8"] {
        image.put_boot(name, &[0x55; 1 << 20]);
    }
    let before = bench.fingerprints();
    let (code, report) = bench.boot(&["images/kraken-1.img"]);
    let checks = &node(&report, 1)["checks"];
    assert_all_passed(checks, &SYSTEM);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    let all = listed(checks);
    let (.., seen, _) = all.iter().find(|(name, ..)| name == "boot-files").unwrap();
    assert!(
        seen.contains("linux-image-") && seen.contains("busybox-static"),
        "{seen}"
    );
    assert_eq!(code, 0);
    assert!(bench.fingerprints() == before, "booting changed the image");
}

//! A card that would harm a running swarm, under a real systemd: its Docker is not started, and the
//! node is otherwise intact.

use std::fs;

use crate::verify_boot::Bench;
use crate::verify_boot::reports::{SYSTEM, assert_all_passed, assert_fails, node};

#[test]
fn full_boot_a_manager_that_the_swarm_has_as_a_worker_is_kept_out() {
    let bench = Bench::new("[cluster]\nnodes = 2\n");
    bench.build();
    let first = bench.path("first.img");
    fs::rename(bench.image_path(1), &first).unwrap();
    fs::write(
        bench.path("kraken.toml"),
        "[cluster]\nnodes = 2\n[swarm]\nmanagers = 2\n",
    )
    .unwrap();
    // As if no swarm ran: the program itself refuses this where it knows of the cards.
    fs::remove_dir_all(bench.path("images")).unwrap();
    bench.build();
    fs::rename(first, bench.image_path(1)).unwrap();

    let (code, report) = bench.boot(&["images"]);
    assert_eq!(code, 3);
    let checks = &node(&report, 1)["checks"];
    assert_all_passed(checks, &SYSTEM);
    assert_all_passed(checks, &["docker", "swarm-node"]);
    let words = ["has this node as a worker", "--rejoin"];
    assert_fails(&node(&report, 2)["checks"], "docker", &words);
    let tail = node(&report, 2)["console-tail"].to_string();
    assert!(tail.contains("THIS CARD MUST NOT ENTER THE SWARM"), "{tail}");
}

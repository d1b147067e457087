//! The library as its user sees it: `examples/bake.rs` makes images that the program verifies.

use std::path::PathBuf;

use assert_cmd::Command;

use testkit::world::World;

/// Cargo compiles examples with the tests, beside the program.
fn example() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_kraken-flash"));
    program.with_file_name("examples").join("bake")
}

#[test]
fn the_example_bakes_a_cluster_that_the_program_verifies() {
    let world = World::new(2, testkit::world::trixie());
    world.spec(2, "[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    let shown = Command::new(example())
        .arg(world.path())
        .arg(world.at("images"))
        .env("KRAKEN_FLASH_CACHE", world.at("cache"))
        .assert()
        .success();
    let shown = String::from_utf8(shown.get_output().stdout.clone()).unwrap();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    for node in ["kraken-1", "kraken-2"] {
        assert!(shown.contains(&format!("{node}  ")), "{shown}");
        assert!(world.at(&format!("images/{node}.img")).is_file());
    }
    world.does(&["verify", "images"]);
}

#[test]
fn the_example_says_how_it_is_called() {
    let failed = Command::new(example()).assert().failure();
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("usage: bake FOLDER OUTPUT"), "{said}");
}

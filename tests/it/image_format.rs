//! An image of a fixed base has the bytes that are pinned here, so that a change of the code cannot
//! leave old bytes in a cache unnoticed.

use std::fs;
use std::path::PathBuf;

use kraken_flash::bake::IMAGE_FORMAT;
use kraken_swarm_state::ClusterKeys;
use sha2::{Digest, Sha256};

use crate::packages_cli::raw::raw_deb;
use testkit::world::World;

/// The [`IMAGE_FORMAT`] to which the hashes below belong.
const FORMAT: u32 = 5;
/// SHA-256 of images of this format.
const PINNED: [(&str, &str); 4] = [
    (
        "with packages, node 1",
        "1c69686b16496865028b19a1317f6f0f25cc3ba2e50c4840c187a4704ea87d5d",
    ),
    (
        "with packages, node 2",
        "44d9af276f51f71398917cf0653bf231973b78cc0dbf475329adaca977cd5ae7",
    ),
    (
        "with a swarm, manager",
        "e68667656e16f80a3e79200855b3cc0a35446ef2b94fc0c1a616bd3805992273",
    ),
    (
        "with a swarm, worker",
        "baba5e5cb71cd830f63d936358f4262f0141b87e7a74a005db1003f5b9b14d1d",
    ),
];

/// A small base with the same bytes on every machine: the repository has it, because mkfs.ext4 and
/// mkfs.vfat write other bytes in other versions.
fn base() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/image-format/base.img.zst"
    ))
}

/// Returns the hashes of the images of two nodes.
fn bake(more: &str) -> Vec<String> {
    let world = World::without_base(2);
    fs::write(
        world.at("base.img"),
        zstd::decode_all(fs::File::open(base()).unwrap()).unwrap(),
    )
    .unwrap();
    raw_deb(world.path(), "own", |data| {
        data.folder("./usr/")
            .folder("./usr/lib/")
            .file("./usr/lib/own", 0o755, b"own\n")
            .link("./usr/lib/link", "own");
    });
    world.spec(2, more);
    let keys = ClusterKeys::from_seed([7; 32]).to_text("kraken");
    fs::write(world.at("kraken.keys"), keys.as_bytes()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(world.at("kraken.keys"), private).unwrap();
    world.does(&["build", "--no-sums", "-o", "images"]);
    (1..=2)
        .map(|node| {
            hex::encode(Sha256::digest(
                fs::read(world.at(&format!("images/kraken-{node}.img"))).unwrap(),
            ))
        })
        .collect()
}

#[test]
fn the_bytes_of_baked_images_are_those_of_this_format() {
    let clock = "[system]\nclock-floor = \"2026-01-01\"\ndebs = [\"own_1.0-1_arm64.deb\"]\n";
    let mut found = bake(clock);
    found.extend(bake(&format!("{clock}[docker]\nsource = \"debian\"\n")));
    let shown: String = PINNED
        .iter()
        .zip(&found)
        .map(|((name, _), hash)| format!("    (\"{name}\", \"{hash}\"),\n"))
        .collect();
    let pinned: Vec<&str> = PINNED.iter().map(|(_, hash)| *hash).collect();
    assert!(
        found == pinned && FORMAT == IMAGE_FORMAT,
        "images have other bytes than before, or IMAGE_FORMAT is another.\n\
         If that is meant: raise IMAGE_FORMAT in crates/image/src/bake/key.rs by one, so that no cached image of the old bytes is used,\n\
         write that number into FORMAT here, and these lines into PINNED:\n{shown}"
    );
}

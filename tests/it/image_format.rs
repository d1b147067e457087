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
const FORMAT: u32 = 4;
/// SHA-256 of images of this format.
const PINNED: [(&str, &str); 4] = [
    (
        "with packages, node 1",
        "8166825971e6024fd4f5a676845ab6521c10865e16c3e2a0a62e41bd0e597475",
    ),
    (
        "with packages, node 2",
        "81ed0cdffcb8b3ee20bd50af2b0c700d5a186f9abf4ce2d9b5e186fbfd5b5905",
    ),
    (
        "with a swarm, manager",
        "995e962b5065e7ba0ff48b29b618922ab349f8804e6653f2d551374c7a2f9516",
    ),
    (
        "with a swarm, worker",
        "6f13a551a43d10ddee287d134e0802d4f0dcdbd872fbc7beaf4dafade73724f1",
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

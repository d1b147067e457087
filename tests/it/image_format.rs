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
        "60eb61fd345212403be3831f596523d5402428e039f515f4d0c564cc5e533b24",
    ),
    (
        "with packages, node 2",
        "71e32a2fc7d7aff9fd8959e7a8663a7e4df474cb01d97c18970612e490464580",
    ),
    (
        "with a swarm, manager",
        "565cac370672acd4a4f5c0c815c1d45dc91277177f2b5787cbe07810baa3f92e",
    ),
    (
        "with a swarm, worker",
        "60f5058921961b6138ac7e78ffdc64ba44f92f7badc3fd8573a37c76ab0cfbca",
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

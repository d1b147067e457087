//! Images grow by the space that packages need, and `plan` prints it before they are made.

use std::fs;

use super::{base_of, image, json};
use testkit::archive::{TestArchive, make_deb};
use testkit::world::{World, nearly_full};

#[test]
fn an_image_grows_for_a_package_larger_than_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..20_000).map(|number| format!("{number:01023}\n")).collect();
    let large = make_deb(folder.path(), "large", "1.0-1", "", &[("/usr/share/large", &text)]);
    let archive = TestArchive::builder().deb(large).build().serve();
    let world = World::new(1, nearly_full(base_of(&archive)));
    world.spec(1, "[system]\npackages = [\"large\"]\n");
    assert_eq!(json(&world, &["plan", "--json"])["card-bytes"], serde_json::Value::Null);
    let said = world.does(&["plan"]);
    assert!(said.contains("known once `kraken-flash fetch` got"), "{said}");
    world.does(&["fetch"]);
    let plan = json(&world, &["plan", "--json"]);
    let said = world.does(&["plan"]);
    assert!(
        said.contains("at least") && said.contains("1 package takes 19.") && said.contains("64.00 MiB stay free"),
        "{said}"
    );
    world.does(&["build"]);
    let baked = image(&world, "images", 1);
    let size = fs::metadata(&baked.path).unwrap().len();
    assert_eq!(plan["card-bytes"], size);
    assert!(
        size > fs::metadata(world.at("base.img")).unwrap().len() + (80 << 20),
        "{size}"
    );
    assert!(baked.root_file("/usr/share/large") == text.as_bytes());
    baked.is_clean();
    world.does(&["verify"]);
    let facts = json(&world, &["inspect", "--json", "images/kraken-1.img"]);
    let root = facts["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["purpose"] == "root")
        .unwrap();
    assert!(root["free"].as_u64().unwrap() >= 64 << 20, "{root}");
}

#[test]
fn an_image_with_room_enough_stays_as_large_as_its_base() {
    let folder = tempfile::tempdir().unwrap();
    let archive = super::archive_of_tools(folder.path()).build().serve();
    let world = super::world_of(&archive);
    world.does(&["build", "--node", "1"]);
    let size = fs::metadata(world.at("base.img")).unwrap().len();
    assert_eq!(fs::metadata(image(&world, "images", 1).path).unwrap().len(), size);
    assert_eq!(json(&world, &["plan", "--json"])["card-bytes"], size);
}

/// A package that cannot be unpacked does not get into the lock file.
#[test]
fn a_base_that_cannot_grow_for_the_packages_is_refused_before_the_lock_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..20_000).map(|number| format!("{number:01023}\n")).collect();
    let large = make_deb(folder.path(), "large", "1.0-1", "", &[("/usr/share/large", &text)]);
    let archive = TestArchive::builder().deb(large).build().serve();
    let world = World::new(1, nearly_full(base_of(&archive)));
    // A third partition after the root's, in the MiB at the end.
    let base = world.at("base.img");
    let size = fs::metadata(&base).unwrap().len() / 512;
    let entry = [
        &[0, 0, 0, 0, 0x83, 0, 0, 0][..],
        &(size as u32 - 2048).to_le_bytes(),
        &2048u32.to_le_bytes(),
    ]
    .concat();
    let file = fs::File::options().write(true).open(&base).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &entry, 446 + 32).unwrap();
    world.spec(1, "[system]\npackages = [\"large\"]\n");
    for command in ["fetch", "build"] {
        let said = world.ends(&[command], 1);
        assert!(
            said.contains("base.img") && said.contains("is not the last one"),
            "{said}"
        );
        assert!(!world.at("kraken.lock").exists());
    }
}

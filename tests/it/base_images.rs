//! Seven images of the real Debian base: they are sound and correct, two builds are equal, and
//! every change is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_fetch::Cache;
use kraken_flash::base::debian;
use testkit::run;
use testkit::tamper::{Bed, every_tampering};
use testkit::world::{Image, World};

/// The base that was composed before. A test does not compose it, because that takes minutes and
/// root.
fn debian_base() -> PathBuf {
    let path = debian::cached_path(Cache::open(None).unwrap().root(), &debian::Release::TRIXIE);
    assert!(path.is_file(), "there is no {}: run `make test-base`", path.display());
    path
}

/// A cluster whose `base.img` is that base, by its name only.
fn world(nodes: u32) -> World {
    let world = World::without_base(nodes);
    std::os::unix::fs::symlink(debian_base(), world.at("base.img")).unwrap();
    world
}

fn same(one: &Path, other: &Path) {
    run(Command::new("cmp").args([one, other]));
}

#[test]
fn base_seven_images_are_sound_and_right_and_the_same_again() {
    let (here, there) = (world(7), world(7));
    here.does(&["build"]);
    assert!(here.does(&["verify"]).contains("7 images are right"));
    let mut elsewhere = there.program();
    elsewhere.args(["build", "-o", "other"]).env("TZ", "Pacific/Kiritimati");
    run(&mut elsewhere);
    for number in 1..=7 {
        let name = format!("kraken-{number}.img");
        let path = here.at("images").join(&name);
        let image = Image::open(&path);
        image.is_clean();
        assert_eq!(
            image.root_file("/etc/hostname"),
            format!("kraken-{number}\n").as_bytes()
        );
        let user_data = String::from_utf8(image.boot_file("/user-data")).unwrap();
        assert!(user_data.contains(&format!("\"kraken-{number}\"")), "{user_data}");
        let network = String::from_utf8(image.boot_file("/network-config")).unwrap();
        assert!(
            network.contains(&format!("\"192.168.3.{}/24\"", 10 + number)),
            "{network}"
        );
    }
    // The checksums are those of the files as they are on the disk.
    for name in ["manifest.json", "SHA256SUMS", "kraken-7.img.bmap"] {
        same(&here.at("images").join(name), &there.at("other").join(name));
    }
    run(Command::new("sha256sum")
        .current_dir(here.at("images"))
        .args(["--strict", "--quiet", "-c", "SHA256SUMS"]));
    assert_eq!(
        fs::metadata(debian_base()).unwrap().len(),
        fs::metadata(here.at("base.img")).unwrap().len()
    );
}

#[test]
fn base_every_tampering_of_a_debian_image_is_named() {
    let world = world(2);
    world.does(&["build", "--node", "2", "--no-sums"]);
    every_tampering(&Bed::new(&world, "/usr/bin/bash"), true);
}

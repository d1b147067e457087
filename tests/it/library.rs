//! The library as its user sees it: `examples/bake.rs` makes images that the program verifies, and
//! `examples/flash.rs` writes a card.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use assert_cmd::assert::Assert;

use kraken_flash::card::{FileImage, Source};
use kraken_flash::project::Job;
use testkit::loops::LoopDevice;
use testkit::world::{Image, World};

/// Cargo compiles examples with the tests, beside the program.
fn example(name: &str) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_kraken-flash"));
    program.with_file_name("examples").join(name)
}

#[test]
fn the_example_bakes_a_cluster_that_the_program_verifies() {
    let world = World::new(2, testkit::world::trixie());
    world.spec(2, "[swarm]\nmode = \"none\"\n[docker]\npackages = []\n");
    let shown = Command::new(example("bake"))
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
    let failed = Command::new(example("bake")).assert().failure();
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("usage: bake FOLDER OUTPUT"), "{said}");
}

/// Runs `examples/flash.rs` with an answer to its question.
fn flash(world: &World, arguments: &[&Path], answer: &'static str) -> Assert {
    Command::new(example("flash"))
        .args(arguments)
        .env("KRAKEN_FLASH_STATE", world.at("state"))
        .write_stdin(answer)
        .assert()
}

#[test]
fn the_example_of_a_card_writes_to_no_file() {
    let world = World::new(1, testkit::world::trixie());
    let (image, file) = (world.at("base.img"), world.at("card"));
    fs::write(&file, "mine").unwrap();
    let refused = flash(&world, &[&image, &file], "yes\n").failure();
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("this is a file, not a card"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert!(!world.at("state").exists());
}

#[test]
fn root_the_example_of_a_card_writes_it_and_keeps_its_receipt() {
    let world = World::new(1, testkit::world::trixie());
    world.does(&["build", "--node", "1"]);
    let image = world.at("images/kraken-1.img");
    let card = LoopDevice::used(&world.at("card"), 480 << 20);
    let allowed = Path::new("--not-removable");
    let refused = flash(&world, &[&image, &card.path], "yes\n").failure();
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("nothing was written"), "{said}");
    flash(&world, &[&image, &card.path, allowed], "no\n").failure();
    assert!(card.is_bootable(), "the card was touched");
    flash(&world, &[&image, &card.path, allowed], "yes\n").success();
    card.holds(&image);
    assert_eq!(fs::read_dir(world.at("state/receipts")).unwrap().count(), 1);
}

#[test]
fn an_image_that_changes_before_it_is_written_is_written_as_it_is_then() {
    let world = World::new(1, testkit::world::trixie());
    let path = world.at("base.img");
    let mut source = FileImage::open(&path).unwrap().into_source(Job::silent()).unwrap();
    // The user reads the question meanwhile.
    let later = [7; 300_000];
    Image::open(&path).put_root("/etc/hostname", &later, 0o644, 0);
    let mut written = vec![0; usize::try_from(source.size().unwrap()).unwrap()];
    let mut buffer = vec![0; 1 << 20];
    while let Some(extent) = source.next(&mut buffer).unwrap() {
        let at = usize::try_from(extent.offset).unwrap();
        written[at..at + extent.len].copy_from_slice(&buffer[..extent.len]);
    }
    let card = world.at("card.img");
    fs::write(&card, written).unwrap();
    assert!(Image::open(&card).root_file("/etc/hostname") == later);
    Image::open(&card).is_clean();
}

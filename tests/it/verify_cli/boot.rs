//! `verify --boot` before anything boots: what it refuses, and what it says of the folder.

use std::fs;
use std::process::Command;

use testkit::world::{World, trixie};
use testkit::{run, said};

#[test]
fn what_is_none_of_the_set_is_said_before_a_folder_is_booted() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    // Nothing boots here: only the checks before that matter.
    let empty = world.at("programs");
    fs::create_dir(&empty).unwrap();
    let boots = |arguments: &[&str]| {
        let output = world
            .program()
            .args(["verify", "--boot", "images"])
            .args(arguments)
            .env("PATH", &empty)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        let words = said(&output);
        assert!(words.contains("booting images needs"), "{words}");
        words
    };
    let stranger = "no image of this set";
    // Nodes that are not chosen belong to the set all the same.
    for arguments in [&[][..], &["--nodes", "1"], &["--nodes", "2"]] {
        assert!(!boots(arguments).contains(stranger), "{arguments:?}");
    }
    // The manifest lists the set, also where a raw image of another build would be found first.
    fs::copy(world.at("images/kraken-1.img"), world.at("aside.img")).unwrap();
    world.does(&["build", "--compress", "zst"]);
    fs::copy(world.at("aside.img"), world.at("images/kraken-1.img")).unwrap();
    let words = boots(&[]);
    assert!(
        words.contains("kraken-1.img is not an image of this set: it is another image of kraken-1 (node 1); remove it"),
        "{words}"
    );
    fs::remove_file(world.at("images/kraken-1.img")).unwrap();
    world.does(&["build"]);
    let toml = fs::read_to_string(world.at("kraken.toml")).unwrap();
    fs::write(world.at("kraken.toml"), toml.replace("nodes = 2", "nodes = 1")).unwrap();
    world.does(&["build"]);
    let gone = "kraken-2.img is not an image of this set: it is kraken-2 (node 2), and the cluster has 1 nodes";
    for arguments in [&[][..], &["--nodes", "1"]] {
        let words = boots(arguments);
        let at = words.find(gone).unwrap_or_else(|| panic!("{words}"));
        assert!(at < words.find("booting images needs").unwrap(), "{words}");
    }
    // What the manifest lists is not known when it cannot be read.
    let manifest = fs::read_to_string(world.at("images/manifest.json")).unwrap();
    for (text, why) in [
        (&manifest[..manifest.len() / 2], "it is damaged, or not a manifest"),
        (
            &manifest.replace("\"manifest-version\": 1", "\"manifest-version\": 2")[..],
            "its format has version 2",
        ),
    ] {
        fs::write(world.at("images/manifest.json"), text).unwrap();
        let words = boots(&[]);
        assert!(
            words.contains(&format!("warning: reading images/manifest.json: {why}")),
            "{words}"
        );
    }
    // One image alone is not a set.
    let output = world
        .program()
        .args(["verify", "--boot", "images/kraken-1.img"])
        .env("PATH", &empty)
        .output()
        .unwrap();
    assert!(!said(&output).contains(stranger), "{}", said(&output));
}

#[test]
fn a_power_cut_at_a_node_that_is_not_booted_is_refused_before_anything_is_made() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    fs::remove_dir_all(world.at("cache/golden")).unwrap();
    for arguments in [
        &["images", "--nodes", "1"][..],
        &["images/kraken-1.img"],
        &["--nodes", "1"],
    ] {
        let mut command = world.program();
        command.args([
            "verify",
            "--boot",
            "--cut-power-at",
            "login:",
            "--cut-power-at",
            "2:login:",
        ]);
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        let words = "--cut-power-at names node 2, which is not booted";
        assert!(said(&output).contains(words), "{}", said(&output));
    }
    assert!(!world.at("cache/golden").exists() && !world.at("cache/boot").exists());
}

#[test]
fn a_missing_emulator_is_said_with_the_line_that_installs_it_before_anything_is_made() {
    let world = World::new(2, trixie());
    world.does(&["build", "--compress", "zst"]);
    let empty = world.at("programs");
    fs::create_dir(&empty).unwrap();
    let without = |arguments: &[&str]| {
        let output = world.program().args(arguments).env("PATH", &empty).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    fs::remove_dir_all(world.at("cache/golden")).unwrap();
    // An image contains the number of its node; its file may have any name.
    run(Command::new("zstd")
        .args(["-q", "-d", "images/kraken-2.img.zst", "-o", "renamed.img"])
        .current_dir(world.path()));
    for arguments in [
        &["verify", "--boot"][..],
        &["verify", "--boot", "renamed.img"],
        &["verify", "--boot", "images"],
        &["verify", "--boot", "images/kraken-1.img.zst"],
    ] {
        let words = without(arguments);
        assert!(
            words.contains("booting images needs qemu-system-aarch64, qemu-img, qemu-io, ssh, which are not here")
                && words.contains("install QEMU 7.2 or later for ARM guests"),
            "{words}"
        );
    }
    assert!(!world.at("cache/golden").exists() && !world.at("cache/boot").exists());
    fs::write(empty.join("apt-get"), "").unwrap();
    let words = without(&["verify", "--boot", "images"]);
    assert!(
        words.contains("install it: sudo apt-get install qemu-system-arm qemu-utils openssh-client"),
        "{words}"
    );
}

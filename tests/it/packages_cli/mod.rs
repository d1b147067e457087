//! Packages from kraken.toml to the image, with the whole program, over signed archives on
//! loopback.

mod cards;
mod cheats;
mod daemon;
mod docker;
mod lock;
mod network;
pub(crate) mod raw;
mod room;
mod swarm;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::archive::{Builder, TestArchive, make_deb};
use testkit::world::{Image, World, trixie, with_archive};
use testkit::{TestImage, run};

/// Packages `tool` and, needed by it, `libtool`, in this version.
fn tools(folder: &Path, version: &str) -> [PathBuf; 2] {
    let text = format!("tool {version}\n");
    [
        make_deb(
            folder,
            "tool",
            version,
            "Depends: libtool (>= 1)\nRecommends: extra\n",
            &[
                ("/usr/bin/tool", &text),
                ("/etc/tool.conf", "a = 1\n"),
                ("/DEBIAN/conffiles", "/etc/tool.conf\n"),
            ],
        ),
        make_deb(folder, "libtool", version, "", &[("/usr/lib/libtool.so.1", &text)]),
    ]
}

/// Returns an archive of `tool`, `libtool` and `extra` 1.0-1.
fn archive_of_tools(folder: &Path) -> Builder {
    let [tool, library] = tools(folder, "1.0-1");
    let extra = make_deb(folder, "extra", "1.0-1", "", &[("/usr/bin/extra", "extra\n")]);
    TestArchive::builder().deb(tool).deb(library).deb(extra)
}

/// Space for the packages here, and not much more: these bases are hashed many times.
fn small() -> TestImage {
    trixie().fat_mib(48).root_mib(160)
}

/// Returns a base with this archive.
fn base_of(archive: &TestArchive) -> TestImage {
    with_archive(small(), archive)
}

/// Returns a cluster of two nodes that wants `tool`, on a base with this archive.
fn world_of(archive: &TestArchive) -> World {
    let world = World::new(2, base_of(archive));
    world.spec(2, "[system]\npackages = [\"tool\"]\n");
    world
}

/// Returns `kraken.lock`, read as TOML.
fn lock_of(world: &World) -> toml::Table {
    fs::read_to_string(world.at("kraken.lock")).unwrap().parse().unwrap()
}

/// Returns the packages of the `index`th base of `kraken.lock`, each as `name version`.
fn locked(world: &World, index: usize) -> Vec<String> {
    let lock = lock_of(world);
    let packages = lock["bake"][index].get("package").and_then(toml::Value::as_array);
    let shown = |package: &toml::Value| {
        format!(
            "{} {}",
            package["name"].as_str().unwrap(),
            package["version"].as_str().unwrap()
        )
    };
    packages.into_iter().flatten().map(shown).collect()
}

/// Checks that two files are equal, byte for byte.
fn same(one: &Path, two: &Path) {
    run(Command::new("cmp").args([one, two]));
}

/// Returns the output of `--json`.
fn json(world: &World, arguments: &[&str]) -> Value {
    let output = world.kraken(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", testkit::said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the image of a node.
fn image(world: &World, folder: &str, node: u32) -> Image {
    Image::open(&world.at(&format!("{folder}/kraken-{node}.img")))
}

/// Checks that nothing in the cache or among the images is unfinished.
fn nothing_half_made(world: &World) {
    let mut folders = vec![world.at("cache"), world.at("images")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let unfinished = name.starts_with('.') || name.contains(".part") || name.ends_with(".tmp");
            assert!(!unfinished, "{} was left behind", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
}

/// Checks that there is no image, complete or not.
fn no_image(world: &World, folder: &str) {
    let names = testkit::world::names(&world.at(folder));
    assert!(!names.iter().any(|name| name.contains(".img")), "{names:?}");
}

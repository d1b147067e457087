//! How archives are reached: from a mirror, through a proxy, and not at all.

use super::{archive_of_tools, image, lock_of, locked, no_image, nothing_half_made, small};
use testkit::proxy::Proxy;
use testkit::world::{World, with_source};

const KEY: &str = "/usr/share/keyrings/test.asc";
/// A port on which no server listens.
const DEAD: &str = "http://archive.example.org/debian";

/// A world whose base names an archive on which no server answers.
fn world_of_a_dead_archive(archive: &super::TestArchive) -> World {
    let line = format!("deb [signed-by={KEY}] {DEAD} trixie main\n");
    World::new(1, with_source(small(), &line, archive))
}

#[test]
fn a_mirror_stands_in_for_an_archive_and_is_not_in_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of_a_dead_archive(&archive);
    let spec = |address: &str| {
        world.spec(
            1,
            &format!("[system]\npackages = [\"tool\"]\n[apt.mirrors]\n\"{DEAD}\" = \"{address}\"\n"),
        );
    };
    spec(&archive.uri());
    world.does(&["fetch"]);
    let lock = lock_of(&world);
    let url = lock["bake"][0]["package"][0]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(DEAD), "{url}");
    assert_eq!(lock["bake"][0]["archive"][0]["uri"].as_str(), Some(DEAD));
    // The mirror moves to another port; the locked packages are the same, and are downloaded from
    // there.
    let (old, mut archive) = (archive.address().to_owned(), archive);
    archive.stop();
    let archive = archive.serve();
    assert_ne!(old, archive.address());
    std::fs::remove_dir_all(world.at("cache/downloads")).unwrap();
    spec(&format!("{}/", archive.uri()));
    world.does(&["build"]);
    assert_eq!(lock_of(&world), lock);
    assert_eq!(image(&world, "images", 1).root_file("/usr/bin/tool"), b"tool 1.0-1\n");
    world.does(&["verify"]);
}

#[test]
fn a_proxy_is_used_when_kraken_toml_or_the_environment_names_one() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of_a_dead_archive(&archive);
    let through = |proxy: &Proxy| {
        let log = proxy.log();
        assert!(log.len() >= 4, "{log:?}");
        assert!(log.iter().all(|line| line.contains("archive.example.org")), "{log:?}");
        assert_eq!(locked(&world, 0), ["libtool 1.0-1", "tool 1.0-1"]);
        std::fs::remove_file(world.at("kraken.lock")).unwrap();
        std::fs::remove_dir_all(world.at("cache/downloads")).unwrap();
    };
    let [named, environment] = [Proxy::to(archive.address()), Proxy::to(archive.address())];
    let plain = "[system]\npackages = [\"tool\"]\n";
    world.spec(1, &format!("{plain}[apt]\nproxy = \"{}\"\n", named.address));
    world.does(&["fetch"]);
    through(&named);

    world.spec(1, plain);
    let output = world
        .program()
        .arg("fetch")
        .env("http_proxy", &environment.address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", testkit::said(&output));
    through(&environment);

    // kraken.toml takes precedence over the environment.
    let before = environment.log().len();
    world.spec(1, &format!("{plain}[apt]\nproxy = \"{}\"\n", named.address));
    let output = world
        .program()
        .arg("fetch")
        .env("http_proxy", &environment.address)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", testkit::said(&output));
    assert_eq!(environment.log().len(), before);
    through(&named);
}

#[test]
fn an_archive_that_does_not_answer_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of_a_dead_archive(&archive);
    let spec = |address: &str| {
        world.spec(
            1,
            &format!("[system]\npackages = [\"tool\"]\n[apt.mirrors]\n\"{DEAD}\" = \"{address}\"\n"),
        );
    };
    // A server that has other files.
    spec(&format!("{}/elsewhere", archive.address()));
    let said = world.ends(&["build"], 1);
    assert!(said.contains("InRelease") && said.contains("or the mirror"), "{said}");
    // No network wanted, and nothing in the cache.
    let said = world.ends(&["build", "--offline"], 1);
    assert!(said.contains("kraken.lock has none for this base"), "{said}");
    world.ends(&["fetch", "--offline"], 1);
    assert!(!world.at("kraken.lock").exists());
    no_image(&world, "images");
    nothing_half_made(&world);
}

#[test]
fn one_bad_archive_of_two_is_reported_and_stops_only_what_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let line = format!("{}deb [signed-by={KEY}] {DEAD} trixie main\n", archive.source_line(KEY));
    let world = World::new(1, with_source(small(), &line, &archive));
    let spec = |packages: &str| {
        world.spec(
            1,
            &format!(
                "[system]\npackages = [{packages}]\n[apt.mirrors]\n\"{DEAD}\" = \"{}/elsewhere\"\n",
                archive.address()
            ),
        );
    };
    spec("\"tool\", \"elsewhere\"");
    let said = world.ends(&["fetch"], 1);
    assert!(
        said.contains("elsewhere") && said.contains("/etc/apt/sources.list"),
        "{said}"
    );
    assert!(!world.at("kraken.lock").exists());
    spec("\"tool\"");
    let said = world.does(&["fetch"]);
    assert!(
        said.contains("warning: ") && said.contains(DEAD) && said.contains("/etc/apt/sources.list"),
        "{said}"
    );
    assert_eq!(locked(&world, 0), ["libtool 1.0-1", "tool 1.0-1"]);
    let lock = lock_of(&world);
    assert_eq!(lock["bake"][0]["archive"].as_array().unwrap().len(), 1);
}

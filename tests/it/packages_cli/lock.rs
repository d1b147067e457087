//! The lock file: made once, followed, updated on request, never half-written.

use std::fs;

use super::{
    archive_of_tools, base_of, image, json, lock_of, locked, no_image, nothing_half_made, same, tools, world_of,
};
use testkit::archive::{TestArchive, make_deb};
use testkit::world::{World, names, with_package};

const WANTS_TOOL: &str = "[system]\npackages = [\"tool\"]\n";

#[test]
fn what_was_fetched_is_baked_again_offline_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    let said = world.does(&["fetch"]);
    assert!(
        said.contains("2 packages,") && said.contains("needed by tool"),
        "{said}"
    );
    assert_eq!(locked(&world, 0), ["libtool 1.0-1", "tool 1.0-1"]);
    let lock = lock_of(&world);
    let source = &lock["bake"][0]["archive"][0];
    assert_eq!(source["uri"].as_str(), Some(archive.uri().as_str()));
    assert_eq!(source["signed-by"].as_str(), Some(archive.fingerprint()));

    let said = world.does(&["build"]);
    assert!(said.contains("2 packages baked in"), "{said}");
    let said = world.does(&["verify"]);
    assert!(
        said.contains("2 images are right") && said.contains("packages"),
        "{said}"
    );
    let report = json(&world, &["verify", "--json"]);
    let listed = report["images"][1]["packages"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[1]["name"], &listed[1]["version"]),
        (&"tool".into(), &"1.0-1".into())
    );
    let said = world.does(&["inspect", "images/kraken-2.img"]);
    assert!(said.contains("libtool 1.0-1") && said.contains("tool 1.0-1"), "{said}");
    let facts = json(&world, &["inspect", "--json", "images/kraken-2.img"]);
    assert_eq!(facts["packages"][0]["name"], "libtool");

    let baked = image(&world, "images", 1);
    assert_eq!(baked.root_file("/usr/bin/tool"), b"tool 1.0-1\n");
    let status = String::from_utf8(baked.root_file("/var/lib/dpkg/status")).unwrap();
    assert_eq!(status.matches("Status: install ok unpacked").count(), 2, "{status}");
    assert_eq!(baked.root_file("/etc/tool.conf.dpkg-new"), b"a = 1\n");
    assert!(
        baked
            .debugfs("stat /etc/systemd/system/multi-user.target.wants/kraken-configure.service")
            .contains("symlink")
    );
    baked.is_clean();

    // A year later: the archive is gone, and so are the images that were made meanwhile.
    archive.stop();
    fs::remove_dir_all(world.at("cache/golden")).unwrap();
    world.does(&["build", "--offline", "-o", "again"]);
    for node in [1, 2] {
        same(&image(&world, "images", node).path, &image(&world, "again", node).path);
    }
    // Also from the caches, and without an option that says that there is no network.
    world.does(&["build", "-o", "again"]);
    same(&image(&world, "images", 1).path, &image(&world, "again", 1).path);

    let before = fs::read(world.at("kraken.lock")).unwrap();
    world.spec(2, "[system]\npackages = [\"tool\", \"extra\"]\n");
    let said = world.ends(&["build", "--offline", "-o", "other"], 1);
    assert!(
        said.contains("kraken.lock has none for this base and this kraken.toml"),
        "{said}"
    );
    assert!(said.contains("run `kraken-flash fetch` first"), "{said}");
    no_image(&world, "other");
    // Images of another list of packages do not belong to this kraken.toml.
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("kraken.lock was made for other packages than kraken.toml asks for"),
        "{said}"
    );
    // A package file that no longer exists cannot be downloaded offline.
    world.spec(2, WANTS_TOOL);
    fs::remove_dir_all(world.at("cache/downloads")).unwrap();
    fs::remove_dir_all(world.at("cache/golden")).unwrap();
    let said = world.ends(&["build", "--offline", "-o", "other"], 1);
    assert!(
        said.contains("it is not in the cache, and the network must not be used"),
        "{said}"
    );
    assert_eq!(fs::read(world.at("kraken.lock")).unwrap(), before);
    nothing_half_made(&world);
}

#[test]
fn the_lock_moves_on_when_asked_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    world.does(&["fetch"]);
    let first = fs::read(world.at("kraken.lock")).unwrap();
    let asked = archive.log().len();
    world.does(&["fetch"]);
    assert_eq!(archive.log().len(), asked, "a lock that holds needs no archive");
    let said = world.does(&["fetch", "--update"]);
    assert!(said.contains("all packages are as new as can be had"), "{said}");
    assert_eq!(fs::read(world.at("kraken.lock")).unwrap(), first);

    let [tool, library] = tools(folder.path(), "1.1-1");
    TestArchive::builder().deb(tool).deb(library).build_over(&archive);
    world.does(&["fetch"]);
    world.does(&["build", "--node", "1"]);
    assert_eq!(fs::read(world.at("kraken.lock")).unwrap(), first);
    let said = world.does(&["fetch", "--update"]);
    assert!(said.contains("now libtool 1.1-1, tool 1.1-1"), "{said}");
    assert_eq!(locked(&world, 0), ["libtool 1.1-1", "tool 1.1-1"]);
    // The image is still that of the old lock file.
    let said = world.ends(&["verify", "images/kraken-1.img"], 3);
    assert!(
        said.contains("tool is baked in as version 1.0-1, and kraken.lock has 1.1-1"),
        "{said}"
    );
    world.does(&["build", "--offline", "--node", "1"]);
    assert_eq!(image(&world, "images", 1).root_file("/usr/bin/tool"), b"tool 1.1-1\n");
    world.does(&["verify", "images/kraken-1.img"]);
    world.ends(&["fetch", "--update", "--offline"], 2);
}

#[test]
fn a_damaged_lock_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    world.does(&["fetch"]);
    let good = fs::read_to_string(world.at("kraken.lock")).unwrap();
    let hash = lock_of(&world)["bake"][0]["package"][0]["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    for (text, words) in [
        (good[..good.len() / 2].to_owned(), "reading kraken.lock"),
        (good.replace("format = 1", "format = 2"), "it has format 2"),
        (good.replace(&hash, &hash[..40]), "is not a SHA-256"),
        (good.replace("name = \"tool\"", "name = \"libtool\""), "is there twice"),
        (good.replace("recommends", "recommendz"), "recommendz"),
        ("\0\u{1}rubbish".to_owned(), "reading kraken.lock"),
    ] {
        assert_ne!(text, good, "{words}");
        fs::write(world.at("kraken.lock"), &text).unwrap();
        for arguments in [&["fetch"][..], &["fetch", "--update"], &["build"]] {
            let said = world.ends(arguments, 1);
            assert!(said.contains(words), "{words}: {said}");
            assert!(said.contains("delete it and run `kraken-flash fetch`"), "{said}");
        }
        assert_eq!(fs::read_to_string(world.at("kraken.lock")).unwrap(), text);
        no_image(&world, "images");
    }
    // A lock file that is not damaged but differs from the archive: the hash decides.
    fs::write(world.at("kraken.lock"), good.replace(&hash, &"ab".repeat(32))).unwrap();
    let said = world.ends(&["build"], 1);
    assert!(said.contains("libtool"), "{said}");
    no_image(&world, "images");
    nothing_half_made(&world);
}

#[test]
fn each_base_has_its_own_place_in_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    fs::create_dir(world.at("second")).unwrap();
    let paragraph = "Architecture: arm64\nVersion: 1.0-1\n";
    with_package(base_of(&archive), "libtool", paragraph, &["/usr/lib/libtool.so.1"]).build(&world.at("second"));
    world.does(&["fetch"]);
    let said = world.does(&["fetch", "--base", "second/base.img"]);
    assert!(said.contains("1 package for this base"), "{said}");
    let lock = lock_of(&world);
    assert_eq!(lock["bake"].as_array().unwrap().len(), 2);
    let all = [locked(&world, 0), locked(&world, 1)];
    assert!(
        all.contains(&vec!["libtool 1.0-1".into(), "tool 1.0-1".into()]),
        "{all:?}"
    );
    assert!(all.contains(&vec!["tool 1.0-1".into()]), "{all:?}");
    world.does(&[
        "build",
        "--offline",
        "--base",
        "second/base.img",
        "--node",
        "1",
        "-o",
        "two",
    ]);
    world.does(&["verify", "two/kraken-1.img"]);
    assert_eq!(
        image(&world, "two", 1).root_file("/usr/lib/libtool.so.1"),
        b"of the image\n"
    );
    // Updating one leaves the other as it is.
    let [tool, library] = tools(folder.path(), "1.1-1");
    TestArchive::builder().deb(tool).deb(library).build_over(&archive);
    world.does(&["fetch", "--update"]);
    let all = [locked(&world, 0), locked(&world, 1)];
    assert!(
        all.contains(&vec!["libtool 1.1-1".into(), "tool 1.1-1".into()]),
        "{all:?}"
    );
    assert!(all.contains(&vec!["tool 1.0-1".into()]), "{all:?}");
}

#[test]
fn a_package_that_the_base_has_is_not_baked_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let base = with_package(
        base_of(&archive),
        "extra",
        "Architecture: arm64\nVersion: 1.0-1\n",
        &["/usr/bin/extra"],
    );
    let world = World::new(1, base);
    world.spec(1, "[system]\npackages = [\"extra\"]\n");
    let said = world.does(&["fetch"]);
    assert!(said.contains("extra 1.0-1 is in the base image already"), "{said}");
    assert_eq!(locked(&world, 0), Vec::<String>::new());
    world.does(&["build", "--offline"]);
    assert_eq!(
        image(&world, "images", 1).root_file("/usr/bin/extra"),
        b"of the image\n"
    );
    world.does(&["verify"]);
}

#[test]
fn recommended_packages_come_along_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    world.does(&["fetch"]);
    world.spec(2, &format!("{WANTS_TOOL}[apt]\nrecommends = true\n"));
    // Another request: the archive is asked again, without --update.
    world.does(&["fetch"]);
    assert_eq!(locked(&world, 0), ["extra 1.0-1", "libtool 1.0-1", "tool 1.0-1"]);
}

#[test]
fn package_files_of_ones_own_are_kept_by_their_hash() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = archive_of_tools(folder.path()).build().serve();
    let world = World::new(1, base_of(&archive));
    let mine = |text: &str| {
        let deb = make_deb(
            folder.path(),
            "mine",
            "1",
            "Depends: libtool\n",
            &[("/usr/bin/mine", text)],
        );
        fs::copy(deb, world.at("mine.deb")).unwrap();
    };
    mine("first\n");
    world.spec(1, "[system]\ndebs = [\"./mine.deb\"]\n");
    world.does(&["plan"]);
    assert_eq!(
        names(&world.at("cache/downloads")),
        Vec::<String>::new(),
        "a plan changes nothing"
    );
    world.does(&["fetch"]);
    assert_eq!(locked(&world, 0), ["libtool 1.0-1", "mine 1"]);
    let first = fs::read_to_string(world.at("kraken.lock")).unwrap();
    let lock = lock_of(&world);
    let deb = &lock["bake"][0]["request"]["deb"][0];
    assert_eq!(deb["file"].as_str(), Some("./mine.deb"));
    let kept = names(&world.at("cache/downloads"));
    assert!(kept.contains(&deb["sha256"].as_str().unwrap().to_owned()), "{kept:?}");
    world.does(&["build"]);
    assert_eq!(image(&world, "images", 1).root_file("/usr/bin/mine"), b"first\n");

    // The same name, other bytes.
    mine("second\n");
    let said = world.ends(&["build", "--offline"], 1);
    assert!(said.contains("run `kraken-flash fetch` first"), "{said}");
    world.does(&["build"]);
    assert_eq!(image(&world, "images", 1).root_file("/usr/bin/mine"), b"second\n");
    assert_ne!(fs::read_to_string(world.at("kraken.lock")).unwrap(), first);
    archive.stop();
    world.does(&["build", "--offline"]);
    world.does(&["verify"]);

    for (bytes, words) in [
        (&b"no package"[..], "./mine.deb cannot be used"),
        (b"", "./mine.deb cannot be used"),
    ] {
        fs::write(world.at("mine.deb"), bytes).unwrap();
        let before = fs::read(world.at("kraken.lock")).unwrap();
        let said = world.ends(&["fetch"], 1);
        assert!(said.contains(words), "{said}");
        assert_eq!(fs::read(world.at("kraken.lock")).unwrap(), before);
    }
    nothing_half_made(&world);
}

/// The lock file keeps what an earlier kraken.toml requested.
#[test]
fn an_image_without_packages_is_right_once_none_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive_of_tools(folder.path()).build().serve();
    let world = world_of(&archive);
    world.does(&["build"]);
    world.spec(2, "");
    world.does(&["build"]);
    assert_eq!(locked(&world, 0), ["libtool 1.0-1", "tool 1.0-1"]);
    world.does(&["verify"]);
    // And the other way round.
    world.spec(2, "[system]\npackages = [\"tool\"]\n");
    let said = world.ends(&["verify"], 3);
    assert!(said.contains("none is baked in"), "{said}");
}

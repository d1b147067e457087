//! `verify` accepts an unchanged image, and names each single change, with exit code 3.

mod boot;
mod keyboard;
mod lived;

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use serde_json::Value;
use testkit::tamper::{Bed, every_tampering};
use testkit::world::{Image, PROGRAM, World, bookworm, trixie};
use testkit::{run, said};

#[test]
fn every_tampering_of_a_cloud_init_image_is_named() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    every_tampering(&Bed::new(&world, PROGRAM), true);
}

#[test]
fn every_tampering_of_an_image_without_cloud_init_is_named() {
    let world = World::new(2, bookworm());
    world.does(&["build"]);
    every_tampering(&Bed::new(&world, PROGRAM), false);
}

#[test]
fn what_is_untouched_passes_as_a_folder_as_an_image_and_in_json() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    assert!(world.does(&["verify"]).contains("2 images are right"));
    assert!(
        world
            .does(&["verify", "images/kraken-2.img"])
            .contains("kraken-2 (node 2)")
    );
    assert!(
        world
            .does(&["verify", "--node", "2", "images/kraken-2.img"])
            .contains("1 image is right")
    );
    let output = world.kraken(&["verify", "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"], serde_json::json!([]));
    for (index, image) in report["images"].as_array().unwrap().iter().enumerate() {
        assert_eq!(image["node"], index + 1);
        assert_eq!(image["findings"], serde_json::json!([]));
        assert!(image["files-compared"].as_u64().unwrap() > 15, "{image}");
        let checks: Vec<&str> = image["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(
            checks,
            [
                "partition-table",
                "fat",
                "ext4",
                "system",
                "node",
                "boot",
                "files",
                "pristine",
                "blocks"
            ]
        );
    }
}

#[test]
fn the_set_is_checked_as_well_as_its_images() {
    let world = World::new(3, trixie());
    world.does(&["build"]);
    let image = |number: u32| world.at(&format!("images/kraken-{number}.img"));

    assert!(
        world
            .ends(&["verify", "--node", "1", "images/kraken-2.img"], 3)
            .contains("should be node 1")
    );

    let aside = world.at("aside");
    fs::rename(image(1), &aside).unwrap();
    fs::rename(image(2), image(1)).unwrap();
    fs::rename(&aside, image(2)).unwrap();
    let said = world.ends(&["verify"], 3);
    for words in [
        "is node 2 (kraken-2) and should be node 1",
        "is node 1 (kraken-1) and should be node 2",
        "2 of 3 images are wrong",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let output = world.kraken(&["verify", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks: Vec<&str> = report["images"][0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|f| f["check"].as_str())
        .collect();
    assert!(checks.contains(&"node") && checks.contains(&"blocks"), "{report}");
    assert_eq!(report["images"][2]["findings"], serde_json::json!([]));

    fs::rename(image(1), &aside).unwrap();
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("kraken-1.img is missing: the manifest lists it"),
        "{said}"
    );
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_finding() {
    let world = World::new(1, trixie());
    world.does(&["build"]);
    let path = world.at("images/manifest.json");
    let whole = fs::read_to_string(&path).unwrap();
    let newer = whole.replace("\"manifest-version\": 1", "\"manifest-version\": 2");
    for (text, why) in [
        (&newer[..], "its format has version 2"),
        (
            &whole[..whole.len() / 2],
            "it is damaged, or not a manifest of this program",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let said = world.ends(&["verify"], 3);
        assert!(said.contains(&format!("reading images/manifest.json: {why}")), "{said}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let said = world.ends(&["verify"], 3);
    assert!(said.contains("it is not a regular file"), "{said}");
}

#[test]
fn an_image_named_by_itself_is_compared_with_its_block_map_too() {
    let world = World::new(1, trixie());
    world.does(&["build"]);
    let image = Image::open(&world.at("images/kraken-1.img"));
    let at = image.root_block(PROGRAM, 20);
    fs::File::options()
        .write(true)
        .open(&image.path)
        .unwrap()
        .write_all_at(b"tampered", at)
        .unwrap();
    let said = world.ends(&["verify", "images/kraken-1.img"], 3);
    assert!(said.contains("are not those that were written"), "{said}");
    fs::remove_file(world.at("images/kraken-1.img.bmap")).unwrap();
    world.does(&["verify", "images/kraken-1.img"]);
}

#[test]
fn images_of_another_cluster_or_another_spec_are_wrong() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    let toml = fs::read_to_string(world.at("kraken.toml")).unwrap();
    for (from, to, words) in [
        (
            "nodes = 2",
            "name = \"hydra\"\nnodes = 2",
            "belongs to the cluster \"kraken\"",
        ),
        ("nodes = 2", "nodes = 1", "kraken.toml has 1 nodes"),
        ("name = \"kraken\"", "name = \"other\"", "root:/etc/passwd"),
        (
            "[image]",
            "[network]\nfirst-address = \"192.168.3.50\"\n[image]",
            "boot:/network-config",
        ),
        ("me@home", "me@work", "boot:/user-data"),
    ] {
        fs::write(world.at("kraken.toml"), toml.replace(from, to)).unwrap();
        let said = world.ends(&["verify", "images/kraken-2.img"], 3);
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn images_that_are_none_of_the_set_are_named_with_what_to_do() {
    let world = World::new(2, trixie());
    world.does(&["build"]);
    fs::copy(world.at("images/kraken-1.img"), world.at("images/copy.img")).unwrap();
    // The images of others are not checked.
    fs::write(world.at("images/other.img"), [0; 4096]).unwrap();
    fs::write(world.at("images/other.img.xz"), b"x").unwrap();
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("copy.img is not an image of this set: it is another image of kraken-1 (node 1); remove it")
            && !said.contains("other.img"),
        "{said}"
    );
    fs::remove_file(world.at("images/copy.img")).unwrap();
    let toml = fs::read_to_string(world.at("kraken.toml")).unwrap();
    fs::write(world.at("kraken.toml"), toml.replace("nodes = 2", "nodes = 1")).unwrap();
    world.does(&["build"]);
    let said = world.ends(&["verify"], 3);
    assert!(
        said.contains("kraken-2.img is not an image of this set: it is kraken-2 (node 2), and the cluster has 1 nodes"),
        "{said}"
    );
    let renamed = toml.replace("nodes = 2", "name = \"hydra\"\nnodes = 2");
    fs::write(world.at("kraken.toml"), renamed).unwrap();
    world.does(&["build"]);
    let said = world.ends(&["verify"], 3);
    for words in [
        "kraken-1.img is not an image of this set: it is kraken-1 (node 1) of the cluster \"kraken\", and this one is \"hydra\"",
        "kraken-2.img is not an image of this set",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for name in ["kraken-1.img", "kraken-2.img"] {
        fs::remove_file(world.at("images").join(name)).unwrap();
    }
    world.does(&["verify"]);
}

#[test]
fn what_cannot_be_verified_is_an_error_or_a_finding_never_a_pass() {
    let world = World::new(1, trixie());
    world.does(&["build"]);
    let said = world.ends(&["verify", "base.img"], 3);
    assert!(said.contains("was not made by kraken-flash"), "{said}");
    for (path, code) in [
        ("nowhere", 1),
        ("home", 1),
        ("kraken.toml", 3),
        ("images/kraken-1.img.bmap", 3),
    ] {
        world.ends(&["verify", path], code);
    }
    fs::write(world.at("empty.img"), "").unwrap();
    world.ends(&["verify", "empty.img"], 3);
    // Cut off anywhere, it is wrong, and nothing worse happens.
    let image = world.at("images/kraken-1.img");
    let cut = world.at("cut.img");
    let len = fs::metadata(&image).unwrap().len();
    for keep in [
        1,
        511,
        512,
        8 << 20,
        (8 << 20) + 700,
        100 << 20,
        265 << 20,
        len - (1 << 20) - 4096,
    ] {
        run(Command::new("cp").args(["--sparse=always"]).args([&image, &cut]));
        fs::File::options()
            .write(true)
            .open(&cut)
            .unwrap()
            .set_len(keep)
            .unwrap();
        world.ends(&["verify", "cut.img"], 3);
        world.kraken(&["inspect", "cut.img"]);
    }
}

#[test]
fn what_cannot_be_booted_is_said_before_anything_is() {
    let world = World::new(2, trixie());
    world.does(&["build", "--compress", "zst"]);
    for (arguments, code, words) in [
        (
            &["--base", "debian"][..],
            2,
            "--base, --offline and --refresh go with --boot",
        ),
        (&["--nodes", "1"], 2, "--boot"),
        (&["--boot", "--at-once", "0"], 2, "--at-once"),
        (&["--boot", "images", "--nodes", "3"], 2, "there is no node 3"),
        (&["--boot", "images", "--node", "1"], 2, "--nodes"),
        (
            &["--boot", "images/kraken-1.img.zst", "--nodes", "1"],
            2,
            "--nodes picks from a folder",
        ),
        (
            &["--boot", "kraken.toml"],
            2,
            "which node should kraken.toml be? Say it with --node N",
        ),
    ] {
        let said = world.ends(&[&["verify"], arguments].concat(), code);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let packed = world.at("images/kraken-2.img.zst");
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    let said = world.ends(&["verify", "--boot", "images"], 1);
    assert!(
        said.contains("kraken-2.img.zst: the zstd file is cut short") && !said.contains("kraken-2.raw"),
        "{said}"
    );
    fs::remove_file(&packed).unwrap();
    let said = world.ends(&["verify", "--boot", "images"], 1);
    assert!(
        said.contains("images has no kraken-2.img: make them with `kraken-flash build`"),
        "{said}"
    );
    let left: Vec<_> = fs::read_dir(world.at("cache/boot")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_base_with_a_docker_of_its_own_lacks_no_packages() {
    let world = World::new(1, trixie());
    for docker in ["packages = []", "source = \"none\""] {
        world.spec(1, &format!("[swarm]\nmode = \"none\"\n[docker]\n{docker}\n"));
        world.does(&["build", "--no-sums", "-o", "images"]);
        world.does(&["verify", "images"]);
    }
    // An image that was built without what is requested now is wrong.
    world.spec(1, "[swarm]\nmode = \"none\"\n[docker]\nsource = \"debian\"\n");
    let said = world.ends(&["verify", "images"], 3);
    assert!(
        said.contains("kraken.toml asks for packages, and none is baked in"),
        "{said}"
    );
}

//! A folder with an image that does not belong to the set: it is in the report, and the run does
//! not succeed.

use std::fs;
use std::process::Output;

use serde_json::Value;

use testkit::said;
use testkit::tools::require;
use testkit::world::{World, trixie};

/// The results for the folder: its report, and whether the finding was printed before a node's
/// emulator was started.
fn boot(world: &World, arguments: &[&str]) -> (Output, Value) {
    let output = world
        .program()
        .args([
            "verify",
            "--boot",
            "images",
            "--json",
            "--html",
            "report.html",
            "--junit",
            "report.xml",
        ])
        .args(arguments)
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output, report)
}

/// The stand-ins have no kernel that would start, so all of it takes seconds.
#[test]
fn qemu_boot_names_an_image_that_is_none_of_the_set() {
    require(&[
        ("qemu-system-aarch64", "qemu-system-arm"),
        ("qemu-io", "qemu-utils"),
        ("ssh", "openssh-client"),
    ]);
    let world = World::new(2, trixie());
    world.does(&["build"]);
    let (_, report) = boot(&world, &[]);
    let set = &report["cluster-checks"][0];
    assert_eq!(
        (&set["name"], &set["outcome"]),
        (&"set".into(), &"passed".into()),
        "{report}"
    );

    let toml = fs::read_to_string(world.at("kraken.toml")).unwrap();
    fs::write(world.at("kraken.toml"), toml.replace("nodes = 2", "nodes = 1")).unwrap();
    world.does(&["build"]);
    let finding =
        "images/kraken-2.img is not an image of this set: it is kraken-2 (node 2), and the cluster has 1 nodes";
    for arguments in [&[][..], &["--nodes", "1"]] {
        let (output, report) = boot(&world, arguments);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let at = stderr.find(finding).unwrap_or_else(|| panic!("{stderr}"));
        assert!(stderr.find("started").is_none_or(|started| at < started), "{stderr}");
        let set = &report["cluster-checks"][0];
        assert_eq!(
            (&set["name"], &set["outcome"]),
            (&"set".into(), &"failed".into()),
            "{report}"
        );
        assert!(set["seen"].as_str().unwrap().starts_with(finding), "{set}");
        for name in ["report.html", "report.xml"] {
            let text = fs::read_to_string(world.at(name)).unwrap();
            assert!(text.contains("is not an image of this set"), "{name}: {text}");
        }
    }
}

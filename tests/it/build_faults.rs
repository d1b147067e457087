//! Failures during `build` are reported, and leave nothing that looks finished.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use testkit::child::Killed;
use testkit::world::{Image, World, names, trixie};
use testkit::{TestImage, run};

/// Files that a reader could take for finished images, and the unfinished ones.
fn images(folder: &Path) -> (Vec<String>, Vec<String>) {
    names(folder).into_iter().partition(|name| !name.ends_with(".part"))
}

/// A base that is fast to read, because these tests build from it many times.
fn small() -> TestImage {
    trixie().fat_mib(40)
}

/// A base with so much data that writing an image takes a while.
fn heavy() -> World {
    World::new(6, small().root_mib(448).file("var/ballast", noise(224 << 20)))
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len / 8).flat_map(|_| next()).collect()
}

/// Starts a build and waits until it prints that it does `stage`.
fn begin(world: &World, stage: &str, more: &[&str]) -> Killed {
    let mut child = Killed::spawn(
        world
            .program()
            .arg("build")
            .args(more)
            .stderr(Stdio::piped())
            .stdout(Stdio::null()),
    );
    let mut reader = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 && !line.lines().any(|line| line.starts_with(stage)) {}
    assert!(
        line.lines().any(|line| line.starts_with(stage)),
        "never began {stage:?}: {line}"
    );
    // Its later output must not block the program.
    std::thread::spawn(move || reader.read_to_end(&mut Vec::new()));
    child
}

fn ends_soon(mut child: Killed) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > Duration::from_secs(30) {
            panic!("it went on for half a minute");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, name: &str) {
    run(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]));
}

/// Checks that every file in the folder with a final name is complete: images are clean and match
/// their block maps.
fn what_is_there_is_whole(folder: &Path) {
    let (finished, unfinished) = images(folder);
    assert_eq!(unfinished, Vec::<String>::new());
    for name in finished.iter().filter(|name| name.ends_with(".img")) {
        Image::open(&folder.join(name)).is_clean();
    }
}

#[test]
fn an_interrupt_at_any_stage_ends_with_130_and_leaves_nothing_unfinished() {
    let world = heavy();
    for (round, (stage, name, more)) in [
        ("hashing base.img", "INT", &[][..]),
        ("copying the base image", "TERM", &[]),
        ("baking what all nodes share", "INT", &[]),
        ("hashing the golden image", "INT", &[]),
        ("writing kraken-", "INT", &[]),
        ("hashing kraken-", "TERM", &[]),
        ("compressing kraken-", "INT", &["--compress", "xz"]),
    ]
    .into_iter()
    .enumerate()
    {
        let output = format!("out-{round}");
        let mut arguments = vec!["-o", output.as_str()];
        arguments.extend(more);
        let child = begin(&world, stage, &arguments);
        signal(&child, name);
        assert_eq!(ends_soon(child).code(), Some(130), "{stage}");
        let folder = world.at(&output);
        what_is_there_is_whole(&folder);
        assert!(
            !folder.join("manifest.json").exists(),
            "{stage}: a manifest of what is not there"
        );
        for folder in ["cache/golden", "cache/raw"] {
            let left: Vec<String> = names(&world.at(folder))
                .into_iter()
                .filter(|name| !name.ends_with(".img") && !name.ends_with(".json"))
                .collect();
            assert_eq!(left, Vec::<String>::new(), "{stage}: in {folder}");
        }
    }
    world.does(&["build", "-o", "out-4"]);
    assert!(world.does(&["verify", "out-4"]).contains("6 images are right"));
}

#[test]
fn what_a_killed_build_leaves_is_cleared_by_the_next() {
    let world = heavy();
    for stage in [
        "copying the base image",
        "hashing the golden image",
        "writing kraken-",
        "hashing kraken-",
    ] {
        let child = begin(&world, stage, &[]);
        signal(&child, "KILL");
        assert!(!ends_soon(child).success());
        for name in images(&world.at("images"))
            .0
            .iter()
            .filter(|name| name.ends_with(".img"))
        {
            Image::open(&world.at("images").join(name)).is_clean();
        }
    }
    world.does(&["build"]);
    what_is_there_is_whole(&world.at("images"));
    assert!(world.does(&["verify"]).contains("6 images are right"));
    let left: Vec<String> = names(&world.at("cache/golden"))
        .into_iter()
        .filter(|name| name.ends_with(".part"))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "half a golden image stays in the cache");
}

#[test]
fn two_builds_into_one_folder_do_not_mix() {
    let world = heavy();
    let first = begin(&world, "copying the base image", &[]);
    let said = world.ends(&["build"], 1);
    assert!(said.contains("in use by another kraken-flash"), "{said}");
    // Into another folder, both run at the same time, with one cache.
    world.does(&["build", "-o", "other"]);
    assert!(ends_soon(first).success());
    for folder in ["images", "other"] {
        assert!(world.does(&["verify", folder]).contains("6 images are right"));
    }
}

#[test]
fn a_place_that_cannot_be_written_to_is_said_before_the_work() {
    let world = World::new(1, small());
    fs::write(world.at("file"), "mine").unwrap();
    for (folder, words) in [
        ("file", "making the folder file"),
        ("file/below", "making the folder file/below"),
        ("/proc/kraken", "making the folder /proc/kraken"),
    ] {
        let said = world.ends(&["build", "-o", folder], 1);
        assert!(said.contains(words) && !said.contains("copying"), "{said}");
    }
    assert_eq!(fs::read(world.at("file")).unwrap(), b"mine");
}

#[test]
fn a_manifest_of_something_else_is_not_overwritten() {
    let world = World::new(1, small());
    fs::create_dir(world.at("images")).unwrap();
    for text in ["{\"name\": \"a web app\"}", "not json", ""] {
        fs::write(world.at("images/manifest.json"), text).unwrap();
        let said = world.ends(&["build"], 1);
        assert!(
            said.contains("manifest.json") && said.contains("choose another folder"),
            "{said}"
        );
        assert!(!world.at("cache/golden").exists(), "it was baked before: {said}");
        assert_eq!(fs::read_to_string(world.at("images/manifest.json")).unwrap(), text);
    }
}

#[test]
fn a_file_size_limit_is_an_error_that_leaves_nothing() {
    let world = World::new(2, small());
    let program = world.program();
    // 64 MiB, in blocks of 512 bytes; the golden image needs more. When the signal is ignored, the
    // write fails with an error.
    let script = format!(
        "trap '' XFSZ; ulimit -f 131072; exec '{}' build",
        program.get_program().display()
    );
    let mut shell = Command::new("sh");
    shell.current_dir(world.path()).args(["-c", &script]);
    for (name, value) in program.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let output = shell.output().unwrap();
    let said = testkit::said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("File too large") && !said.contains("panicked"), "{said}");
    assert_eq!(names(&world.at("images")), Vec::<String>::new());
    assert_eq!(names(&world.at("cache/golden")), Vec::<String>::new());
    world.does(&["build"]);
}

/// Builds from a damaged base: it succeeds, or it prints why not. A file with a final name is
/// always a complete image.
fn survives(world: &World, what: &str) -> bool {
    let output = world
        .program()
        .args(["build", "--base", "damaged.img"])
        .output()
        .unwrap();
    let said = testkit::said(&output);
    assert!(!said.contains("panicked"), "{what}: {said}");
    match output.status.code() {
        Some(0) => {
            assert!(world.at("images/manifest.json").exists(), "{what}");
            fs::remove_dir_all(world.at("images")).unwrap();
            true
        }
        Some(1) => {
            assert!(said.contains("error: ") && said.len() > 40, "{what}: {said}");
            assert_eq!(names(&world.at("images")), Vec::<String>::new(), "{what}: {said}");
            false
        }
        code => panic!("{what}: ended with {code:?}: {said}"),
    }
}

fn damaged(world: &World) -> File {
    let path = world.at("damaged.img");
    run(Command::new("cp")
        .arg("--sparse=always")
        .args([&world.at("base.img"), &path]));
    File::options().read(true).write(true).open(path).unwrap()
}

#[test]
fn a_truncated_base_is_refused() {
    let world = World::new(1, small());
    let image = Image::open(&world.at("base.img"));
    for keep in [
        0,
        1,
        511,
        512,
        4096,
        image.boot.0,
        image.boot.0 + 100,
        image.root.0 - 1,
        image.root.0 + 1024,
        image.root.0 + (9 << 20),
        image.root.0 + image.root.1 - 4096,
    ] {
        damaged(&world).set_len(keep).unwrap();
        assert!(!survives(&world, &format!("cut to {keep} bytes")));
    }
}

#[test]
fn a_base_with_flipped_bits_is_refused_or_built_never_worse() {
    let world = World::new(1, small());
    let image = Image::open(&world.at("base.img"));
    // The places where a flipped bit most likely does damage: partition table, boot sector and
    // FATs, superblock and group descriptors, inode tables.
    let regions = [
        (0, 512),
        (image.boot.0, 512),
        (image.boot.0 + 32 * 512, 4096),
        (image.root.0 + 1024, 1024),
        (image.root.0 + 4096, 4096),
        (image.root.0, 4 << 20),
    ];
    let mut state = 20u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut refused = 0;
    for seed in 0..24 {
        let (start, len) = regions[seed % regions.len()];
        let file = damaged(&world);
        let flips = [1, 1, 8, 64][seed / regions.len()];
        for _ in 0..flips {
            let at = start + next(len);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ (1 << next(8))], at).unwrap();
        }
        refused += u32::from(!survives(&world, &format!("seed {seed}")));
    }
    assert!(
        refused > 3,
        "only {refused} of 24 damaged bases were refused: the damage misses"
    );
}

#[test]
fn a_damaged_archive_is_refused_and_not_kept() {
    let world = World::new(1, small());
    for (name, command) in [
        ("base.img.xz", "xz -k -1 -T1 base.img"),
        ("base.img.zst", "zstd -q -1 base.img"),
        ("base.img.gz", "gzip -k -1 base.img"),
        ("base.zip", "zip -q -1 base.zip base.img"),
    ] {
        run(Command::new("sh").current_dir(world.path()).args(["-c", command]));
        let whole = fs::read(world.at(name)).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x10;
        for (how, bytes) in [("cut", &whole[..whole.len() * 2 / 3]), ("flipped", &flipped[..])] {
            fs::write(world.at("bad"), bytes).unwrap();
            let output = world.kraken(&["build", "--base", "./bad"]);
            if how == "flipped" && output.status.success() {
                // No reader needs this bit: the image is correct all the same.
                let right = format!(
                    "{}.img",
                    hex::encode(Sha256::digest(fs::read(world.at("base.img")).unwrap()))
                );
                assert_eq!(names(&world.at("cache/raw")), [right], "{name}");
                fs::remove_dir_all(world.at("cache/raw")).unwrap();
                fs::remove_dir_all(world.at("images")).unwrap();
                continue;
            }
            let said = testkit::said(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {how}: {said}");
            assert!(said.contains("unpacking"), "{name} {how}: {said}");
            assert_eq!(names(&world.at("images")), Vec::<String>::new(), "{name} {how}");
            assert_eq!(names(&world.at("cache/raw")), Vec::<String>::new(), "{name} {how}");
        }
    }
}

#[test]
fn small_faults_of_a_base_are_reported_and_are_in_no_image() {
    let world = World::new(1, small());
    let base = world.at("base.img");
    let file = File::options().read(true).write(true).open(&base).unwrap();
    file.write_all_at(&[0x83], 446 + 4).unwrap();
    let start = 8 << 20;
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, start).unwrap();
    let reserved = u64::from(u16::from_le_bytes([sector[14], sector[15]]));
    // A cluster that no file uses, in the first copy of the allocation table only.
    file.write_all_at(&[0xff, 0xff, 0xff, 0x0f], start + reserved * 512 + 4 * 50_000)
        .unwrap();
    let said = world.does(&["inspect", "base.img"]);
    for words in ["in use by no file", "copies", "has the type 83"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = world.does(&["build"]);
    for words in ["in use by no file", "copies", "has the type 83"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    world.does(&["verify"]);
    Image::open(&world.at("images/kraken-1.img")).is_clean();
    let said = world.does(&["inspect", "images/kraken-1.img"]);
    assert!(!said.contains("problem"), "{said}");
}

/// A failing disk changes bytes and no dates, so only the hashes show it.
#[test]
fn a_damaged_image_in_the_cache_is_noticed_and_made_again() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new(1, small());
    world.does(&["build"]);
    let sums = fs::read(world.at("images/SHA256SUMS")).unwrap();
    let golden = names(&world.at("cache/golden"))
        .into_iter()
        .find(|name| name.ends_with(".img"))
        .unwrap();
    let golden = world.at("cache/golden").join(golden);
    let file = File::options().read(true).write(true).open(&golden).unwrap();
    let before = file.metadata().unwrap();
    file.write_all_at(b"rotten", 100).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(before.modified().unwrap()))
        .unwrap();
    let record = golden.with_extension("json");
    let after = file.metadata().unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    json["stamp"]["ctime"] = serde_json::json!([after.ctime(), after.ctime_nsec()]);
    fs::write(&record, json.to_string()).unwrap();
    let said = world.does(&["build"]);
    assert!(
        said.contains("made again") && said.contains(golden.to_str().unwrap()),
        "{said}"
    );
    assert_eq!(fs::read(world.at("images/SHA256SUMS")).unwrap(), sums);
    world.does(&["verify"]);
    assert!(!world.does(&["build"]).contains("made again"));
}

//! The same inputs produce the same bytes: another folder, cache, umask, time zone, locale, clock
//! and age of the files change nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use testkit::tools::require;
use testkit::world::{World, bookworm, names, nearly_full, trixie};
use testkit::{TestImage, run};

fn hashes(folder: &Path) -> BTreeMap<String, String> {
    let hash = |name: &String| hex::encode(Sha256::digest(fs::read(folder.join(name)).unwrap()));
    names(folder)
        .into_iter()
        .map(|name| (name.clone(), hash(&name)))
        .collect()
}

/// The library that gives a program another clock; its folder depends on the architecture.
fn faketime() -> PathBuf {
    require(&[("faketime", "faketime")]);
    let said = run(Command::new("dpkg-query").args(["-L", "libfaketime"]));
    let line = said.lines().find(|line| line.ends_with("/libfaketimeMT.so.1"));
    line.expect("libfaketimeMT.so.1 in the package libfaketime").into()
}

/// Builds raw, xz and zstd images; `how` precedes the program on a shell's command line.
fn build(world: &World, how: &str, environment: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (folder, more) in [
        ("raw", ""),
        ("xz", "--node 2 --compress xz"),
        ("zst", "--node 2 --compress zst"),
    ] {
        let program = world.program();
        let script = format!(
            "{how} exec '{}' build -o {folder} {more}",
            program.get_program().display()
        );
        let mut shell = Command::new("sh");
        shell.current_dir(world.path()).args(["-c", &script]);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = shell.envs(environment.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{script}: {}", testkit::said(&output));
        let found = hashes(&world.at(folder));
        assert!(found.len() >= 4, "{found:?}");
        all.extend(found.into_iter().map(|(name, hash)| (format!("{folder}/{name}"), hash)));
    }
    all
}

fn same_everywhere(base: fn() -> TestImage) {
    let clock = faketime();
    let here = World::new(2, base());
    let there = World::without_base(2);
    fs::copy(here.at("base.img"), there.at("base.img")).unwrap();
    // As if it had been copied here years ago.
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for name in ["base.img", "kraken.toml"] {
        let file = fs::File::options().write(true).open(there.at(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    let first = build(&here, "umask 022;", &[("TZ", "UTC"), ("LC_ALL", "C")]);
    let clock = clock.to_str().unwrap();
    // Ten years from now, on the other side of the world, in a locale that writes numbers and sorts
    // names differently.
    let second = build(
        &there,
        "umask 077;",
        &[
            ("TZ", "Pacific/Kiritimati"),
            ("LC_ALL", "tr_TR.UTF-8"),
            ("LANG", "tr_TR.UTF-8"),
            ("LD_PRELOAD", clock),
            ("FAKETIME", "+3650d"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ],
    );
    assert_eq!(first, second);
}

#[test]
fn the_clock_that_is_shown_to_the_program_is_another_one() {
    let said = run(Command::new("date")
        .arg("+%Y")
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME", "+3650d"));
    let now = run(Command::new("date").arg("+%Y"));
    assert!(
        said.trim().parse::<u32>().unwrap() >= now.trim().parse::<u32>().unwrap() + 9,
        "{said} {now}"
    );
}

#[test]
fn cloud_init_images_are_the_same_bytes_everywhere() {
    same_everywhere(trixie);
}

#[test]
fn images_without_cloud_init_that_grow_are_the_same_bytes_everywhere() {
    same_everywhere(|| nearly_full(bookworm().fat_mib(40)));
}

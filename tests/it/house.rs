//! The house: no `use` runs up a floor, and the architecture page lists the rooms that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Floor of every room, and the rooms of its own floor that it may use besides.
const ROOMS: &[(&str, u8, &[&str])] = &[
    ("cli", 4, &[]),
    ("card", 3, &["bake"]),
    ("output", 3, &["bake"]),
    ("check", 3, &["bake", "output"]),
    ("bake", 3, &[]),
    ("base", 2, &[]),
    ("packages", 2, &["base"]),
    ("provision", 2, &["base", "packages"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    rust_files(&root().join("src"), &mut found);
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        // What only tests use may write where it likes.
        if !path.ends_with("testkit") {
            rust_files(&path.join("src"), &mut found);
        }
    }
    found.sort();
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// The room a file belongs to; `None` for the crate's root files, and for those of the crates beneath it.
fn room(path: &Path) -> Option<String> {
    let relative = path.strip_prefix(root().join("src")).ok()?;
    let first = relative
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first).to_owned();
    (!["lib", "main"].contains(&name.as_str())).then_some(name)
}

/// Rooms that a text names as `crate::room` or `kraken_flash::room`, also in `use crate::{a, b::c}`.
fn used_rooms(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        rooms.push(word.clone());
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(c),
                    _ => {}
                }
            }
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    rooms
        .into_iter()
        .map(|name| name.trim().split("::").next().unwrap().trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn arrows_up(room: &str, text: &str) -> Vec<String> {
    let rooms: BTreeMap<_, _> = ROOMS
        .iter()
        .map(|(name, floor, beside)| (*name, (*floor, *beside)))
        .collect();
    let (floor, beside) = rooms[room];
    used_rooms(text)
        .into_iter()
        .filter(|used| used != room)
        .filter(|used| match rooms.get(used.as_str()) {
            Some((other, _)) => *other >= floor && !beside.contains(&used.as_str()),
            None => true,
        })
        .collect()
}

#[test]
fn every_use_goes_down() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(room) = room(&path) else { continue };
        assert!(
            ROOMS.iter().any(|(name, ..)| *name == room),
            "{room} is not in the list of rooms of tests/it/house.rs"
        );
        for used in arrows_up(&room, &fs::read_to_string(&path).unwrap()) {
            wrong.push(format!("{}: uses {used}", path.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that run up a floor, or to no room:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn an_arrow_that_runs_up_is_seen() {
    assert_eq!(arrows_up("base", "use crate::card::Device;"), ["card"]);
    assert_eq!(
        arrows_up("bake", "use crate::{base, output::{Bmap, Folder}};"),
        ["output"]
    );
    assert_eq!(arrows_up("base", "fn f() { crate::cli::run() }"), ["cli"]);
    assert!(arrows_up("output", "use crate::bake::NodeImage;\n// use crate::cli::x").is_empty());
}

#[test]
fn the_architecture_page_lists_the_rooms() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut listed: Vec<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| {
            let mut cells = line.split(" | ");
            let floor = cells.next()?.trim().to_owned();
            let room = cells.next()?.trim().trim_matches('`').trim_end_matches('/').to_owned();
            // Crates, whose names have a hyphen, are listed by `cargo xtask layers`.
            let is_module = !room.contains('-');
            floor.parse::<u8>().ok().filter(|_| is_module).map(|_| (room, floor))
        })
        .collect();
    listed.sort();
    let mut wanted: Vec<_> = ROOMS
        .iter()
        .map(|(name, floor, _)| ((*name).to_owned(), floor.to_string()))
        .collect();
    wanted.sort();
    assert_eq!(
        listed, wanted,
        "docs/architecture.md (left) and the rooms (right) differ"
    );
    let mut exist: Vec<_> = sources().iter().filter_map(|path| room(path)).collect();
    exist.sort();
    exist.dedup();
    assert_eq!(
        exist,
        wanted.iter().map(|(room, _)| room.clone()).collect::<Vec<_>>(),
        "rooms in src/ and in the list"
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} does not open with a //! line",
            path.display()
        );
    }
}

/// Where a file is written by a name that can be foreseen. Whoever may write to such a folder could put a link there, so all others have no
/// such name (tempfile, then renamed), or stand here with the reason.
const NAMED: &[(&str, usize, &str)] = &[
    ("crates/fetch/src/cache.rs", 1, "NO_FOLLOW"),
    ("src/base/debian.rs", 1, "NO_FOLLOW"),
    ("crates/fetch/src/download.rs", 1, "NO_FOLLOW"),
    ("crates/fetch/src/plain.rs", 1, "NO_FOLLOW"),
    (
        "src/base/debian/compose.rs",
        2,
        "a working folder with a name of its own",
    ),
    (
        "src/check/daemon/ask.rs",
        3,
        "a folder with a name of its own, for its owner alone",
    ),
    ("src/check/emulate/boot.rs", 1, "the run's own folder"),
    ("src/check/emulate/guest.rs", 1, "the run's own folder"),
    ("src/check/emulate/node.rs", 1, "the run's own folder"),
    ("src/check/emulate/node/power.rs", 1, "the run's own folder"),
    ("src/check/emulate/ssh.rs", 1, "the run's own folder"),
    (
        "src/check/emulate/subject.rs",
        1,
        "a folder with a name of its own, for its owner alone",
    ),
];

#[test]
fn no_file_of_a_name_that_can_be_foreseen_is_written_through_a_link() {
    const WRITES: [&str; 4] = ["fs::write(", "File::create(", "fs::copy(", ".create(true)"];
    let mut found = BTreeMap::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        // Examples in the documentation write where they like.
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        let count: usize = WRITES.iter().map(|write| code.matches(write).count()).sum();
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let is_test = name.ends_with("tests.rs") || name.ends_with("_test.rs");
        if count > 0 && !is_test {
            let guarded = code.matches("custom_flags(NO_FOLLOW)").count() >= count;
            let reason = NAMED
                .iter()
                .find(|(place, _, _)| *place == name)
                .map(|(_, _, why)| *why);
            assert!(
                reason != Some("NO_FOLLOW") || guarded,
                "{name}: a file is opened without NO_FOLLOW"
            );
            found.insert(name, count);
        }
    }
    let known: BTreeMap<String, usize> = NAMED
        .iter()
        .map(|(name, count, _)| ((*name).to_owned(), *count))
        .collect();
    assert_eq!(found, known, "give it a temporary name, or NO_FOLLOW and a line here");
}

#[test]
fn whoever_takes_a_lock_says_what_to_do_where_there_are_none() {
    let mut takers = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if code.contains("flock(") || code.contains(".try_lock()") {
            assert!(code.contains("lock_failed("), "{}", path.display());
            takers.push(path);
        }
    }
    assert_eq!(takers.len(), 5, "{takers:?}");
}

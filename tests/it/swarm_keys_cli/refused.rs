//! Key files that must not be trusted, and files that are not keys.

use std::fs;
use std::path::Path;

use kraken_swarm_state::Role;

use super::{ARMOUR, Desk, KEYS, WORKER, key_file, pipe, seed, token};

const RESTORE: &str = "put the copy back that you kept";

#[test]
fn keys_that_others_can_read_or_change_are_refused() {
    let desk = Desk::with("", 7);
    for (mode, good) in [
        (0o600, true),
        (0o400, true),
        (0o700, true),
        (0o640, false),
        (0o604, false),
        (0o644, false),
        (0o620, false),
        (0o602, false),
        (0o610, false),
    ] {
        desk.write(KEYS, key_file(7).as_bytes(), mode);
        if good {
            assert_eq!(desk.does(WORKER), token(&key_file(7), Role::Worker), "{mode:o}");
            continue;
        }
        let shown = format!("(mode {mode:04o})");
        let said = desk.fails(
            WORKER,
            1,
            &["kraken.keys", "others can read or write it", &shown, "chmod 600"],
        );
        assert!(!said.contains(seed(&key_file(7))) && !said.contains("SWMTKN"), "{said}");
        assert_eq!(desk.mode(KEYS), mode);
    }
}

/// Replaces the keys by something else.
type Make = fn(&Path);

#[test]
fn what_is_no_file_in_the_place_of_the_keys_does_not_hang() {
    let places: [(&str, Make); 4] = [
        ("a pipe", pipe),
        ("a folder", |path| fs::create_dir(path).unwrap()),
        ("a device", |path| {
            std::os::unix::fs::symlink("/dev/zero", path).unwrap()
        }),
        ("a link to a folder", |path| {
            std::os::unix::fs::symlink("home", path).unwrap()
        }),
    ];
    for (name, make) in places {
        let desk = Desk::new();
        make(&desk.path().join(KEYS));
        let said = desk.fails(
            WORKER,
            1,
            &[
                "kraken.keys: it is not a regular file",
                "put the cluster's key file there",
            ],
        );
        let before = fs::symlink_metadata(desk.path().join(KEYS)).unwrap();
        // Whatever `init` reports about it, it does not change it.
        desk.run(&["init"]);
        let after = fs::symlink_metadata(desk.path().join(KEYS)).unwrap();
        assert_eq!(before.file_type(), after.file_type(), "{name}: {said}");
    }
    let desk = Desk::new();
    std::os::unix::fs::symlink("nowhere", desk.path().join(KEYS)).unwrap();
    desk.fails(WORKER, 1, &["there are no keys"]);
    desk.fails(&["init"], 1, &["kraken.keys is there already"]);
    assert!(!desk.path().join("nowhere").exists());
}

#[test]
fn what_is_no_key_file_is_an_error_that_shows_nothing_of_it() {
    let secret = "c0ffee5ec2e7";
    let whole = secret.repeat(6);
    let good = &whole[..64];
    let file = |seed: &str| format!("version = 1\nseed = \"{seed}\"\n");
    for (content, words) in [
        (String::new(), "it must say `version` and `seed`"),
        (secret.into(), "it must say `version` and `seed`"),
        (
            format!("version = 1\nseed = {secret}\n"),
            "it must say `version` and `seed`",
        ),
        (format!("seed = \"{good}\"\n"), "it must say `version` and `seed`"),
        (
            format!("version = -1\nseed = \"{good}\"\n"),
            "it must say `version` and `seed`",
        ),
        (
            file(good) + &format!("{secret} = 1\n"),
            "it must say `version` and `seed`",
        ),
        (file(good) + &file(good), "it must say `version` and `seed`"),
        (format!("version = 2\nseed = \"{good}\"\n"), "it has version 2"),
        (file(""), "its seed is not 64 hexadecimal digits"),
        (file(secret), "its seed is not 64 hexadecimal digits"),
        (file(&whole[..63]), "its seed is not 64 hexadecimal digits"),
        (file(&whole[..66]), "its seed is not 64 hexadecimal digits"),
        (file(&good.replace('c', "x")), "its seed is not 64 hexadecimal digits"),
        (file(good) + &"# much\n".repeat(10_000), "it is larger than 65536 bytes"),
        (format!("{ARMOUR}{secret}\n"), "it is encrypted, and cannot be opened"),
        (
            format!("age-encryption.org/v1\n{secret}\n"),
            "it is encrypted, and cannot be opened",
        ),
        (
            format!("age-encryption.org/v9\n{secret}\n"),
            "it is encrypted, and cannot be opened",
        ),
    ] {
        let desk = Desk::with("", 7);
        desk.write(KEYS, content.as_bytes(), 0o600);
        let mut wanted = vec!["kraken.keys", words];
        if !words.starts_with("it is ") {
            wanted.push(RESTORE);
        }
        let said = desk.fails(WORKER, 1, &wanted);
        assert!(!said.contains("c0ffee") && !said.contains("x0ffee"), "{said}");
        assert_eq!(desk.read(KEYS), content);
    }
    let desk = Desk::with("", 7);
    desk.write(KEYS, b"\xff\xfe\x00", 0o600);
    desk.fails(WORKER, 1, &["it is not UTF-8 text", RESTORE]);
}

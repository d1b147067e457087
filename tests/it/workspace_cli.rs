//! `init`, `plan` and `schema` as a user runs them, and the key pair that is made when there is
//! none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use kraken_spec::workspace::{LoginKeys, MissingKeys, Surroundings, Workspace};
use predicates::prelude::*;
use tempfile::TempDir;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2IkvLhtZGAtx8CVJvHPRJTQPRjQ4SLmcBWYME me@home";

/// A folder with a home of its own in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("home/.ssh")).unwrap();
    folder
}

fn kraken(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("kraken-flash").unwrap();
    command
        .current_dir(folder)
        .env("HOME", folder.join("home"))
        .env_remove("SUDO_UID")
        .env("NO_COLOR", "1");
    command
}

fn load(folder: &Path, missing: MissingKeys) -> Workspace {
    let around = Surroundings {
        folder: folder.to_owned(),
        home: Some(folder.join("home")),
    };
    Workspace::load(None, &around, missing).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn init_writes_a_spec_that_plan_takes_and_never_overwrites_it() {
    let folder = folder();
    kraken(folder.path()).arg("init").assert().success();
    let written = fs::read_to_string(folder.path().join("kraken.toml")).unwrap();
    kraken(folder.path()).arg("plan").assert().success();
    kraken(folder.path())
        .arg("init")
        .assert()
        .code(1)
        .stderr(predicate::str::contains("there already"));
    assert_eq!(fs::read_to_string(folder.path().join("kraken.toml")).unwrap(), written);
    assert_eq!(names(folder.path()), ["home", "kraken.keys", "kraken.toml"]);
    assert_eq!(mode(&folder.path().join("kraken.keys")), 0o600);
}

#[test]
fn a_spec_in_utf_16_is_said_to_be_that() {
    let folder = folder();
    let text = "[cluster]\r\nnodes = 2\r\n".encode_utf16();
    let bytes: Vec<u8> = std::iter::once(0xfeff).chain(text).flat_map(u16::to_le_bytes).collect();
    fs::write(folder.path().join("kraken.toml"), bytes).unwrap();
    kraken(folder.path())
        .arg("plan")
        .assert()
        .code(1)
        .stderr(predicate::str::contains("it is text in UTF-16").and(predicate::str::contains("save it as UTF-8")));
}

#[test]
fn a_clock_floor_in_the_far_future_is_warned_of() {
    let folder = folder();
    fs::write(
        folder.path().join("kraken.toml"),
        "[system]\nclock-floor = \"2037-12-30\"\n",
    )
    .unwrap();
    kraken(folder.path())
        .arg("plan")
        .assert()
        .success()
        .stderr(predicate::str::contains("ahead of this machine's clock"));
}

#[test]
fn a_dry_run_in_front_of_a_command_writes_nothing() {
    let folder = folder();
    let (image, card) = (folder.path().join("x.img"), folder.path().join("card"));
    for file in [&image, &card] {
        fs::write(file, [0; 512]).unwrap();
    }
    kraken(folder.path())
        .args(["--dry-run", "flash-image"])
        .args([&image, &card])
        .arg("--yes")
        .assert()
        .code(2)
        .stderr(predicate::str::contains("kraken-flash flash-image --dry-run"));
    kraken(folder.path())
        .args(["flash", "/dev/sda"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains(
            "there is no command `flash`; there is `flash-image`",
        ));
    assert_eq!(names(folder.path()), ["card", "home", "x.img"]);
}

#[test]
fn plan_shows_all_nodes_and_writes_nothing() {
    let folder = folder();
    kraken(folder.path())
        .arg("plan")
        .assert()
        .success()
        .stdout(predicate::str::contains("kraken-7   192.168.3.17  worker"))
        .stdout(predicate::str::contains("a key pair that `build` will make"))
        .stdout(predicate::str::contains('\u{1b}').not())
        .stderr("");
    assert_eq!(names(folder.path()), ["home"]);
}

#[test]
fn plan_as_json_has_everything_but_the_secrets() {
    let folder = folder();
    let hash = format!("$6$salt${}", "x".repeat(86));
    fs::write(folder.path().join("passwd"), format!("{hash}\n")).unwrap();
    fs::set_permissions(folder.path().join("passwd"), fs::Permissions::from_mode(0o600)).unwrap();
    let spec = format!("[user]\nssh-keys = [\"{KEY}\"]\npassword-hash-file = \"passwd\"\n");
    fs::write(folder.path().join("kraken.toml"), spec).unwrap();
    let output = kraken(folder.path()).args(["plan", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains(&hash), "{text}");
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(plan["cluster"]["nodes"].as_array().unwrap().len(), 7);
    assert_eq!(plan["cluster"]["user"]["password-hash"], "(secret)");
    assert!(plan["ssh-key-fingerprints"][0].as_str().unwrap().starts_with("SHA256:"));
}

#[test]
fn a_password_hash_that_everybody_can_read_is_refused_by_its_mode() {
    let folder = folder();
    let hash = format!("$6$salt${}", "x".repeat(86));
    let path = folder.path().join("passwd");
    fs::write(&path, &hash).unwrap();
    fs::write(
        folder.path().join("kraken.toml"),
        "[user]\npassword-hash-file = \"passwd\"\n",
    )
    .unwrap();
    for (mode, good) in [(0o644, false), (0o604, false), (0o600, true), (0o640, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let output = kraken(folder.path()).arg("plan").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(if good { 0 } else { 1 }), "{mode:o}: {said}");
        assert_eq!(said.contains("everybody can read it"), !good, "{mode:o}: {said}");
        assert!(!said.contains(&hash));
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_without_being_shown() {
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaHunter2\n-----END OPENSSH PRIVATE KEY-----\n";
    let folder = folder();
    fs::write(folder.path().join("id"), private).unwrap();
    fs::create_dir(folder.path().join("dir.pub")).unwrap();
    for (keys, why) in [
        ("\"id\"".to_owned(), "PRIVATE key"),
        (format!("'''{private}'''"), "PRIVATE key"),
        (private.to_owned(), "not TOML"),
        ("\"missing.pub\"".to_owned(), "No such file"),
        ("\"dir.pub\"".to_owned(), "not a regular file"),
        ("\"/dev/zero\"".to_owned(), "not a regular file"),
    ] {
        fs::write(
            folder.path().join("kraken.toml"),
            format!("[user]\nssh-keys = [{keys}]\n"),
        )
        .unwrap();
        kraken(folder.path())
            .arg("plan")
            .assert()
            .code(1)
            .stdout("")
            .stderr(predicate::str::contains(why).and(predicate::str::contains("Hunter2").not()));
    }
}

#[test]
fn a_missing_spec_is_an_error_only_when_it_was_named() {
    let folder = folder();
    kraken(folder.path())
        .args(["plan", "--config", "other.toml"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("other.toml"));
    kraken(folder.path()).args(["plan", "--no-such"]).assert().code(2);
}

#[test]
fn schema_prints_json() {
    let output = kraken(folder().path()).arg("schema").output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "kraken.toml");
}

#[test]
fn a_key_pair_is_made_once_private_and_used_again() {
    let folder = folder();
    let path = folder.path();
    let first = load(path, MissingKeys::Make);
    let (private, public) = (path.join("kraken_ed25519"), path.join("kraken_ed25519.pub"));
    assert_eq!(first.keys, LoginKeys::Made(private.clone()));
    assert_eq!((mode(&private), mode(&public)), (0o600, 0o644));
    assert_eq!(
        fs::read_to_string(&public).unwrap(),
        format!("{}\n", first.cluster.user.ssh_keys[0])
    );
    assert_eq!(names(path), ["home", "kraken_ed25519", "kraken_ed25519.pub"]);

    let second = load(path, MissingKeys::Make);
    assert_eq!(second.keys, LoginKeys::Found(vec![public.clone()]));
    assert_eq!(second.cluster.user.ssh_keys, first.cluster.user.ssh_keys);

    // A run that was cut off between the two files does not change the private one.
    fs::remove_file(&public).unwrap();
    let third = load(path, MissingKeys::Make);
    assert_eq!(third.cluster.user.ssh_keys, first.cluster.user.ssh_keys);
}

#[test]
fn the_keys_of_the_home_are_found_and_then_none_is_made() {
    let folder = folder();
    let key = folder.path().join("home/.ssh/id_ed25519.pub");
    fs::write(&key, KEY).unwrap();
    let workspace = load(folder.path(), MissingKeys::Make);
    assert_eq!(workspace.keys, LoginKeys::Found(vec![key]));
    assert_eq!(workspace.cluster.user.ssh_keys, [KEY]);
    assert_eq!(names(folder.path()), ["home"]);
}

#[test]
fn no_key_is_made_for_a_wrong_spec_or_for_a_plan() {
    let folder = folder();
    let workspace = load(folder.path(), MissingKeys::Leave);
    assert!(workspace.cluster.user.ssh_keys.is_empty());
    assert_eq!(
        workspace.keys,
        LoginKeys::ToBeMade(folder.path().join("kraken_ed25519"))
    );
    fs::write(folder.path().join("kraken.toml"), "[cluster]\nnodes = 0\n").unwrap();
    let around = Surroundings {
        folder: folder.path().to_owned(),
        home: None,
    };
    Workspace::load(None, &around, MissingKeys::Make).unwrap_err();
    assert_eq!(names(folder.path()), ["home", "kraken.toml"]);
}

#[test]
fn files_are_looked_for_beside_the_spec_and_in_the_home() {
    let folder = folder();
    let lab = folder.path().join("lab");
    fs::create_dir_all(lab.join("extra")).unwrap();
    fs::write(lab.join("a.pub"), KEY).unwrap();
    fs::write(folder.path().join("home/b.pub"), KEY.replace("me@home", "other")).unwrap();
    let spec =
        "[user]\nssh-keys = [\"a.pub\", \"~/b.pub\"]\n[system]\noverlay = \"extra\"\n[image]\nbase = \"./os.img\"\n";
    fs::write(lab.join("kraken.toml"), spec).unwrap();
    kraken(folder.path())
        .args(["plan", "--config", "lab/kraken.toml"])
        .assert()
        .success()
        .stdout(predicate::str::contains("me@home").and(predicate::str::contains("other")))
        .stdout(predicate::str::contains("overlay lab/extra").and(predicate::str::contains("lab/os.img")));
}

#[test]
fn a_mistake_is_shown_with_its_line_and_column_and_colours_only_when_asked_for() {
    let folder = folder();
    fs::write(folder.path().join("kraken.toml"), "[cluster]\nnmae = \"x\"\n").unwrap();
    kraken(folder.path())
        .arg("plan")
        .assert()
        .code(1)
        .stderr(predicate::str::contains("kraken.toml:2:1").and(predicate::str::contains("did you mean `name`?")))
        .stderr(predicate::str::contains('\u{1b}').not());
    kraken(folder.path())
        .args(["plan", "--color", "always"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains('\u{1b}'));
}

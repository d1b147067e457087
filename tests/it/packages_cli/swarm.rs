//! `verify` finds cards that would not become one swarm: changed states, mixed-up states, states of
//! other keys; it reads them without the keys, so only from the cards.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::base_of;
use testkit::archive::{TestArchive, make_deb};
use testkit::run;
use testkit::world::{Image, World};

const STATE: &str = "/var/lib/docker/swarm";
const TOKEN: &str = "/var/lib/kraken-flash/join-token";

/// A set of three cards, a manager's and two workers', for each of some settings.
struct Desk {
    _debs: TempDir,
    _archive: TestArchive,
    world: World,
}

impl Desk {
    fn new() -> Self {
        let debs = tempfile::tempdir().unwrap();
        let docker = make_deb(debs.path(), "docker.io", "27.5-1", "", &[("/usr/sbin/dockerd", "d")]);
        let archive = TestArchive::builder().deb(docker).build().serve();
        let world = World::new(3, base_of(&archive).file("usr/bin/python3", "#!\n"));
        world.spec(3, "[docker]\n");
        Self {
            _debs: debs,
            _archive: archive,
            world,
        }
    }

    /// Builds the set in a folder of this name, with new keys, which are deleted afterwards.
    fn build(&self, folder: &str) {
        self.world.does(&["build", "--no-sums", "-o", folder]);
        fs::remove_file(self.world.at("kraken.keys")).unwrap();
    }

    /// Returns the output of `verify` for a changed copy of this set.
    fn verdict(&self, set: &str, change: impl FnOnce(&dyn Fn(u32) -> Image)) -> (Option<i32>, String) {
        let copy = self.world.at("changed");
        if copy.exists() {
            fs::remove_dir_all(&copy).unwrap();
        }
        run(Command::new("cp")
            .args(["-r", "--sparse=always", "--reflink=auto"])
            .arg(self.world.at(set))
            .arg(&copy));
        change(&|node| Image::open(&copy.join(format!("kraken-{node}.img"))));
        let output = self.world.kraken(&["verify", "changed"]);
        (output.status.code(), testkit::said(&output))
    }
}

/// Replaces a file of root's on a card.
fn put(image: &Image, path: &str, bytes: &[u8], mode: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, bytes).unwrap();
    image.change(&[
        format!("rm {path}"),
        format!("write {} {path}", file.display()),
        format!("set_inode_field {path} mode 0{mode}"),
        format!("set_inode_field {path} uid 0"),
        format!("set_inode_field {path} gid 0"),
    ]);
}

/// Copies these files of one card's state to another card.
fn hand_over(from: &Image, to: &Image, files: &[&str]) {
    for file in files {
        let path = format!("{STATE}/{file}");
        put(to, &path, &from.root_file(&path), "100600");
    }
}

fn edit(image: &Image, file: &str, from: &str, with: &str) {
    let path = format!("{STATE}/{file}");
    let text = String::from_utf8(image.root_file(&path)).unwrap();
    assert!(text.contains(from), "{path} has no {from}: {text}");
    put(image, &path, text.replace(from, with).as_bytes(), "100600");
}

/// Replaces one card's image by another's.
fn replace(from: &Path, to: &Image) {
    fs::copy(from, &to.path).unwrap();
}

const CERTIFICATE: &str = "certificates/swarm-node.crt";
const KEY: &str = "certificates/swarm-node.key";
const LOG: &str = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal";

#[test]
fn cards_that_make_no_swarm_are_named() {
    let desk = Desk::new();
    desk.build("set");
    desk.build("other");
    let (code, said) = desk.verdict("set", |_| {});
    assert_eq!(code, Some(0), "{said}");
    let other = |node: u32| desk.world.at("other").join(format!("kraken-{node}.img"));

    type Change<'a> = Box<dyn FnOnce(&dyn Fn(u32) -> Image) + 'a>;
    let cases: Vec<(&str, &[&str], Change<'_>)> = vec![
        (
            "a worker with the manager's identity",
            &["its certificate is not that of a worker", "have the same node ID"],
            Box::new(|card| hand_over(&card(1), &card(2), &[CERTIFICATE, KEY])),
        ),
        (
            "two workers that are one",
            &["kraken-2 and kraken-3 have the same node ID", "its card was made for"],
            Box::new(|card| hand_over(&card(2), &card(3), &[CERTIFICATE, KEY])),
        ),
        (
            "a key of another node",
            &["checking the key in certificates/swarm-node.key"],
            Box::new(|card| hand_over(&card(3), &card(2), &[KEY])),
        ),
        (
            "a key that all can read",
            &["certificates/swarm-node.key", "set owner and mode right"],
            Box::new(|card| {
                card(2).change(&[format!("set_inode_field {STATE}/{KEY} mode 0100644")]);
            }),
        ),
        (
            "a key that is another user's",
            &["certificates/swarm-node.key", "set owner and mode right"],
            Box::new(|card| card(2).change(&[format!("set_inode_field {STATE}/{KEY} uid 1000")])),
        ),
        (
            "a worker's card of another set",
            &["have different root CAs", "belongs to cluster"],
            Box::new(|card| replace(&other(2), &card(2))),
        ),
        (
            "the manager's card of another set",
            &["have different root CAs"],
            Box::new(|card| replace(&other(1), &card(1))),
        ),
        (
            "the root CA of another swarm",
            &["checking the certificate"],
            Box::new(|card| {
                hand_over(&Image::open(&other(2)), &card(2), &["certificates/swarm-root-ca.crt"]);
            }),
        ),
        (
            "no state",
            &["it says that its node is in the swarm, and has no state of one"],
            Box::new(|card| {
                card(2).change(
                    &[
                        "docker-state.json",
                        "state.json",
                        CERTIFICATE,
                        KEY,
                        "certificates/swarm-root-ca.crt",
                    ]
                    .map(|file| format!("rm {STATE}/{file}")),
                );
                card(2).change(&[format!("rmdir {STATE}/certificates"), format!("rmdir {STATE}")]);
            }),
        ),
        (
            "no certificate",
            &["reading certificates/swarm-node.crt of the swarm state: there is none"],
            Box::new(|card| card(2).change(&[format!("rm {STATE}/{CERTIFICATE}")])),
        ),
        (
            "another address",
            &["its node would have the address 192.168.3.99, and has 192.168.3.12"],
            Box::new(|card| edit(&card(2), "docker-state.json", "192.168.3.12", "192.168.3.99")),
        ),
        (
            "a manager elsewhere",
            &["at 192.168.3.99:2377, but it is at 192.168.3.11:2377"],
            Box::new(|card| edit(&card(2), "state.json", "192.168.3.11", "192.168.3.99")),
        ),
        (
            "a byte of the log",
            &[LOG],
            Box::new(|card| {
                let card = card(1);
                let path = format!("{STATE}/{LOG}");
                let mut log = card.root_file(&path);
                log[700] ^= 1;
                put(&card, &path, &log, "100600");
            }),
        ),
        (
            "a log that ends too soon",
            &["raft"],
            Box::new(|card| {
                let path = format!("{STATE}/{LOG}");
                let log = card(1).root_file(&path);
                put(&card(1), &path, &log[..200], "100600");
            }),
        ),
        (
            "a log of another swarm",
            &["the raft key does not open it"],
            Box::new(|card| hand_over(&Image::open(&other(1)), &card(1), &[LOG])),
        ),
    ];
    let mut missed = Vec::new();
    for (name, words, change) in cases {
        let (code, said) = desk.verdict("set", change);
        if code != Some(3) || !words.iter().all(|words| said.contains(words)) {
            missed.push(format!("{name}: {code:?}, {words:?} is not in:\n{said}"));
        }
    }
    assert!(
        missed.is_empty(),
        "{} went unnoticed:\n{}",
        missed.len(),
        missed.join("\n")
    );
}

#[test]
fn cards_that_could_not_join_are_named() {
    let desk = Desk::new();
    desk.world.spec(3, "[docker]\n[swarm]\nmode = \"join\"\n");
    desk.build("set");
    desk.build("other");
    let (code, said) = desk.verdict("set", |_| {});
    assert_eq!(code, Some(0), "{said}");
    let foreign = Image::open(&desk.world.at("other/kraken-2.img")).root_file(TOKEN);
    let own = Image::open(&desk.world.at("set/kraken-2.img")).root_file(TOKEN);
    let cases: [(&str, &[u8], &str, &str); 4] = [
        (
            "another swarm's token",
            &foreign,
            "100600",
            "kraken-2 joins with a token of another swarm than that of kraken-1",
        ),
        ("half a token", &own[..40], "100600", "it is not of the form"),
        ("no token", b"", "100600", "it is not of the form"),
        (
            "a token for all to read",
            &own,
            "100644",
            "others than root can read it",
        ),
    ];
    for (name, token, mode, words) in cases {
        let (code, said) = desk.verdict("set", |card| put(&card(2), TOKEN, token, mode));
        assert!(code == Some(3) && said.contains(words), "{name}: {code:?}\n{said}");
    }
    let (code, said) = desk.verdict("set", |card| card(2).change(&[format!("rm {TOKEN}")]));
    assert!(
        code == Some(3) && said.contains("is missing: the node could not join"),
        "{code:?}\n{said}"
    );
}

#[test]
fn a_worker_rejoins_also_where_one_manager_is_all_there_is() {
    let desk = Desk::new();
    let world = &desk.world;
    world.spec(2, "[docker]\n");
    world.does(&["build", "--no-sums"]);
    world.does(&["build", "--no-sums", "--node", "2", "--rejoin", "-o", "again"]);
    world.does(&["verify", "again/kraken-2.img"]);
    // The manager itself has no swarm that it could join.
    let said = world.ends(&["build", "--no-sums", "--node", "1", "--rejoin", "-o", "other"], 1);
    assert!(said.contains("it has no other manager than kraken-1"), "{said}");
}

#[test]
fn a_card_for_a_running_swarm_has_the_token_that_was_given_and_no_other() {
    let desk = Desk::new();
    let world = &desk.world;
    world.spec(4, "[docker]\n[swarm]\nmanagers = 3\n");
    // Without the keys there is no token of theirs, and new tokens would not help.
    let said = world.ends(&["build", "--node", "2", "--rejoin"], 1);
    assert!(
        said.contains("there are no keys at") && !world.at("kraken.keys").exists(),
        "{said}"
    );

    let token = format!("SWMTKN-1-{}-{}", "0".repeat(49) + "7", "1".repeat(25));
    let given = |text: &str, mode: &str| {
        fs::write(world.at("token"), text).unwrap();
        run(Command::new("chmod").arg(mode).arg(world.at("token")));
    };
    let build = [
        "build",
        "--no-sums",
        "--node",
        "2",
        "--rejoin",
        "--token-file",
        "token",
        "-o",
        "again",
    ];
    for (text, mode, words) in [
        ("nonsense", "0600", "it is not of the form SWMTKN"),
        (&token[..70], "0600", "its secret is not 16 bytes"),
        (&token, "0644", "others can read or write it"),
    ] {
        given(text, mode);
        let said = world.ends(&build, 1);
        assert!(said.contains(words), "{words:?} is not in: {said}");
        assert!(!said.contains("SWMTKN-1-0"), "the token is shown: {said}");
    }
    given(&format!("{token}\n"), "0600");
    let said = world.ends(
        &[
            "build",
            "--node",
            "2",
            "--node",
            "4",
            "--rejoin",
            "--token-file",
            "token",
        ],
        2,
    );
    assert!(said.contains("a token is for managers or for workers"), "{said}");
    let said = world.ends(&["build", "--node", "2", "--token-file", "token"], 2);
    assert!(said.contains("--rejoin"), "{said}");

    world.does(&build);
    let card = Image::open(&world.at("again/kraken-2.img"));
    assert_eq!(card.root_file(TOKEN), format!("{token}\n").as_bytes());
    assert!(card.debugfs(&format!("stat {TOKEN}")).contains("Mode:  0600"));
    assert!(
        card.debugfs(&format!("stat {STATE}")).contains("not found"),
        "an old state came back"
    );
    assert!(!world.at("kraken.keys").exists(), "no keys are needed");
    world.does(&["verify", "again"]);
    let said = world.does(&["inspect", "again/kraken-2.img"]);
    assert!(said.contains("by a token that this gave out"), "{said}");

    // The same from a pipe.
    let mut piped = world.program();
    let mut child = piped
        .args([
            "build",
            "--no-sums",
            "--node",
            "2",
            "--rejoin",
            "--token-file",
            "-",
            "-o",
            "piped",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(
        fs::read(world.at("again/kraken-2.img")).unwrap(),
        fs::read(world.at("piped/kraken-2.img")).unwrap()
    );
}

//! The cluster's keys and the tokens as a user sees them: `init` and `token`, key files that must
//! not be trusted, encryption, wrong `[swarm]` sections.

mod encrypted;
mod refused;
mod running;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use kraken_swarm_state::{ClusterKeys, Role};
use tempfile::TempDir;

const KEYS: &str = "kraken.keys";
const ARMOUR: &str = "-----BEGIN AGE ENCRYPTED FILE-----\n";
const WORKER: &[&str] = &["token", "worker"];

/// A folder with a home of its own in it.
struct Desk(TempDir);

/// The end of a command: its exit code, and its messages in one line without the frame of a
/// diagnostic.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home/.ssh")).unwrap();
        Self(folder)
    }

    /// With a `kraken.toml`, and the keys of this seed.
    fn with(config: &str, seed: u8) -> Self {
        let desk = Self::new();
        desk.write("kraken.toml", config.as_bytes(), 0o644);
        desk.write(KEYS, key_file(seed).as_bytes(), 0o600);
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: &[u8], mode: u32) {
        let path = self.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        let metadata = fs::symlink_metadata(self.path().join(name)).unwrap();
        metadata.permissions().mode() & 0o7777
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names.retain(|name| name != "home");
        names
    }

    /// Runs the program without a terminal; it must not hang or panic.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::cargo_bin("kraken-flash").unwrap();
        command
            .current_dir(self.path())
            .env("HOME", self.path().join("home"))
            .env_remove("SUDO_UID");
        let output = command
            .env("NO_COLOR", "1")
            .args(arguments)
            .timeout(Duration::from_secs(120))
            .output();
        let Output { status, stdout, stderr } = output.unwrap();
        let err = String::from_utf8(stderr)
            .unwrap()
            .replace(['│', '×', '╰', '─', '▶'], " ");
        let ended = Ended {
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: err.split_whitespace().collect::<Vec<_>>().join(" "),
        };
        assert!(
            ended.code.is_some() && !ended.err.contains("panicked"),
            "{arguments:?}: {}",
            ended.err
        );
        ended
    }

    /// Runs a command that must succeed; returns its output.
    fn does(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.err);
        ended.out
    }

    /// Runs a command that must end with this code, print nothing, and report all of this.
    fn fails(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(
            (ended.code, &ended.out[..]),
            (Some(code), ""),
            "{arguments:?}: {}",
            ended.err
        );
        for word in words {
            assert!(
                ended.err.contains(word),
                "{arguments:?} does not say {word:?}: {}",
                ended.err
            );
        }
        ended.err
    }
}

fn key_file(seed: u8) -> String {
    ClusterKeys::from_seed([seed; 32]).to_text("test").to_string()
}

/// Returns what `token` must print for the text of a key file.
fn token(text: &str, role: Role) -> String {
    let keys = ClusterKeys::parse(text).unwrap();
    format!("{}\n", kraken_swarm_state::token(&keys, role).unwrap().reveal())
}

/// Returns the seed in the text of a key file.
fn seed(text: &str) -> &str {
    let seed = text.split('"').rev().nth(1).unwrap();
    assert!(seed.len() == 64 && seed.bytes().all(|b| b.is_ascii_hexdigit()));
    seed
}

/// Makes a pipe to which no program writes.
fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
}

#[test]
fn init_makes_the_keys_once_for_their_owner_alone_and_never_shows_them() {
    let desk = Desk::new();
    let first = desk.run(&["init", "--verbose"]);
    let keys = desk.read(KEYS);
    assert_eq!((first.code, &first.out[..]), (Some(0), ""), "{}", first.err);
    assert!(
        first.err.contains("kraken.keys (keep a copy, and keep it secret"),
        "{}",
        first.err
    );
    assert_eq!(
        (desk.names(), desk.mode(KEYS)),
        (vec![KEYS.into(), "kraken.toml".into()], 0o600)
    );
    let mut said = first.err;

    // Neither with an existing spec, nor beside another one, nor for a spec that was removed.
    said += &desk.fails(&["init"], 1, &["kraken.toml is there already"]);
    assert_eq!(desk.read(KEYS), keys);
    let other = desk.run(&["init", "--config", "other.toml"]);
    assert_eq!((other.code, desk.read(KEYS)), (Some(0), keys.clone()));
    assert!(
        other.err.contains("wrote other.toml") && !other.err.contains("keys"),
        "{}",
        other.err
    );
    fs::remove_file(desk.path().join("kraken.toml")).unwrap();
    said += &desk.run(&["init", "-q"]).err;
    assert_eq!((desk.read(KEYS), desk.mode(KEYS)), (keys.clone(), 0o600));
    for arguments in [&["plan"][..], &["plan", "--json"]] {
        said += &desk.does(arguments);
    }
    assert!(!said.contains(seed(&keys)) && !said.contains("SWMTKN"), "{said}");

    let stranger = Desk::new();
    assert_eq!(stranger.run(&["init", "--quiet"]).err, "");
    assert_ne!(seed(&stranger.read(KEYS)), seed(&keys));
}

#[test]
fn keys_are_beside_the_spec_that_init_writes() {
    let desk = Desk::new();
    fs::create_dir(desk.path().join("lab")).unwrap();
    desk.does(&["init", "--config", "lab/other.toml"]);
    assert_eq!(
        (desk.names(), desk.mode("lab/kraken.keys")),
        (vec!["lab".to_owned()], 0o600)
    );
    let printed = desk.does(&["token", "worker", "--config", "lab/other.toml"]);
    assert_eq!(printed, token(&desk.read("lab/kraken.keys"), Role::Worker));
}

#[test]
fn a_token_is_one_line_that_follows_from_the_keys_and_the_role() {
    let desk = Desk::with("", 7);
    let mut tokens = Vec::new();
    for (name, role) in [("worker", Role::Worker), ("manager", Role::Manager)] {
        let ended = desk.run(&["token", name]);
        assert_eq!((ended.code, &ended.err[..]), (Some(0), ""));
        assert_eq!(ended.out, token(&key_file(7), role));
        assert_eq!(ended.out.lines().count(), 1);
        assert_eq!(desk.does(&["token", name]), ended.out);
        tokens.push(ended.out);
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_ne!(Desk::with("", 8).does(WORKER), tokens[0]);
    // Other nodes and networks are the same swarm.
    let grown = "[cluster]\nname = \"x\"\nnodes = 9\n[swarm]\nmanagers = 3\naddress-pools = [\"10.9.0.0/16\"]\n";
    assert_eq!(Desk::with(grown, 7).does(WORKER), tokens[0]);
    assert_eq!(Desk::with("[swarm]\nmode = \"join\"\n", 7).does(WORKER), tokens[0]);
    assert_eq!(desk.names(), [KEYS, "kraken.toml"]);
}

#[test]
fn no_token_is_printed_where_there_is_no_swarm_or_no_key_or_no_such_role() {
    for (config, words) in [
        ("[swarm]\nmode = \"none\"\n", "this cluster is not a swarm"),
        ("[docker]\nsource = \"none\"\n", "no Docker is baked in"),
    ] {
        Desk::with(config, 7).fails(WORKER, 1, &[words]);
    }
    let desk = Desk::new();
    desk.fails(WORKER, 1, &["there are no keys at kraken.keys", "makes them"]);
    assert!(desk.names().is_empty());
    let desk = Desk::with("", 7);
    for arguments in [
        &["token", "leader"][..],
        &["token"],
        &["token", "worker", "manager"],
        &["token", "Worker"],
    ] {
        desk.fails(arguments, 2, &["--help"]);
    }
}

#[test]
fn keys_elsewhere_are_found() {
    let desk = Desk::new();
    fs::create_dir(desk.path().join("lab")).unwrap();
    let absolute = desk.path().join("absolute.keys").display().to_string();
    for (index, (written, place)) in [
        ("my.keys", "lab/my.keys"),
        ("../up.keys", "up.keys"),
        ("~/h.keys", "home/h.keys"),
        (&*absolute, "absolute.keys"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = key_file(u8::try_from(index).unwrap());
        desk.write(
            "lab/kraken.toml",
            format!("[swarm]\nkeys-file = \"{written}\"\n").as_bytes(),
            0o644,
        );
        let arguments = ["token", "manager", "--config", "lab/kraken.toml"];
        let name = place.rsplit('/').next().unwrap();
        desk.fails(&arguments, 1, &["there are no keys at ", name]);
        desk.write(place, text.as_bytes(), 0o600);
        assert_eq!(desk.does(&arguments), token(&text, Role::Manager), "{written}");
    }
}

#[test]
fn a_wrong_swarm_section_is_explained() {
    for (config, words) in [
        (
            "[swarm]\nmanagers = 9\n",
            &["9 cannot be `managers`", "from 1 to 7"][..],
        ),
        ("[swarm]\nmanagers = 0\n", &["0 cannot be `managers`", "from 1 to 7"]),
        (
            "[swarm]\nsubnet-size = 30\n",
            &["30 cannot be `subnet-size`", "from 8 to 29"],
        ),
        (
            "[swarm]\ndata-port = 80\n",
            &["80 cannot be `data-port`", "from 1024 to 49151"],
        ),
        (
            "[swarm]\ndata-port = 65536\n",
            &["65536 cannot be `data-port`", "from 1024 to 49151"],
        ),
        (
            "[swarm]\naddress-pools = [\"192.168.0.0/16\"]\n",
            &["the nodes themselves are in it"],
        ),
        (
            "[swarm]\naddress-pools = [\"192.168.3.128/25\"]\nsubnet-size = 26\n",
            &["the nodes themselves are in it"],
        ),
        (
            "[swarm]\naddress-pools = [\"10.1.0.0/16\", \"10.0.0.0/8\"]\n",
            &["it overlaps another pool"],
        ),
        (
            "[swarm]\naddress-pools = [\"10.0.0.0/8\", \"10.0.0.0/8\"]\n",
            &["it overlaps another pool"],
        ),
        (
            "[swarm]\naddress-pools = [\"10.1.2.3/8\"]\n",
            &["its host bits are set", "10.0.0.0/8"],
        ),
        (
            "[swarm]\naddress-pools = [\"10.1.2.0/25\"]\n",
            &["smaller than one subnet of `subnet-size`"],
        ),
        (
            "[swarm]\naddress-pools = [\"fd00::/8\"]\n",
            &["this is not an IPv4 network"],
        ),
        (
            "[swarm]\naddress-pools = []\n",
            &["`address-pools` has 0 entries", "leave the line out"],
        ),
        (
            "[docker]\nsource = \"none\"\n[swarm]\nmode = \"baked\"\n",
            &["a swarm needs Docker", "mode = \"none\""],
        ),
        (
            "[docker]\nsource = \"none\"\n[swarm]\nmode = \"join\"\n",
            &["a swarm needs Docker", "mode = \"none\""],
        ),
        (
            "[docker]\ndaemon = { live-restore = true }\n",
            &["`live-restore` and a swarm exclude each other"],
        ),
        ("[swarm]\nmode = \"maybe\"\n", &["baked", "join", "none"]),
        ("managers = 3\n", &["`managers` belongs in [swarm]"]),
    ] {
        let desk = Desk::with(config, 7);
        for command in [&["plan"][..], WORKER] {
            desk.fails(command, 1, words);
        }
    }
    for config in [
        "[docker]\ndaemon = { live-restore = true }\n[swarm]\nmode = \"none\"\n",
        "[docker]\ndaemon = { live-restore = false }\n",
        "[docker]\nsource = \"none\"\n[swarm]\nmode = \"none\"\n",
        "[swarm]\nmanagers = 7\nsubnet-size = 28\ndata-port = 49151\naddress-pools = [\"10.0.0.0/9\", \"10.128.0.0/9\"]\n",
    ] {
        Desk::with(config, 7).does(&["plan"]);
    }
}

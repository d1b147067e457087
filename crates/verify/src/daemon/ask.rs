//! Asks the dockerd of an image whether it accepts its options: `dockerd --validate`, under
//! user-mode emulation.
//!
//! Only the program and the libraries that its loader asks for are copied out of the image, into a
//! folder of their own. The program runs without privileges and not as root, opens no socket, and
//! is killed if it takes too long.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::target::{DaemonTarget, OPTIONS, is_there};
use super::unit;
use kraken_disk::{real_path, tool};
use kraken_foundation::named;
use kraken_foundation::text;

/// The answer of dockerd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It accepts its options.
    Right,
    /// It would not start with its options. The text is its message.
    Wrong(String),
    /// It could not be asked. The text is the reason.
    NotAsked(String),
}

/// How programs of one architecture run on this machine.
struct Runner {
    /// The architecture, as Debian names it.
    architecture: &'static str,
    /// The architecture, as Rust names it.
    native: &'static str,
    emulators: [&'static str; 2],
    /// The loader, at the path that the architecture's ABI fixes.
    loader: &'static str,
    /// The folder of its libraries on Debian.
    libraries: &'static str,
}

const RUNNERS: [Runner; 3] = [
    Runner {
        architecture: "arm64",
        native: "aarch64",
        emulators: ["qemu-aarch64-static", "qemu-aarch64"],
        loader: "/lib/ld-linux-aarch64.so.1",
        libraries: "/usr/lib/aarch64-linux-gnu",
    },
    Runner {
        architecture: "armhf",
        native: "arm",
        emulators: ["qemu-arm-static", "qemu-arm"],
        loader: "/lib/ld-linux-armhf.so.3",
        libraries: "/usr/lib/arm-linux-gnueabihf",
    },
    Runner {
        architecture: "amd64",
        native: "x86_64",
        emulators: ["qemu-x86_64-static", "qemu-x86_64"],
        loader: "/lib64/ld-linux-x86-64.so.2",
        libraries: "/usr/lib/x86_64-linux-gnu",
    },
];

/// The largest program or library that is copied, in bytes. A dockerd has at most 100 MB.
const LARGEST: u64 = 256 << 20;
/// More libraries than any known dockerd needs (13).
const MOST_LIBRARIES: usize = 64;
/// How long one run may take. Emulated on a busy machine it took 8 s.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// How much of its output is kept, in bytes.
const WORDS: u64 = 64 << 10;
/// The ID of the unprivileged user and group, which Debian calls `nobody` and `nogroup`.
const UNPRIVILEGED: &str = "65534";
/// Options that name a file which the card has and the folder lacks. dockerd would not find it.
/// Other checks compare these files.
const ELSEWHERE: [&str; 6] = [
    "userland-proxy-path",
    "tls",
    "tlsverify",
    "tlscacert",
    "tlscert",
    "tlskey",
];

/// The answers so far. All images of a cluster have the same Docker and the same options, so
/// dockerd is asked only once.
static ANSWERS: Mutex<BTreeMap<[u8; 32], Answer>> = Mutex::new(BTreeMap::new());

/// Asks dockerd. `options` is the content of `daemon.json`.
pub(super) fn dockerd(target: &DaemonTarget<'_>, program: &str, mut options: Map<String, Value>) -> Answer {
    if !target.trusted {
        return Answer::NotAsked(
            "its files are not known to be those of kraken.lock, and no other program of an image is run".to_owned(),
        );
    }
    for key in ELSEWHERE {
        options.remove(key);
    }
    let arguments = unit::arguments(target.root);
    let key = match identity(target, program, &options, &arguments) {
        Ok(key) => key,
        Err(why) => return Answer::NotAsked(why),
    };
    let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = answers.get(&key) {
        return answer.clone();
    }
    let answer = ask(target, program, &options, &arguments).unwrap_or_else(Answer::NotAsked);
    answers.insert(key, answer.clone());
    answer
}

/// Returns the hash of everything that the answer depends on. At this point the program is known to
/// be the one of its package, so its size and time are enough to identify it.
fn identity(
    target: &DaemonTarget<'_>,
    program: &str,
    options: &Map<String, Value>,
    arguments: &[String],
) -> Result<[u8; 32], String> {
    let real = real_path(target.root, program).map_err(words)?;
    let metadata = target.root.metadata(&real).map_err(words)?;
    let known = format!("{} {metadata:?} {options:?} {arguments:?}", target.architecture);
    Ok(Sha256::digest(known).into())
}

fn words(error: impl std::fmt::Display) -> String {
    text::line(&error.to_string())
}

fn ask(
    target: &DaemonTarget<'_>,
    program: &str,
    options: &Map<String, Value>,
    arguments: &[String],
) -> Result<Answer, String> {
    let runner = RUNNERS
        .iter()
        .find(|runner| runner.architecture == target.architecture)
        .ok_or_else(|| format!("programs of {} are not run here", target.architecture))?;
    let folder = tempfile::Builder::new()
        .prefix("kraken-docker-")
        .tempdir()
        .map_err(words)?;
    open(folder.path())?;
    let room = Room {
        target,
        runner,
        folder: folder.path(),
        emulator: emulator(runner)?,
    };
    room.put(program, &room.path("bin/dockerd"))?;
    room.put(runner.loader, &room.path("loader"))?;
    room.libraries()?;
    // dockerd checks that this program exists, but starts it only much later.
    named::write(&room.path("bin/docker-proxy"), b"#!/bin/sh\n").map_err(words)?;
    open(&room.path("bin/docker-proxy"))?;
    let file = room.path("daemon.json");
    let text = serde_json::to_vec(options).map_err(words)?;
    named::write(&file, &text).map_err(words)?;
    let mut command = room.loaded();
    command
        .arg(room.path("bin/dockerd"))
        .args(arguments)
        .arg("--validate")
        .arg("--config-file")
        .arg(&file);
    let end = run(command)?;
    Ok(judge(&end, &file))
}

/// A folder with the files of the image that run here.
struct Room<'a> {
    target: &'a DaemonTarget<'a>,
    runner: &'a Runner,
    folder: &'a Path,
    emulator: Option<PathBuf>,
}

impl Room<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Copies a file out of the image.
    fn put(&self, from: &str, to: &Path) -> Result<(), String> {
        let root = self.target.root;
        let bytes = real_path(root, from)
            .and_then(|path| root.read(&path, LARGEST))
            .map_err(words)?;
        let bytes = bytes.ok_or_else(|| format!("the image has no {from}"))?;
        let parent = to.parent().unwrap_or(self.folder);
        fs::create_dir_all(parent).map_err(words)?;
        open(parent)?;
        named::write(to, &bytes).map_err(words)?;
        open(to)
    }

    /// Copies the libraries that dockerd needs. The loader reports one missing library at a time.
    fn libraries(&self) -> Result<(), String> {
        for _ in 0..MOST_LIBRARIES {
            let mut command = self.loaded();
            command.arg("--list").arg(self.path("bin/dockerd"));
            let end = run(command)?;
            let Some(name) = missing(&end.said) else {
                return match end.code {
                    Some(0) => Ok(()),
                    _ => Err(format!("its loader says: {}", text::line(&end.said))),
                };
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
            if !name.chars().all(plain) || name.starts_with('.') {
                return Err(format!("it needs a library with an odd name, {}", text::line(name)));
            }
            let to = self.path("lib").join(name);
            if to.exists() {
                return Err(format!("its loader cannot read {name}"));
            }
            let places = [self.runner.libraries, "/usr/lib", "/lib"];
            let from = places
                .iter()
                .map(|place| format!("{place}/{name}"))
                .find(|path| is_there(self.target.root, path));
            let from = from.ok_or_else(|| format!("the image has no {name}, which it needs"))?;
            self.put(&from, &to)?;
        }
        Err(format!("it needs more than {MOST_LIBRARIES} libraries"))
    }

    /// Returns the command of the image's loader, to which the program to run is appended.
    fn loaded(&self) -> Command {
        let mut command = unprivileged();
        if let Some(emulator) = &self.emulator {
            command.arg(emulator);
        }
        command
            .arg(self.path("loader"))
            .arg("--library-path")
            .arg(self.path("lib"));
        let path = std::env::join_paths([self.path("bin"), "/usr/bin".into(), "/bin".into()]).unwrap_or_default();
        command
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env("HOME", self.folder);
        command.current_dir(self.folder);
        command
    }
}

/// Returns a setpriv(1) command: the program that it runs cannot gain privileges, and loses those
/// of root.
fn unprivileged() -> Command {
    let mut command = tool("setpriv");
    command.arg("--no-new-privs");
    if rustix::process::geteuid().is_root() {
        command
            .arg(format!("--reuid={UNPRIVILEGED}"))
            .arg(format!("--regid={UNPRIVILEGED}"))
            .arg("--clear-groups")
            .arg("--bounding-set=-all");
    }
    command.arg("--");
    command
}

/// Makes a file readable and executable for every user, because the program may run as `nobody`.
fn open(path: &Path) -> Result<(), String> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(words)
}

/// Returns the path of the emulator; `None` if this machine can run the programs itself.
fn emulator(runner: &Runner) -> Result<Option<PathBuf>, String> {
    if runner.native == std::env::consts::ARCH {
        return Ok(None);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| runner.emulators.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    found.map(Some).ok_or_else(|| {
        format!(
            "there is no {} here; install it (Debian: apt-get install qemu-user-static)",
            runner.emulators[0]
        )
    })
}

/// How a program ended.
struct End {
    code: Option<i32>,
    /// Its output.
    said: String,
}

fn run(mut command: Command) -> Result<End, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("setpriv (of util-linux) cannot be run: {error}"))?;
    let pipe = child.stderr.take();
    // The output is read during the wait: a program that writes more than a pipe holds would
    // otherwise never end.
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(WORDS).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        bytes
    });
    let begin = Instant::now();
    let status = loop {
        match child.try_wait().map_err(words)? {
            Some(status) => break status,
            None if begin.elapsed() > TIME_LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not answer within {} s", TIME_LIMIT.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let bytes = reader.join().unwrap_or_default();
    Ok(End {
        code: status.code(),
        said: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// Returns the library that glibc's loader reports as missing.
fn missing(said: &str) -> Option<&str> {
    let rest = said.split_once("error while loading shared libraries: ")?.1;
    rest.split_once(": cannot open shared object file")
        .map(|(name, _)| name)
}

/// Returns what the end means. An end that is neither a success nor a message about the options
/// does not say anything about them.
fn judge(end: &End, file: &Path) -> Answer {
    if end.code == Some(0) {
        return Answer::Right;
    }
    if end.said.contains("unknown flag: --validate") {
        return Answer::NotAsked("before Docker 23 it cannot be (it knows no --validate)".to_owned());
    }
    let named = file.display().to_string();
    let about = [
        "unable to configure the Docker daemon",
        "merged configuration validation",
        "invalid",
        "failed to parse",
    ];
    let line = end
        .said
        .lines()
        .find(|line| about.iter().any(|words| line.contains(words)));
    match line {
        Some(line) => Answer::Wrong(text::line(&line.replace(&named, OPTIONS))),
        None => Answer::NotAsked(format!("it ended with {:?}: {}", end.code, text::line(&end.said))),
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;

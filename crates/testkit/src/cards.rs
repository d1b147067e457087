//! The cards of a cluster, made by `build`; their swarm files are put on the machines of the bench.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kraken_disk::{FileTree, ImageFile, Layout, NodeType};
use tempfile::TempDir;

use super::swarm::{Bench, Node};
use super::world::{trixie, with_package};

const STATE: &str = "/var/lib/docker/swarm";
/// Other files of a card that the machines of the bench need: scripts and settings of ours.
const OURS: [&str; 3] = [
    "/etc/kraken-flash",
    "/usr/local/lib/kraken-flash",
    "/var/lib/kraken-flash",
];
/// The machines of the bench have no systemd: this program records on the disk what the script on
/// the node requests from it.
const SYSTEMCTL: &str = "/usr/local/test/kraken-systemctl";
const SYSTEMCTL_TEXT: &str = "#!/bin/sh
case $1 in
  show)
    if [ -e /var/lib/docker/held ]; then echo ActiveState=inactive; else echo ActiveState=active; fi
    echo UnitFileState=enabled ;;
  start | restart) touch /var/lib/docker/start-wanted ;;
  stop) touch /var/lib/docker/held ;;
esac
";
const WANTS_START: &str = "start-wanted";
/// Exists as long as Docker must not be started.
const HELD: &str = "held";

/// A folder with a `kraken.toml` and a small base, which has Docker already.
///
/// What is written for the swarm is the same on every base; packages are baked and verified on a
/// real one elsewhere.
pub struct Cluster {
    folder: TempDir,
}

impl Cluster {
    /// Makes the default cluster with these sections and an SSH key.
    pub fn new(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@desk";
        fs::write(folder.path().join("key.pub"), key).unwrap();
        let docker = "Architecture: arm64\nVersion: 26.1.5+dfsg1-9\n";
        with_package(trixie(), "docker.io", docker, &["/usr/sbin/dockerd"])
            .file("usr/bin/python3", "")
            .build(folder.path());
        let cluster = Self { folder };
        cluster.spec(sections);
        cluster
    }

    /// Replaces the sections; the keys stay the same.
    pub fn spec(&self, sections: &str) {
        let text = format!("[user]\nssh-keys = [\"key.pub\"]\n{sections}");
        fs::write(self.folder.path().join("kraken.toml"), text).unwrap();
    }

    /// Writes a file beside `kraken.toml` that only its owner can read.
    pub fn secret(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program in the folder.
    pub fn run(&self, arguments: &[&str]) -> String {
        let assert = assert_cmd::Command::cargo_bin("kraken-flash")
            .unwrap()
            .current_dir(self.folder.path())
            .args(arguments)
            .assert()
            .success();
        String::from_utf8_lossy(&assert.get_output().stdout)
            .trim_end()
            .to_owned()
    }

    /// Builds and verifies the images that these arguments request, and reads the cards' swarm
    /// files out of them.
    pub fn build(&self, arguments: &[&str]) -> Vec<Card> {
        let images = self.folder.path().join("images");
        let mut all = vec!["build", "--base", "base.img", "--no-sums", "-o", "images"];
        all.extend(arguments);
        self.run(&all);
        self.run(&["verify", "images"]);
        let mut files: Vec<PathBuf> = fs::read_dir(&images)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "img"))
            .collect();
        files.sort();
        let cards = files.iter().map(|file| Card::read(file, self.folder.path())).collect();
        files.iter().for_each(|file| fs::remove_file(file).unwrap());
        fs::remove_dir_all(images).unwrap();
        cards
    }
}

/// The swarm files of one card.
pub struct Card {
    pub name: String,
    pub address: String,
    /// The state under `/var/lib/docker/swarm`, if there is any.
    pub state: Option<PathBuf>,
    /// Files of ours: path, bytes, mode.
    pub files: Vec<(String, Vec<u8>, u32)>,
}

impl Card {
    fn read(image: &Path, folder: &Path) -> Self {
        let file = Arc::new(ImageFile::open_read(image).unwrap());
        let layout = Layout::detect(file.clone()).unwrap();
        let tree = layout.root_tree(file).unwrap();
        let mut files = Vec::new();
        OURS.iter().for_each(|place| read_tree(&tree, place, &mut files));
        let record = files.iter().find(|(path, ..)| path.ends_with("/node.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record.1).unwrap();
        let name = record["hostname"].as_str().unwrap().to_owned();
        let mut state = Vec::new();
        read_tree(&tree, STATE, &mut state);
        let target = tempfile::tempdir_in(folder).unwrap().keep();
        for (path, bytes, mode) in &state {
            let path = target.join(path.trim_start_matches(STATE).trim_start_matches('/'));
            match bytes.is_empty() && mode & 0o040_000 != 0 {
                true => fs::create_dir_all(&path).unwrap(),
                false => fs::write(&path, bytes).unwrap(),
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777)).unwrap();
        }
        Self {
            name,
            address: record["address"].as_str().unwrap().to_owned(),
            state: (!state.is_empty()).then_some(target),
            files: files.into_iter().filter(|(_, _, mode)| mode & 0o040_000 == 0).collect(),
        }
    }

    /// Returns a machine of the bench with this card in it, switched off.
    pub fn put_into(&self, bench: &Bench) -> Arc<Node> {
        let node = bench.node(&self.name, &self.address, self.state.as_deref());
        for (path, bytes, mode) in &self.files {
            node.put(path, bytes, mode & 0o7777);
        }
        node.put(SYSTEMCTL, SYSTEMCTL_TEXT, 0o755);
        Arc::new(node)
    }
}

/// Collects all files and folders below a path, folders before their contents; folders with the bit
/// of stat(2).
fn read_tree(tree: &dyn FileTree, path: &str, found: &mut Vec<(String, Vec<u8>, u32)>) {
    let Some(metadata) = tree.metadata(path).unwrap() else {
        return;
    };
    assert_eq!((metadata.uid, metadata.gid), (0, 0), "{path} is not root's");
    let mode = u32::from(metadata.mode);
    match metadata.node {
        NodeType::Directory => {
            found.push((path.to_owned(), Vec::new(), mode | 0o040_000));
            for name in tree.list(path).unwrap() {
                read_tree(tree, &format!("{path}/{name}"), found);
            }
        }
        NodeType::File => {
            let bytes = tree.read(path, 64 << 20).unwrap().unwrap();
            found.push((path.to_owned(), bytes, mode));
        }
        _ => {}
    }
}

/// A machine that is on, with what systemd would do on it: the wait before dockerd, dockerd, the
/// watch, restarts.
pub struct On {
    pub node: Arc<Node>,
    off: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

impl On {
    /// Switches it on.
    pub fn new(node: &Arc<Node>) -> Self {
        let off = Arc::new(AtomicBool::new(false));
        node.boot();
        let work = {
            let (node, off) = (node.clone(), off.clone());
            std::thread::spawn(move || run(&node, &off))
        };
        Self {
            node: node.clone(),
            off,
            work: Some(work),
        }
    }

    /// Returns the output of the script so far.
    pub fn said(&self) -> String {
        let log = fs::read(self.node.data_root().join("watch.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Cuts the power.
    pub fn cut(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.off.store(true, Ordering::Relaxed);
        self.node.kill();
        if let Some(work) = self.work.take() {
            let _ = work.join();
        }
    }
}

impl Drop for On {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- what {} said:\n{}", self.node.name(), self.said());
        }
        self.end();
    }
}

fn script(node: &Node, program: &str, arguments: &[&str]) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(node.data_root().join("watch.log"))
        .unwrap();
    node.command(&format!("/usr/local/lib/kraken-flash/{program}"))
        .args(arguments)
        .env("KRAKEN_SYSTEMCTL", SYSTEMCTL)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn run(node: &Node, off: &AtomicBool) {
    let is_off = || off.load(Ordering::Relaxed);
    let wanted = node.data_root().join(WANTS_START);
    let held = node.data_root().join(HELD);
    let start = || {
        let _ = fs::remove_file(&wanted);
        let _ = fs::remove_file(&held);
        let mut wait = script(node, "swarm", &["wait"]);
        while wait.try_wait().unwrap().is_none() {
            if is_off() {
                let _ = wait.kill();
                let _ = wait.wait();
                return false;
            }
            if held.exists() {
                // As systemd ends a service that it stops.
                let _ = wait.kill();
                let _ = wait.wait();
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        node.start();
        true
    };
    if !start() {
        return;
    }
    let mut watch = script(node, "swarm", &["watch"]);
    // Bound to Docker: it ends and begins with it.
    let mut nodes = script(node, "swarm-nodes", &[]);
    let end = |child: &mut Child| {
        let _ = child.kill();
        let _ = child.wait();
    };
    while !is_off() {
        if wanted.exists() {
            end(&mut nodes);
            node.stop();
            if !start() {
                break;
            }
            nodes = script(node, "swarm-nodes", &[]);
        }
        let _ = watch.try_wait();
        std::thread::sleep(Duration::from_millis(20));
    }
    end(&mut watch);
    end(&mut nodes);
}

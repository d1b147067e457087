//! The parts of a node that `status` reads: a tree of files in the place of /proc, /sys and /run,
//! stubs of systemctl and ip, and a Docker with chosen answers on its socket. The scripts are those
//! that provisioning writes to a card.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kraken_overlay::{Kind, Overlay, Volume};
use kraken_spec::{Cluster, DockerSource, SwarmMode};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use super::engine::Engine;
use testkit::images::{Disk, NodeOverlays, kraken, make, trixie};

/// How long a line may take on a busy machine. Two polls are 50 ms apart.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Units that every node has, in their states before anything is started.
const UNITS: [&str; 4] = [
    "network.target",
    "multi-user.target",
    "emergency.target",
    "cloud-final.service",
];

/// The first manager, before it was ever up.
pub(super) const MANAGER: &str = "0B03A8C0:0949";

/// A node that can be switched on.
pub(super) struct Node {
    folder: TempDir,
    pub docker: Engine,
    units: BTreeMap<String, [String; 5]>,
    child: Option<Child>,
}

/// The cluster of seven with Docker and a swarm.
pub(super) fn swarm() -> Cluster {
    let mut cluster = kraken();
    cluster.docker.source = DockerSource::Debian;
    cluster.swarm.mode = SwarmMode::Baked;
    cluster
}

/// An image with python3; all images with cloud-init have it.
pub(super) fn disk() -> Disk {
    let mut disk = trixie();
    disk.root.file("/usr/bin/python3", *b"ELF");
    disk
}

impl Node {
    /// Returns node `number` of a cluster, with its network and its consoles, and nothing started.
    pub(super) fn new(cluster: &Cluster, number: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let NodeOverlays { common, node } = make(&disk(), cluster, number);
        lay(&common, folder.path());
        lay(&node, folder.path());
        let docker = Engine::new(&folder.path().join("docker.sock"));
        let mut made = Self {
            folder,
            docker,
            units: BTreeMap::new(),
            child: None,
        };
        let hostname = &cluster.nodes[number - 1].hostname;
        let address = cluster.nodes[number - 1].address;
        for (path, text) in [
            ("proc/sys/kernel/hostname", format!("{hostname}\n")),
            ("proc/uptime", "12.34 20.00\n".to_owned()),
            ("proc/net/tcp", String::new()),
            ("proc/net/tcp6", String::new()),
            ("sys/class/tty/console/active", "tty1 ttyAMA0\n".to_owned()),
            ("dev/tty1", String::new()),
            ("dev/ttyAMA0", String::new()),
            ("lights", String::new()),
            ("sys/class/net/kraken0/carrier", "1\n".to_owned()),
            ("sys/class/net/onboard0/carrier", "1\n".to_owned()),
            ("sys/class/net/onboard0/device/uevent", String::new()),
            (
                "ip.up",
                format!(
                    "4: kraken0    inet {address}/24 brd 192.168.3.255 scope global kraken0\\       valid_lft forever\n"
                ),
            ),
        ] {
            made.put(path, &text);
        }
        fs::create_dir_all(made.path("run")).unwrap();
        made.program(
            "usr/local/lib/kraken-flash/led",
            "echo \"$1\" >> \"$KRAKEN_STATUS_ROOT/lights\"",
        );
        made.program(
            "bin/systemctl",
            "[ ! -e \"$KRAKEN_STATUS_ROOT/hang\" ] || exec sleep 600\nexec cat \"$KRAKEN_STATUS_ROOT/units\"",
        );
        made.program(
            "bin/ip",
            &format!(
                "[ \"$*\" = '-4 -o addr show to {address}' ] || exit 1\ncat \"$KRAKEN_STATUS_ROOT/ip\" 2>/dev/null"
            ),
        );
        for unit in UNITS {
            made.unit(unit, "inactive");
        }
        if cluster.docker.source != DockerSource::None {
            made.unit("docker.service", "inactive");
        }
        if cluster.swarm.mode != SwarmMode::None {
            made.unit("kraken-swarm.service", "inactive");
        }
        made
    }

    /// Returns a path of the node.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file atomically.
    pub(super) fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, path).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// Writes a program, given as the lines of a shell script.
    pub(super) fn program(&self, path: &str, lines: &str) {
        self.put(path, &format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Sets a unit's ActiveState; then, after slashes, its SubState, Result, UnitFileState and job
    /// where they matter.
    pub(super) fn unit(&mut self, name: &str, state: &str) {
        let mut words = state.split('/');
        let mut word = |default: &str| {
            words
                .next()
                .filter(|word| !word.is_empty())
                .unwrap_or(default)
                .to_owned()
        };
        let state = [
            word("inactive"),
            word("dead"),
            word("success"),
            word("enabled"),
            word(""),
        ];
        self.units.insert(name.to_owned(), state);
        // As systemctl 257 prints them, in its order; a unit that does not exist has an entry, too.
        let mut text = "Result=success\nId=cloud-init.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n".to_owned();
        for (name, [active, sub, result, file, job]) in &self.units {
            let load = if file == "masked" { "masked" } else { "loaded" };
            let job = if job.is_empty() {
                String::new()
            } else {
                format!("Job={job}\n")
            };
            text += &format!(
                "\n{job}Result={result}\nId={name}\nLoadState={load}\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\n"
            );
        }
        self.put("units", &text);
    }

    /// Sets whether the node's address is on its port.
    pub(super) fn network(&self, up: bool) {
        match up {
            true => self.put("ip", &self.read("ip.up")),
            false => self.remove("ip"),
        }
    }

    /// Sets whether the only port's cable has a link.
    pub(super) fn cable(&self, plugged: bool) {
        let carrier = if plugged { "1\n" } else { "0\n" };
        self.put("sys/class/net/onboard0/carrier", carrier);
        self.put("sys/class/net/kraken0/carrier", carrier);
    }

    /// Sets the node's connections as the kernel lists them: this end, the other, the state (01
    /// open, 02 tried).
    pub(super) fn connections(&self, list: &[(&str, &str, &str)]) {
        let mut text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9371 1 0000000000000000 100 0 0 10 0\n"
            .to_owned();
        for (near, far, state) in list {
            text += &format!(
                "   1: {near} {far} {state} 00000000:00000000 02:0000048C 00000000     0        0 2606792 2 0000000000000000 20 4 30 10 -1\n"
            );
        }
        self.put("proc/net/tcp", &text);
    }

    /// Sets whether a worker has a lasting connection to the first manager.
    pub(super) fn linked(&self, there: bool) {
        match there {
            true => self.connections(&[("0D03A8C0:A556", MANAGER, "01")]),
            false => self.connections(&[("0D03A8C0:A568", MANAGER, "02")]),
        }
    }

    /// Starts cloud-init; with a result, cloud-init has finished.
    pub(super) fn cloud_init(&self, errors: Option<&str>) {
        match errors {
            None => self.put("run/cloud-init/enabled", ""),
            Some(errors) => self.put(
                "run/cloud-init/result.json",
                &format!(
                    "{{\n \"v1\": {{\n  \"datasource\": \"DataSourceNoCloud\",\n  \"errors\": [{errors}]\n }}\n}}\n"
                ),
            ),
        }
    }

    /// Returns one of the swarm's programs, ready to be started; its output is appended to the file
    /// `said`.
    pub(super) fn swarm_program(&self, name: &str) -> Command {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("said"))
            .unwrap();
        let mut command = Command::new("python3");
        command
            .arg(self.path("usr/local/lib/kraken-flash").join(name))
            .env("KRAKEN_SWARM_SETTINGS", self.path("etc/kraken-flash/swarm.json"))
            .env("KRAKEN_SWARM_NODE_ID", self.path("etc/kraken-flash/swarm-node-id"))
            .env("KRAKEN_SWARM_TOKEN", self.path("var/lib/kraken-flash/join-token"))
            .env("KRAKEN_UNCONFIGURED", self.path("var/lib/kraken-flash/configure"))
            .env("KRAKEN_DOCKER_ROOT", self.path("var/lib/docker"))
            .env("KRAKEN_DOCKER_SOCKET", self.path("docker.sock"))
            .env("KRAKEN_SWARM_RUN", self.path("run/kraken-flash"))
            .env("KRAKEN_MOUNTS", self.path("mounts"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    /// Starts the unit's program under dash, which is Debian's sh.
    pub(super) fn start(&mut self) {
        let journal = File::options()
            .create(true)
            .append(true)
            .open(self.path("journal"))
            .unwrap();
        let child = Command::new("dash")
            .arg(self.path("usr/local/lib/kraken-flash/status"))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()))
            .env("KRAKEN_STATUS_ROOT", self.folder.path())
            .env("KRAKEN_STATUS_PAUSE", "0.05")
            .env("KRAKEN_SWARM_SETTINGS", self.path("etc/kraken-flash/swarm.json"))
            .env("KRAKEN_DOCKER_SOCKET", self.path("docker.sock"))
            .env("KRAKEN_SWARM_TOKEN", self.path("var/lib/kraken-flash/join-token"))
            .env("KRAKEN_SWARM_RUN", self.path("run/kraken-flash"))
            .env("KRAKEN_SWARM_HASTE", "0.5")
            .stdin(Stdio::null())
            .stdout(journal.try_clone().unwrap())
            .stderr(journal)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("dash cannot be run ({error}): apt-get install dash"));
        self.child = Some(child);
    }

    /// Ends it as systemd does.
    pub(super) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process_group(group, Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    /// Returns all lines of a console so far. What a login prompt or a carriage return leaves is
    /// not a line.
    pub(super) fn console(&self, name: &str) -> Vec<String> {
        let text = self.read(&format!("dev/{name}"));
        text.split(['\r', '\n'])
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Waits until the node shows this on its serial line and its LED.
    pub(super) fn shows(&mut self, light: &str, text: &str) {
        let begun = Instant::now();
        loop {
            let lines = self.console("ttyAMA0");
            let lights = self.read("lights");
            let is_shown = lines.last().is_some_and(|line| {
                line.split_once("  ")
                    .is_some_and(|(_, rest)| rest.ends_with(&format!("  {text}")))
            });
            if is_shown && lights.lines().last() == Some(light) {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(
                ended.is_none() && begun.elapsed() < TIMEOUT,
                "waited for {light}: {text}\nended: {ended:?}\nlights: {}\nlines:\n{}\njournal:\n{}",
                lights.replace('\n', " "),
                lines.join("\n"),
                self.read("journal")
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for this many polls of the units: whatever could happen has happened then.
    pub(super) fn polls(&self, count: u32) {
        std::thread::sleep(Duration::from_millis(150) * count);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The files of kraken-flash that a card's root volume has.
fn lay(overlay: &Overlay, folder: &Path) {
    for (volume, path, entry) in overlay.iter() {
        let path = path.as_str();
        let ours = ["/etc/kraken-flash/", "/usr/local/lib/kraken-flash/"]
            .iter()
            .any(|place| path.starts_with(place));
        if let (Volume::Root, true, Kind::File(bytes)) = (volume, ours, &entry.kind) {
            let place = folder.join(&path[1..]);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, bytes.read().unwrap()).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(entry.mode.into())).unwrap();
        }
    }
}

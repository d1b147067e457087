//! One node: a machine that can be switched on and off, with a disk that stays and a dockerd on it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::clock;
use super::engine::Engine;
use super::island::{Island, child_of};
use super::machine::{DOCKER_HOST, Machine, copy_state, signal};
use super::wait::wait_for;

/// How long a client, or the end of a dockerd, may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

/// The socket of containerd in docker.service of every Debian.
const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// A node. Dropped, it loses its power.
pub struct Node {
    pub(super) island: Arc<Island>,
    name: String,
    address: String,
    pub(super) folder: PathBuf,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) engine: Engine,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    linked: bool,
    clock: Option<i64>,
    pub(super) machine: Option<Machine>,
    containerd: Option<Child>,
    dockerd: Option<Child>,
}

impl Node {
    pub(super) fn new(
        island: &Arc<Island>,
        engine: &Engine,
        name: &str,
        address: &str,
        swarm_state: Option<&Path>,
    ) -> Self {
        // A second node of the same name is another card: it has nothing of the first one.
        let lives = island
            .logs
            .lock()
            .unwrap()
            .iter()
            .filter(|(other, _)| other == name)
            .count();
        let folder = island.folder().join(match lives {
            0 => name.to_owned(),
            _ => format!("{name}.{lives}"),
        });
        for part in ["files", "disk", "scratch"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        if let Some(state) = swarm_state {
            copy_state(state, &folder.join("disk/swarm"));
        }
        let log = folder.join("dockerd.log");
        File::create(&log).unwrap();
        island.logs.lock().unwrap().push((name.to_owned(), log));
        let state = State {
            engine: engine.clone(),
            options: Vec::new(),
            environment: Vec::new(),
            linked: true,
            clock: None,
            machine: None,
            containerd: None,
            dockerd: None,
        };
        Self {
            island: Arc::clone(island),
            name: name.to_owned(),
            address: address.to_owned(),
            folder,
            state: Mutex::new(state),
        }
    }

    /// Its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its address, without the length of the prefix.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns `/var/lib/docker` in the host's view, whether the node is on or off.
    pub fn data_root(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Adds an option for dockerd, from its next start on.
    pub fn option(&self, option: &str) {
        self.state().options.push(option.to_owned());
    }

    /// Sets a variable of dockerd's environment, from its next start on.
    pub fn env(&self, name: &str, value: &str) {
        self.state().environment.push((name.to_owned(), value.to_owned()));
    }

    /// Sets another dockerd, from the next power-on.
    pub fn set_engine(&self, engine: &Engine) {
        self.state().engine = engine.clone();
    }

    /// Puts a file on the node, which exists at every power-on. Its folders must not be links,
    /// except `/bin`, `/sbin` and `/lib`.
    pub fn put(&self, path: &str, bytes: impl AsRef<[u8]>, mode: u32) {
        let path = path.trim_start_matches('/');
        let merged = ["bin/", "sbin/", "lib/"].iter().any(|folder| path.starts_with(folder));
        let path = if merged { format!("usr/{path}") } else { path.to_owned() };
        let mut places = vec![self.folder.join("files").join(&path)];
        places.extend(self.state().machine.as_ref().map(|machine| machine.path(&path)));
        for place in places {
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, bytes.as_ref()).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Switches the power on: containerd starts, as on every Debian that has Docker, and no dockerd
    /// yet. Does nothing when the power is on.
    pub fn boot(&self) {
        self.on(&mut self.state());
    }

    pub(super) fn on<'a>(&self, state: &'a mut State) -> &'a Machine {
        let State {
            machine,
            engine,
            linked,
            containerd,
            ..
        } = state;
        machine.get_or_insert_with(|| {
            let address = format!("{}/24", self.address);
            let machine = Machine::boot(&self.island, engine, &self.name, &address, &self.folder, *linked);
            let log = File::create(self.folder.join("containerd.log")).unwrap();
            let mut command = machine.command("containerd");
            // Its data would be lost in a power cut; Debian's containerd has it on the card, as
            // dockerd has its own.
            command
                .args(["--root", "/var/lib/docker/containerd"])
                .stdout(log.try_clone().unwrap())
                .stderr(log);
            *containerd = Some(command.spawn().unwrap());
            machine
        })
    }

    /// Starts dockerd, on a machine that is switched on if necessary, and does not wait for it.
    pub fn start(&self) {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(old) = &mut state.dockerd {
            let ended = old.try_wait().unwrap().is_some();
            assert!(ended, "dockerd runs already on {}", self.name);
        }
        let offset = state.clock;
        let (options, environment) = (state.options.clone(), state.environment.clone());
        let machine = self.on(state);
        let containerd = machine.path(CONTAINERD);
        wait_for(&self.island, &format!("containerd on {}", self.name), TIMEOUT, || {
            containerd.exists().then_some(())
        });
        let mut command = match offset {
            Some(offset) => clock::command(machine, offset, "dockerd"),
            None => machine.command("dockerd"),
        };
        let log = File::options()
            .append(true)
            .open(self.folder.join("dockerd.log"))
            .unwrap();
        command
            .args(["-H", DOCKER_HOST, "--containerd", CONTAINERD])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .arg(format!("--storage-driver={}", storage_driver(&self.folder)))
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .arg(format!("--cgroup-parent={}/{}", self.island.cgroup(), self.name))
            .args(options)
            .envs(environment)
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        *self.island.started.lock().unwrap() = Some(Instant::now());
        state.dockerd = Some(command.spawn().unwrap());
    }

    /// Whether dockerd runs.
    pub fn is_running(&self) -> bool {
        let mut state = self.state();
        state
            .dockerd
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Cuts the power: every process ends at once, and what was not on the disk is lost. Returns
    /// when all processes have ended.
    pub fn kill(&self) {
        let mut state = self.state();
        state.machine = None;
        for mut child in state.dockerd.take().into_iter().chain(state.containerd.take()) {
            // It has ended already.
            let _ = child.wait();
        }
    }

    /// Kills dockerd alone; containerd and the containers continue, as they do under systemd.
    pub fn kill_dockerd(&self) {
        self.end_dockerd(Signal::KILL);
    }

    /// Ends dockerd as systemd does. The machine stays on.
    pub fn stop(&self) {
        self.end_dockerd(Signal::TERM);
    }

    fn end_dockerd(&self, with: Signal) {
        let Some(mut child) = self.state().dockerd.take() else {
            return;
        };
        if let Some(pid) = child_of(child.id()) {
            signal(pid, with);
        }
        wait_for(&self.island, &format!("the end of {}", self.name), TIMEOUT, || {
            child.try_wait().unwrap()
        });
    }

    /// Ends dockerd and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Pulls the cable out.
    pub fn link_down(&self) {
        self.set_link(false);
    }

    /// Plugs the cable in.
    pub fn link_up(&self) {
        self.set_link(true);
    }

    fn set_link(&self, up: bool) {
        let mut state = self.state();
        state.linked = up;
        if let Some(machine) = &state.machine {
            machine.link(up);
        }
    }

    /// Sets dockerd's clock `offset` seconds off the true time; a dockerd that had a clock of its
    /// own from its start takes it at once. Other programs on the machine see the true time.
    pub fn set_clock(&self, offset: i64) {
        let mut state = self.state();
        state.clock = Some(offset);
        if let Some(machine) = &state.machine {
            clock::set(machine, offset);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves nothing half done here.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns overlay2 where this file system supports it.
fn storage_driver(folder: &Path) -> &'static str {
    /// linux/magic.h
    const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
    match u64::try_from(rustix::fs::statfs(folder).unwrap().f_type) {
        Ok(OVERLAYFS_SUPER_MAGIC) => "vfs",
        _ => "overlay2",
    }
}

//! A node without Docker: namespaces with a root file system, a host name and a network card. It
//! exists from power-on to power-off.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use super::super::tools::search_path;
use super::engine::Engine;
use super::island::{Island, child_of, ip, wait_until_up};

/// The address of dockerd for a client on the machine.
pub const DOCKER_HOST: &str = "unix:///var/run/docker.sock";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A machine that is on. Dropped, it loses its power.
pub struct Machine {
    island: Arc<Island>,
    outer: Child,
    pid: u32,
    port: String,
}

impl Machine {
    /// Switches it on. `folder` has the folders `files` and `disk`; the cable is plugged in when it
    /// is `linked`.
    pub fn boot(island: &Arc<Island>, engine: &Engine, name: &str, address: &str, folder: &Path, linked: bool) -> Self {
        let log = folder.join("machine.log");
        for path in [engine.tree(), folder] {
            // The paths are part of mount options.
            let plain = |byte: &u8| !b",:\\".contains(byte);
            assert!(path.as_os_str().as_encoded_bytes().iter().all(plain), "{path:?}");
        }
        let mut outer = Command::new("nsenter")
            .arg(format!("--target={}", island.pid()))
            .args(["--mount", "--net", "--pid", "--", "unshare"])
            .args(["--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", include_str!("machine.sh")])
            .env("PATH", search_path())
            .env("NAME", name)
            .env("TREE", engine.tree())
            .env("FILES", folder.join("files"))
            .env("DISK", folder.join("disk"))
            .env("SCRATCH", folder.join("scratch"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        wait_until_up(&mut outer, &log);
        let pid = child_of(outer.id()).and_then(child_of).expect("a machine");
        let port = island.plug(pid, address);
        let machine = Self {
            island: Arc::clone(island),
            outer,
            pid,
            port,
        };
        machine.link(linked);
        machine
    }

    /// Returns a program on the machine, with the machine's own environment and the address of its
    /// dockerd.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.pid))
            .args(["--mount", "--net", "--uts", "--ipc", "--pid", "--", program])
            .env_clear()
            .envs([("PATH", PATH), ("HOME", "/root"), ("LC_ALL", "C")])
            .env("DOCKER_HOST", DOCKER_HOST)
            .stdin(Stdio::null());
        command
    }

    /// Returns a path of the machine in the host's view. Do not use paths with absolute links:
    /// `/run`, not `/var/run`.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.pid.to_string())
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    /// Plugs the cable in or out. Without it the card is down and has no route, as before it was
    /// first configured.
    pub fn link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        self.island.ip(&format!("link set {} {state}", self.port));
        ip(self.pid, &format!("link set eth0 {state}"));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process the kernel ends all others of its PID namespace, and the wait
        // covers all of them. Its mounts go with them; the cable may remain for a moment, so it is
        // pulled here.
        signal(self.pid, Signal::KILL);
        let _ = self.outer.wait();
        let _ = Command::new("nsenter")
            .arg(format!("--target={}", self.island.pid()))
            .args(["--net", "--", "ip", "link", "del", &self.port])
            .env("PATH", search_path())
            .stderr(Stdio::null())
            .status();
    }
}

/// Sends a signal to a process, which may have ended.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Copies the content of `/var/lib/docker/swarm`, with its modes, for root.
pub fn copy_state(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    super::super::run(
        Command::new("cp")
            .args(["-R", "--preserve=mode,timestamps", "--"])
            .arg(from.join("."))
            .arg(to),
    );
}

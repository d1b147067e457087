//! An isolated network: a bridge in a network namespace without an uplink, and a PID namespace that
//! contains every machine.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::super::run;
use super::super::tools::search_path;
use super::tail::last_lines;

/// An isolated network. Its first process ends when the pipe to it closes, also when this process
/// is killed; nothing of an island outlives that.
pub struct Island {
    first: Child,
    pipe: Option<ChildStdin>,
    pid: u32,
    folder: PathBuf,
    ports: AtomicU32,
    /// Names and logs of its machines.
    pub logs: Mutex<Vec<(String, PathBuf)>>,
    /// When a dockerd was last started.
    pub started: Mutex<Option<Instant>>,
}

impl Island {
    pub fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test needs root: it starts dockerds in namespaces of their own"
        );
        // Not /tmp: that may be in memory, and a manager alone writes 128 MB.
        let parent = std::env::var_os("TMPDIR").unwrap_or_else(|| "/var/tmp".into());
        let folder = tempfile::Builder::new()
            .prefix("kraken-swarm-")
            .tempdir_in(parent)
            .unwrap()
            .keep();
        let log = File::create(folder.join("island.log")).unwrap();
        let mut first = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", include_str!("island.sh")])
            .env("PATH", search_path())
            .env("FOLDER", &folder)
            .env("CGROUP", folder.file_name().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A signal to the test's process group ends the test, which then ends the island in
            // order.
            .process_group(0)
            .spawn()
            .unwrap();
        wait_until_up(&mut first, &folder.join("island.log"));
        let pid = child_of(first.id()).expect("the first process of an island");
        Self {
            pipe: first.stdin.take(),
            first,
            pid,
            folder,
            ports: AtomicU32::new(0),
            logs: Mutex::default(),
            started: Mutex::default(),
        }
    }

    /// Returns the folder of its machines' files; its last part is a name that no other island has.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns its first process, in the host's numbering.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the control group of its containers.
    pub fn cgroup(&self) -> String {
        format!("/{}", self.folder.file_name().unwrap().to_string_lossy())
    }

    /// Connects the network namespace of a process to the bridge: `eth0`, with this address.
    /// Returns the port's name.
    pub fn plug(&self, pid: u32, address: &str) -> String {
        let port = format!("port{}", self.ports.fetch_add(1, Ordering::Relaxed));
        self.ip(&format!("link add {port} type veth peer name eth0 netns {pid}"));
        self.ip(&format!("link set {port} master lan up"));
        ip(pid, &format!("addr add {address} dev eth0"));
        port
    }

    /// Runs ip(8) where the bridge is.
    pub fn ip(&self, arguments: &str) {
        ip(self.pid, arguments);
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // It is a child of ours that ends by itself.
        let _ = self.first.wait();
    }
}

/// Runs ip(8) in the network namespace of a process.
pub fn ip(pid: u32, arguments: &str) {
    run(Command::new("nsenter")
        .arg(format!("--target={pid}"))
        .args(["--net", "--", "ip"])
        .args(arguments.split(' ')));
}

/// Reads the line that the first process of an island or a machine writes when it is ready.
pub fn wait_until_up(child: &mut Child, log: &Path) {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n", "{}", last_lines(log, 20));
}

/// Returns the child of a process that has only one.
pub fn child_of(pid: u32) -> Option<u32> {
    let parent = |stat: &str| -> Option<u32> {
        // proc_pid_stat(5): the name, in brackets, may contain any character.
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let child: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        (parent(&stat)? == pid).then_some(child)
    })
}

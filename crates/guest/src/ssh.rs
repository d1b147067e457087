//! Logs in to a guest with OpenSSH, through the virtual LAN. Many commands share one connection.

use std::fs::{self};
use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::programs::run_for;
use super::reaper::Reaper;
use kraken_disk::tool;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::named;
use kraken_foundation::text;

/// How to log in to a guest: where, as which account, with which key.
#[derive(Clone, Debug)]
pub struct Login {
    /// The loopback address that leads to the guest's port 22.
    pub at: SocketAddrV4,
    /// The account.
    pub user: String,
    /// The private key file. Without one, OpenSSH uses the keys that it finds by itself, including
    /// those of agents.
    pub key: Option<PathBuf>,
}

impl Login {
    fn command(&self) -> Command {
        let mut command = tool("ssh");
        command.args(["-F", "none", "-p", &self.at.port().to_string()]);
        for option in [
            "BatchMode=yes",
            // The guest is identified by its place on the LAN, and its host keys are new at the
            // first start.
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "GlobalKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "PreferredAuthentications=publickey",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=8",
        ] {
            command.args(["-o", option]);
        }
        if let Some(key) = &self.key {
            command
                .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i"])
                .arg(key);
        }
        command
    }

    fn target(&self) -> String {
        format!("{}@{}", self.user, self.at.ip())
    }

    /// Opens a new connection and runs one command. Returns what the command printed, or why it
    /// failed.
    pub fn once(&self, script: &str, limit: Duration, interrupt: &Interrupt) -> Result<String, String> {
        let mut command = self.command();
        command
            .args(["-o", &format!("ConnectTimeout={}", limit.as_secs().max(1))])
            .arg(self.target())
            .arg(script);
        let output = run_for(&mut command, b"", limit, interrupt).map_err(|error| words(&error))?;
        said(output)
    }
}

/// A connection that stays open.
#[derive(Debug)]
pub struct Shell {
    login: Login,
    master: Child,
    socket: PathBuf,
    reaper: Arc<Reaper>,
}

impl Shell {
    /// Logs in. OpenSSH shares the connection at `socket`, which must be a short path that does not
    /// exist yet.
    pub fn open(
        login: &Login,
        socket: PathBuf,
        reaper: &Arc<Reaper>,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, String> {
        let errors = socket.with_extension("err");
        let file = named::create(&errors).map_err(|error| words(&error))?;
        let mut command = login.command();
        command
            .args(["-M", "-N", "-o", "ControlPersist=no", "-S"])
            .arg(&socket)
            .args(["-o", &format!("ConnectTimeout={}", limit.as_secs().max(1))])
            .arg(login.target())
            .stdout(Stdio::null())
            .stderr(file);
        let master = command.spawn().map_err(|error| words(&error))?;
        reaper.watch(master.id());
        let mut shell = Self {
            login: login.clone(),
            master,
            socket,
            reaper: Arc::clone(reaper),
        };
        let end = Instant::now() + limit;
        while !shell.socket.exists() {
            if shell.master.try_wait().map_err(|error| words(&error))?.is_some() {
                let said = fs::read(&errors).unwrap_or_default();
                return Err(last_line(&said).unwrap_or_else(|| "ssh ended without a word".to_owned()));
            }
            if interrupt.is_set() || Instant::now() > end {
                return Err(format!("no login within {} s", limit.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(shell)
    }

    /// Runs a shell script in the guest. Returns what it printed, or why it failed.
    pub fn run(&self, script: &str, limit: Duration, interrupt: &Interrupt) -> Result<String, String> {
        let mut command = self.login.command();
        // This must not open a connection of its own, which would hang if the guest is gone.
        command
            .args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-S"])
            .arg(&self.socket)
            .arg(self.login.target())
            .arg("sh -s");
        let output = run_for(&mut command, script.as_bytes(), limit, interrupt).map_err(|error| words(&error))?;
        said(output)
    }

    /// Returns whether the connection is open, as far as this side knows.
    pub fn is_open(&mut self) -> bool {
        matches!(self.master.try_wait(), Ok(None))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The process may have ended with its guest.
        let _ = self.master.kill();
        let _ = self.master.wait();
        self.reaper.forget(self.master.id());
        let _ = fs::remove_file(&self.socket);
    }
}

/// Returns what a command printed, or its error message.
fn said(output: Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(last_line(&output.stderr)
        .or_else(|| last_line(&output.stdout))
        .unwrap_or_else(|| format!("it ended without a word ({})", output.status)))
}

fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text::lines(&text).filter(|line| !line.is_empty()).last()
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        io::ErrorKind::Interrupted => "stopped".to_owned(),
        _ => error.to_string(),
    }
}

/// A key pair of one run, in files that are removed with their folder.
#[derive(Debug)]
pub struct OwnKey {
    /// The private key's file, mode 0600.
    pub file: PathBuf,
    /// The line with the public key, for `authorized_keys`.
    pub line: String,
}

impl OwnKey {
    /// Makes a key pair in this folder.
    pub fn make(folder: &Path) -> io::Result<Self> {
        use ssh_key::{Algorithm, LineEnding, PrivateKey, rand_core::OsRng};
        let failed = |error: ssh_key::Error| io::Error::other(format!("making an SSH key: {error}"));
        let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
        key.set_comment("kraken-flash verify --boot, in the emulator only");
        let file = folder.join("key");
        key.write_openssh_file(&file, LineEnding::LF).map_err(failed)?;
        let line = key.public_key().to_openssh().map_err(failed)?;
        Ok(Self { file, line })
    }
}

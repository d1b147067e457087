//! Logging in to a guest with OpenSSH, through the virtual LAN: one connection that many commands share.

use std::fs::{self, File};
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
use kraken_foundation::text;

/// Who logs in, where, with what.
#[derive(Clone, Debug)]
pub struct Login {
    /// The loopback address that leads to the guest's port 22.
    pub at: SocketAddrV4,
    /// The account.
    pub user: String,
    /// The private key; without one, those that OpenSSH finds by itself, agents among them.
    pub key: Option<PathBuf>,
}

impl Login {
    fn command(&self) -> Command {
        let mut command = tool("ssh");
        command.args(["-F", "none", "-p", &self.at.port().to_string()]);
        for option in [
            "BatchMode=yes",
            // The guest is known by its place on the LAN, and its keys are new on the first start.
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

    /// Logs in anew and runs one command; says what kept it from that.
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

/// A connection that is kept.
#[derive(Debug)]
pub struct Shell {
    login: Login,
    master: Child,
    socket: PathBuf,
    reaper: Arc<Reaper>,
}

impl Shell {
    /// Logs in. `socket` is where the connection is shared: a short path, not there yet.
    pub fn open(
        login: &Login,
        socket: PathBuf,
        reaper: &Arc<Reaper>,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, String> {
        let errors = socket.with_extension("err");
        let file = File::create(&errors).map_err(|error| words(&error))?;
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

    /// Runs a shell script in the guest; gives what it printed, or what went wrong.
    pub fn run(&self, script: &str, limit: Duration, interrupt: &Interrupt) -> Result<String, String> {
        let mut command = self.login.command();
        // Never a connection of its own: it would hang where the guest is gone.
        command
            .args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-S"])
            .arg(&self.socket)
            .arg(self.login.target())
            .arg("sh -s");
        let output = run_for(&mut command, script.as_bytes(), limit, interrupt).map_err(|error| words(&error))?;
        said(output)
    }

    /// Whether the connection is still there, as far as this end knows.
    pub fn is_open(&mut self) -> bool {
        matches!(self.master.try_wait(), Ok(None))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // It may have ended with its guest.
        let _ = self.master.kill();
        let _ = self.master.wait();
        self.reaper.forget(self.master.id());
        let _ = fs::remove_file(&self.socket);
    }
}

/// What a command printed, or what it complained of.
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

/// A key that only this run has, in files that go with its folder.
#[derive(Debug)]
pub struct OwnKey {
    /// The private key's file, mode 0600.
    pub file: PathBuf,
    /// The public key's line.
    pub line: String,
}

impl OwnKey {
    /// Makes one in this folder.
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

//! The programs that booting needs: finds out whether they are installed, and runs them with a time
//! limit.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use kraken_disk::tool;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Error, Kind, Result};

/// The name of the emulator.
pub const QEMU: &str = "qemu-system-aarch64";

/// Programs, and the packages of Debian, Fedora, Arch and Alpine that contain them.
const NEEDED: &[(&str, [&str; 4])] = &[
    (
        QEMU,
        [
            "qemu-system-arm",
            "qemu-system-aarch64",
            "qemu-system-aarch64",
            "qemu-system-aarch64",
        ],
    ),
    ("qemu-img", ["qemu-utils", "qemu-img", "qemu-img", "qemu-img"]),
    ("qemu-io", ["qemu-utils", "qemu-img", "qemu-img", "qemu-img"]),
    (
        "ssh",
        ["openssh-client", "openssh-clients", "openssh", "openssh-client"],
    ),
];

/// Package managers, in the order of the packages in [`NEEDED`].
const MANAGERS: [(&str, &str); 4] = [
    ("apt-get", "sudo apt-get install"),
    ("dnf", "sudo dnf install"),
    ("pacman", "sudo pacman -S"),
    ("apk", "sudo apk add"),
];

/// Checks that all programs that booting needs are installed.
///
/// # Errors
/// [`Kind::NotFound`] with the command that installs the missing ones.
pub fn are_here() -> Result<()> {
    let missing: Vec<_> = NEEDED.iter().filter(|(name, _)| !is_here(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let manager = MANAGERS.iter().position(|(program, _)| is_here(program));
    let install = match manager {
        Some(index) => {
            let mut packages: Vec<&str> = missing.iter().map(|(_, packages)| packages[index]).collect();
            packages.dedup();
            format!("install it: {} {}", MANAGERS[index].1, packages.join(" "))
        }
        None => "install QEMU 7.2 or later for ARM guests, with its tools, and OpenSSH's client".to_owned(),
    };
    let are = if names.len() == 1 { "is" } else { "are" };
    let text = format!(
        "booting images needs {}, which {are} not here; {install}",
        names.join(", ")
    );
    Err(Error::new(Kind::NotFound, text))
}

fn is_here(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into));
    folders.iter().any(|folder| folder.join(name).is_file())
}

/// Returns the emulator's name and version: `QEMU emulator version 10.0.2`.
pub fn version() -> Result<String> {
    let output = run(QEMU, &["--version"], b"")?;
    let text = String::from_utf8_lossy(&output);
    let line = text.lines().next().unwrap_or_default();
    Ok(line.split(" (").next().unwrap_or(line).to_owned())
}

/// Runs a program that must succeed. Returns what it printed.
pub fn run(program: &'static str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    let mut command = tool(program);
    command.args(arguments);
    let output = run_for(&mut command, input, Duration::from_secs(300), &Interrupt::new())
        .map_err(|error| failed(program, &error.to_string()))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(failed(
            program,
            &format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr).trim_end()
            ),
        )),
    }
}

/// Says that a program failed, with its message.
pub(super) fn failed(program: &str, said: &str) -> Error {
    Error::new(Kind::Tool, format!("{program} failed: {said}"))
}

/// Runs a command until it ends. If `limit` is exceeded or the interrupt is set, the command is
/// killed and the error is `TimedOut` or `Interrupted`.
pub fn run_for(command: &mut Command, input: &[u8], limit: Duration, interrupt: &Interrupt) -> io::Result<Output> {
    let end = Instant::now() + limit;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take();
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that does not read its input has not failed for that.
            let _ = stdin.as_mut().map(|stdin| stdin.write_all(input));
            drop(stdin);
        });
        let out = scope.spawn(move || drain(stdout.as_mut()));
        let err = scope.spawn(move || drain(stderr.as_mut()));
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Ok(status);
            }
            let stopped = match () {
                () if interrupt.is_set() => Some(io::ErrorKind::Interrupted),
                () if Instant::now() > end => Some(io::ErrorKind::TimedOut),
                () => None,
            };
            if let Some(kind) = stopped {
                let _ = child.kill();
                let _ = child.wait();
                break Err(kind);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let (stdout, stderr) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        status
            .map_err(io::Error::from)
            .map(|status| Output { status, stdout, stderr })
    })
}

/// How many bytes of a program's output are read: a guest may print without end.
const READ_LIMIT: u64 = 16 << 20;

fn drain(from: Option<&mut impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // If reading fails, the part that was read is kept.
        let _ = from.take(READ_LIMIT).read_to_end(&mut bytes);
        let _ = io::copy(from, &mut io::sink());
    }
    bytes
}

/// Returns a path as text, for use as an argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let text = format!("naming {}: its name is not UTF-8", path.display());
        Error::new(Kind::Unsupported, text)
    })
}

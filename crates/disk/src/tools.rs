//! Runs the programs of e2fsprogs so that they are found for an ordinary user, and a Ctrl-C at the
//! terminal does not hit them half-way.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

/// Returns a command that is also searched for in the administrators' folders: an ordinary user's
/// PATH often lacks them, and Debian keeps e2fsck(8) and resize2fs(8) there. It has no standard
/// input, prints English, and runs in a process group of its own: a Ctrl-C is meant for this
/// program, which stops when the tool has ended, within seconds.
pub fn tool(name: impl AsRef<OsStr>) -> Command {
    let mut path: OsString = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    let mut command = Command::new(name);
    command.env("PATH", path).env("LC_ALL", "C").stdin(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

//! The programs of e2fsprogs, run so that an ordinary user finds them and a Ctrl-C at the terminal does not hit them half-way.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

/// A command that is looked for in the administrators' folders, too: an ordinary user's PATH often lacks them, and Debian keeps
/// e2fsck(8) and resize2fs(8) there. It has no standard input, speaks no local language, and is in a process group of its own: whoever
/// pressed Ctrl-C meant this program, which stops when the tool has ended, within seconds.
pub fn tool(name: impl AsRef<OsStr>) -> Command {
    let mut path: OsString = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    let mut command = Command::new(name);
    command.env("PATH", path).env("LC_ALL", "C").stdin(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

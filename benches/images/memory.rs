//! Runs a command and measures how much memory it uses.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Result;

/// Runs a command to its end and raises `most` to the peak resident memory, in KiB, of the largest
/// of its processes. The command's output is discarded, except on stderr.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn peak(command: &mut Command, most: &mut u64) -> Result<()> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    loop {
        *most = largest(child.id()).max(*most);
        if let Some(done) = child.try_wait()? {
            return match done.success() {
                true => Ok(()),
                false => Err(format!("{command:?}: {done}").into()),
            };
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the high-water mark of a process or of any that it started, in KiB. The kernel keeps the
/// maximum (VmHWM, proc_pid_status(5)); only memory that is used after the last poll is missed.
fn largest(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(largest)
        .chain(high_water(&status))
        .max()
        .unwrap_or(0)
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

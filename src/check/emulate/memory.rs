//! Whether this machine has the memory for so many guests.

use super::{EmulateError, run::Plan};

/// What QEMU takes beside its guest's memory, in MiB: translated code and itself (measured, QEMU 10.0, tb-size=256).
const EMULATOR: u64 = 280;

pub(super) fn is_there(plan: &Plan<'_>) -> Result<(), EmulateError> {
    let nodes = plan.subjects.len();
    let needed = nodes as u64 * (plan.machine.memory() + EMULATOR);
    match available() {
        Some(free) if free < needed => Err(EmulateError::Memory { nodes, needed, free }),
        _ => Ok(()),
    }
}

/// What the kernel could give away, in MiB (proc_meminfo(5): MemAvailable); nothing where nobody says.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

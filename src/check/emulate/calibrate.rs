//! How fast this machine emulates, now, with what else it does: all time limits hang on it.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::janitor::Janitor;
use super::programs::QEMU;
use super::{EmulateError, Machine};
use crate::disk::tool;
use crate::interrupt::Interrupt;

/// How long the run below takes on the reference machine: two cores of an x86-64 server of 2.6 GHz, QEMU 10.0, nothing else to do.
const REFERENCE: Duration = Duration::from_millis(2200);
/// A run that has not ended by then tells nothing but that this machine is very slow, or that the kernel is none.
const LIMIT: Duration = Duration::from_secs(120);
/// Without an end to the run, the limits are those of a machine so many times slower.
const UNKNOWN: f64 = 4.0;

/// How many times slower than the reference machine this one emulates; at least 1, since limits are never tightened. The card's own kernel
/// is started without a disk, which ends in a panic, upon which the emulator ends.
pub(super) fn slowness(kernel: &Path, janitor: &Janitor, interrupt: &Interrupt) -> Result<f64, EmulateError> {
    let mut command = tool(QEMU);
    command
        .args([
            "-M",
            "virt,gic-version=3",
            "-cpu",
            "cortex-a53",
            "-smp",
            "1",
            "-m",
            "512",
        ])
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "none",
            "-no-reboot",
        ])
        .args([
            "-accel",
            "tcg,tb-size=64",
            "-append",
            "panic=-1 mitigations=off nokaslr",
            "-kernel",
        ])
        .arg(kernel)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let mut process = command.spawn().map_err(|error| EmulateError::Tool {
        program: QEMU,
        said: error.to_string(),
    })?;
    janitor.mind(process.id());
    let ended = loop {
        match process.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if began.elapsed() < LIMIT && !interrupt.is_set() => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                // It may have ended just now.
                let _ = process.kill();
                let _ = process.wait();
                break false;
            }
        }
    };
    janitor.forget(process.id());
    interrupt.check()?;
    let times = began.elapsed().as_secs_f64() / REFERENCE.as_secs_f64();
    Ok(if ended && times > 0.1 { times.max(1.0) } else { UNKNOWN })
}

/// How many times longer than on `virt` a board takes: its devices are emulated down to their registers (measured: 820 seconds of processor
/// time to 210 from start to swarm).
pub(super) fn weight(machine: Machine) -> f64 {
    if machine.is_board() { 4.0 } else { 1.0 }
}

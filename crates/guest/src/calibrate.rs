//! Measures how fast this machine emulates at this moment, with its present load. All time limits
//! depend on the result.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Machine;
use super::programs;
use super::programs::QEMU;
use super::reaper::Reaper;
use kraken_disk::tool;
use kraken_foundation::Result;
use kraken_foundation::interrupt::Interrupt;

/// How long the calibration run takes on the reference machine: two cores of an x86-64 server of
/// 2.6 GHz, QEMU 10.0, no other load.
const REFERENCE: Duration = Duration::from_millis(2200);
/// The longest that the calibration run may take. If it has not ended by then, either this machine
/// is very slow or the file is not a kernel.
const LIMIT: Duration = Duration::from_secs(120);
/// The slowness that is assumed when the calibration run does not end.
const UNKNOWN: f64 = 4.0;

/// A program that takes as long on the reference machine as a 64-bit kernel takes to panic. It
/// stands in for 32-bit kernels, which do not start on `virt`. It counts down from 0x4600_0000 and
/// asks the firmware to switch off (PSCI, Arm DEN 0022: SYSTEM_OFF by `hvc`).
const COUNTDOWN: [u32; 7] = [
    0xd2a8_c000, // movz x0, #0x4600, lsl #16
    0xf100_0400, // subs x0, x0, #1
    0x54ff_ffe1, // b.ne -4
    0x5280_0100, // movz w0, #0x0008
    0x72b0_8000, // movk w0, #0x8400, lsl #16
    0xd400_0002, // hvc #0
    0x1400_0000, // b .
];

/// Returns the program that the calibration starts for a card with this kernel: the kernel itself,
/// or `COUNTDOWN` in place of a 32-bit kernel.
pub fn program(kernel: Vec<u8>) -> Vec<u8> {
    // The magic number of a zImage (arch/arm/boot/compressed/head.S).
    match kernel.get(0x24..0x28) == Some(&0x016f_2818_u32.to_le_bytes()) {
        true => COUNTDOWN.iter().flat_map(|word| word.to_le_bytes()).collect(),
        false => kernel,
    }
}

/// Returns how many times slower this machine emulates than the reference machine. The result is at
/// least 1, since limits are never tightened.
///
/// `kernel` is a file with what [`program`] returned. It starts without a disk: a kernel panics,
/// and then the emulator ends.
///
/// # Errors
/// [`Kind::Tool`](kraken_foundation::Kind) if QEMU does not start,
/// [`Kind::Interrupted`](kraken_foundation::Kind) if the user stops the run.
pub fn slowness(kernel: &Path, reaper: &Reaper, interrupt: &Interrupt) -> Result<f64> {
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
    let mut process = command
        .spawn()
        .map_err(|error| programs::failed(QEMU, &error.to_string()))?;
    reaper.watch(process.id());
    let ended = loop {
        match process.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if began.elapsed() < LIMIT && !interrupt.is_set() => {
                std::thread::sleep(Duration::from_millis(20));
            }
            _ => {
                // The process may have ended just now.
                let _ = process.kill();
                let _ = process.wait();
                break false;
            }
        }
    };
    reaper.forget(process.id());
    interrupt.check()?;
    let times = began.elapsed().as_secs_f64() / REFERENCE.as_secs_f64();
    Ok(if ended && times > 0.1 { times.max(1.0) } else { UNKNOWN })
}

/// Returns how many times longer a board takes than `virt`: QEMU emulates a board's devices down to
/// their registers (measured from start to swarm: 820 seconds of processor time for a board, 210
/// for `virt`).
pub fn weight(machine: Machine) -> f64 {
    if machine.is_board() { 4.0 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_of_32_bits_has_another_program_in_its_place() {
        let mut kernel = vec![0; 0x100];
        assert_eq!(program(kernel.clone()), kernel);
        assert_eq!(program(vec![1, 2, 3]), [1, 2, 3]);
        kernel[0x24..0x28].copy_from_slice(&[0x18, 0x28, 0x6f, 0x01]);
        let countdown = program(kernel);
        assert_eq!((countdown.len(), &countdown[..4]), (28, &[0x00, 0xc0, 0xa8, 0xd2][..]));
    }
}

//! The emulated machines: QEMU's names for them, their hardware, and what the firmware of the real
//! boards would read.
//!
//! Source: QEMU 10.0, docs/system/arm/raspi.rst and virt.rst. The checks that are affected by what
//! QEMU's boards lack say so.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// Not a board, but fast: virtio disk and network, a clock, any number of processors.
    #[default]
    Virt,
    /// Raspberry Pi Zero: ARMv6, 512 MiB.
    Raspi0,
    /// Raspberry Pi 2B: ARMv7, 1 GiB.
    Raspi2b,
    /// Raspberry Pi 3B: its SD host, its USB network adapter, its device tree; 1 GiB.
    Raspi3b,
    /// Raspberry Pi 4B: 2 GiB.
    Raspi4b,
}

/// The files and values that a guest is started with.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The kernel.
    pub kernel: &'a Path,
    /// The initramfs, if the card has one.
    pub initramfs: Option<&'a Path>,
    /// The device tree, if the machine is a board.
    pub device_tree: Option<&'a Path>,
    /// The kernel's command line.
    pub cmdline: &'a str,
    /// The overlay over the card, in qcow2 format.
    pub disk: &'a Path,
    /// The socket of its port on the virtual network.
    pub network: &'a Path,
    /// The MAC address of its network adapter.
    pub mac: &'a str,
}

impl Machine {
    /// All machines.
    pub const ALL: [Machine; 5] = [
        Machine::Virt,
        Machine::Raspi0,
        Machine::Raspi2b,
        Machine::Raspi3b,
        Machine::Raspi4b,
    ];

    /// Returns QEMU's name for the machine.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Virt => "virt",
            Machine::Raspi0 => "raspi0",
            Machine::Raspi2b => "raspi2b",
            Machine::Raspi3b => "raspi3b",
            Machine::Raspi4b => "raspi4b",
        }
    }

    /// Returns whether it is a board with a device tree of its own.
    pub fn is_board(self) -> bool {
        self != Machine::Virt
    }

    /// Returns whether Bluetooth uses its PL011. The console is then the second UART, the mini
    /// UART.
    pub fn has_bluetooth(self) -> bool {
        matches!(self, Machine::Raspi3b | Machine::Raspi4b)
    }

    /// Returns the MAC address that its adapter has if QEMU is asked for `wanted`. The first byte
    /// of a `usb-net` address is always 0x40 (hw/usb/dev-network.c).
    pub fn mac(self, wanted: &str) -> String {
        match self.is_board() {
            true => format!("40{}", wanted.get(2..).unwrap_or_default()),
            false => wanted.to_owned(),
        }
    }

    /// Returns why a kernel may print nothing on this machine, and what the user can do.
    pub fn why_silent(self) -> &'static str {
        match self {
            Machine::Raspi4b => {
                "QEMU's Pi 4 lacks devices without which Debian's kernel panics before it has a console: verify the card with `--machine virt`"
            }
            _ => "the file is not a kernel for this board, or is damaged: build the image again",
        }
    }

    /// Returns its memory in MiB. The memory of a board is fixed.
    pub fn memory(self) -> u64 {
        match self {
            Machine::Raspi0 => 512,
            Machine::Virt | Machine::Raspi2b | Machine::Raspi3b => 1024,
            Machine::Raspi4b => 2048,
        }
    }

    /// Returns the kernel that its firmware starts if config.txt names none
    /// (documentation/computers/config_txt, "kernel"). `wide` is the setting `arm_64bit`: true asks
    /// for the 64-bit kernel.
    pub fn default_kernel(self, wide: bool) -> &'static str {
        match self {
            Machine::Raspi0 => "kernel.img",
            Machine::Raspi2b => "kernel7.img",
            Machine::Virt | Machine::Raspi3b if !wide => "kernel7.img",
            Machine::Raspi4b if !wide => "kernel7l.img",
            Machine::Virt | Machine::Raspi3b | Machine::Raspi4b => "kernel8.img",
        }
    }

    /// Returns the device trees that its firmware looks for. The first one that exists is used.
    pub fn device_trees(self) -> &'static [&'static str] {
        match self {
            Machine::Virt => &[],
            Machine::Raspi0 => &["bcm2708-rpi-zero.dtb", "bcm2835-rpi-zero.dtb"],
            Machine::Raspi2b => &["bcm2709-rpi-2-b.dtb", "bcm2836-rpi-2-b.dtb"],
            Machine::Raspi3b => &["bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"],
            Machine::Raspi4b => &["bcm2711-rpi-4-b.dtb"],
        }
    }

    /// Returns the sections of config.txt that apply to it besides `[all]`. `virt` counts as a Pi
    /// 3.
    pub fn config_sections(self) -> &'static [&'static str] {
        match self {
            Machine::Raspi0 => &["pi0"],
            Machine::Raspi2b => &["pi2"],
            Machine::Virt | Machine::Raspi3b => &["pi3"],
            Machine::Raspi4b => &["pi4"],
        }
    }

    /// Returns QEMU's arguments. `processors` has an effect on `virt` only.
    pub fn arguments(self, parts: &Parts<'_>, processors: usize) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut all: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        // The emulator ends when the guest restarts, because the firmware reads the card again at
        // each start and QEMU would not.
        add(&["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"]);
        add(&["-chardev", "stdio,id=console,signal=off"]);
        // A Pi has no battery-backed clock: until it has asked a time server, it shows a time long
        // ago.
        add(&["-rtc", "base=2019-01-01T00:00:00"]);
        match self {
            Machine::Virt => {
                add(&["-M", "virt,gic-version=3", "-cpu", "cortex-a53"]);
                add(&["-smp", &processors.to_string(), "-m", &self.memory().to_string()]);
                add(&["-serial", "chardev:console", "-device", "virtio-rng-pci"]);
                add(&["-device", "virtio-blk-pci,drive=card"]);
                add(&["-drive", &format!("{},if=none,id=card", drive(parts.disk))]);
                add(&[
                    "-device",
                    &format!("virtio-net-pci,romfile=,netdev=lan,mac={}", parts.mac),
                ]);
            }
            board => {
                add(&["-M", board.name()]);
                match board.has_bluetooth() {
                    true => add(&["-serial", "null", "-serial", "chardev:console"]),
                    false => add(&["-serial", "chardev:console"]),
                }
                add(&["-drive", &format!("{},if=sd", drive(parts.disk))]);
                add(&["-device", &format!("usb-net,netdev=lan,mac={}", parts.mac)]);
            }
        }
        add(&["-accel", "tcg,thread=multi,tb-size=256"]);
        add(&["-kernel", &path(parts.kernel), "-append", parts.cmdline]);
        if let Some(initramfs) = parts.initramfs {
            add(&["-initrd", &path(initramfs)]);
        }
        if let Some(tree) = parts.device_tree {
            add(&["-dtb", &path(tree)]);
        }
        let network = format!(
            "stream,id=lan,server=off,addr.type=unix,addr.path={}",
            escaped(parts.network)
        );
        add(&["-netdev", &network]);
        all
    }
}

/// Returns the option for the overlay. Data that the guest has flushed survives a power cut of the
/// guest, but not one of the host.
fn drive(disk: &Path) -> String {
    format!("file={},format=qcow2,cache=writeback", escaped(disk))
}

/// Escapes a path in a list of options that commas separate (qemu(1): a comma is doubled).
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

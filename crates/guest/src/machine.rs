//! The emulated boards: what QEMU calls them, what they have, and what the firmware of the real ones would read.
//!
//! QEMU 10.0, docs/system/arm/raspi.rst and virt.rst. What a board of QEMU's lacks is said where it matters to a check.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// No board, and fast: virtio disk and network, a clock, as many processors as wanted.
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

/// What the guest is made of, as files.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The kernel.
    pub kernel: &'a Path,
    /// The initramfs, where the card has one.
    pub initramfs: Option<&'a Path>,
    /// The device tree, on a board.
    pub device_tree: Option<&'a Path>,
    /// The kernel's command line.
    pub cmdline: &'a str,
    /// The overlay over the card, qcow2.
    pub disk: &'a Path,
    /// The socket of the virtual network's port.
    pub network: &'a Path,
    /// The adapter's MAC address.
    pub mac: &'a str,
}

impl Machine {
    /// All of them.
    pub const ALL: [Machine; 5] = [
        Machine::Virt,
        Machine::Raspi0,
        Machine::Raspi2b,
        Machine::Raspi3b,
        Machine::Raspi4b,
    ];

    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Virt => "virt",
            Machine::Raspi0 => "raspi0",
            Machine::Raspi2b => "raspi2b",
            Machine::Raspi3b => "raspi3b",
            Machine::Raspi4b => "raspi4b",
        }
    }

    /// Whether it is a board, with a device tree of its own.
    pub fn is_board(self) -> bool {
        self != Machine::Virt
    }

    /// Whether its PL011 belongs to Bluetooth, so that the console is the mini UART, the second one.
    pub fn has_bluetooth(self) -> bool {
        matches!(self, Machine::Raspi3b | Machine::Raspi4b)
    }

    /// The MAC address that its adapter has when QEMU is asked for `wanted`: the first byte of `usb-net` is always 0x40 (hw/usb/dev-network.c).
    pub fn mac(self, wanted: &str) -> String {
        match self.is_board() {
            true => format!("40{}", wanted.get(2..).unwrap_or_default()),
            false => wanted.to_owned(),
        }
    }

    /// Why a kernel may say nothing on it, and what to do.
    pub fn why_silent(self) -> &'static str {
        match self {
            Machine::Raspi4b => {
                "QEMU's Pi 4 lacks devices without which Debian's kernel panics before it has a console: prove the card with `--machine virt`"
            }
            _ => "the file is no kernel for this board, or is damaged: build the image again",
        }
    }

    /// Its memory in MiB. Boards have what they have.
    pub fn memory(self) -> u64 {
        match self {
            Machine::Raspi0 => 512,
            Machine::Virt | Machine::Raspi2b | Machine::Raspi3b => 1024,
            Machine::Raspi4b => 2048,
        }
    }

    /// The kernel that its firmware takes when config.txt names none (documentation/computers/config_txt, "kernel"): the 64-bit one where
    /// `wide`, as `arm_64bit` says.
    pub fn default_kernel(self, wide: bool) -> &'static str {
        match self {
            Machine::Raspi0 => "kernel.img",
            Machine::Raspi2b => "kernel7.img",
            Machine::Virt | Machine::Raspi3b if !wide => "kernel7.img",
            Machine::Raspi4b if !wide => "kernel7l.img",
            Machine::Virt | Machine::Raspi3b | Machine::Raspi4b => "kernel8.img",
        }
    }

    /// The device trees that its firmware looks for, the first that is there being taken.
    pub fn device_trees(self) -> &'static [&'static str] {
        match self {
            Machine::Virt => &[],
            Machine::Raspi0 => &["bcm2708-rpi-zero.dtb", "bcm2835-rpi-zero.dtb"],
            Machine::Raspi2b => &["bcm2709-rpi-2-b.dtb", "bcm2836-rpi-2-b.dtb"],
            Machine::Raspi3b => &["bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"],
            Machine::Raspi4b => &["bcm2711-rpi-4-b.dtb"],
        }
    }

    /// The sections of config.txt that are for it, besides `[all]`. `virt` counts as a Pi 3.
    pub fn config_sections(self) -> &'static [&'static str] {
        match self {
            Machine::Raspi0 => &["pi0"],
            Machine::Raspi2b => &["pi2"],
            Machine::Virt | Machine::Raspi3b => &["pi3"],
            Machine::Raspi4b => &["pi4"],
        }
    }

    /// QEMU's arguments for it. `processors` counts on `virt` only.
    pub fn arguments(self, parts: &Parts<'_>, processors: usize) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut all: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        // A guest that restarts ends the emulator: at each start the firmware reads the card anew, which QEMU would not.
        add(&["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"]);
        add(&["-chardev", "stdio,id=console,signal=off"]);
        // A Pi has no clock: what it shows before it has asked is long past.
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

/// The overlay. What the guest says is on the disk is on the disk, also when its power is cut; the host's power is not.
fn drive(disk: &Path) -> String {
    format!("file={},format=qcow2,cache=writeback", escaped(disk))
}

/// A path among options that commas part (qemu(1): a comma is doubled).
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

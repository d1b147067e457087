//! The kernel's command line in the emulator: the card's own, with only what the emulator needs replaced.

use super::limits::Limits;
use super::{Machine, devicetree};

/// What makes a start quick where nothing is gained by waiting: checks against processor faults that are not there, devices that no
/// emulator has, timers that would begin to work in the middle of it.
const EMULATED: &[&str] = &[
    "mitigations=off",
    "selinux=0",
    "apparmor=0",
    "audit=0",
    "nokaslr",
    "loglevel=6",
    // `cdc_subset` would take the data interface of QEMU's usb-net from `cdc_ether` when it happens to be loaded first: a card without a
    // link, with another address at each start.
    "modprobe.blacklist=vc4,snd_bcm2835,bcm2835_v4l2,hci_uart,brcmfmac,cdc_subset",
    "systemd.mask=apt-daily.timer",
    "systemd.mask=apt-daily-upgrade.timer",
    "systemd.mask=dpkg-db-backup.timer",
    "systemd.mask=e2scrub_reap.service",
    "systemd.mask=systemd-pstore.service",
    "systemd.mask=getty@tty1.service",
];

/// What of a command line is the emulator's, not the card's.
#[derive(Clone, Copy, Debug)]
pub struct Emulator<'a> {
    /// The machine that QEMU emulates.
    pub machine: Machine,
    /// The device tree, on a board.
    pub tree: Option<&'a [u8]>,
    /// What replaces the card's root device, where that is asked for.
    pub root: Option<&'a str>,
    /// The time limits of units.
    pub limits: Limits,
}

/// The emulator's command line for a card with this one.
pub fn for_emulator(card: &str, emulator: Emulator<'_>) -> String {
    let Emulator {
        machine,
        tree,
        root,
        limits,
    } = emulator;
    let quiet = |word: &str| matches!(word, "quiet" | "splash") || word.starts_with("loglevel=");
    let mut words: Vec<&str> = card
        .split_whitespace()
        .filter(|word| !word.starts_with("console=") && !quiet(word))
        .filter(|word| root.is_none() || !word.starts_with("root="))
        .collect();
    let root = root.map(|root| format!("root={root}"));
    words.extend(root.as_deref());
    let console = format!("console={},115200", console(machine, tree));
    words.push(&console);
    words.extend(EMULATED);
    let eased = limits.words();
    words.extend(eased.iter().map(String::as_str));
    // A start without the file systems' check shows less: only a card that was damaged would need it, and that was proven before.
    words.push("fsck.mode=skip");
    words.join(" ")
}

/// Where the kernel's console is. The mini UART's number depends on the device tree's aliases: `ttyS1` in Linux's own, `ttyS0` in Raspberry
/// Pi's. It must be the right one: of two `ttyS` the driver tries the first, and none after it.
fn console(machine: Machine, tree: Option<&[u8]>) -> String {
    match machine.has_bluetooth() {
        false => "ttyAMA0".to_owned(),
        true => {
            let number = tree.and_then(|tree| devicetree::alias(tree, "serial", "/serial@7e215040"));
            format!("ttyS{}", number.unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(card: &str, machine: Machine, tree: Option<&[u8]>, root: Option<&str>) -> String {
        let limits = Limits::of(1.0);
        for_emulator(
            card,
            Emulator {
                machine,
                tree,
                root,
                limits,
            },
        )
    }

    #[test]
    fn only_the_console_is_replaced() {
        let card = "console=serial0,115200 console=tty1 root=PARTUUID=a1b2c3d4-02 rootfstype=ext4 rootwait quiet ds=nocloud;i=x";
        let on_virt = line(card, Machine::Virt, None, None);
        assert!(
            on_virt.starts_with(
                "root=PARTUUID=a1b2c3d4-02 rootfstype=ext4 rootwait ds=nocloud;i=x console=ttyAMA0,115200 "
            ),
            "{on_virt}"
        );
        assert!(
            !on_virt.contains("serial0") && !on_virt.contains("quiet") && !on_virt.contains("tty1,"),
            "{on_virt}"
        );
        let upstream =
            devicetree::tests::tree(&[("serial0", "/soc/serial@7e201000"), ("serial1", "/soc/serial@7e215040")]);
        let on_3b = line(card, Machine::Raspi3b, Some(&upstream), Some("/dev/mmcblk0p2"));
        assert!(
            on_3b.contains(" root=/dev/mmcblk0p2 console=ttyS1,115200 mitigations"),
            "{on_3b}"
        );
        assert!(!on_3b.contains("PARTUUID"), "{on_3b}");
        let pi = devicetree::tests::tree(&[("serial0", "/soc/serial@7e215040")]);
        assert!(line(card, Machine::Raspi4b, Some(&pi), None).contains(" console=ttyS0,115200 mitigations"));
        assert!(line(card, Machine::Raspi2b, Some(&pi), None).contains(" console=ttyAMA0,115200 mitigations"));
        // A card without a root device is left without one: a Pi would not find it either.
        assert!(!line("rootwait", Machine::Virt, None, None).contains("root="));
    }

    #[test]
    fn a_guest_keeps_the_limits_of_the_card_where_it_is_fast_enough() {
        let with = |factor| {
            let limits = Limits::of(factor);
            let emulator = Emulator {
                machine: Machine::Virt,
                tree: None,
                root: None,
                limits,
            };
            for_emulator("root=x", emulator)
        };
        assert!(!with(1.0).contains("timeout"), "{}", with(1.0));
        let slow = with(3.0);
        for word in [
            "systemd.default_timeout_start_sec=",
            "systemd.default_device_timeout_sec=",
        ] {
            assert_eq!(slow.matches(word).count(), 1, "{slow}");
        }
    }
}

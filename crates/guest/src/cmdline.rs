//! Builds the kernel command line for the emulator: the card's own, with only the parts replaced
//! that the emulator needs.

use super::limits::Limits;
use super::{Machine, devicetree};

/// Words that make a start faster where waiting has no use: they switch off checks for processor
/// faults that the emulator does not have, drivers for devices that no emulator has, and timers
/// that would fire during the run.
const EMULATED: &[&str] = &[
    "mitigations=off",
    "selinux=0",
    "apparmor=0",
    "audit=0",
    "nokaslr",
    "loglevel=6",
    // If `cdc_subset` is loaded before `cdc_ether`, it takes the data interface of QEMU's usb-net.
    // The card would then have no link, and another address at each start.
    "modprobe.blacklist=vc4,snd_bcm2835,bcm2835_v4l2,hci_uart,brcmfmac,cdc_subset",
    "systemd.mask=apt-daily.timer",
    "systemd.mask=apt-daily-upgrade.timer",
    "systemd.mask=dpkg-db-backup.timer",
    "systemd.mask=e2scrub_reap.service",
    "systemd.mask=systemd-pstore.service",
    "systemd.mask=getty@tty1.service",
];

/// The parts of a command line that belong to the emulator, not to the card.
#[derive(Clone, Copy, Debug)]
pub struct Emulator<'a> {
    /// The machine that QEMU emulates.
    pub machine: Machine,
    /// The device tree, if the machine is a board.
    pub tree: Option<&'a [u8]>,
    /// The root device that replaces the card's, if the user asks for one.
    pub root: Option<&'a str>,
    /// The time limits of the guest's units.
    pub limits: Limits,
}

/// Returns the emulator's command line for a card whose own command line is `card`.
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
    // The file system check is skipped. Only a damaged card would need it, and the static
    // verification has already ruled that out.
    words.push("fsck.mode=skip");
    words.join(" ")
}

/// Returns the name of the kernel's console device. The number of the mini UART depends on the
/// aliases in the device tree: Linux's own trees call it `ttyS1`, Raspberry Pi's call it `ttyS0`.
/// The number must be right, because the driver tries only the first `ttyS` of a command line.
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
        // A card without a root device keeps none: a Pi would not find it either.
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

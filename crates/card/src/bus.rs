//! How a device is attached to the machine.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::Host;
use super::udev::Properties;

/// How a device is attached, as far as [`super::judge()`] needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// An SD card in an SD slot (`/dev/mmcblk0`).
    Mmc,
    /// A card in a USB reader.
    SdCardReader,
    /// USB: a stick, or a disk in an enclosure.
    Usb,
    /// An eMMC, which is soldered in.
    Emmc,
    /// SATA or PATA.
    Ata,
    /// NVMe.
    Nvme,
    /// SCSI, SAS, iSCSI, Fibre Channel.
    Scsi,
    /// FireWire.
    Firewire,
    /// A virtual machine's disk.
    Virtio,
    /// A CD, DVD or Blu-ray drive.
    Optical,
    /// A floppy drive.
    Floppy,
    /// A loop device: a file behind a block device.
    Loop,
    /// A RAM disk.
    Ram,
    /// Compressed memory.
    Zram,
    /// A RAID array of the md driver.
    Md,
    /// The device mapper: LVM, dm-crypt, multipath.
    Dm,
    /// A bcache device.
    Bcache,
    /// A network block device.
    Nbd,
    /// Anything else.
    Other,
}

/// Where a device is attached, read from its folder in sysfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The bus, or the driver for devices that software makes.
    pub bus: Bus,
    /// Whether the device, or something between it and the machine, can be unplugged.
    pub hotplug: bool,
}

impl Place {
    /// Finds the bus of the disk `name`, whose folder in sysfs is `folder`.
    pub(crate) fn of(host: &Host, name: &str, folder: &Path, udev: &Properties) -> Self {
        if let Some(bus) = made_up(host, name, folder) {
            return Self { bus, hotplug: false };
        }
        if name.starts_with("mmcblk") {
            // `MMC` is an eMMC; `SD` and `SDcombo` are cards (drivers/mmc/core/bus.c). A hardware
            // partition of an eMMC lies below it in sysfs.
            let card = host
                .attribute(folder.join("device/type"))
                .is_some_and(|kind| kind.starts_with("SD"));
            let bus = if card { Bus::Mmc } else { Bus::Emmc };
            return Self { bus, hotplug: card };
        }
        let (mut bus, mut hotplug) = (None, false);
        // From the device up to the root of all devices.
        for above in folder.ancestors().take_while(|path| path.starts_with("/sys/devices/")) {
            let subsystem = host.link_name(above.join("subsystem")).unwrap_or_default();
            let part = above.file_name().and_then(|part| part.to_str()).unwrap_or_default();
            let here = match subsystem.as_str() {
                "usb" => Some(Bus::Usb),
                "firewire" | "ieee1394" => Some(Bus::Firewire),
                "virtio" => Some(Bus::Virtio),
                "nvme" | "nvme-subsystem" => Some(Bus::Nvme),
                // libata's ports have no subsystem of their own.
                _ if is_numbered(part, "ata") => Some(Bus::Ata),
                _ => None,
            };
            bus = bus.or(here);
            // As lsblk decides it (util-linux, lib/sysfs.c), and PCI devices behind an external
            // port (Documentation/ABI/testing/sysfs-devices-removable).
            hotplug |= matches!(subsystem.as_str(), "usb" | "firewire" | "ieee1394" | "pcmcia" | "mmc")
                || (subsystem == "pci" && host.attribute(above.join("removable")).as_deref() == Some("removable"));
        }
        let bus = bus.unwrap_or_else(|| match name {
            name if name.starts_with("nvme") => Bus::Nvme,
            name if name.starts_with("sd") => Bus::Scsi,
            name if name.starts_with("vd") => Bus::Virtio,
            // When sysfs has no path to the device, udev may know the bus.
            _ => match udev.get("ID_BUS").as_deref() {
                Some("ata") => Bus::Ata,
                Some("scsi") => Bus::Scsi,
                _ => Bus::Other,
            },
        });
        if name.starts_with("sr") {
            return Self {
                bus: Bus::Optical,
                hotplug,
            };
        }
        let removable = host.flag(folder.join("removable"));
        if bus == Bus::Usb && (udev.is_card_reader() || (removable && calls_itself_reader(host, folder))) {
            return Self {
                bus: Bus::SdCardReader,
                hotplug,
            };
        }
        Self { bus, hotplug }
    }
}

/// Returns the kind of a device that software makes, or of a floppy: by its name, or by the folder
/// that its driver adds.
fn made_up(host: &Host, name: &str, folder: &Path) -> Option<Bus> {
    let by_name = [
        ("loop", Bus::Loop),
        ("ram", Bus::Ram),
        ("zram", Bus::Zram),
        ("nbd", Bus::Nbd),
        ("fd", Bus::Floppy),
    ];
    let by_folder = [("dm", Bus::Dm), ("md", Bus::Md), ("bcache", Bus::Bcache)];
    let named = by_name.into_iter().find(|(prefix, _)| is_numbered(name, prefix));
    let found = named.or_else(|| {
        by_folder
            .into_iter()
            .find(|(driver, _)| name.starts_with(driver) && host.exists(folder.join(driver)))
    });
    found.map(|(_, bus)| bus)
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns whether a USB device calls itself a card reader; used where udev does not say.
fn calls_itself_reader(host: &Host, folder: &Path) -> bool {
    const WORDS: &[&str] = &[
        "sd/mmc",
        "sdxc",
        "sdhc",
        "microsd",
        "micro sd",
        "card reader",
        "cardreader",
        "multi-card",
        "multicard",
        "reader",
        "crw",
        "massstorageclass",
    ];
    let model = ["device/vendor", "device/model"]
        .map(|file| host.attribute(folder.join(file)).unwrap_or_default())
        .join(" ")
        .to_lowercase();
    WORDS.iter().any(|word| model.contains(word))
}

impl Bus {
    /// Returns whether cards are attached this way: an SD slot or a card reader.
    pub fn is_for_cards(self) -> bool {
        matches!(self, Bus::Mmc | Bus::SdCardReader)
    }

    /// Returns whether software makes the device out of files, memory, networks or other devices.
    pub fn is_made_up(self) -> bool {
        matches!(
            self,
            Bus::Loop | Bus::Ram | Bus::Zram | Bus::Md | Bus::Dm | Bus::Bcache | Bus::Nbd
        )
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bus::Mmc => "SD slot",
            Bus::SdCardReader => "card reader",
            Bus::Usb => "USB",
            Bus::Emmc => "eMMC",
            Bus::Ata => "SATA",
            Bus::Nvme => "NVMe",
            Bus::Scsi => "SCSI",
            Bus::Firewire => "FireWire",
            Bus::Virtio => "virtio",
            Bus::Optical => "CD/DVD",
            Bus::Floppy => "floppy",
            Bus::Loop => "loop",
            Bus::Ram => "RAM disk",
            Bus::Zram => "zram",
            Bus::Md => "RAID",
            Bus::Dm => "device mapper",
            Bus::Bcache => "bcache",
            Bus::Nbd => "network",
            Bus::Other => "other",
        })
    }
}

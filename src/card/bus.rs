//! How a device is attached.

use std::fmt;

use serde::Serialize;

/// How a device is attached, as far as the guards care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// An SD card in a slot of its own (`/dev/mmcblk0`).
    Mmc,
    /// A card in a USB reader.
    SdCardReader,
    /// USB: a stick, or a disk in an enclosure.
    Usb,
    /// An eMMC: soldered in.
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

impl Bus {
    /// Whether it is where cards are: an SD slot or a card reader.
    pub fn is_for_cards(self) -> bool {
        matches!(self, Bus::Mmc | Bus::SdCardReader)
    }

    /// Whether the device is made by software out of files, memory, networks or other devices.
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

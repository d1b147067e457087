//! The facts of one whole block device, plain and serialisable.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::Bus;
use super::clean::clean;
use super::number::DeviceNumber;

/// A path as the kernel gives it. [`HostPath::path`] has its very bytes; shown and serialised it is [`clean`]ed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath(PathBuf);

/// What lies on a partition, or on a whole device without a partition table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Volume {
    /// What is on it, in the words of libblkid: `vfat`, `ext4`, `swap`, `LVM2_member`, `crypto_LUKS`, `linux_raid_member`, …
    pub file_system: Option<String>,
    /// The file system's label.
    pub label: Option<String>,
    /// The file system's UUID, or volume id.
    pub uuid: Option<String>,
    /// Where it is mounted, in the order of mounting; every bind mount and overlay counts. This mount namespace only.
    pub mounts: Vec<HostPath>,
    /// Whether the kernel swaps to it, or to a file on it, now.
    pub swap: bool,
}

/// One partition, as the kernel sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// Its number in the table.
    pub number: u32,
    /// Its device, `/dev/sdb1`.
    pub path: PathBuf,
    /// Its number as a device.
    pub device: DeviceNumber,
    /// Where it begins, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in a GPT (PARTLABEL).
    pub part_label: Option<String>,
    /// Its PARTUUID.
    pub part_uuid: Option<String>,
    /// What is on it.
    #[serde(flatten)]
    pub volume: Volume,
}

/// A partition table as udev, or the table itself, names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// `dos`, `gpt`, or another kind that libblkid knows.
    pub kind: String,
    /// The disk's id: eight hexadecimal digits (`dos`), or a GUID.
    pub id: Option<String>,
}

/// What sits on a device, or on something that sits on it, and keeps it in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// An active LVM volume.
    Lvm,
    /// An open dm-crypt volume.
    Crypt,
    /// A multipath disk: the device is one path to it.
    Multipath,
    /// Another device-mapper device.
    Dm,
    /// A RAID array of the md driver.
    Md,
    /// A bcache device.
    Bcache,
    /// A loop device whose file lies on it.
    Loop,
    /// A mounted btrfs over several devices, or one that is mounted where it cannot be seen.
    Btrfs,
    /// An imported ZFS pool.
    Zfs,
    /// Anything else.
    Other,
}

/// One holder of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holder {
    /// What it is.
    pub kind: HolderKind,
    /// The name that its own tools use: `vg0-root`, `md127`, `loop3`, a pool's name, a btrfs UUID.
    pub name: String,
    /// Its device, where it is one.
    pub path: Option<PathBuf>,
    /// Other disks that it needs besides this one, by kernel name.
    pub with: Vec<String>,
    /// The file on this device that a loop device reads.
    pub file: Option<HostPath>,
    /// Where it is mounted.
    pub mounts: Vec<HostPath>,
}

/// One whole block device. Every name in it is [`clean`]ed already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// Its device file, `/dev/sdb`.
    pub path: PathBuf,
    /// The kernel's name, `sdb`.
    pub name: String,
    /// Its number.
    pub number: DeviceNumber,
    /// The kernel's sequence number: another one as soon as a disk or its medium is exchanged. Since Linux 5.15.
    pub diskseq: Option<u64>,
    /// Size in bytes; 0 when there is no medium.
    pub size: u64,
    /// The smallest unit that can be addressed, in bytes.
    pub logical_block: u32,
    /// The smallest unit that it writes without reading first, in bytes.
    pub physical_block: u32,
    /// The model; of a reader, not of the card in it.
    pub model: Option<String>,
    /// The vendor.
    pub vendor: Option<String>,
    /// The serial number; of a reader, not of the card in it. Of an SD card in a slot of its own: the card's.
    pub serial: Option<String>,
    /// The World Wide Name, where it has one.
    pub wwn: Option<String>,
    /// An SD card's or eMMC's identification register, 32 hexadecimal digits.
    pub cid: Option<String>,
    /// How it is attached.
    pub bus: Bus,
    /// Whether the device says that its medium can be taken out. Sticks and readers say so, and some disks wrongly; SD slots do not.
    pub removable: bool,
    /// Whether it can be unplugged from the running machine: USB, FireWire, an SD slot, external PCI.
    pub hotplug: bool,
    /// The write-protect switch, or the kernel, says read-only.
    pub read_only: bool,
    /// Whether there is a medium.
    pub media: bool,
    /// A hardware partition of an eMMC (`boot0`, `boot1`, `gp0`): the boot firmware's, not a place for an image.
    pub boot_area: bool,
    /// The partition table.
    pub table: Option<Table>,
    /// The partitions, by number.
    pub partitions: Vec<Partition>,
    /// What is on the device itself: a file system without a partition table, a member of something, a hybrid ISO.
    pub volume: Volume,
    /// Whether neither udev nor the device itself could be asked for labels and kinds of file systems.
    pub contents_unknown: bool,
    /// What keeps it in use, through any depth.
    pub holders: Vec<Holder>,
    /// The file behind a loop device.
    pub backing_file: Option<HostPath>,
    /// Mount points of the running system that lie on it, through any depth; empty when it carries none.
    pub system: Vec<HostPath>,
    /// Swap devices and files that lie on it, through any depth.
    pub swaps: Vec<HostPath>,
    /// Why it cannot be known which disk the system runs from; the same for every device of a host.
    pub system_unknown: Option<String>,
}

impl Device {
    /// Whether it can be taken away: it is a card, hangs on a bus that may be unplugged, or says that its medium is removable. An eMMC is
    /// soldered in; and disks on SATA, NVMe and virtio that say so are disks in a bay, or a firmware's mistake.
    pub fn is_removable(&self) -> bool {
        let fixed = matches!(self.bus, Bus::Ata | Bus::Nvme | Bus::Virtio);
        self.bus != Bus::Emmc
            && !self.bus.is_made_up()
            && (self.bus.is_for_cards() || self.hotplug || (self.removable && !fixed))
    }

    /// Where it and its partitions are mounted, the last mount first: the order in which to unmount. What is mounted of its
    /// [`Holder`]s is not among them.
    pub fn mounts(&self) -> Vec<HostPath> {
        let mut mounts: Vec<HostPath> = Vec::new();
        let volumes = self.partitions.iter().map(|p| &p.volume).chain([&self.volume]);
        for mount in volumes.flat_map(|volume| &volume.mounts) {
            if !mounts.contains(mount) {
                mounts.push(mount.clone());
            }
        }
        // What is mounted below another mount point goes first.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path().components().count()));
        mounts
    }

    /// Labels of the file systems on it, in the order of the partitions, without repetition.
    pub fn labels(&self) -> Vec<&str> {
        let parts = self.partitions.iter().map(|partition| &partition.volume);
        let volumes = [&self.volume].into_iter().chain(parts);
        let mut labels: Vec<&str> = volumes.filter_map(|volume| volume.label.as_deref()).collect();
        // A hybrid ISO has one on the disk and the same on its partition.
        labels.dedup();
        labels
    }

    /// Vendor and model in one line, without saying a word twice; empty when it names neither.
    pub fn title(&self) -> String {
        let (vendor, model) = (self.vendor.as_deref(), self.model.as_deref().unwrap_or_default());
        match vendor.filter(|vendor| !model.to_lowercase().starts_with(&vendor.to_lowercase())) {
            Some(vendor) => format!("{vendor} {model}").trim_end().to_owned(),
            None => model.to_owned(),
        }
    }
}

impl HostPath {
    /// A path from the kernel.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The very path: for system calls, not for people.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&clean(&self.0.to_string_lossy()))
    }
}

impl Serialize for HostPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

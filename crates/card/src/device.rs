//! The facts of one whole block device; serialised as they are.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::Bus;
use super::clean::clean;
use super::number::DeviceNumber;

/// A path as the kernel reports it. [`HostPath::path`] has the exact bytes; `Display` and serde use
/// the [`clean`]ed text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath(PathBuf);

/// The contents of a partition, or of a whole device without a partition table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Volume {
    /// The kind of its contents as libblkid names it: `vfat`, `ext4`, `swap`, `LVM2_member`,
    /// `crypto_LUKS`, `linux_raid_member`, …
    pub file_system: Option<String>,
    /// The file system's label.
    pub label: Option<String>,
    /// The file system's UUID or volume id.
    pub uuid: Option<String>,
    /// Its mount points in the order of mounting, bind mounts and overlays included; only those of
    /// this mount namespace.
    pub mounts: Vec<HostPath>,
    /// Whether the kernel now swaps to it, or to a file on it.
    pub swap: bool,
}

/// One partition, as the kernel sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// Its number in the partition table.
    pub number: u32,
    /// Its device file, such as `/dev/sdb1`.
    pub path: PathBuf,
    /// Its block device number.
    pub device: DeviceNumber,
    /// Offset on the disk, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its name in a GPT (PARTLABEL).
    pub part_label: Option<String>,
    /// Its PARTUUID: a GUID in a GPT, `DISK-NUMBER` in an MBR.
    pub part_uuid: Option<String>,
    /// Its contents.
    #[serde(flatten)]
    pub volume: Volume,
}

/// A partition table, as udev reports it or as it was read from the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// `dos`, `gpt`, or another kind that libblkid knows.
    pub kind: String,
    /// The disk's id: eight hexadecimal digits (`dos`) or a GUID (`gpt`).
    pub id: Option<String>,
}

/// What kind of user keeps a device busy, directly or through other devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// An active LVM volume.
    Lvm,
    /// An open dm-crypt volume.
    Crypt,
    /// A multipath disk: the device is one of its paths.
    Multipath,
    /// Another device-mapper device.
    Dm,
    /// A RAID array of the md driver.
    Md,
    /// A bcache device.
    Bcache,
    /// A loop device whose file lies on it.
    Loop,
    /// A mounted btrfs that spans several devices, or whose mount point is not visible here.
    Btrfs,
    /// An imported ZFS pool.
    Zfs,
    /// Anything else.
    Other,
}

/// One user of a device that keeps it busy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Holder {
    /// What kind of user it is.
    pub kind: HolderKind,
    /// The name that its own tools use: `vg0-root`, `md127`, `loop3`, a pool's name, a btrfs UUID.
    pub name: String,
    /// Its device file, when it is a block device.
    pub path: Option<PathBuf>,
    /// Kernel names of other disks that it also needs.
    pub with: Vec<String>,
    /// For a loop device: the file on this device that it reads.
    pub file: Option<HostPath>,
    /// Its mount points.
    pub mounts: Vec<HostPath>,
}

/// One whole block device. Every name in it is already [`clean`]ed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// Its device file, such as `/dev/sdb`.
    pub path: PathBuf,
    /// The kernel's name, such as `sdb`.
    pub name: String,
    /// Its block device number.
    pub number: DeviceNumber,
    /// The kernel's sequence number, which changes whenever a disk or its medium is exchanged.
    /// Since Linux 5.15.
    pub diskseq: Option<u64>,
    /// Size in bytes; 0 without a medium.
    pub size: u64,
    /// The smallest unit that can be addressed, in bytes.
    pub logical_block: u32,
    /// The smallest unit that it writes without reading first, in bytes.
    pub physical_block: u32,
    /// The model. For a card in a reader, this is the reader's model.
    pub model: Option<String>,
    /// The vendor. For a card in a reader, this is the reader's vendor.
    pub vendor: Option<String>,
    /// The serial number. For a card in a reader, this is the reader's number; for a card in an SD
    /// slot, the card's.
    pub serial: Option<String>,
    /// The World Wide Name, if it has one.
    pub wwn: Option<String>,
    /// The identification register (CID) of an SD card or eMMC: 32 hexadecimal digits.
    pub cid: Option<String>,
    /// How it is attached.
    pub bus: Bus,
    /// Whether the device reports a removable medium. Sticks and readers do, some disks do wrongly,
    /// SD slots do not.
    pub removable: bool,
    /// Whether it can be unplugged from the running machine: USB, FireWire, an SD slot, external
    /// PCI.
    pub hotplug: bool,
    /// Whether the write-protect switch or the kernel makes it read-only.
    pub read_only: bool,
    /// Whether it has a medium.
    pub media: bool,
    /// Whether it is a hardware partition of an eMMC (`boot0`, `boot1`, `gp0`). These belong to the
    /// boot firmware; no image is written to them.
    pub boot_area: bool,
    /// The partition table, if there is one.
    pub table: Option<Table>,
    /// The partitions, sorted by number.
    pub partitions: Vec<Partition>,
    /// The contents of the device itself: a file system without a partition table, a member of an
    /// array, a hybrid ISO.
    pub volume: Volume,
    /// Whether neither udev nor the device itself could be read for labels and kinds of file
    /// systems.
    pub contents_unknown: bool,
    /// Everything that keeps it busy, at any depth.
    pub holders: Vec<Holder>,
    /// For a loop device: the file behind it.
    pub backing_file: Option<HostPath>,
    /// Mount points of the running system that lie on it, at any depth; empty when the system does
    /// not use it.
    pub system: Vec<HostPath>,
    /// Swap devices and files that lie on it, at any depth.
    pub swaps: Vec<HostPath>,
    /// Why the disk that the system runs from is not known; the same for every device of a host.
    pub system_unknown: Option<String>,
}

impl Device {
    /// Returns whether the user can remove it: it is a card, is on a bus that can be unplugged, or
    /// reports a removable medium. An eMMC is soldered in. Disks on SATA, NVMe and virtio that
    /// report a removable medium are disks in a bay, or a mistake of the firmware.
    pub fn is_removable(&self) -> bool {
        let fixed = matches!(self.bus, Bus::Ata | Bus::Nvme | Bus::Virtio);
        self.bus != Bus::Emmc
            && !self.bus.is_made_up()
            && (self.bus.is_for_cards() || self.hotplug || (self.removable && !fixed))
    }

    /// Returns the mount points of the device and its partitions, in the order in which to unmount
    /// them. Mount points of its [`Holder`]s are not included.
    pub fn mounts(&self) -> Vec<HostPath> {
        let mut mounts: Vec<HostPath> = Vec::new();
        let volumes = self.partitions.iter().map(|p| &p.volume).chain([&self.volume]);
        for mount in volumes.flat_map(|volume| &volume.mounts) {
            if !mounts.contains(mount) {
                mounts.push(mount.clone());
            }
        }
        // A mount point below another one is unmounted first.
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path().components().count()));
        mounts
    }

    /// Returns the labels of its file systems in the order of the partitions, without repetition.
    pub fn labels(&self) -> Vec<&str> {
        let parts = self.partitions.iter().map(|partition| &partition.volume);
        let volumes = [&self.volume].into_iter().chain(parts);
        let mut labels: Vec<&str> = volumes.filter_map(|volume| volume.label.as_deref()).collect();
        // A hybrid ISO has the same label on the disk and on its partition.
        labels.dedup();
        labels
    }

    /// Returns vendor and model in one line without repeating a word; empty when the device reports
    /// neither.
    pub fn title(&self) -> String {
        let (vendor, model) = (self.vendor.as_deref(), self.model.as_deref().unwrap_or_default());
        match vendor.filter(|vendor| !model.to_lowercase().starts_with(&vendor.to_lowercase())) {
            Some(vendor) => format!("{vendor} {model}").trim_end().to_owned(),
            None => model.to_owned(),
        }
    }
}

impl HostPath {
    /// Wraps a path that the kernel reported.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the exact path: for system calls, not for people.
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

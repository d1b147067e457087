//! Why a device is refused, or what to consider before it is written: one sentence each.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{Bus, Holder, HolderKind, HostPath};

/// The option that sets [`super::Policy::allow_fixed`].
pub const ALLOW_FIXED: &str = "--i-know-this-is-not-removable";
/// The option that sets [`super::Policy::allow_large`].
pub const ALLOW_LARGE: &str = "--allow-large";
/// The option that sets [`super::Policy::unmount`].
pub const UNMOUNT: &str = "--unmount";

/// One reason. Its `Display` is a sentence with the fact and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The running system is on it. Never overridden.
    System {
        /// The system's mount points on the device.
        mounts: Vec<HostPath>,
    },
    /// It is not known which device the running system is on.
    SystemUnknown {
        /// Why it is not known.
        why: String,
        /// Whether something on the device is mounted or otherwise in use.
        in_use: bool,
        /// Whether [`super::Policy::allow_fixed`] lifts it: only where nothing on the device is in
        /// use.
        lifted: bool,
    },
    /// The kernel swaps to it. Never overridden.
    Swap {
        /// The swap devices and files.
        on: Vec<HostPath>,
    },
    /// Another device or file system uses it. Never overridden.
    Held(Holder),
    /// It is write-protected. Never overridden.
    ReadOnly {
        /// How it is attached: cards have a write-protect switch.
        bus: Bus,
    },
    /// There is no medium. Never overridden.
    NoMedia {
        /// How it is attached.
        bus: Bus,
    },
    /// The image does not fit. Never overridden.
    TooSmall {
        /// The device's size in bytes.
        size: u64,
        /// The image's size in bytes.
        needed: u64,
    },
    /// Its block size differs from the unit in the image's partition table. Never overridden.
    BlockSize {
        /// Its logical block size in bytes.
        bytes: u32,
    },
    /// It is a kind of drive that no image is written to. Never overridden.
    Drive {
        /// Which kind.
        bus: Bus,
    },
    /// It is a hardware partition of an eMMC. Never overridden.
    BootArea,
    /// It is mounted.
    Mounted {
        /// The mount points.
        at: Vec<HostPath>,
        /// Whether [`super::Policy::unmount`] lifts it: only for removable devices.
        lifted: bool,
    },
    /// It is not removable; [`super::Policy::allow_fixed`] lifts it.
    Fixed {
        /// How it is attached.
        bus: Bus,
    },
    /// It is larger than cards are; [`super::Policy::allow_large`] lifts it.
    Large {
        /// The device's size in bytes.
        size: u64,
    },
    /// A warning: it has more partitions than a Raspberry Pi's card.
    ManyPartitions {
        /// The number of partitions.
        count: usize,
    },
    /// A warning: it has labels that suggest the user's own data.
    Labels {
        /// The labels.
        labels: Vec<String>,
    },
    /// A warning: it has kinds of volumes that a Raspberry Pi's card never has.
    Volumes {
        /// Their names: `LVM`, `LUKS (encrypted)`.
        kinds: Vec<&'static str>,
    },
    /// A warning: it has a file system and no partition table, like a data stick or a backup disk.
    NoTable {
        /// The kind of file system, as libblkid names it.
        kind: String,
    },
    /// A warning: it is smaller than recommended ([`super::LITTLE`]).
    LittleSpace {
        /// The device's size in bytes.
        size: u64,
    },
    /// A warning: its contents could not be read.
    ContentsUnknown,
}

impl Reason {
    /// Returns a stable name for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Reason::System { .. } => "system",
            Reason::SystemUnknown { .. } => "system-unknown",
            Reason::Swap { .. } => "swap",
            Reason::Held(_) => "held",
            Reason::ReadOnly { .. } => "read-only",
            Reason::NoMedia { .. } => "no-media",
            Reason::TooSmall { .. } => "too-small",
            Reason::BlockSize { .. } => "block-size",
            Reason::Drive { .. } => "drive",
            Reason::BootArea => "boot-area",
            Reason::Mounted { .. } => "mounted",
            Reason::Fixed { .. } => "fixed",
            Reason::Large { .. } => "large",
            Reason::ManyPartitions { .. } => "many-partitions",
            Reason::Labels { .. } => "labels",
            Reason::Volumes { .. } => "volumes",
            Reason::NoTable { .. } => "no-table",
            Reason::LittleSpace { .. } => "little-room",
            Reason::ContentsUnknown => "contents-unknown",
        }
    }

    /// Returns the option that lifts it; `None` when no option does, or when it is a warning.
    pub fn lifted_by(&self) -> Option<&'static str> {
        match self {
            Reason::SystemUnknown { lifted: true, .. } | Reason::Fixed { .. } => Some(ALLOW_FIXED),
            Reason::Mounted { lifted: true, .. } => Some(UNMOUNT),
            Reason::Large { .. } => Some(ALLOW_LARGE),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::System { mounts } => write!(
                f,
                "the running system is on it ({}): it is never written; name another device",
                paths(mounts)
            ),
            Reason::SystemUnknown { why, in_use, lifted } => {
                write!(f, "it cannot be seen from here which disk this system runs from ({why}), and this may be it: ")?;
                match (lifted, in_use) {
                    (true, _) => write!(f, "if you are sure that it is not, add {ALLOW_FIXED}"),
                    (false, true) => f.write_str("something on it is in use; look from outside the container or sandbox"),
                    (false, false) => f.write_str("it cannot be taken out; look from outside the container or sandbox"),
                }
            }
            Reason::Swap { on } => write!(
                f,
                "the system swaps to it ({}): end that first, `swapoff {}`",
                paths(on),
                on.first().map(ToString::to_string).unwrap_or_default()
            ),
            Reason::Held(holder) => held(f, holder),
            Reason::ReadOnly { bus } if bus.is_for_cards() => {
                f.write_str("it is write-protected: move the card's lock switch up, towards the contacts; an adapter has one too")
            }
            Reason::ReadOnly { .. } => f.write_str("it is read-only: see what write-protects it, a switch or `blockdev --setrw`"),
            Reason::NoMedia { bus: Bus::Loop | Bus::Nbd } => f.write_str("there is nothing behind it: attach something first"),
            Reason::NoMedia { .. } => f.write_str("there is no card in it: put one in"),
            Reason::TooSmall { size, needed } => write!(
                f,
                "it is too small: {} ({size} bytes), and {} ({needed} bytes) are needed; take a larger card",
                decimal_size(*size),
                decimal_size(*needed)
            ),
            Reason::BlockSize { bytes } => write!(
                f,
                "it counts in blocks of {bytes} bytes, and images for a Raspberry Pi in 512: no system would start from it; take another device"
            ),
            Reason::Drive { bus } => write!(f, "it is a {bus} drive: take an SD card"),
            Reason::BootArea => {
                f.write_str("it is the boot area of an eMMC, where firmware lies: name the eMMC itself, the name without `boot` or `gp`")
            }
            Reason::Mounted { at, lifted: true } => {
                write!(f, "it is mounted ({}): unmount it, or add {UNMOUNT}", paths(at))
            }
            Reason::Mounted { at, lifted: false } => write!(
                f,
                "it is mounted ({}), and no card that could be taken out: {UNMOUNT} is not for it, unmount it yourself if nothing needs it",
                paths(at)
            ),
            Reason::Fixed { bus } => write!(
                f,
                "it is neither a card nor a USB device ({bus}): if you are sure, add {ALLOW_FIXED}"
            ),
            Reason::Large { size } => write!(
                f,
                "it is large ({}), as disks with backups are: if you are sure, add {ALLOW_LARGE}",
                decimal_size(*size)
            ),
            Reason::ManyPartitions { count } => write!(
                f,
                "it has {count} partitions, more than a Raspberry Pi's card has: see that it is the right one"
            ),
            Reason::Labels { labels } => write!(
                f,
                "it is named {}, which suggests a disk with data: see that nothing on it is needed",
                labels.iter().map(|label| format!("\"{label}\"")).collect::<Vec<_>>().join(", ")
            ),
            Reason::Volumes { kinds } => write!(
                f,
                "it holds {}, which no Raspberry Pi's card does: see that nothing on it is needed",
                kinds.join(", ")
            ),
            Reason::NoTable { kind } => write!(
                f,
                "it holds {kind} on the whole device, without a partition table, as no Raspberry Pi's card does: see that nothing on it is needed"
            ),
            Reason::LittleSpace { size } => write!(
                f,
                "it has {}, and Raspberry Pi recommends 16 GB for a system without a desktop: it may be full soon",
                decimal_size(*size)
            ),
            Reason::ContentsUnknown => f.write_str(
                "what is on it could not be read (udev has no record of it, and the device cannot be read here): see yourself that nothing on it is needed",
            ),
        }
    }
}

/// Writes what uses a device, and how to end that.
fn held(f: &mut fmt::Formatter<'_>, holder: &Holder) -> fmt::Result {
    let Holder { name, .. } = holder;
    let mounted = match holder.mounts.is_empty() {
        true => String::new(),
        false => format!(", mounted at {}", paths(&holder.mounts)),
    };
    let with = holder.with.join(", ");
    match holder.kind {
        HolderKind::Lvm => write!(
            f,
            "an LVM volume on it is active ({name}{mounted}): deactivate it first, `vgchange -an {}`",
            volume_group(name)
        ),
        HolderKind::Crypt => write!(
            f,
            "an encrypted volume on it is open ({name}{mounted}): close it first, `cryptsetup close {name}`"
        ),
        HolderKind::Multipath => write!(
            f,
            "it is one of the ways to the multipath disk {name}{mounted}: it is not written by one of them alone"
        ),
        HolderKind::Dm => write!(
            f,
            "the device mapper uses it ({name}{mounted}): end that first, `dmsetup remove {name}`"
        ),
        HolderKind::Md => write!(
            f,
            "it is a member of the RAID array {name}{mounted}: stop that first, `mdadm --stop /dev/{name}`"
        ),
        HolderKind::Bcache => write!(
            f,
            "{name} of bcache uses it{mounted}: stop that first, `echo 1 > /sys/block/{name}/bcache/stop`"
        ),
        HolderKind::Loop => {
            let file = match &holder.file {
                Some(file) if !file.path().starts_with("/dev") => format!("the file {file} on it"),
                _ => "it".into(),
            };
            write!(
                f,
                "the loop device {name} reads {file}{mounted}: detach that first, `losetup -d /dev/{name}`"
            )
        }
        HolderKind::Btrfs if with.is_empty() => write!(
            f,
            "its btrfs ({name}) is mounted where this program cannot see it, in a container or another namespace: unmount it there first"
        ),
        HolderKind::Btrfs => write!(
            f,
            "it is one of several devices of a btrfs ({name}, with {with}{mounted}): unmount that first"
        ),
        HolderKind::Zfs => write!(
            f,
            "it belongs to the imported ZFS pool {name}{mounted}: export that first, `zpool export {name}`"
        ),
        HolderKind::Other => write!(f, "{name} uses it{mounted}: end that first"),
    }
}

/// Returns the volume group in a device-mapper name: `a--b-lv` is volume `lv` of group `a-b`
/// (lvm(8): hyphens are doubled).
fn volume_group(name: &str) -> String {
    let plain = name.replace("--", "\0");
    plain.split('-').next().unwrap_or_default().replace('\0', "-")
}

/// Lists a few paths.
fn paths(paths: &[HostPath]) -> String {
    const SHOWN: usize = 4;
    let mut text: Vec<String> = paths.iter().take(SHOWN).map(ToString::to_string).collect();
    if paths.len() > SHOWN {
        text.push(format!("{} more", paths.len() - SHOWN));
    }
    text.join(", ")
}

/// Returns a size as it is printed on cards, in units of 1000: `31.9 GB`.
pub fn decimal_size(bytes: u64) -> String {
    let scaled = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit / (unit / 10));
    match bytes {
        ..1_000_000 => format!("{bytes} bytes"),
        1_000_000..1_000_000_000 => format!("{} MB", scaled(1_000_000)),
        1_000_000_000..1_000_000_000_000 => format!("{} GB", scaled(1_000_000_000)),
        1_000_000_000_000.. => format!("{} TB", scaled(1_000_000_000_000)),
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_struct("Reason", 3)?;
        reason.serialize_field("kind", self.kind())?;
        reason.serialize_field("message", &self.to_string())?;
        reason.serialize_field("lifted-by", &self.lifted_by())?;
        reason.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_on_the_card() {
        for (bytes, shown) in [
            (0, "0 bytes"),
            (1_474_560, "1.4 MB"),
            (31_914_983_424, "31.9 GB"),
            (4_000_787_030_016, "4.0 TB"),
        ] {
            assert_eq!(decimal_size(bytes), shown);
        }
    }

    #[test]
    fn volume_groups_are_read_out_of_device_mapper_names() {
        for (name, group) in [
            ("vg0-root", "vg0"),
            ("ubuntu--vg-ubuntu--lv", "ubuntu-vg"),
            ("odd", "odd"),
            ("", ""),
        ] {
            assert_eq!(volume_group(name), group);
        }
    }
}

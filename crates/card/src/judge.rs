//! Decides whether a device may be written.

use serde::Serialize;

use super::{Bus, Device, HolderKind, HostPath, Reason};
use kraken_disk::SECTOR;

/// What the user allows, and what the image needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Bytes that the image needs; `None` when not known.
    pub needed: Option<u64>,
    /// Allow a device that is neither a card nor on USB ([`super::ALLOW_FIXED`]).
    pub allow_fixed: bool,
    /// Allow a device that is larger than cards are ([`super::ALLOW_LARGE`]).
    pub allow_large: bool,
    /// Unmount what is mounted from a card ([`super::UNMOUNT`]).
    pub unmount: bool,
}

/// The decision about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Why the device must not be written; empty when it may be.
    pub refusals: Vec<Reason>,
    /// What the user should consider before it is written.
    pub warnings: Vec<Reason>,
    /// What must be unmounted before writing, in this order. Set only with [`Policy::unmount`] and
    /// only when nothing is refused. It never contains swap: a device that the system swaps to is
    /// refused.
    pub unmount: Vec<HostPath>,
}

impl Verdict {
    /// Returns whether the device may be written.
    pub fn is_good(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// The largest card in a slot or reader that passes without [`Policy::allow_large`]: 512 GiB, which
/// includes cards sold as 512 GB (they have 512 × 10⁹ bytes or a little less). A node needs no
/// more, and a larger card is likely to hold the user's own data.
pub const CARD_CEILING: u64 = 512 << 30;
/// The same for sticks and disks on USB and FireWire: 300 GB, which is above sticks sold as 256 GB
/// and below the smallest portable disks used for backups (320 and 500 GB).
pub const DISK_CEILING: u64 = 300_000_000_000;
/// A smaller card, in bytes, gets a warning. Raspberry Pi recommends 16 GB for Raspberry Pi OS Lite
/// (documentation/computers/getting-started, "Recommended SD cards"). Cards sold as 16 GB have 15.5
/// × 10⁹ bytes and more.
pub const LITTLE: u64 = 15_000_000_000;
/// A Raspberry Pi's card has two partitions; some systems for it have a third.
const PARTITIONS: usize = 3;
/// Labels that need no warning: those of the systems that cards for a Raspberry Pi are written with
/// (Raspberry Pi OS, Ubuntu, HypriotOS, LibreELEC, Arch, Fedora), and of empty cards as they are
/// sold and formatted.
const HARMLESS: &[&str] = &[
    "bootfs",
    "rootfs",
    "boot",
    "root",
    "firmware",
    "raspifirm",
    "raspiroot",
    "system-boot",
    "writable",
    "hypriotos",
    "recovery",
    "settings",
    "system",
    "efi",
    "esp",
    "no name",
    "no_name",
    "untitled",
    "sdcard",
    "sd card",
    "sd",
    "volume",
    "new volume",
];

/// Decides whether a device may be written.
pub fn judge(device: &Device, policy: &Policy) -> Verdict {
    let mut verdict = Verdict::default();
    let refusals = &mut verdict.refusals;
    if matches!(device.bus, Bus::Optical | Bus::Floppy) {
        refusals.push(Reason::Drive { bus: device.bus });
        return verdict;
    }
    if !device.media {
        refusals.push(Reason::NoMedia { bus: device.bus });
        return verdict;
    }
    if device.boot_area {
        refusals.push(Reason::BootArea);
        return verdict;
    }
    in_use(device, policy, &mut verdict);
    let refusals = &mut verdict.refusals;
    if device.read_only {
        refusals.push(Reason::ReadOnly { bus: device.bus });
    }
    if u64::from(device.logical_block) != SECTOR {
        refusals.push(Reason::BlockSize {
            bytes: device.logical_block,
        });
    }
    if let Some(needed) = policy.needed.filter(|needed| *needed > device.size) {
        refusals.push(Reason::TooSmall {
            size: device.size,
            needed,
        });
    }
    // For the system's own disk, no further reason is needed.
    let system = !device.system.is_empty();
    if !device.is_removable() && !policy.allow_fixed && !system {
        refusals.push(Reason::Fixed { bus: device.bus });
    }
    if device.size > ceiling(device.bus) && !policy.allow_large && !system {
        refusals.push(Reason::Large { size: device.size });
    }
    if !system {
        warnings(device, &mut verdict.warnings);
    }
    if !verdict.refusals.is_empty() {
        // A device that is not written is not unmounted either.
        verdict.unmount.clear();
    }
    verdict
}

/// Adds what is refused, or must be unmounted, because the device is in use.
fn in_use(device: &Device, policy: &Policy, verdict: &mut Verdict) {
    let refusals = &mut verdict.refusals;
    if !device.swaps.is_empty() {
        refusals.push(Reason::Swap {
            on: device.swaps.clone(),
        });
    }
    if !device.system.is_empty() {
        refusals.insert(
            0,
            Reason::System {
                mounts: device.system.clone(),
            },
        );
        // Every other use of the device follows from this one.
        return;
    }
    // The multipath disk is the cause of every other holder of its paths; naming those would
    // mislead.
    let multipath = device.holders.iter().any(|holder| holder.kind == HolderKind::Multipath);
    let named = device
        .holders
        .iter()
        .filter(|holder| !multipath || holder.kind == HolderKind::Multipath);
    refusals.extend(named.cloned().map(Reason::Held));
    let mut mounts = device.mounts();
    if let Some(why) = &device.system_unknown {
        let in_use = !mounts.is_empty() || !device.holders.is_empty() || !device.swaps.is_empty();
        // The user made such a device on purpose, and a system hardly runs from it.
        let scratch = matches!(device.bus, Bus::Loop | Bus::Ram | Bus::Zram | Bus::Nbd);
        let lifted = !in_use && (device.is_removable() || scratch);
        if !lifted || !policy.allow_fixed {
            refusals.push(Reason::SystemUnknown {
                why: why.clone(),
                in_use,
                lifted,
            });
        }
    }
    // Mounts of a btrfs or a pool over several devices are already reported with their holder.
    mounts.retain(|mount| !device.holders.iter().any(|holder| holder.mounts.contains(mount)));
    if mounts.is_empty() {
        return;
    }
    let lifted = device.is_removable();
    match policy.unmount && lifted {
        true => verdict.unmount = mounts,
        false => refusals.push(Reason::Mounted { at: mounts, lifted }),
    }
}

fn ceiling(bus: Bus) -> u64 {
    match bus.is_for_cards() {
        true => CARD_CEILING,
        false => DISK_CEILING,
    }
}

fn warnings(device: &Device, warnings: &mut Vec<Reason>) {
    if device.partitions.len() > PARTITIONS {
        warnings.push(Reason::ManyPartitions {
            count: device.partitions.len(),
        });
    }
    let labels: Vec<String> = device
        .labels()
        .into_iter()
        .filter(|label| !HARMLESS.contains(&label.to_lowercase().as_str()))
        .map(str::to_owned)
        .collect();
    if !labels.is_empty() {
        warnings.push(Reason::Labels { labels });
    }
    let mut kinds: Vec<&'static str> = device
        .partitions
        .iter()
        .map(|partition| &partition.volume)
        .chain([&device.volume])
        .filter_map(|volume| unusual(volume.file_system.as_deref()?))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if !kinds.is_empty() {
        warnings.push(Reason::Volumes { kinds });
    }
    let whole = device.volume.file_system.as_deref();
    if let Some(kind) = whole.filter(|kind| device.partitions.is_empty() && unusual(kind).is_none()) {
        warnings.push(Reason::NoTable { kind: kind.to_owned() });
    }
    if device.size < LITTLE {
        warnings.push(Reason::LittleSpace { size: device.size });
    }
    if device.contents_unknown {
        warnings.push(Reason::ContentsUnknown);
    }
}

/// Returns the name of a kind of volume (a libblkid name) that suggests a computer's disk rather
/// than a node's card.
fn unusual(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "LVM2_member" | "LVM1_member" => "LVM",
        "crypto_LUKS" => "LUKS (encrypted)",
        "BitLocker" => "BitLocker (encrypted Windows)",
        "linux_raid_member" | "isw_raid_member" | "ddf_raid_member" => "a RAID member",
        "zfs_member" => "a ZFS pool",
        "bcache" => "a bcache device",
        "ntfs" | "ReFS" => "a Windows file system",
        "apfs" | "hfsplus" | "hfs" => "a macOS file system",
        "VMFS" | "VMFS_volume_member" => "VMware's file system",
        "ceph_bluestore" => "Ceph storage",
        _ => return None,
    })
}

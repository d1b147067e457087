//! Collects the facts of one disk.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::backing_devices::{Usage, is_system};
use super::block_topology::BlockTopology;
use super::bus::{Bus, Place};
use super::clean::cleaned;
use super::signature;
use super::udev::Properties;
use super::{Device, Holder, HolderKind, Host, HostPath, Partition, Table, Volume, clean};
use kraken_disk::{ImageFile, PartitionTable, TableKind};

/// The kernel counts sizes in sectors of 512 bytes, whatever the device's own sector size is
/// (Documentation/ABI/stable/sysfs-block).
const SYSFS_SECTOR: u64 = 512;

/// Reads a whole disk; `None` when it is gone or is a partition.
pub(super) fn device(host: &Host, usage: &Usage, name: &str) -> Option<Device> {
    let topology = &usage.topology;
    let block = topology.blocks.get(name).filter(|block| block.partition_of.is_none())?;
    let folder = &block.folder;
    let record = Properties::of(host, block.number);
    let udev = record.clone().unwrap_or_default();
    let place = Place::of(host, name, folder, &udev);
    let size = size(host, folder);
    let above = topology.above(name);
    // Optical drives and floppy drives are not opened only to read their contents.
    let reads_device =
        record.is_none() && host.is_live() && size > 0 && !matches!(place.bus, Bus::Optical | Bus::Floppy);
    let opened = reads_device.then(|| open(topology, name)).flatten();
    let read_table = opened.as_ref().and_then(|disk| PartitionTable::read(disk).ok());
    let block_size = |file: &str, or: u32| {
        let number = host.number(folder.join("queue").join(file));
        number.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(or)
    };
    let logical_block = block_size("logical_block_size", 512);
    let serial = |folder: &Path| host.attribute(folder.join("serial")).as_deref().and_then(cleaned);
    let partitions = partitions(host, usage, name, read_table.as_ref());
    // A file system that begins at offset 0 of the disk. A disk with a partition table has none,
    // except hybrid images, which only udev reports.
    let whole = match (&record, &opened, &read_table) {
        (None, Some(disk), None) => signature::read(disk),
        _ => None,
    };
    Some(Device {
        path: block.file.clone(),
        name: clean(name),
        number: block.number,
        diskseq: host.number(folder.join("diskseq")),
        size,
        logical_block,
        physical_block: block_size("physical_block_size", logical_block),
        model: model(host, folder, &udev),
        vendor: vendor(host, folder, &udev),
        serial: serial(&folder.join("device"))
            .or_else(|| serial(folder))
            .or_else(|| udev.name("ID_SERIAL_SHORT"))
            .or_else(|| usb_serial(host, folder)),
        wwn: udev
            .get("ID_WWN_WITH_EXTENSION")
            .or_else(|| udev.get("ID_WWN"))
            .or_else(|| cleaned(&host.attribute(folder.join("wwid"))?))
            .or_else(|| cleaned(&host.attribute(folder.join("device/wwid"))?)),
        cid: host.attribute(folder.join("device/cid")).as_deref().and_then(cleaned),
        bus: place.bus,
        removable: host.flag(folder.join("removable")),
        hotplug: place.hotplug,
        read_only: host.flag(folder.join("ro")),
        media: size > 0,
        boot_area: is_boot_area(name),
        table: udev
            .get("ID_PART_TABLE_TYPE")
            .map(|kind| Table {
                kind,
                id: udev.get("ID_PART_TABLE_UUID"),
            })
            .or_else(|| read_table.as_ref().map(table)),
        partitions,
        volume: volume(usage, name, &udev, whole),
        contents_unknown: size > 0 && record.is_none() && opened.is_none(),
        holders: holders(host, usage, name, &above),
        backing_file: usage.loop_files.get(name).cloned(),
        system: system(usage, &above),
        swaps: usage
            .swaps
            .iter()
            .filter(|(_, backing)| !backing.is_disjoint(&above))
            .map(|(path, _)| path.clone())
            .collect(),
        system_unknown: usage.unknown.clone(),
    })
}

fn size(host: &Host, folder: &Path) -> u64 {
    host.number(folder.join("size"))
        .unwrap_or(0)
        .saturating_mul(SYSFS_SECTOR)
}

/// Recognises `mmcblk0boot0`, `mmcblk0gp1`, `mmcblk0rpmb` (drivers/mmc/core/block.c).
fn is_boot_area(name: &str) -> bool {
    name.strip_prefix("mmcblk").is_some_and(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with(['b', 'g', 'r'])
    })
}

/// Returns the model as the kernel has it. For disks behind libata it is udev's text, which is not
/// cut off after 16 characters.
fn model(host: &Host, folder: &Path, udev: &Properties) -> Option<String> {
    let kernel = ["device/model", "device/name", "dm/name"]
        .into_iter()
        .find_map(|file| cleaned(&host.attribute(folder.join(file))?));
    match is_ata(host, folder) {
        true => udev.name("ID_MODEL").or(kernel),
        false => kernel.or_else(|| udev.name("ID_MODEL")),
    }
}

fn is_ata(host: &Host, folder: &Path) -> bool {
    host.attribute(folder.join("device/vendor")).as_deref() == Some("ATA")
}

/// Returns the vendor. `ATA`, and the number that virtio has there, do not count as vendors.
fn vendor(host: &Host, folder: &Path, udev: &Properties) -> Option<String> {
    if is_ata(host, folder) {
        return None;
    }
    let kernel = host.attribute(folder.join("device/vendor"));
    let kernel = kernel.filter(|vendor| !vendor.starts_with("0x"));
    kernel.as_deref().and_then(cleaned).or_else(|| udev.name("ID_VENDOR"))
}

/// Returns the serial number of the USB device that a disk is attached to.
fn usb_serial(host: &Host, folder: &Path) -> Option<String> {
    folder
        .ancestors()
        .take_while(|path| path.starts_with("/sys/devices/"))
        .filter(|path| host.link_name(path.join("subsystem")).as_deref() == Some("usb"))
        .find_map(|path| cleaned(&host.attribute(path.join("serial"))?))
}

fn table(table: &PartitionTable) -> Table {
    let (kind, id) = match &table.kind {
        TableKind::Mbr { disk_id } => ("dos", format!("{disk_id:08x}")),
        TableKind::Gpt { guid } => ("gpt", guid.clone()),
    };
    Table {
        kind: kind.into(),
        id: Some(id),
    }
}

fn partitions(host: &Host, usage: &Usage, disk: &str, table: Option<&PartitionTable>) -> Vec<Partition> {
    let topology = &usage.topology;
    let of_disk = topology
        .blocks
        .iter()
        .filter_map(|(name, block)| match &block.partition_of {
            Some(partition) if partition.disk == disk => Some((name, block, partition.number)),
            _ => None,
        });
    let mut found: Vec<Partition> = of_disk
        .map(|(name, block, number)| {
            let record = Properties::of(host, block.number);
            let reads_device = record.is_none() && host.is_live();
            let seen = reads_device
                .then(|| open(topology, name))
                .flatten()
                .and_then(|volume| signature::read(&volume));
            let udev = record.unwrap_or_default();
            Partition {
                number,
                path: block.file.clone(),
                device: block.number,
                start: host
                    .number(block.folder.join("start"))
                    .unwrap_or(0)
                    .saturating_mul(SYSFS_SECTOR),
                size: size(host, &block.folder),
                part_label: udev
                    .encoded("ID_PART_ENTRY_NAME")
                    .or_else(|| part_name(host, &block.folder)),
                part_uuid: udev
                    .get("ID_PART_ENTRY_UUID")
                    .or_else(|| Some(table?.get(number)?.partuuid.clone())),
                volume: volume(usage, name, &udev, seen),
            }
        })
        .collect();
    found.sort_by_key(|partition| partition.number);
    found
}

/// Returns the name of a GPT partition as the kernel read it.
fn part_name(host: &Host, folder: &Path) -> Option<String> {
    let uevent = host.attribute(folder.join("uevent"))?;
    uevent.lines().find_map(|line| cleaned(line.strip_prefix("PARTNAME=")?))
}

fn volume(usage: &Usage, name: &str, udev: &Properties, seen: Option<signature::Signature>) -> Volume {
    let seen = seen.unwrap_or_default();
    Volume {
        file_system: udev.get("ID_FS_TYPE").or_else(|| cleaned(seen.kind)),
        label: udev.name("ID_FS_LABEL").or_else(|| cleaned(&seen.label?)),
        uuid: udev.name("ID_FS_UUID").or_else(|| cleaned(&seen.uuid?)),
        mounts: mounts(usage, |backing| backing.contains(name)),
        swap: usage.swaps.iter().any(|(_, backing)| backing.contains(name)),
    }
}

/// Returns the mount points of mounts whose backing devices pass, each once, in the order of
/// mounting.
fn mounts(usage: &Usage, pass: impl Fn(&BTreeSet<String>) -> bool) -> Vec<HostPath> {
    let mut points: Vec<HostPath> = Vec::new();
    for (mount, backing) in &usage.mounts {
        let point = HostPath::new(&mount.point);
        if pass(&backing.blocks) && !points.contains(&point) {
            points.push(point);
        }
    }
    points
}

fn system(usage: &Usage, above: &BTreeSet<String>) -> Vec<HostPath> {
    let mut points = mounts(usage, |backing| !backing.is_disjoint(above));
    points.retain(|point| is_system(point.path()));
    points.sort();
    points
}

/// Returns what uses a disk: other block devices, and file systems that span several devices or are
/// mounted out of sight.
fn holders(host: &Host, usage: &Usage, disk: &str, above: &BTreeSet<String>) -> Vec<Holder> {
    let topology = &usage.topology;
    let is_holder = |name: &&String| {
        topology.disk_of(name) != disk && topology.blocks.get(*name).is_none_or(|b| b.partition_of.is_none())
    };
    let mut found: Vec<Holder> = above
        .iter()
        .filter(is_holder)
        .map(|name| block_holder(host, usage, name))
        .collect();
    for btrfs in &topology.btrfs {
        if btrfs.members.is_disjoint(above) {
            continue;
        }
        let points = mounts(usage, |backing| btrfs.members.is_subset(backing));
        let others: BTreeSet<&str> = btrfs
            .members
            .difference(above)
            .map(|member| topology.disk_of(member))
            .collect();
        if others.is_empty() && !points.is_empty() {
            continue;
        }
        found.push(Holder {
            kind: HolderKind::Btrfs,
            name: btrfs
                .label
                .as_deref()
                .and_then(cleaned)
                .unwrap_or_else(|| clean(&btrfs.uuid)),
            path: None,
            with: others.into_iter().map(clean).collect(),
            file: None,
            mounts: points,
        });
    }
    for (pool, members) in &topology.pools {
        if !members.is_disjoint(above) {
            found.push(Holder {
                kind: HolderKind::Zfs,
                name: clean(pool),
                path: None,
                with: Vec::new(),
                file: None,
                mounts: mounts(usage, |backing| !members.is_disjoint(backing)),
            });
        }
    }
    found
}

fn block_holder(host: &Host, usage: &Usage, name: &str) -> Holder {
    let topology = &usage.topology;
    let block = topology.blocks.get(name);
    let attribute = |file: &str| host.attribute(block?.folder.join(file));
    let mapped = attribute("dm/name");
    let kind = match attribute("dm/uuid") {
        Some(uuid) if uuid.starts_with("LVM-") => HolderKind::Lvm,
        Some(uuid) if uuid.starts_with("CRYPT-") => HolderKind::Crypt,
        Some(uuid) if uuid.starts_with("mpath-") => HolderKind::Multipath,
        _ if name.starts_with("dm-") => HolderKind::Dm,
        _ if name.starts_with("md") => HolderKind::Md,
        _ if name.starts_with("bcache") => HolderKind::Bcache,
        _ if name.starts_with("loop") => HolderKind::Loop,
        _ => HolderKind::Other,
    };
    Holder {
        kind,
        path: block.map(|block| block.file.clone()),
        with: Vec::new(),
        file: usage.loop_files.get(name).cloned(),
        mounts: mounts(usage, |backing| {
            backing.iter().any(|device| topology.disk_of(device) == name)
        }),
        name: mapped.as_deref().and_then(cleaned).unwrap_or_else(|| clean(name)),
    }
}

/// Opens a device for reading if it is the one in the kernel's list.
fn open(topology: &BlockTopology, name: &str) -> Option<ImageFile> {
    let block = topology.blocks.get(name)?;
    // Opening a pipe in the device's place must not block.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&block.file)
        .ok()?;
    let metadata = file.metadata().ok()?;
    let number = (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
    let same = metadata.file_type().is_block_device() && number == (block.number.major, block.number.minor);
    same.then(|| ImageFile::from_file(file).ok()).flatten()
}

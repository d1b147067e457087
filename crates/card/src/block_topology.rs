//! Which block device uses which: disks, partitions, and the devices that the kernel builds on
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::udev::Properties;
use super::{DeviceNumber, Host};

/// One block device, whole or a partition.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The kernel's number for it.
    pub number: DeviceNumber,
    /// Its folder in sysfs with all links resolved. The path shows where the device is attached.
    pub folder: PathBuf,
    /// Its device file, such as `/dev/sdb`.
    pub file: PathBuf,
    /// The disk that it is a partition of; `None` for a whole device.
    pub partition_of: Option<PartitionOf>,
}

/// Which partition a block device is.
#[derive(Clone, Debug)]
pub(super) struct PartitionOf {
    /// The kernel's name of the disk.
    pub disk: String,
    /// The partition's number in the disk's table.
    pub number: u32,
}

/// A mounted btrfs.
#[derive(Clone, Debug)]
pub(super) struct Btrfs {
    pub uuid: String,
    pub label: Option<String>,
    /// Kernel names of its devices.
    pub members: BTreeSet<String>,
}

/// All block devices of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockTopology {
    /// The devices by their kernel names.
    pub blocks: BTreeMap<String, Block>,
    /// For each device, the devices directly on top of it.
    up: BTreeMap<String, BTreeSet<String>>,
    /// All mounted btrfs file systems.
    pub btrfs: Vec<Btrfs>,
    /// For each imported ZFS pool, its devices.
    pub pools: BTreeMap<String, BTreeSet<String>>,
}

impl BlockTopology {
    /// Reads the topology from sysfs. Loop devices and zram are not linked yet.
    ///
    /// # Errors
    /// When the list of block devices cannot be read.
    pub(crate) fn read(host: &Host) -> io::Result<Self> {
        let mut topology = Self::default();
        for name in host.try_names(Path::new("/sys/block"))? {
            topology.add_disk(host, &name);
        }
        topology.add_holders(host);
        topology.btrfs = topology.read_btrfs(host);
        topology.pools = topology.read_pools(host);
        Ok(topology)
    }

    fn add_disk(&mut self, host: &Host, name: &str) {
        let listed = Path::new("/sys/block").join(name);
        let folder = host.resolve(&listed).unwrap_or(listed);
        // The paths of a multipath NVMe disk are hidden and have no number.
        if !self.add(host, name, &folder, None) {
            return;
        }
        for part in host.names(&folder) {
            if !part.starts_with(name) {
                continue;
            }
            let path = folder.join(&part);
            let number = host.number(path.join("partition")).and_then(|n| u32::try_from(n).ok());
            if let Some(number) = number
                && self.add(
                    host,
                    &part,
                    &path,
                    Some(PartitionOf {
                        disk: name.to_owned(),
                        number,
                    }),
                )
            {
                self.link(name, &part);
            }
        }
    }

    fn add(&mut self, host: &Host, name: &str, folder: &Path, partition_of: Option<PartitionOf>) -> bool {
        let Some(number) = host
            .attribute(folder.join("dev"))
            .and_then(|text| DeviceNumber::parse(&text))
        else {
            return false;
        };
        let block = Block {
            number,
            folder: folder.to_owned(),
            file: device_file(host, name, folder),
            partition_of,
        };
        self.blocks.insert(name.to_owned(), block);
        true
    }

    /// Links what the `holders` of each device and the `slaves` of each holder name
    /// (Documentation/ABI/stable/sysfs-block).
    fn add_holders(&mut self, host: &Host) {
        let names: Vec<(String, PathBuf)> = self
            .blocks
            .iter()
            .map(|(name, block)| (name.clone(), block.folder.clone()))
            .collect();
        for (name, folder) in names {
            for holder in host.names(folder.join("holders")) {
                self.link(&name, &holder);
            }
            for slave in host.names(folder.join("slaves")) {
                self.link(&slave, &name);
            }
        }
    }

    /// Records that `upper` uses `lower`.
    pub(crate) fn link(&mut self, lower: &str, upper: &str) {
        self.up.entry(lower.to_owned()).or_default().insert(upper.to_owned());
    }

    /// Returns all devices on top of a device, at any depth, and the device itself.
    pub(crate) fn above(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::from([name.to_owned()]);
        let mut next = vec![name.to_owned()];
        while let Some(lower) = next.pop() {
            for upper in self.up.get(&lower).into_iter().flatten() {
                if found.insert(upper.clone()) {
                    next.push(upper.clone());
                }
            }
        }
        found
    }

    /// Returns whether the device is on top of another one.
    pub(crate) fn stands_on_something(&self, name: &str) -> bool {
        self.up.values().any(|uppers| uppers.contains(name))
    }

    /// Returns the name of the device with this number.
    pub(crate) fn by_number(&self, number: DeviceNumber) -> Option<&str> {
        let found = self.blocks.iter().find(|(_, block)| block.number == number);
        found.map(|(name, _)| name.as_str())
    }

    /// Returns the name of the device that a path names: by its device file, or by the device
    /// number of the path.
    pub(crate) fn by_file(&self, host: &Host, path: &Path) -> Option<&str> {
        let path = path.to_string_lossy();
        let path = Path::new(path.trim_end_matches(" (deleted)"));
        if !path.starts_with("/dev") {
            return None;
        }
        if let Some((name, _)) = self.blocks.iter().find(|(_, block)| block.file == path) {
            return Some(name);
        }
        match host.node(path) {
            Ok(super::host::Node::Block(number)) => self.by_number(number),
            // In a container the device file may be missing; `/dev/mapper/NAME` is then found by
            // its name.
            _ => {
                let mapped = path.strip_prefix("/dev/mapper").ok()?.to_str()?;
                let mut all = self.blocks.iter();
                all.find(|(_, block)| host.attribute(block.folder.join("dm/name")).as_deref() == Some(mapped))
                    .map(|(name, _)| name.as_str())
            }
        }
    }

    /// Returns the whole disk of a partition; for any other device, the device itself.
    pub(crate) fn disk_of<'a>(&'a self, name: &'a str) -> &'a str {
        match self.blocks.get(name).and_then(|block| block.partition_of.as_ref()) {
            Some(partition) => &partition.disk,
            None => name,
        }
    }

    /// Reads the mounted btrfs file systems and their devices: `/sys/fs/btrfs/UUID/devices/*`
    /// (fs/btrfs/sysfs.c). The folder exists while the file system is mounted in any mount
    /// namespace.
    fn read_btrfs(&self, host: &Host) -> Vec<Btrfs> {
        let all = Path::new("/sys/fs/btrfs");
        let systems = host.names(all).into_iter().map(|uuid| (all.join(&uuid), uuid));
        systems
            .map(|(folder, uuid)| Btrfs {
                label: host.attribute(folder.join("label")),
                members: host.names(folder.join("devices")).into_iter().collect(),
                uuid,
            })
            .filter(|btrfs| !btrfs.members.is_empty())
            .collect()
    }

    /// Reads the imported pools (`/proc/spl/kstat/zfs/POOL`) and the devices that udev knows as
    /// their members. The label of a member is the pool's name.
    fn read_pools(&self, host: &Host) -> BTreeMap<String, BTreeSet<String>> {
        let mut pools: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for pool in host.names("/proc/spl/kstat/zfs") {
            if !host.exists(format!("/proc/spl/kstat/zfs/{pool}/state")) {
                continue;
            }
            pools.insert(pool, BTreeSet::new());
        }
        if pools.is_empty() {
            return pools;
        }
        for (name, block) in &self.blocks {
            let Some(properties) = Properties::of(host, block.number) else {
                continue;
            };
            if properties.get("ID_FS_TYPE").as_deref() == Some("zfs_member")
                && let Some(label) = properties.name("ID_FS_LABEL")
                && let Some(members) = pools.get_mut(&label)
            {
                members.insert(name.clone());
            }
        }
        pools
    }
}

/// Returns `/dev/` and the kernel's DEVNAME; sysfs writes `!` for a slash in a name.
fn device_file(host: &Host, name: &str, folder: &Path) -> PathBuf {
    let uevent = host.attribute(folder.join("uevent")).unwrap_or_default();
    let devname = uevent.lines().find_map(|line| line.strip_prefix("DEVNAME="));
    let plain = |name: &&str| {
        let mut parts = name.split('/');
        !name.is_empty() && parts.all(|part| !matches!(part, "" | "." | "..")) && super::clean(name) == **name
    };
    match devname.filter(plain) {
        Some(devname) => Path::new("/dev").join(devname),
        None => Path::new("/dev").join(name.replace('!', "/")),
    }
}

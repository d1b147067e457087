//! Finds the block devices that back a mount, a file or a swap area, and so those that the running
//! system needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::block_topology::BlockTopology;
use super::mounts::{Layer, Mount, Swap, mount_of};
use super::{Host, HostPath};

/// The block devices that back a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BackingDevices {
    /// Kernel names of the devices. Empty for file systems in memory and on the network.
    pub blocks: BTreeSet<String>,
    /// Why the list may be incomplete; `None` when it is complete.
    pub unknown: Option<String>,
}

/// The block devices of a host, and what uses each of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// The devices. A loop device or zram is linked to the device that its file lies on.
    pub topology: BlockTopology,
    /// For each loop device, the file behind it.
    pub loop_files: BTreeMap<String, HostPath>,
    /// The mounts, each with its backing devices.
    pub mounts: Vec<(Mount, BackingDevices)>,
    /// The swap areas, each with its backing devices.
    pub swaps: Vec<(HostPath, BTreeSet<String>)>,
    /// Why the devices that the system runs from are not known; `None` when they are.
    pub unknown: Option<String>,
}

impl Usage {
    /// Reads devices, mounts and swap areas.
    ///
    /// # Errors
    /// When the list of block devices cannot be read.
    pub(crate) fn read(host: &Host) -> io::Result<Self> {
        let mut usage = Self {
            topology: BlockTopology::read(host)?,
            ..Self::default()
        };
        let mounts = Mount::all(host);
        let swaps = Swap::all(host);
        let mut unknown = Vec::new();
        match mounts {
            Ok(mounts) => usage.attach(host, mounts, &mut unknown),
            Err(error) => unknown.push(format!("/proc/self/mountinfo cannot be read: {error}")),
        }
        match swaps {
            Ok(swaps) => {
                usage.swaps = swaps
                    .into_iter()
                    .map(|swap| (HostPath::new(&swap.path), usage.of_swap(host, &swap)))
                    .collect();
            }
            Err(error) => unknown.push(format!("/proc/swaps cannot be read: {error}")),
        }
        usage.unknown = unknown.into_iter().next();
        Ok(usage)
    }

    /// Finds the backing devices of all mounts, links loop devices to the devices that their files
    /// lie on, and adds to `unknown` why the system's own disk is not known.
    fn attach(&mut self, host: &Host, mounts: Vec<Mount>, unknown: &mut Vec<String>) {
        self.add_files(host, &mounts);
        let found: Vec<BackingDevices> = (0..mounts.len())
            .map(|index| of_mount(host, &self.topology, &mounts, index, 0))
            .collect();
        self.mounts = mounts.into_iter().zip(found).collect();
        self.without_layers();
        let at = |point: &str| self.mounts.iter().rfind(|(mount, _)| mount.point == Path::new(point));
        // Image-based systems mount the disk itself at /sysroot, whatever their root consists of.
        let sysroot = at("/sysroot").is_some_and(|(_, backing)| !backing.blocks.is_empty());
        match at("/") {
            None => unknown.push("no mount of / is listed".to_owned()),
            Some((_, backing)) if !sysroot => unknown.extend(backing.unknown.clone()),
            Some(_) => (),
        }
        // No disk is behind a FUSE program or autofs, and overlays over parts of a known system lie
        // in memory.
        let no_disk = |kind: &str| matches!(kind, "overlay" | "autofs") || kind.starts_with("fuse");
        let parts = ["/usr", "/boot", "/boot/firmware", "/boot/efi", "/var", "/home"];
        let parts = parts
            .into_iter()
            .filter_map(at)
            .filter(|(mount, _)| !no_disk(&mount.kind));
        unknown.extend(parts.filter_map(|(_, backing)| backing.unknown.clone()));
    }

    /// Links loop devices and zram to the device that their file lies on, or to the device that
    /// they were given.
    fn add_files(&mut self, host: &Host, mounts: &[Mount]) {
        let names: Vec<(String, PathBuf)> = self
            .topology
            .blocks
            .iter()
            .map(|(name, block)| (name.clone(), block.folder.clone()))
            .collect();
        for (name, folder) in names {
            let file = host
                .attribute(folder.join("loop/backing_file"))
                .or_else(|| host.attribute(folder.join("backing_dev")).filter(|path| path != "none"));
            let Some(file) = file else { continue };
            let path = Path::new(file.trim_end_matches(" (deleted)"));
            let beneath = match self.topology.by_file(host, path) {
                Some(block) => BTreeSet::from([block.to_owned()]),
                None => of_path(host, &self.topology, mounts, path, 0).blocks,
            };
            for lower in beneath {
                self.topology.link(&lower, &name);
            }
            self.loop_files.insert(name, HostPath::new(path));
        }
    }

    /// Handles a live system whose root hides its layers: its medium is still mounted, and loop
    /// devices read images from it. Without a mounted medium this changes nothing, because a loop
    /// device in a container may belong to another system.
    fn without_layers(&mut self) {
        let media = self
            .mounts
            .iter()
            .filter(|(mount, _)| LIVE.iter().any(|medium| mount.point.starts_with(medium)));
        let mut blocks: BTreeSet<String> = media.flat_map(|(_, backing)| backing.blocks.iter().cloned()).collect();
        if blocks.is_empty() {
            return;
        }
        let images = self
            .loop_files
            .keys()
            .filter(|name| self.topology.stands_on_something(name));
        blocks.extend(images.cloned());
        for (mount, backing) in &mut self.mounts {
            if mount.point == Path::new("/") && backing.unknown.is_some() {
                backing.blocks.extend(blocks.iter().cloned());
                backing.unknown = None;
            }
        }
    }

    /// Returns the backing devices of a swap area.
    fn of_swap(&self, host: &Host, swap: &Swap) -> BTreeSet<String> {
        if let Some(block) = self.topology.by_file(host, &swap.path) {
            return BTreeSet::from([block.to_owned()]);
        }
        if !swap.file {
            return BTreeSet::new();
        }
        let points: Vec<Mount> = self.mounts.iter().map(|(mount, _)| mount.clone()).collect();
        match mount_of(&points, &swap.path) {
            Some(index) => self.mounts[index].1.blocks.clone(),
            None => BTreeSet::new(),
        }
    }
}

/// How deep overlays on overlays are followed. The kernel allows fewer levels
/// (FILESYSTEM_MAX_STACK_DEPTH is 2).
const DEPTH: usize = 8;

/// File systems that need no block device of this machine: in memory, on the network, on raw flash.
const BODILESS: &[&str] = &[
    "tmpfs",
    "ramfs",
    "rootfs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "virtiofs",
    "ceph",
    "glusterfs",
    "afs",
    "ubifs",
];

/// Where live systems mount the medium that they run from (live-boot, casper, dracut).
const LIVE: &[&str] = &["/cdrom", "/isodevice", "/run/live", "/lib/live/mount", "/run/initramfs"];

/// Mount points that the running system needs. `true`: the mount point and everything below it;
/// `false`: the mount point alone. The list has the media that live systems run from (live-boot,
/// casper, dracut).
const SYSTEM: &[(&str, bool)] = &[
    ("/", false),
    ("/boot", true),
    ("/efi", true),
    ("/usr", true),
    ("/etc", true),
    ("/nix", true),
    ("/sysroot", false),
    ("/home", false),
    ("/root", false),
    ("/opt", false),
    ("/srv", false),
    ("/tmp", false),
    ("/var", false),
    ("/var/home", false),
    ("/var/lib", true),
    ("/var/log", true),
    ("/var/cache", true),
    ("/var/tmp", false),
    ("/cdrom", true),
    ("/rofs", true),
    ("/isodevice", true),
    ("/run/live", true),
    ("/lib/live/mount", true),
    ("/run/initramfs", true),
    ("/run/rootfsbase", true),
    ("/media/root-ro", true),
    ("/media/root-rw", true),
];

/// Returns whether the running system needs what is mounted at `point`.
pub(super) fn is_system(point: &Path) -> bool {
    SYSTEM.iter().any(|(system, below)| match below {
        true => point.starts_with(system),
        false => point == Path::new(system),
    })
}

fn known(blocks: impl IntoIterator<Item = String>) -> BackingDevices {
    BackingDevices {
        blocks: blocks.into_iter().collect(),
        unknown: None,
    }
}

fn unknown(why: impl Into<String>) -> BackingDevices {
    BackingDevices {
        blocks: BTreeSet::new(),
        unknown: Some(super::clean(&why.into())),
    }
}

/// Returns the backing devices of the file system that a path lies on.
fn of_path(host: &Host, topology: &BlockTopology, mounts: &[Mount], path: &Path, depth: usize) -> BackingDevices {
    match mount_of(mounts, path) {
        Some(index) if depth < DEPTH => of_mount(host, topology, mounts, index, depth + 1),
        _ => unknown(format!("nothing is mounted above {}", path.display())),
    }
}

fn of_mount(host: &Host, topology: &BlockTopology, mounts: &[Mount], index: usize, depth: usize) -> BackingDevices {
    let mount = &mounts[index];
    let source = || topology.by_file(host, &mount.source).map(str::to_owned);
    if mount.number.major != 0 {
        let Some(block) = topology.by_number(mount.number) else {
            return unknown(format!(
                "{} is on device {}, which /sys does not list",
                mount.point.display(),
                mount.number
            ));
        };
        // xfs can keep its journal or a real-time section on another device (xfs(5)).
        let others = ["logdev", "rtdev"].into_iter().flat_map(|name| mount.options(name));
        let others = others.filter_map(|path| topology.by_file(host, &path).map(str::to_owned));
        return known(others.chain([block.to_owned()]));
    }
    match mount.kind.as_str() {
        kind if BODILESS.contains(&kind) => BackingDevices::default(),
        "btrfs" => of_btrfs(topology, source(), &mount.point),
        "zfs" => {
            let text = mount.source.to_string_lossy();
            let pool = text.split('/').next().unwrap_or_default();
            match topology.pools.get(pool).filter(|members| !members.is_empty()) {
                Some(members) => known(members.iter().cloned()),
                None => unknown(format!(
                    "{} is on the ZFS pool {pool}, whose disks cannot be seen",
                    mount.point.display()
                )),
            }
        }
        "bcachefs" => {
            let text = mount.source.to_string_lossy();
            let members: Vec<Option<&str>> = text
                .split(':')
                .map(|path| topology.by_file(host, Path::new(path)))
                .collect();
            let all = members.iter().all(Option::is_some);
            BackingDevices {
                unknown: (!all).then(|| {
                    format!(
                        "{} is on bcachefs, whose disks cannot all be seen",
                        mount.point.display()
                    )
                }),
                ..known(members.into_iter().flatten().map(str::to_owned))
            }
        }
        "overlay" => of_overlay(host, topology, mounts, index, depth),
        kind => match source() {
            Some(block) => known([block]),
            // eCryptfs and similar file systems are mounted from a folder.
            None if mount.source.starts_with("/") && mount_of(mounts, &mount.source) != Some(index) => {
                of_path(host, topology, mounts, &mount.source, depth)
            }
            None => unknown(format!(
                "{} is on {kind}, whose device cannot be seen",
                mount.point.display()
            )),
        },
    }
}

/// Returns the devices of a btrfs. Its number in the mount table is not that of a block device.
/// When one of its devices is known, all are; otherwise these are the devices of every mounted
/// btrfs.
fn of_btrfs(topology: &BlockTopology, source: Option<String>, point: &Path) -> BackingDevices {
    let whole = |block: &String| topology.btrfs.iter().find(|btrfs| btrfs.members.contains(block));
    match source {
        Some(block) => match whole(&block) {
            Some(btrfs) => known(btrfs.members.iter().cloned()),
            None => known([block]),
        },
        None if topology.btrfs.is_empty() => {
            unknown(format!("{} is on btrfs, whose devices cannot be seen", point.display()))
        }
        None => known(topology.btrfs.iter().flat_map(|btrfs| btrfs.members.iter().cloned())),
    }
}

/// Returns the backing devices of an overlay: those of its layers. Layers that were mounted before
/// the root was changed are not in the mount table.
fn of_overlay(host: &Host, topology: &BlockTopology, mounts: &[Mount], index: usize, depth: usize) -> BackingDevices {
    let point = mounts[index].point.display();
    let mut all = BackingDevices::default();
    let mut read_from = false;
    let layers = mounts[index].layers();
    if layers.is_empty() {
        return unknown(format!("{point} is an overlay whose layers are not listed"));
    }
    for Layer { folder, is_writable } in layers {
        let own = mount_of(mounts, &folder);
        let in_memory =
            own.is_some_and(|own| mounts[own].number.major == 0 && BODILESS.contains(&mounts[own].kind.as_str()));
        // In a container the path is the host's; another file system may be mounted at the same
        // path here.
        let gone = host.is_missing(&folder);
        let hidden = !folder.is_absolute() || own == Some(index) || gone || (in_memory && !is_writable);
        let found = match hidden {
            // A hidden writable layer may lie in memory; a hidden read-only layer must lie on some
            // device.
            true if is_writable => BackingDevices::default(),
            true => unknown(format!(
                "{point} is an overlay whose layer {} cannot be seen",
                folder.display()
            )),
            false => of_path(host, topology, mounts, &folder, depth),
        };
        read_from |= !is_writable && !found.blocks.is_empty();
        all.blocks.extend(found.blocks);
        all.unknown = all.unknown.or(found.unknown);
    }
    // One read-only layer on a known device is enough to know the system's disk, as with composefs,
    // whose other layer is hidden.
    all.unknown = all.unknown.filter(|_| !read_from);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_mount_points_are_recognised() {
        for point in [
            "/",
            "/boot/firmware",
            "/boot/efi",
            "/usr/local",
            "/home",
            "/var/lib/docker/overlay2/x",
            "/run/live/medium",
        ] {
            assert!(is_system(Path::new(point)), "{point}");
        }
        for point in [
            "/mnt",
            "/media/pi/bootfs",
            "/home/pi/card",
            "/run/media/pi/x",
            "/var/mnt/card",
            "/bootleg",
            "/run/netns",
        ] {
            assert!(!is_system(Path::new(point)), "{point}");
        }
    }
}

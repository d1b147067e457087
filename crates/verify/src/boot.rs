//! Rules for every image that must boot and accept a login, whatever program made it. They are
//! independent of `provision`, which bases its work on the image under test.

use super::report::ImageReport;
use super::volumes::Trees;
use kraken_disk::{FileTree, Layout, NodeType};
use kraken_foundation::Result;
use kraken_image::base::OsImage;
use kraken_spec::Cluster;

const CHECK: &str = "boot";
/// The largest text file that is read here, in bytes.
const LIMIT: u64 = 1 << 20;
/// The allowed values of `init=`: systemd, and the first-boot script of Raspberry Pi OS Bookworm
/// and older (it removes itself).
const INITS: &[&str] = &[
    "/sbin/init",
    "/lib/systemd/systemd",
    "/usr/lib/systemd/systemd",
    "/usr/lib/raspberrypi-sys-mods/firstboot",
    "/usr/lib/raspi-config/init_resize.sh",
];

/// Checks what the firmware, the kernel and the login need.
pub(crate) fn verify(layout: &Layout, os: &OsImage, cluster: &Cluster, trees: Trees<'_>, report: &mut ImageReport) {
    report.begin(CHECK);
    if !layout.table.firmware_reads(&layout.boot) {
        report.find(
            CHECK,
            format!("partition {}", layout.boot.number),
            format!(
                "has the type {}, in which the firmware does not look for its files: build the image again, or set it to 0c (MBR) or plain data (GPT)",
                layout.boot.kind
            ),
        );
    }
    cmdline(layout, &os.cmdline, report);
    firmware(trees.boot, report);
    let read = |path: &'static str, report: &mut ImageReport| match text(trees.root, path) {
        Ok(text) => text,
        Err(error) => {
            report.find(CHECK, format!("root:{path}"), error.to_string());
            None
        }
    };
    match read("/etc/fstab", report) {
        Some(fstab) => mounts(layout, os, &fstab, report),
        None => report.find(CHECK, "root:/etc/fstab", "is missing: nothing would be mounted"),
    }
    match read("/etc/passwd", report) {
        Some(passwd) => accounts(cluster, &passwd, report),
        None => report.find(CHECK, "root:/etc/passwd", "is missing: no user could log in"),
    }
}

fn text(tree: &dyn FileTree, path: &str) -> Result<Option<String>> {
    Ok(tree
        .read(path, LIMIT)?
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Checks that the kernel finds its root file system and starts the system.
fn cmdline(layout: &Layout, cmdline: &str, report: &mut ImageReport) {
    const PLACE: &str = "boot:/cmdline.txt";
    let words: Vec<&str> = cmdline.split_ascii_whitespace().collect();
    let value = |name: &str| words.iter().filter_map(|word| word.strip_prefix(name)).next_back();
    match value("root=") {
        None => report.find(CHECK, PLACE, "names no root= device"),
        Some(device) => {
            if let Err(why) = device_is(device, &layout.root.partuuid, layout.root.number) {
                report.find(CHECK, PLACE, format!("root={device}: {why}"));
            }
        }
    }
    if let Some(init) = value("init=").filter(|init| !INITS.contains(init)) {
        report.find(
            CHECK,
            PLACE,
            format!("init={init} starts something else than the system"),
        );
    }
}

/// Checks that a device, as cmdline.txt and fstab(5) name it, is the partition with this PARTUUID
/// and number. Labels and file system UUIDs are accepted without a check. The error says what is
/// wrong.
fn device_is(device: &str, partuuid: &str, number: u32) -> Result<(), String> {
    if let Some(id) = device.strip_prefix("PARTUUID=") {
        return match id.eq_ignore_ascii_case(partuuid) {
            true => Ok(()),
            false => Err(format!("the partition is PARTUUID={partuuid}")),
        };
    }
    if device.starts_with("LABEL=") || device.starts_with("UUID=") {
        return Ok(());
    }
    let given: Option<u32> = device
        .strip_prefix("/dev/mmcblk0p")
        .or_else(|| device.strip_prefix("/dev/sda"))
        .or_else(|| device.strip_prefix("/dev/vda"))
        .and_then(|digits| digits.parse().ok());
    match given {
        Some(given) if given == number => Ok(()),
        Some(_) => Err(format!("the partition has the number {number}")),
        None => Err("it is not a partition of a card".into()),
    }
}

fn firmware(boot: &dyn FileTree, report: &mut ImageReport) {
    if matches!(boot.metadata("/config.txt"), Ok(None)) {
        report.find(CHECK, "boot:/config.txt", "is missing: the firmware reads it");
    }
    let names = match boot.list("/") {
        Ok(names) => names,
        Err(error) => return report.find(CHECK, "boot:/", error.to_string()),
    };
    let is_kernel = |name: &&String| {
        let name = name.to_ascii_lowercase();
        (name.starts_with("kernel") && name.ends_with(".img")) || name.starts_with("vmlinuz")
    };
    let kernel = names.iter().filter(is_kernel).any(|name| {
        matches!(boot.metadata(&format!("/{name}")), Ok(Some(file)) if file.node == NodeType::File && file.size > 0)
    });
    if !kernel {
        report.find(CHECK, "boot:/", "holds no kernel (kernel*.img)");
    }
}

/// Checks that the system mounts its own two partitions.
fn mounts(layout: &Layout, os: &OsImage, fstab: &str, report: &mut ImageReport) {
    const PLACE: &str = "root:/etc/fstab";
    for (mount, partition) in [("/", &layout.root), (os.boot_mount.as_str(), &layout.boot)] {
        let device = fstab
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| {
                let mut fields = line.split_ascii_whitespace();
                let device = fields.next()?;
                (fields.next() == Some(mount)).then_some(device)
            });
        match device {
            None => report.find(CHECK, PLACE, format!("does not mount {mount}")),
            Some(device) => {
                if let Err(why) = device_is(device, &partition.partuuid, partition.number) {
                    report.find(CHECK, PLACE, format!("mounts {device} on {mount}: {why}"));
                }
            }
        }
    }
}

/// Checks that the configured user can log in, and that no other account is root.
fn accounts(cluster: &Cluster, passwd: &str, report: &mut ImageReport) {
    const PLACE: &str = "root:/etc/passwd";
    let user = &cluster.user.name;
    let mut found = false;
    for fields in passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()) {
        let &[name, _, uid, _, _, home, shell] = fields.as_slice() else {
            continue;
        };
        if uid.parse() == Ok(0_u32) && name != "root" {
            report.find(
                CHECK,
                PLACE,
                format!("the account {name:?} is root under another name (user id 0)"),
            );
        }
        if name == user {
            found = true;
            if shell.ends_with("/nologin") || shell.ends_with("/false") || !home.starts_with('/') {
                report.find(
                    CHECK,
                    PLACE,
                    format!("the user {user} cannot log in: home {home:?}, shell {shell:?}"),
                );
            }
        }
    }
    // cloud-init could create the account, but every image of this program already contains it.
    if !found {
        report.find(CHECK, PLACE, format!("has no user {user}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_compared_with_the_partition() {
        for (device, good) in [
            ("PARTUUID=A1B2C3D4-02", true),
            ("PARTUUID=a1b2c3d4-01", false),
            ("LABEL=rootfs", true),
            ("/dev/mmcblk0p2", true),
            ("/dev/mmcblk0p7", false),
            ("/dev/sdb", false),
            ("", false),
        ] {
            assert_eq!(device_is(device, "a1b2c3d4-02", 2).is_ok(), good, "{device}");
        }
    }
}

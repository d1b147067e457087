//! A device and its contents in words, which the user sees before all of it is lost.

use std::fmt::Write as _;

use kraken_flash::card::{Device, Partition, decimal_size};

/// Returns lines about a device: which one it is, and what it holds.
pub(super) fn device(device: &Device) -> String {
    let mut shown = format!("  {}  {}", device.path.display(), decimal_size(device.size));
    // The names contain no control characters already.
    let title = device.title();
    if !title.is_empty() {
        let _ = write!(shown, "  {title}");
    }
    if let Some(serial) = &device.serial {
        let _ = write!(shown, "  serial {serial}");
    }
    let _ = writeln!(shown, "  {}", device.bus);
    let _ = writeln!(shown, "    holds   {}", holds(device));
    shown
}

/// Returns all that is known of its contents. It says that nothing is known only where the program
/// could read the device.
fn holds(device: &Device) -> String {
    let mut parts: Vec<String> = device.partitions.iter().map(partition).collect();
    if let Some(kind) = &device.volume.file_system {
        let label = match &device.volume.label {
            Some(label) => format!("named \"{label}\""),
            None => "no label".into(),
        };
        parts.push(format!("{kind} on the whole device, {label}"));
    }
    if device.contents_unknown {
        parts.push(match parts.is_empty() {
            true => "something that could not be read: it may be full".into(),
            false => "what is in them could not be read".into(),
        });
    }
    match (parts.is_empty(), &device.table) {
        (false, _) => parts.join(", "),
        (true, Some(table)) => format!("an empty {} table", table.kind),
        (true, None) => {
            "nothing that is known: no partition table, and no file system that this program or udev knows".into()
        }
    }
}

fn partition(part: &Partition) -> String {
    let name = part.volume.label.as_deref().or(part.part_label.as_deref());
    let name = name.map_or_else(|| format!("partition {}", part.number), str::to_owned);
    let system = part.volume.file_system.as_deref().unwrap_or("unknown");
    format!("{name} ({system}, {})", decimal_size(part.size))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use kraken_flash::card::{Host, Policy, Table, judge, list};

    use super::*;

    /// A stick without partitions, with unknown contents.
    fn stick() -> Device {
        let root = tempfile::tempdir().unwrap();
        let disk = root.path().join("sys/block/sdb");
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        for (file, text) in [
            (disk.join("dev"), "8:16"),
            (disk.join("size"), "60000000"),
            (disk.join("removable"), "1"),
            (
                root.path().join("proc/self/mountinfo"),
                "30 1 0:18 / / rw - nfs4 nas:/pi rw",
            ),
        ] {
            fs::write(file, text).unwrap();
        }
        let mut device = list(&Host::at(root.path())).unwrap().remove(0);
        device.contents_unknown = false;
        device
    }

    #[test]
    fn whatever_is_on_a_device_is_shown_and_an_empty_one_is_not_one_that_could_not_be_read() {
        let empty = stick();
        assert!(holds(&empty).starts_with("nothing that is known"));
        let mut table = empty.clone();
        table.table = Some(Table {
            kind: "gpt".into(),
            id: None,
        });
        assert_eq!(holds(&table), "an empty gpt table");
        for kind in ["ext4", "vfat", "crypto_LUKS", "btrfs", "exfat", "LVM2_member"] {
            let mut whole = empty.clone();
            whole.volume.file_system = Some(kind.into());
            assert_eq!(holds(&whole), format!("{kind} on the whole device, no label"));
            let warned = judge(&whole, &Policy::default()).warnings;
            let warned: Vec<&str> = warned.iter().map(|reason| reason.kind()).collect();
            assert!(warned == ["no-table"] || warned == ["volumes"], "{kind}: {warned:?}");
            whole.volume.label = Some("backup".into());
            assert_eq!(holds(&whole), format!("{kind} on the whole device, named \"backup\""));
        }
        let mut unread = empty.clone();
        unread.contents_unknown = true;
        assert!(holds(&unread).contains("could not be read"), "{}", holds(&unread));
        let warned = judge(&unread, &Policy::default()).warnings;
        assert_eq!(warned.last().map(|reason| reason.kind()), Some("contents-unknown"));
    }
}

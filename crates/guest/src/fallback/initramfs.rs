//! Builds the initramfs, an archive in cpio's `newc` format
//! (Documentation/driver-api/early-userspace/buffer-format of the kernel).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use cpio::newc::{Builder, trailer};

use super::FallbackKernel;
use kraken_disk::Partition;

/// The first process, a shell script.
const INIT: &[u8] = include_bytes!("init");
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const DEVICE: u32 = 0o020_000;

impl FallbackKernel {
    /// Returns the initramfs for a card with these partitions, which `virt` shows as `/dev/vda`.
    pub fn initramfs(&self, partitions: &[Partition]) -> io::Result<Vec<u8>> {
        build(self, partitions)
    }
}

fn build(fallback: &FallbackKernel, partitions: &[Partition]) -> io::Result<Vec<u8>> {
    let mut archive = Archive {
        bytes: Vec::new(),
        inode: 1,
        folders: BTreeSet::new(),
    };
    // The first process needs a console to write to before the kernel has mounted anything.
    archive.folder("dev")?;
    archive.add(
        Builder::new("dev/console")
            .mode(DEVICE | 0o600)
            .rdev_major(5)
            .rdev_minor(1),
        &[],
    )?;
    archive.file("init", INIT, 0o755)?;
    archive.file("bin/busybox", &fallback.busybox, 0o755)?;
    archive.file("bin/sh", &fallback.busybox, 0o755)?;
    archive.file("first", lines(&fallback.first).as_bytes(), 0o644)?;
    archive.file("partitions", table(partitions).as_bytes(), 0o644)?;
    archive.file("last", last(partitions).as_bytes(), 0o644)?;
    for (path, bytes) in &fallback.files {
        archive.file(&format!("modules/{path}"), bytes, 0o644)?;
    }
    trailer(archive.bytes)
}

struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    folders: BTreeSet<String>,
}

impl Archive {
    fn add(&mut self, entry: Builder, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut writer = entry
            .ino(self.inode)
            .nlink(1)
            .write(std::mem::take(&mut self.bytes), length);
        io::Write::write_all(&mut writer, bytes)?;
        self.bytes = writer.finish()?;
        self.inode += 1;
        Ok(())
    }

    /// Adds a folder and those above it. Folders that the archive already has are not added again.
    fn folder(&mut self, path: &str) -> io::Result<()> {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above)?;
        }
        match self.folders.insert(path.to_owned()) {
            true => self.add(Builder::new(path).mode(FOLDER | 0o755), &[]),
            false => Ok(()),
        }
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above)?;
        }
        self.add(Builder::new(path).mode(FILE | mode), bytes)
    }
}

fn lines(list: &[String]) -> String {
    list.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

/// Returns a line for each partition with its PARTUUID and its device. The init script looks
/// partitions up here, since a shell cannot read partition tables.
fn table(partitions: &[Partition]) -> String {
    partitions.iter().fold(String::new(), |mut text, partition| {
        let _ = writeln!(text, "PARTUUID={} /dev/vda{}", partition.partuuid, partition.number);
        text
    })
}

/// Returns the number of the last partition on the disk, if one of the four entries of a master
/// boot record describes it; otherwise an empty string.
fn last(partitions: &[Partition]) -> String {
    let last = partitions.iter().max_by_key(|partition| partition.start);
    // The partition types of a GPT disk are longer than two characters.
    match last.filter(|last| last.kind.len() == 2 && last.number <= 4) {
        Some(last) => format!("{}\n", last.number),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_archive_is_one_that_cpio_reads() {
        let fallback = FallbackKernel {
            named: String::new(),
            kernel: Vec::new(),
            busybox: b"a shell".to_vec(),
            files: BTreeMap::from([("kernel/fs/ext4.ko".to_owned(), b"a module".to_vec())]),
            first: vec!["kernel/fs/ext4.ko".to_owned()],
        };
        let root = Partition {
            number: 2,
            start: 0,
            len: 1,
            kind: "83".to_owned(),
            partuuid: "a1b2c3d4-02".to_owned(),
        };
        let archive = build(&fallback, &[root]).unwrap();
        let mut listing = Vec::new();
        let mut rest = &archive[..];
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
            let entry = reader.entry();
            listing.push((entry.name().to_owned(), entry.mode(), String::from_utf8(bytes).unwrap()));
            rest = reader.finish().unwrap();
        }
        let names: Vec<&str> = listing.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "dev",
                "dev/console",
                "init",
                "bin",
                "bin/busybox",
                "bin/sh",
                "first",
                "partitions",
                "last",
                "modules",
                "modules/kernel",
                "modules/kernel/fs",
                "modules/kernel/fs/ext4.ko"
            ]
        );
        assert_eq!(listing[7].2, "PARTUUID=a1b2c3d4-02 /dev/vda2\n");
        assert_eq!(listing[8].2, "2\n");
        assert_eq!(listing[2].1, 0o100_755);
    }

    #[test]
    fn only_what_a_master_boot_record_lists_last_is_grown() {
        let partition = |number, start, kind: &str| Partition {
            number,
            start,
            len: 512,
            kind: kind.to_owned(),
            partuuid: String::new(),
        };
        let is_last = last;
        assert_eq!(is_last(&[]), "");
        assert_eq!(is_last(&[partition(1, 512, "0c"), partition(2, 1024, "83")]), "2\n");
        assert_eq!(is_last(&[partition(1, 2048, "83"), partition(2, 512, "0c")]), "1\n");
        assert_eq!(is_last(&[partition(1, 512, "0c"), partition(5, 1024, "83")]), "");
        let guid = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        assert_eq!(is_last(&[partition(1, 512, guid), partition(2, 1024, guid)]), "");
    }

    /// Runs the script's own function with the shell and the tools of this machine, on a file in
    /// place of the card.
    #[test]
    fn the_last_partition_grows_to_the_end_of_the_card() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let script = std::str::from_utf8(INIT).unwrap();
        let (_, function) = script.split_once("\ngrow_last() {").unwrap();
        let (body, _) = function.split_once("\n}\n").unwrap();
        let body = body
            .replace("/sys/class/block/", &format!("{}/", at("block").display()))
            .replace("/dev/vda", &at("card").display().to_string())
            .replace("/last", &at("last").display().to_string());
        let script = format!(
            "busybox() {{ if [ \"$1\" = blockdev ]; then : ; else \"$@\"; fi; }}\ngrow_last() {{{body}\n}}\ngrow_last"
        );
        let grow = |card_sectors: u64, size: u32| -> [u8; 512] {
            // A master boot record with a disk ID, an entry for a boot partition, and one for a
            // Linux partition.
            let mut table = [0_u8; 512];
            table[440..444].copy_from_slice(&[0xd4, 0xc3, 0xb2, 0xa1]);
            let entry = |kind: u8, start: u32, len: u32| {
                let mut bytes = [0, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                bytes[8..12].copy_from_slice(&start.to_le_bytes());
                bytes[12..].copy_from_slice(&len.to_le_bytes());
                bytes
            };
            table[446..462].copy_from_slice(&entry(0x0c, 2048, 4096));
            table[462..478].copy_from_slice(&entry(0x83, 6144, size));
            table[510..].copy_from_slice(&[0x55, 0xaa]);
            let put = |name: &str, text: String| {
                let path = at(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            };
            std::fs::write(at("card"), table).unwrap();
            put("last", "2\n".to_owned());
            put("block/vda/size", format!("{card_sectors}\n"));
            put("block/vda2/start", "6144\n".to_owned());
            put("block/vda2/size", format!("{size}\n"));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
            std::fs::read(at("card")).unwrap().try_into().unwrap()
        };
        let length = |table: [u8; 512]| u32::from_le_bytes(table[474..478].try_into().unwrap());
        let grown = grow(16_777_216, 2_000_000);
        assert_eq!(length(grown), 16_777_216 - 6144, "a card of 8 GiB");
        let mut same = grow(2_006_144, 2_000_000);
        assert_eq!(length(same), 2_000_000, "nothing is behind it");
        same[474..478].copy_from_slice(&(16_777_216_u32 - 6144).to_le_bytes());
        assert_eq!(grown, same, "nothing but the length has changed");
        assert_eq!(
            length(grow(10_000_000_000, 2_000_000)),
            u32::MAX,
            "no table of this kind can say more"
        );
    }

    #[test]
    fn the_first_process_is_a_script_that_a_shell_reads() {
        let mut shell = Command::new("sh").args(["-n"]).stdin(Stdio::piped()).spawn().unwrap();
        io::Write::write_all(&mut shell.stdin.take().unwrap(), INIT).unwrap();
        assert!(shell.wait().unwrap().success());
    }
}

//! The initramfs: an archive in cpio's `newc` format (Documentation/driver-api/early-userspace/buffer-format of the kernel).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use cpio::newc::{Builder, trailer};

use super::Spare;
use crate::disk::Partition;

/// What is run first.
const INIT: &[u8] = include_bytes!("init");
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const DEVICE: u32 = 0o020_000;

pub(super) fn build(spare: &Spare, partitions: &[Partition]) -> io::Result<Vec<u8>> {
    let mut archive = Archive {
        bytes: Vec::new(),
        inode: 1,
        folders: BTreeSet::new(),
    };
    // Before the kernel has mounted anything, the first process needs somewhere to write.
    archive.folder("dev")?;
    archive.add(
        Builder::new("dev/console")
            .mode(DEVICE | 0o600)
            .rdev_major(5)
            .rdev_minor(1),
        &[],
    )?;
    archive.file("init", INIT, 0o755)?;
    archive.file("bin/busybox", &spare.busybox, 0o755)?;
    archive.file("bin/sh", &spare.busybox, 0o755)?;
    archive.file("first", lines(&spare.first).as_bytes(), 0o644)?;
    archive.file("partitions", table(partitions).as_bytes(), 0o644)?;
    for (path, bytes) in &spare.files {
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

    /// A folder, and those above it, once.
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

/// What each partition is called, for the init script: shells cannot read tables.
fn table(partitions: &[Partition]) -> String {
    partitions.iter().fold(String::new(), |mut text, partition| {
        let _ = writeln!(text, "PARTUUID={} /dev/vda{}", partition.partuuid, partition.number);
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_archive_is_one_that_cpio_reads() {
        let spare = Spare {
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
        let archive = build(&spare, &[root]).unwrap();
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
                "modules",
                "modules/kernel",
                "modules/kernel/fs",
                "modules/kernel/fs/ext4.ko"
            ]
        );
        assert_eq!(listing[7].2, "PARTUUID=a1b2c3d4-02 /dev/vda2\n");
        assert_eq!(listing[2].1, 0o100_755);
    }

    #[test]
    fn the_first_process_is_a_script_that_a_shell_reads() {
        let mut shell = Command::new("sh").args(["-n"]).stdin(Stdio::piped()).spawn().unwrap();
        io::Write::write_all(&mut shell.stdin.take().unwrap(), INIT).unwrap();
        assert!(shell.wait().unwrap().success());
    }
}

//! Fixtures that several tests share: disk images made with the tools every distribution uses.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests write where they like, and their failure is a panic"
)]

pub mod apt;
pub mod archive;
pub mod cards;
pub mod child;
pub mod damage;
pub mod deb;
pub mod desktop;
pub mod docker;
pub mod golden;
pub mod gpg;
pub mod host_debs;
pub mod images;
pub mod lay;
pub mod loops;
pub mod oci;
pub mod pi_os;
pub mod proxy;
pub mod registry;
pub mod served;
pub mod site;
pub mod swarm;
pub mod tamper;
pub mod tools;
pub mod web;
pub mod world;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The kind of table of a [`TestImage`].
#[derive(Clone, Copy, Debug)]
enum Table {
    Mbr,
    Gpt,
}

/// The start of the first partition: 8 MiB, as on Raspberry Pi OS.
const ALIGN: u64 = 8 << 20;

/// Debian's own mkfs features need no option; pi-gen switches these off.
pub const PI_GEN: &[&str] = &["-O", "^64bit,^huge_file"];

/// Makes images that look like Raspberry Pi OS from the outside: a FAT volume with firmware files,
/// an ext4 volume with a small root tree.
///
/// Needs `sfdisk`, `mkfs.vfat`, `mcopy` and `mkfs.ext4`, and fails with their Debian package names
/// when they are missing.
pub struct TestImage {
    table: Table,
    fat_mib: u64,
    fat: &'static [&'static str],
    root_mib: u64,
    ext4: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    boot_files: Vec<(String, Vec<u8>)>,
}

impl TestImage {
    /// Starts with an MBR, 256 MiB of FAT32, 64 MiB of ext4 as Debian makes it.
    pub fn builder() -> Self {
        let text = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        Self {
            table: Table::Mbr,
            fat_mib: 256,
            fat: &["-F", "32", "-s", "1"],
            root_mib: 64,
            ext4: Vec::new(),
            files: vec![
                text(
                    "etc/os-release",
                    "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=trixie\n",
                ),
                text(
                    "etc/passwd",
                    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
                ),
                text("etc/group", "root:x:0:\nsudo:x:27:\nnogroup:x:65534:\n"),
                text("etc/shadow", "root:*:20000:0:99999:7:::\n"),
                text("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n"),
                text("etc/hostname", "raspberrypi\n"),
                text("usr/lib/os-marker", "here\n"),
                text("var/lib/dpkg/status", ""),
            ],
            boot_files: vec![
                text("config.txt", "arm_64bit=1\nenable_uart=1\n"),
                text("kernel8.img", "not a kernel, but in its place\n"),
                text(
                    "cmdline.txt",
                    "console=serial0,115200 console=tty1 root=PARTUUID=a1b2c3d4-02 rootfstype=ext4 fsck.repair=yes rootwait\n",
                ),
                text("overlays/README", "device tree overlays\n"),
            ],
        }
    }

    /// Uses a master boot record.
    pub fn mbr(mut self) -> Self {
        self.table = Table::Mbr;
        self
    }

    /// Uses a GUID partition table.
    pub fn gpt(mut self) -> Self {
        self.table = Table::Gpt;
        self
    }

    /// Sets the size of the boot volume.
    pub fn fat_mib(mut self, mib: u64) -> Self {
        self.fat_mib = mib;
        self
    }

    /// Uses FAT16 instead of FAT32, as some small boot volumes do.
    pub fn fat16(mut self) -> Self {
        self.fat = &["-F", "16", "-s", "4"];
        self
    }

    /// Sets the size of the root volume.
    pub fn root_mib(mut self, mib: u64) -> Self {
        self.root_mib = mib;
        self
    }

    /// Adds arguments for mkfs.ext4: [`PI_GEN`], `-b 1024`.
    pub fn ext4_features(mut self, arguments: &[&str]) -> Self {
        self.ext4 = arguments.iter().map(|a| (*a).to_owned()).collect();
        self
    }

    /// Adds a file to the root volume (relative path), or replaces the content of one.
    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Adds a file to the boot volume (relative path), or replaces the content of one.
    pub fn boot_file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.boot_files.push((path.to_owned(), bytes.into()));
        self
    }

    /// Makes the image in `dir` and returns its path. The same settings give the same bytes.
    pub fn build(self, dir: &Path) -> PathBuf {
        let image = dir.join("base.img");
        let (boot, root) = (dir.join("boot.fat"), dir.join("root.ext4"));
        let root_start = ALIGN + (self.fat_mib << 20);
        let size = root_start + (self.root_mib << 20) + (1 << 20);
        sparse(&image, size);
        self.partition(&image, root_start / 512);
        self.make_boot(&boot, dir);
        self.make_root(&root, dir);
        for (part, at) in [(&boot, ALIGN), (&root, root_start)] {
            run(Command::new("dd")
                .arg(format!("if={}", part.display()))
                .arg(format!("of={}", image.display()))
                .args(["bs=1M", "conv=notrunc,sparse"])
                .arg(format!("seek={}", at >> 20)));
            std::fs::remove_file(part).expect("removing a part");
        }
        image
    }

    fn partition(&self, image: &Path, root_sector: u64) {
        let (boot, root) = (self.fat_mib * 2048, self.root_mib * 2048);
        let script = match self.table {
            Table::Mbr => format!(
                "label: dos\nlabel-id: 0xa1b2c3d4\nstart={}, size={boot}, type=c\nstart={root_sector}, size={root}, type=83\n",
                ALIGN / 512
            ),
            Table::Gpt => format!(
                "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\nstart={}, size={boot}, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=AAAAAAAA-BBBB-CCCC-DDDD-000000000001\nstart={root_sector}, size={root}, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=AAAAAAAA-BBBB-CCCC-DDDD-000000000002\n",
                ALIGN / 512
            ),
        };
        let file = image.with_extension("sfdisk");
        std::fs::write(&file, script).expect("writing the sfdisk script");
        run(Command::new("sfdisk")
            .args(["-q", "--no-reread", "--no-tell-kernel"])
            .arg(image)
            .stdin(std::fs::File::open(&file).expect("opening the sfdisk script")));
    }

    fn make_boot(&self, volume: &Path, dir: &Path) {
        sparse(volume, self.fat_mib << 20);
        run(Command::new("mkfs.vfat")
            .args(self.fat)
            .args(["-n", "bootfs", "-i", "12345678", "--invariant"])
            .arg(volume));
        let tree = dir.join("boot.tree");
        write_tree(&tree, &self.boot_files);
        let mut names: Vec<PathBuf> = std::fs::read_dir(&tree)
            .expect("listing")
            .map(|e| e.expect("listing").path())
            .collect();
        names.sort();
        run(Command::new("mcopy")
            .args(["-s", "-p", "-m", "-i"])
            .arg(volume)
            .args(names)
            .arg("::/"));
    }

    fn make_root(&self, volume: &Path, dir: &Path) {
        let tree = dir.join("root.tree");
        write_tree(&tree, &self.files);
        for (target, link) in [
            ("usr/lib", "lib"),
            ("hosts", "etc/hosts.link"),
            ("/etc", "etc-absolute"),
        ] {
            let link = tree.join(link);
            if !link.is_symlink() {
                std::os::unix::fs::symlink(target, link).expect("making a link");
            }
        }
        sparse(volume, self.root_mib << 20);
        run(Command::new("mkfs.ext4")
            .env("E2FSPROGS_FAKE_TIME", "1700000000")
            .args(["-q", "-F", "-L", "rootfs", "-U", "01234567-89ab-cdef-0123-456789abcdef"])
            .args(["-E", "hash_seed=01234567-89ab-cdef-0123-456789abcdef,root_owner=0:0"])
            .args(&self.ext4)
            .arg("-d")
            .arg(&tree)
            .arg(volume));
    }
}

fn sparse(path: &Path, size: u64) {
    let file = std::fs::File::create(path).expect("creating a file");
    file.set_len(size).expect("setting its size");
}

fn write_tree(root: &Path, files: &[(String, Vec<u8>)]) {
    for (path, bytes) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("making a directory");
        std::fs::write(path, bytes).expect("writing a file");
    }
}

/// Runs a tool, which must succeed.
pub fn run(command: &mut Command) -> String {
    let output = output(command);
    let said = said(&output);
    assert!(
        output.status.success(),
        "{command:?} failed ({}):\n{said}",
        output.status
    );
    said
}

/// Runs a tool, which must be installed.
pub fn output(command: &mut Command) -> Output {
    // The sbin folders are not on an ordinary user's PATH.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C");
    command.output().unwrap_or_else(|e| {
        panic!("{command:?} could not be started ({e}): install e2fsprogs, dosfstools, mtools, fdisk and gdisk")
    })
}

/// Returns what a tool printed.
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Copies `len` bytes at `start` of an image to a file of their own: a partition for fsck.
pub fn extract(image: &Path, start: u64, len: u64, to: &Path) {
    run(Command::new("dd")
        .arg(format!("if={}", image.display()))
        .arg(format!("of={}", to.display()))
        .args(["bs=1M", "conv=sparse"])
        .arg("iflag=skip_bytes,count_bytes")
        .arg(format!("skip={start}"))
        .arg(format!("count={len}")));
}

/// Runs `e2fsck -fn`, `fsck.fat -n` and the table's own checker on an image with the boot volume at
/// `boot` and the root volume at `root` (start, length).
pub fn fsck(image: &Path, boot: (u64, u64), root: (u64, u64)) {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let (fat, ext4) = (scratch.path().join("fat"), scratch.path().join("ext4"));
    extract(image, boot.0, boot.1, &fat);
    extract(image, root.0, root.1, &ext4);
    run(Command::new("fsck.fat").arg("-n").arg(&fat));
    run(Command::new("e2fsck").args(["-f", "-n"]).arg(&ext4));
    let verified = run(Command::new("sfdisk").arg("--verify").arg(image));
    assert!(verified.contains("No errors detected"), "{verified}");
}

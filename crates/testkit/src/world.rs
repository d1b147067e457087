//! A folder with a `kraken.toml`, a base, a cache and a home of its own, in which the program runs
//! as a user runs it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::archive::TestArchive;
use super::{TestImage, output, run, said};

/// The public key that every `kraken.toml` here names.
pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2IkvLhtZGAtx8CVJvHPRJTQPRjQ4SLmcBWYME me@home";

/// A file of the stand-ins that is far larger than anything the program puts over them.
pub const PROGRAM: &str = "/usr/bin/program";

const STATUS: &str = "Package: cloud-init\nStatus: install ok installed\nArchitecture: all\nVersion: 25.1.4-1\n\n\
    Package: dpkg\nEssential: yes\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.22.21\n\n\
    Package: netplan.io\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.1.2\n\n\
    Package: network-manager\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.52.1\n\n";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nsystemd-timesync:x:991:991::/:/usr/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nsudo:x:27:\nvideo:x:44:\nusers:x:100:\nshadow:x:42:\nsystemd-timesync:x:991:\nnogroup:x:65534:\n";

/// Makes a stand-in for Raspberry Pi OS Trixie: everything that decides which files land on a node,
/// and nothing else. Its root volume has free space.
pub fn trixie() -> TestImage {
    bookworm()
        .file("var/lib/dpkg/status", STATUS)
        .file("usr/lib/systemd/system-generators/cloud-init-generator", "#!/bin/sh\n")
        .file(
            "etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg",
            "datasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n",
        )
        .boot_file("user-data", "#cloud-config\n# nothing\n")
        .boot_file("meta-data", "instance_id: rpios-image\n")
        .boot_file("network-config", "# nothing\n")
}

/// Makes a stand-in for Raspberry Pi OS Bookworm: NetworkManager, and no cloud-init.
pub fn bookworm() -> TestImage {
    let mut elf = vec![0u8; 64];
    elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    elf[18..20].copy_from_slice(&183u16.to_le_bytes());
    let program: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
    TestImage::builder()
        .root_mib(192)
        .file("usr/bin/dpkg", elf)
        .file(PROGRAM.trim_start_matches('/'), program)
        .file("var/lib/dpkg/status", STATUS.replace("cloud-init", "something-else"))
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
        .file(
            "etc/fstab",
            "proc /proc proc defaults 0 0\nPARTUUID=a1b2c3d4-01 /boot/firmware vfat defaults 0 2\n\
             PARTUUID=a1b2c3d4-02 / ext4 defaults,noatime 0 1\n",
        )
        .file("etc/gshadow", "root:*::\nadm:*::\nsudo:*::\n")
        .file("etc/sudoers", "%sudo ALL=(ALL:ALL) ALL\n")
        .file("etc/skel/.profile", "# profile\n")
        .file("usr/share/zoneinfo/Etc/UTC", "TZif2")
        .file("usr/lib/systemd/system/ssh.service", "[Unit]\n")
        .file("usr/lib/systemd/system/NetworkManager.service", "[Unit]\n")
        .file(
            "etc/systemd/system/multi-user.target.wants/NetworkManager.service",
            "[Unit]\n",
        )
}

/// The key of the stand-ins' archive.
const ARCHIVE_KEY: &str = "usr/share/keyrings/test.asc";

/// Returns the image with this archive as its only one.
pub fn with_archive(image: TestImage, archive: &TestArchive) -> TestImage {
    let line = archive.source_line(&format!("/{ARCHIVE_KEY}"));
    with_source(image, &line, archive)
}

/// Returns the image with this line as its list of apt's sources, and with the key of `archive`.
pub fn with_source(image: TestImage, line: &str, archive: &TestArchive) -> TestImage {
    image
        .file("etc/apt/sources.list", line)
        .file(ARCHIVE_KEY, archive.key())
}

/// Adds a package to the image: its paragraph of dpkg's status after `Status`, and its files.
pub fn with_package(image: TestImage, name: &str, paragraph: &str, files: &[&str]) -> TestImage {
    let status = format!("{STATUS}Package: {name}\nStatus: install ok installed\n{paragraph}\n");
    let list = files.iter().fold("/.\n".to_owned(), |list, file| list + file + "\n");
    files
        .iter()
        .fold(image, |image, file| {
            image.file(file.trim_start_matches('/'), "of the image\n")
        })
        .file("var/lib/dpkg/status", status)
        .file(&format!("var/lib/dpkg/info/{name}.list"), list)
}

/// Fills the root volume so that the baked files need a larger one.
pub fn nearly_full(image: TestImage) -> TestImage {
    image.root_mib(64).file("var/ballast", vec![0x5a; 40 << 20])
}

/// The folder.
pub struct World {
    folder: TempDir,
}

impl World {
    /// Makes a cluster of `nodes` on the base that `image` makes.
    pub fn new(nodes: u32, image: TestImage) -> Self {
        let world = Self::without_base(nodes);
        image.build(world.path());
        world
    }

    /// Makes a cluster of `nodes` whose base, `base.img`, does not exist yet.
    pub fn without_base(nodes: u32) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(world.at("home")).unwrap();
        world.spec(nodes, "");
        world
    }

    /// Writes `kraken.toml` again; `more` goes below its tables.
    pub fn spec(&self, nodes: u32, more: &str) {
        // The stand-ins have no package archives: a test that needs packages configures one.
        let docker = match more.contains("[docker]") {
            true => "",
            false => "[docker]\nsource = \"none\"\n",
        };
        let text = format!(
            "[cluster]\nnodes = {nodes}\n[image]\nbase = \"base.img\"\n{docker}[user]\nname = \"kraken\"\nssh-keys = [\"{KEY}\"]\n{more}"
        );
        fs::write(self.at("kraken.toml"), text).unwrap();
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a path in the folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Returns the program, to be run in the folder.
    pub fn program(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("kraken-flash"));
        command
            .current_dir(self.path())
            .env("HOME", self.at("home"))
            .env("KRAKEN_FLASH_CACHE", self.at("cache"))
            .env("KRAKEN_FLASH_STATE", self.at("state"))
            .env_remove("SUDO_UID")
            .env("NO_COLOR", "1");
        command
    }

    /// Runs the program; it may fail, but must not panic.
    pub fn kraken(&self, arguments: &[&str]) -> Output {
        let output = self.program().args(arguments).output().unwrap();
        let said = said(&output);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        output
    }

    /// Runs the program, which must succeed; returns its output.
    pub fn does(&self, arguments: &[&str]) -> String {
        self.ends(arguments, 0)
    }

    /// Runs the program, which must end with this code; returns its output.
    pub fn ends(&self, arguments: &[&str], code: i32) -> String {
        let output = self.kraken(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

/// Returns the names in a folder, sorted; none when there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Permission bits.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A raw image, examined with the tools of the distribution.
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// The boot partition: start and length in bytes.
    pub boot: (u64, u64),
    /// The root partition.
    pub root: (u64, u64),
}

impl Image {
    /// Finds the partitions with sfdisk(8).
    pub fn open(path: &Path) -> Self {
        let mut ask = Command::new("sfdisk");
        ask.arg("--json").arg(path);
        let output = output(&mut ask);
        assert!(output.status.success(), "{}", said(&output));
        let table: Value = serde_json::from_slice(&output.stdout).unwrap();
        let part = |index: usize| {
            let part = &table["partitiontable"]["partitions"][index];
            (
                part["start"].as_u64().unwrap() * 512,
                part["size"].as_u64().unwrap() * 512,
            )
        };
        Self {
            path: path.into(),
            boot: part(0),
            root: part(1),
        }
    }

    /// Checks that partition table, FAT and ext4 are consistent, with the distribution's own
    /// checkers.
    pub fn is_clean(&self) {
        super::fsck(&self.path, self.boot, self.root);
    }

    /// Returns the image in the spelling of mtools.
    pub fn mtools(&self) -> String {
        format!("{}@@{}", self.path.display(), self.boot.0)
    }

    /// Returns a file of the boot volume, read by mtools.
    pub fn boot_file(&self, path: &str) -> Vec<u8> {
        let mut ask = Command::new("mcopy");
        ask.args(["-n", "-i", &self.mtools(), &format!("::{path}"), "-"]);
        let output = output(&mut ask);
        assert!(output.status.success(), "{path}: {}", said(&output));
        output.stdout
    }

    /// Replaces a file of the boot volume, or makes it; by mtools.
    pub fn put_boot(&self, path: &str, bytes: &[u8]) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        run(Command::new("mcopy")
            .args(["-o", "-i", &self.mtools()])
            .arg(file.path())
            .arg(format!("::{path}")));
    }

    /// Returns debugfs(8)'s answer to a request about the root volume.
    pub fn debugfs(&self, request: &str) -> String {
        let said = run(Command::new("debugfs").args(["-R", request]).arg(self.ext4()));
        // It prints its version first, on stderr.
        said.lines()
            .filter(|line| !line.starts_with("debugfs 1."))
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// Changes the root volume with debugfs(8).
    pub fn change(&self, requests: &[String]) {
        for request in requests {
            let said = run(Command::new("debugfs").args(["-w", "-R", request]).arg(self.ext4()));
            let harmless = |line: &&str| {
                let starts = ["debugfs 1.", "Allocated", "Checksum set"];
                line.trim().is_empty() || starts.iter().any(|start| line.starts_with(start))
            };
            let complaint = said.lines().find(|line| !harmless(line));
            assert!(complaint.is_none(), "{request}: {said}");
        }
    }

    /// Replaces a file of the root volume, with these permission bits, owned by this user and
    /// group.
    pub fn put_root(&self, path: &str, bytes: &[u8], mode: u32, owner: u32) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        self.change(&[
            format!("rm {path}"),
            format!("write {} {path}", file.path().display()),
            format!("set_inode_field {path} mode 0100{mode:o}"),
            format!("set_inode_field {path} uid {owner}"),
            format!("set_inode_field {path} gid {owner}"),
        ]);
    }

    /// Returns a file of the root volume, read by debugfs(8).
    pub fn root_file(&self, path: &str) -> Vec<u8> {
        let scratch = tempfile::tempdir().unwrap();
        let to = scratch.path().join("file");
        self.debugfs(&format!("dump {path} {}", to.display()));
        fs::read(&to).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Returns where block `index` of a file of the root volume is in the image, in bytes.
    pub fn root_block(&self, path: &str, index: u64) -> u64 {
        let said = self.debugfs(&format!("bmap {path} {index}"));
        let block: u64 = said.trim().parse().unwrap_or_else(|_| panic!("{path}: {said}"));
        let stats = self.debugfs("stats");
        let size = stats.lines().find_map(|line| line.strip_prefix("Block size:")).unwrap();
        self.root.0 + block * size.trim().parse::<u64>().unwrap()
    }

    fn ext4(&self) -> String {
        format!("{}?offset={}", self.path.display(), self.root.0)
    }
}

//! Copies of the base image, mounted by the kernel, and the image's own dpkg, which runs in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kraken_disk::{Ext4Tree, ImageFile, Layout};
use kraken_fetch::Cache;
use kraken_flash::base::debian;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use tempfile::TempDir;

use testkit::run;
use testkit::tools::require;

/// Returns the composed Debian base, from the cache or made now.
pub(crate) fn base() -> PathBuf {
    require(&[
        ("apt-get", "apt"),
        ("e2fsck", "e2fsprogs"),
        ("mount", "mount"),
        ("qemu-aarch64-static", "qemu-user-static"),
        ("unshare", "util-linux"),
    ]);
    let cache = Cache::open(None).unwrap();
    debian::obtain(
        cache.root(),
        &debian::Release::TRIXIE,
        false,
        Job::new(&Silent, &Interrupt::new()),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

/// A disk image that a test may change.
pub(crate) struct Image {
    pub path: PathBuf,
}

impl Image {
    /// Returns a copy of the base; it has some 890 MiB of free space.
    pub(crate) fn of_base(path: PathBuf) -> Self {
        copy(&base(), &path);
        Self { path }
    }

    pub(crate) fn copy(&self, path: PathBuf) -> Self {
        copy(&self.path, &path);
        Self { path }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::detect(self.disk()).unwrap()
    }

    pub(crate) fn disk(&self) -> Arc<ImageFile> {
        Arc::new(ImageFile::open_read(&self.path).unwrap())
    }

    pub(crate) fn root_tree(&self) -> Ext4Tree {
        self.layout().root_tree(self.disk()).unwrap()
    }

    pub(crate) fn mount(&self, writable: bool) -> Mount {
        let root = self.layout().root;
        let folder = tempfile::tempdir().unwrap();
        let access = if writable { "rw" } else { "ro,noload" };
        run(Command::new("mount")
            .args(["-t", "ext4", "-o"])
            .arg(format!("loop,offset={},sizelimit={},{access}", root.start, root.len))
            .arg(&self.path)
            .arg(folder.path()));
        Mount { folder }
    }

    /// Checks that `e2fsck -fn` finds nothing.
    pub(crate) fn is_clean(&self, folder: &Path) {
        let (root, file) = (self.layout().root, folder.join("root.fs"));
        testkit::extract(&self.path, root.start, root.len, &file);
        run(Command::new("e2fsck").arg("-fn").arg(&file));
        fs::remove_file(file).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp")
        .args(["--sparse=always", "--reflink=auto"])
        .arg(from)
        .arg(to));
}

/// A mounted root volume; unmounted when dropped.
pub(crate) struct Mount {
    folder: TempDir,
}

impl Mount {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the bytes and inodes in use.
    pub(crate) fn used(&self) -> (u64, u64) {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        (
            (stat.f_blocks - stat.f_bfree) * stat.f_frsize,
            stat.f_files - stat.f_ffree,
        )
    }

    /// Runs a program of the image as root of the image, without its interpreters: see
    /// [`IN_THE_IMAGE`].
    pub(crate) fn run(&self, programs: &[&str], debs: &Path) -> String {
        let nothing = self.folder.path().with_extension("nothing");
        fs::write(&nothing, does_nothing()).unwrap();
        run(Command::new("chmod").arg("755").arg(&nothing));
        let said = run(Command::new("unshare")
            .args(["--mount", "bash", "-c", IN_THE_IMAGE, "in-the-image"])
            .arg(self.path())
            .arg(&nothing)
            .arg(debs)
            .args(programs));
        fs::remove_file(nothing).unwrap();
        said
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

/// The oracle is the image's own dpkg, with the image's own version, configuration, accounts and
/// file system. The kernel's emulator runs it. Packages' scripts must not run, because they do not
/// run while an image is built. So during the run, a program that only succeeds is mounted over
/// every interpreter, in a mount namespace of this run, and nothing of it remains in the tree.
const IN_THE_IMAGE: &str = r#"
set -euo pipefail
root=$1 nothing=$2 debs=$3
shift 3
if [ "$(uname -m)" != aarch64 ]; then
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf > /proc/sys/fs/binfmt_misc/register \
    || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] # another test was first
fi
for interpreter in dash bash perl python3.13; do
  [ ! -e "$root/usr/bin/$interpreter" ] || mount --bind "$nothing" "$root/usr/bin/$interpreter"
done
mount --bind "$debs" "$root/mnt"
export PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 TZ=UTC
chroot "$root" /usr/bin/sh -c 'exit 1'
exec chroot "$root" "$@"
"#;

/// Returns an arm64 program that exits with 0: an ELF header, a program header, three instructions
/// (ELF for the Arm 64-bit architecture, 2023Q3).
fn does_nothing() -> Vec<u8> {
    const AT: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // mov x0, #0; mov x8, #93 (exit); svc #0
    let code: Vec<u8> = [0xd280_0000_u32, 0xd280_0ba8, 0xd400_0001]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let size = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0\0".to_vec();
    for word in [AT + HEADERS, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // One segment: loaded, readable, executable.
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, AT, AT, size, size, 0x1_0000_u64] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(code);
    elf
}

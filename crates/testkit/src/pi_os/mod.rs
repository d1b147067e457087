//! Bootable stand-ins for Raspberry Pi OS Lite: a composed Debian with files of this project's own
//! that do the same as Raspberry Pi OS' first boot. Raspberry Pi's own programs, kernel and
//! firmware are not in them.

mod bookworm;
mod initramfs;
mod tree;
mod trixie;

use std::path::Path;
use std::process::Command;

use kraken_fetch::Cache;
use kraken_foundation::Job;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_image::base::debian::{self, Release};

use crate::archive::TestArchive;
use crate::run;
use crate::world::Image;
use initramfs::add_to_initramfs;
use tree::Tree;

/// The two releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PiOs {
    /// NetworkManager without netplan and cloud-init; a first process that restarts,
    /// `fake-hwclock`, a swap file.
    Bookworm,
    /// cloud-init, netplan, compressed swap; the work of the first boot is done in the initramfs.
    Trixie,
}

impl PiOs {
    fn release(self) -> Release {
        match self {
            Self::Bookworm => bookworm::RELEASE,
            Self::Trixie => Release::TRIXIE,
        }
    }

    /// Makes a further archive, as Raspberry Pi has one, with a key of its own.
    pub fn archive(self) -> TestArchive {
        let archive = TestArchive::builder().suite(self.release().suite);
        archive.package("pi-like", "1.0", "").build().serve()
    }

    /// Makes it at `to`. The Debian release is taken from the cache, or composed, once, which takes
    /// minutes and root.
    pub fn make(self, to: &Path, archive: &TestArchive) -> Image {
        crate::tools::require(&[("tune2fs", "e2fsprogs"), ("mcopy", "mtools"), ("debugfs", "e2fsprogs")]);
        let cache = Cache::open(None).unwrap();
        let base = debian::obtain(
            cache.root(),
            &self.release(),
            false,
            Job::new(&Silent, &Interrupt::new()),
        )
        .unwrap_or_else(|error| panic!("{error}"));
        run(Command::new("cp").arg("--sparse=always").arg(&base).arg(to));
        let image = Image::open(to);
        // Features that its mkfs leaves on.
        let root = format!("{}?offset={}", to.display(), image.root.0);
        run(Command::new("tune2fs").args(["-O", "metadata_csum_seed,orphan_file", &root]));
        let mut tree = Tree::new();
        tree.both(&image);
        match self {
            Self::Bookworm => bookworm::system(&mut tree, &image, archive),
            Self::Trixie => trixie::system(&mut tree, &image, archive),
        }
        tree.lay(&image);
        match self {
            Self::Bookworm => add_to_initramfs(&image, bookworm::IN_INITRAMFS),
            Self::Trixie => add_to_initramfs(&image, trixie::IN_INITRAMFS),
        }
        image
    }
}

/// Replaces its kernel by one that does not start on `virt`, as Raspberry Pi's own does not: it has
/// no driver for that machine's disk.
pub fn without_virtio(image: &Image) {
    let modules = image.debugfs("ls -p /usr/lib/modules");
    let release = modules.split('/').find(|word| word.ends_with("-arm64")).unwrap();
    for list in ["modules.dep", "modules.builtin"] {
        let path = format!("/usr/lib/modules/{release}/{list}");
        let text = String::from_utf8(image.root_file(&path)).unwrap();
        let lines: String = text
            .split_inclusive('\n')
            .filter(|line| !line.contains("virtio"))
            .collect();
        image.put_root(&path, lines.as_bytes(), 0o644, 0);
    }
    for name in ["kernel8.img", "initramfs8"] {
        image.put_boot(name, &[0x55; 1 << 20]);
    }
}

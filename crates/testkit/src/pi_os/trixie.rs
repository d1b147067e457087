//! Raspberry Pi OS Lite (Trixie).

use kraken_overlay::Entry;

use super::initramfs::LocalBottom;
use super::tree::Tree;
use crate::archive::TestArchive;
use crate::lay;
use crate::world::Image;

/// The key of its second archive.
const KEY: &str = "/usr/share/keyrings/pi-like.asc";

/// The partition grows, and the disk gets another id, before the system begins.
pub const IN_INITRAMFS: LocalBottom = LocalBottom {
    name: "first_boot",
    text: include_str!("trixie/initramfs-first-boot"),
};

pub fn system(tree: &mut Tree, image: &Image, archive: &TestArchive) {
    tree.program("/usr/lib/pi-like/first-boot", include_str!("trixie/first-boot"));
    tree.program("/usr/lib/pi-like/swap", include_str!("trixie/swap"));
    tree.unit("pi-like-grow", "multi-user.target", include_str!("trixie/grow.service"));
    tree.unit(
        "regenerate_ssh_host_keys",
        "sysinit.target",
        include_str!("trixie/host-keys.service"),
    );
    tree.unit("pi-like-swap", "multi-user.target", include_str!("trixie/swap.service"));
    // Units wait for a first boot (machine-id(5)).
    tree.file("/etc/machine-id", "uninitialized\n");
    // Its cloud-init has neither of the modules that grow.
    tree.file(
        "/etc/cloud/cloud.cfg.d/98_pi-like.cfg",
        "growpart:\n  mode: \"off\"\nresize_rootfs: false\n",
    );
    // The existing account has no shell until it is renamed.
    let passwd = String::from_utf8(image.root_file("/etc/passwd")).unwrap();
    let locked: Vec<String> = passwd
        .lines()
        .map(|line| match line.strip_prefix("pi:") {
            Some(_) => line.rsplit_once(':').unwrap().0.to_owned() + ":/usr/sbin/nologin",
            None => line.to_owned(),
        })
        .collect();
    assert!(locked.iter().any(|line| line.starts_with("pi:")), "{passwd}");
    tree.file("/etc/passwd", locked.join("\n") + "\n");
    tree.file(
        "/etc/apt/sources.list.d/pi-like.sources",
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {KEY}\n",
            archive.uri(),
            archive.suite()
        ),
    );
    tree.put(KEY, Entry::file(archive.key().to_vec(), 0o644, lay::TIME));
}

//! A stand-in for Raspberry Pi OS Lite (Trixie), to boot: the Debian base with files of this project's own that do what Raspberry Pi OS' first
//! boot does. Its own programs, kernel and firmware are not in it.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use cpio::newc::{Builder, trailer};
use kraken_flash::base::{Cache, debian};
use kraken_flash::disk::ImageFile;
use kraken_flash::interrupt::Interrupt;
use kraken_flash::overlay::{Entry, Overlay, Volume};
use kraken_flash::progress::Silent;

use crate::common::archive::TestArchive;
use crate::common::lay;
use crate::common::run;
use crate::common::world::Image;

/// Where the stand-in keeps the key of its second archive.
const KEY: &str = "/usr/share/keyrings/pi-like.asc";

const UNITS: [(&str, &str, &str); 4] = [
    ("pi-like-grow", "multi-user.target", include_str!("pi_os/grow.service")),
    (
        "regenerate_ssh_host_keys",
        "sysinit.target",
        include_str!("pi_os/host-keys.service"),
    ),
    ("pi-like-swap", "multi-user.target", include_str!("pi_os/swap.service")),
    (
        "userconfig",
        "multi-user.target",
        include_str!("pi_os/userconfig.service"),
    ),
];

/// Makes it at `to`. The Debian base must be in the cache. Its second archive, with a key of its own, is `archive`.
pub fn trixie(to: &Path, archive: &TestArchive) -> Image {
    crate::common::qemu::require(&[("tune2fs", "e2fsprogs"), ("mcopy", "mtools"), ("debugfs", "e2fsprogs")]);
    let cache = Cache::open(None).unwrap();
    let base =
        debian::obtain(cache.root(), false, &Silent, &Interrupt::new()).unwrap_or_else(|error| panic!("{error}"));
    run(Command::new("cp").arg("--sparse=always").arg(&base).arg(to));
    let image = Image::open(to);
    // Features that its mkfs leaves on.
    let root = format!("{}?offset={}", to.display(), image.root.0);
    run(Command::new("tune2fs").args(["-O", "metadata_csum_seed,orphan_file", &root]));
    let patch = lay::bake(to, &system(&image, archive));
    patch.apply_to(&ImageFile::open_write(to).unwrap()).unwrap();
    add_to_initramfs(&image);
    image
}

fn system(image: &Image, archive: &TestArchive) -> Overlay {
    let mut overlay = Overlay::new();
    let mut put = |path: &str, entry: Entry| overlay.insert(Volume::Root, lay::path(path), entry);
    let file = |text: &str| Entry::file(text.as_bytes().to_vec(), 0o644, lay::TIME);
    let program = |text: &str| Entry::file(text.as_bytes().to_vec(), 0o755, lay::TIME);
    put("/usr/lib/pi-like/first-boot", program(include_str!("pi_os/first-boot")));
    put("/usr/lib/pi-like/swap", program(include_str!("pi_os/swap")));
    put("/etc/systemd/system/regenerate_ssh_host_keys.service", Entry::absent());
    for old in ["multi-user.target", "sysinit.target"] {
        let link = format!("/etc/systemd/system/{old}.wants/regenerate_ssh_host_keys.service");
        put(&link, Entry::absent());
    }
    for (name, target, text) in UNITS {
        let unit = format!("/usr/lib/systemd/system/{name}.service");
        put(&unit, file(text));
        put(
            &format!("/etc/systemd/system/{target}.wants/{name}.service"),
            Entry::symlink(unit, lay::TIME),
        );
    }
    put(
        "/etc/ssh/sshd_config.d/rename_user.conf",
        file("Banner /usr/share/pi-like/banner\n"),
    );
    put("/usr/share/pi-like/banner", file("No account was made yet.\n"));
    // Its cloud-init has neither of the modules that grow.
    put(
        "/etc/cloud/cloud.cfg.d/98_pi-like.cfg",
        file("growpart:\n  mode: \"off\"\nresize_rootfs: false\n"),
    );
    // The account that is there, locked, until somebody renames it.
    let passwd = String::from_utf8(image.root_file("/etc/passwd")).unwrap();
    let locked: Vec<String> = passwd
        .lines()
        .map(|line| match line.strip_prefix("pi:") {
            Some(_) => line.rsplit_once(':').unwrap().0.to_owned() + ":/usr/sbin/nologin",
            None => line.to_owned(),
        })
        .collect();
    assert!(locked.iter().any(|line| line.starts_with("pi:")), "{passwd}");
    put("/etc/passwd", file(&(locked.join("\n") + "\n")));
    put(
        "/etc/apt/sources.list.d/pi-like.sources",
        file(&format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {KEY}\n",
            archive.uri(),
            archive.suite()
        )),
    );
    put(KEY, Entry::file(archive.key().to_vec(), 0o644, lay::TIME));
    overlay
}

/// Puts a further archive behind those of the initramfs: the kernel unpacks one after the other (Documentation/driver-api/early-userspace).
fn add_to_initramfs(image: &Image) {
    let mut bytes = image.boot_file("/initramfs8");
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
    let order = "/scripts/local-bottom/first_boot \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n";
    let files = [
        ("scripts/local-bottom", 0o040_755, ""),
        ("scripts/local-bottom/ORDER", 0o100_644, order),
        (
            "scripts/local-bottom/first_boot",
            0o100_755,
            include_str!("pi_os/initramfs-first-boot"),
        ),
    ];
    let mut archive = Vec::new();
    for (number, (name, mode, text)) in files.into_iter().enumerate() {
        let entry = Builder::new(name).mode(mode).nlink(1).ino(1_000_000 + number as u32);
        let mut writer = entry.write(archive, u32::try_from(text.len()).unwrap());
        writer.write_all(text.as_bytes()).unwrap();
        archive = writer.finish().unwrap();
    }
    bytes.extend(trailer(archive).unwrap());
    image.put_boot("/initramfs8", &bytes);
}

/// Lets it begin as Raspberry Pi OS Bookworm does: with a first process of its own that restarts.
pub fn begin_as_bookworm(image: &Image) {
    const FIRST: &str = "/usr/lib/raspberrypi-sys-mods/firstboot";
    let mut overlay = Overlay::new();
    let program = Entry::file(include_bytes!("pi_os/firstboot").to_vec(), 0o755, lay::TIME);
    overlay.insert(Volume::Root, lay::path(FIRST), program);
    let line = String::from_utf8(image.boot_file("/cmdline.txt")).unwrap();
    let line = format!("{} quiet init={FIRST}\n", line.trim_end().replace(" resize", ""));
    let line = Entry::file(line.into_bytes(), 0o755, lay::TIME);
    overlay.insert(Volume::Boot, lay::path("/cmdline.txt"), line);
    let patch = lay::bake(&image.path, &overlay);
    patch.apply_to(&ImageFile::open_write(&image.path).unwrap()).unwrap();
}

/// Makes its kernel one that does not start on `virt`, as Raspberry Pi's own does not: no driver for that machine's disk.
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

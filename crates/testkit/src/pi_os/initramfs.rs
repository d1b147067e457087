//! Scripts that a stand-in adds to its initramfs.

use std::io::Write;

use cpio::newc::{Builder, trailer};

use crate::world::Image;

/// A script of the initramfs that runs after the root is mounted.
pub struct LocalBottom {
    pub name: &'static str,
    pub text: &'static str,
}

/// Appends an archive to those of the initramfs: the kernel unpacks one after the other
/// (Documentation/driver-api/early-userspace).
pub fn add_to_initramfs(image: &Image, script: LocalBottom) {
    let mut bytes = image.boot_file("/initramfs8");
    while !bytes.len().is_multiple_of(4) {
        bytes.push(0);
    }
    let path = format!("scripts/local-bottom/{}", script.name);
    let order = format!("/{path} \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n");
    let files = [
        ("scripts/local-bottom", 0o040_755, ""),
        ("scripts/local-bottom/ORDER", 0o100_644, order.as_str()),
        (path.as_str(), 0o100_755, script.text),
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

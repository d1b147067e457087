//! A kernel for cards whose own kernel has no drivers for `virt`, such as that of Raspberry Pi OS.
//! It is Debian's kernel, from the archives that the image trusts, with an initramfs that only
//! mounts the card's root. How the card's own kernel behaves can be seen on an emulated board only.

mod initramfs;
mod modules;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::BootTarget;
use kraken_debian::deb::{Body, DataEntry, Deb, Scratch};
use kraken_fetch::Downloads;
use kraken_foundation::{Context as _, Error, Kind, Result};
use kraken_image::packages::{Fetched, Single, singles};
use kraken_overlay::Content;

/// The largest unpacked module, in bytes.
const MODULE_LIMIT: u64 = 64 << 20;
/// A kernel with drivers for `virt`, and the parts of its initramfs.
pub struct FallbackKernel {
    /// The names and versions of the packages, for the report.
    pub named: String,
    /// The kernel image.
    pub kernel: Vec<u8>,
    busybox: Vec<u8>,
    /// The files below `/lib/modules/RELEASE`, unpacked, by their path.
    files: BTreeMap<String, Vec<u8>>,
    /// The paths of the modules that are loaded first, in the order of loading.
    first: Vec<String>,
}

impl FallbackKernel {
    /// Fetches the kernel as the image of `target` would: from the image's archives, verified with
    /// the image's keys. `mirrors`, `refresh` (whether to ask the archives again, and the time in
    /// seconds since 1970) mean the same as for packages that go into images.
    ///
    /// # Errors
    /// If the packages cannot be fetched or read, or lack a part.
    pub fn fetch(
        target: &BootTarget<'_>,
        mirrors: &BTreeMap<String, String>,
        refresh: bool,
        now: u64,
        downloads: &Downloads<'_>,
    ) -> Result<Self> {
        let root = target.root()?;
        let wanted = [
            Single::Behind {
                meta: "linux-image-arm64",
                begins: "linux-image-",
            },
            Single::Named("busybox-static"),
        ];
        let fetched = singles(&root, &wanted, mirrors, refresh, now, downloads)
            .map_err(|error| unusable(&target.image, error))?;
        let [kernel, busybox] = &fetched[..] else {
            let why = Error::new(Kind::Internal, "one package of two is missing");
            return Err(unusable(&target.image, why));
        };
        Self::read(kernel, busybox, downloads.folder())
    }

    /// Takes the kernel out of the two packages. Large files are unpacked into `scratch`.
    fn read(kernel: &Fetched, busybox: &Fetched, scratch: &Path) -> Result<Self> {
        let mut image = None;
        let mut packed = BTreeMap::new();
        files_of(kernel, scratch, &mut |path, content| {
            if path.starts_with("/boot/vmlinuz-") {
                image = Some(content);
            } else if let Some((_, rest)) = path
                .split_once("/lib/modules/")
                .and_then(|(_, rest)| rest.split_once('/'))
            {
                packed.insert(rest.to_owned(), content);
            }
        })?;
        let mut shell = None;
        files_of(busybox, scratch, &mut |path, content| {
            if path == "/bin/busybox" || path == "/usr/bin/busybox" {
                shell = Some(content);
            }
        })?;
        let lacks = |package: &Fetched, what: &str| {
            let why = Error::new(Kind::Damaged, format!("{} has no {what}", package.named));
            unusable(&package.path, why)
        };
        let image = image.ok_or_else(|| lacks(kernel, "kernel"))?;
        let shell = shell.ok_or_else(|| lacks(busybox, "busybox"))?;
        let bytes = |content: &Content| -> Result<Vec<u8>> {
            content
                .read()
                .map(std::borrow::Cow::into_owned)
                .doing("reading a package laid out in", scratch)
        };
        let Modules { files, first } = choose(&packed, &kernel.path, &bytes)?;
        Ok(Self {
            named: format!("{} and {}", kernel.named, busybox.named),
            kernel: bytes(&image)?,
            busybox: bytes(&shell)?,
            files,
            first,
        })
    }
}

/// Says why there is no kernel for `image`, or in the package at that path.
fn unusable(image: &Path, why: Error) -> Error {
    let text = format!(
        "fetching a kernel for `virt`, since that of {} has no drivers for it: {why}; a board needs none (--machine raspi3b, or raspi2b for a 32-bit image)",
        image.display()
    );
    why.context(text)
}

/// The modules of the initramfs.
struct Modules {
    /// The unpacked files, by their path below `/lib/modules/RELEASE`.
    files: BTreeMap<String, Vec<u8>>,
    /// The paths of those that are loaded first, in the order of loading.
    first: Vec<String>,
}

/// Returns the modules that are wanted and all modules that these need, unpacked and without the
/// ending of the compression in their names, and the paths of those that are loaded first.
fn choose(
    packed: &BTreeMap<String, Content>,
    package: &Path,
    bytes: &dyn Fn(&Content) -> Result<Vec<u8>>,
) -> Result<Modules> {
    let by_name: BTreeMap<String, &String> = packed
        .keys()
        .filter_map(|path| Some((modules::name_of(path)?, path)))
        .collect();
    let below = |path: &str| path.strip_prefix("kernel/").is_some_and(modules::is_wanted);
    let mut open: Vec<String> = by_name
        .iter()
        .filter(|(_, path)| below(path))
        .map(|(name, _)| name.clone())
        .collect();
    let mut needs = BTreeMap::new();
    let mut unpacked: BTreeMap<String, (String, Vec<u8>)> = BTreeMap::new();
    while let Some(name) = open.pop() {
        let Some(path) = by_name.get(&name).filter(|_| !needs.contains_key(&name)) else {
            continue;
        };
        let module = unpack(path, bytes(&packed[*path])?).doing("unpacking a module of", package)?;
        let its = modules::needs(&module);
        open.extend(its.iter().cloned());
        needs.insert(name.clone(), its);
        let plain = path.split(".ko").next().unwrap_or(path);
        unpacked.insert(name, (format!("{plain}.ko"), module));
    }
    let first = modules::first(&needs)
        .iter()
        .filter_map(|name| unpacked.get(name).map(|(path, _)| path.clone()))
        .collect();
    let mut files: BTreeMap<String, Vec<u8>> = unpacked.into_values().collect();
    // depmod(8) needs the lists of what is built in.
    for list in ["modules.builtin", "modules.builtin.modinfo"] {
        if let Some(content) = packed.get(list) {
            files.insert(list.to_owned(), bytes(content)?);
        }
    }
    Ok(Modules { files, first })
}

/// Unpacks a module by the ending of its name.
fn unpack(path: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let reader: Box<dyn Read> = match path.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(&bytes[..])),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(&bytes[..])?),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(&bytes[..])),
        _ => return Ok(bytes),
    };
    let mut module = Vec::new();
    reader.take(MODULE_LIMIT).read_to_end(&mut module)?;
    Ok(module)
}

/// Calls `take` with the path and the content of each regular file of a package.
fn files_of(package: &Fetched, scratch: &Path, take: &mut dyn FnMut(&str, Content)) -> Result<()> {
    let mut sink = Scratch::new(scratch).doing("making a temporary file in", scratch)?;
    let failed = |error| unusable(&package.path, error);
    let deb = Deb::open(&package.path).map_err(failed)?;
    deb.files(&mut sink, &mut |entry: DataEntry| {
        if let Body::File { content, .. } = entry.body {
            take(entry.path.as_str(), content);
        }
        Ok(())
    })
    .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_with_what_they_need() {
        let module = |needs: &str| Content::Bytes(format!("\0depends={needs}\0").into_bytes().into());
        let mut packed: BTreeMap<String, Content> = BTreeMap::new();
        for (path, needs) in [
            ("kernel/drivers/block/virtio_blk.ko", ""),
            ("kernel/fs/ext4/ext4.ko", "jbd2,crc16"),
            ("kernel/fs/jbd2/jbd2.ko", ""),
            ("kernel/sound/snd.ko", ""),
        ] {
            packed.insert(path.to_owned(), module(needs));
        }
        packed.insert(
            "modules.builtin".to_owned(),
            Content::Bytes(b"kernel/lib/crc16.ko\n"[..].into()),
        );
        let bytes = |content: &Content| Ok(content.read().unwrap().into_owned());
        let Modules { files, first } = choose(&packed, Path::new("x.deb"), &bytes).unwrap();
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            [
                "kernel/drivers/block/virtio_blk.ko",
                "kernel/fs/ext4/ext4.ko",
                "kernel/fs/jbd2/jbd2.ko",
                "modules.builtin"
            ]
        );
        assert_eq!(
            first,
            [
                "kernel/drivers/block/virtio_blk.ko",
                "kernel/fs/jbd2/jbd2.ko",
                "kernel/fs/ext4/ext4.ko"
            ]
        );
    }
}

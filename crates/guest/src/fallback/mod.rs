//! A kernel for cards whose own has no drivers for `virt`, as Raspberry Pi OS's has none: Debian's, from the archives that the image trusts,
//! with an initramfs that does no more than mount the card's root. What the card's own kernel would do, only a board shows.

mod initramfs;
mod modules;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

use super::error::io_error;
use super::{BootError, BootTarget};
use kraken_debian::deb::{Body, DataEntry, Deb, DebError, Scratch};
use kraken_fetch::Downloads;
use kraken_image::packages::{Fetched, PackagesError, Single, singles};
use kraken_overlay::Content;

/// A module larger than this is none, unpacked, in bytes.
const MODULE_LIMIT: u64 = 64 << 20;
/// A kernel with drivers for `virt`, and what its initramfs is made of.
pub struct FallbackKernel {
    /// The packages, in words.
    pub named: String,
    /// The kernel image's bytes.
    pub kernel: Vec<u8>,
    busybox: Vec<u8>,
    /// Path below `/lib/modules/RELEASE` → bytes, unpacked.
    files: BTreeMap<String, Vec<u8>>,
    /// Those that are loaded first, in order.
    first: Vec<String>,
}

impl FallbackKernel {
    /// Fetches it as the image of `subject` would: from its archives, proven by its keys; `mirrors` and `fresh` (ask the archives again; seconds
    /// since 1970) as for packages that go into images.
    ///
    /// # Errors
    /// [`BootError`].
    pub fn fetch(
        target: &BootTarget<'_>,
        mirrors: &BTreeMap<String, String>,
        fresh: (bool, u64),
        downloads: &Downloads<'_>,
    ) -> Result<Self, BootError> {
        let root = target.root()?;
        let failed = |source: PackagesError| BootError::FallbackKernel {
            image: target.image.clone(),
            source: Box::new(source),
        };
        let wanted = [
            Single::Behind {
                meta: "linux-image-arm64",
                begins: "linux-image-",
            },
            Single::Named("busybox-static"),
        ];
        let fetched = singles(&root, &wanted, mirrors, fresh, downloads).map_err(failed)?;
        let [kernel, busybox] = &fetched[..] else {
            return Err(BootError::FallbackKernel {
                image: target.image.clone(),
                source: "one package of two is missing".into(),
            });
        };
        Self::read(kernel, busybox, downloads.folder())
    }

    /// Takes it out of the two packages; what is large is put into `scratch` for the time.
    fn read(kernel: &Fetched, busybox: &Fetched, scratch: &Path) -> Result<Self, BootError> {
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
        let lacks = |package: &Fetched, what: &str| BootError::FallbackKernel {
            image: package.path.clone(),
            source: format!("{} has no {what}", package.named).into(),
        };
        let image = image.ok_or_else(|| lacks(kernel, "kernel"))?;
        let shell = shell.ok_or_else(|| lacks(busybox, "busybox"))?;
        let bytes = |content: &Content| -> Result<Vec<u8>, BootError> {
            content
                .read()
                .map(std::borrow::Cow::into_owned)
                .map_err(io_error("reading a package laid out in", scratch))
        };
        let (files, first) = choose(&packed, &kernel.path, &bytes)?;
        Ok(Self {
            named: format!("{} and {}", kernel.named, busybox.named),
            kernel: bytes(&image)?,
            busybox: bytes(&shell)?,
            files,
            first,
        })
    }
}

type Chosen = (BTreeMap<String, Vec<u8>>, Vec<String>);

/// The modules that are wanted, with all that they need, unpacked and under names without an ending for the packing; and which are loaded first.
fn choose(
    packed: &BTreeMap<String, Content>,
    package: &Path,
    bytes: &dyn Fn(&Content) -> Result<Vec<u8>, BootError>,
) -> Result<Chosen, BootError> {
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
        let module = unpack(path, bytes(&packed[*path])?).map_err(io_error("unpacking a module of", package))?;
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
    // depmod(8) wants to know what is built in.
    for list in ["modules.builtin", "modules.builtin.modinfo"] {
        if let Some(content) = packed.get(list) {
            files.insert(list.to_owned(), bytes(content)?);
        }
    }
    Ok((files, first))
}

/// A module, unpacked by the ending of its name.
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

/// The regular files of a package.
fn files_of(package: &Fetched, scratch: &Path, take: &mut dyn FnMut(&str, Content)) -> Result<(), BootError> {
    let failed = |source: DebError| BootError::FallbackKernel {
        image: package.path.clone(),
        source: Box::new(source),
    };
    let mut sink = Scratch::new(scratch).map_err(io_error("making a temporary file in", scratch))?;
    let deb = Deb::open(&package.path).map_err(failed)?;
    deb.files(&mut sink, &mut |entry: DataEntry| {
        if let Body::File { content, .. } = entry.body {
            take(entry.path.as_str(), content);
        }
        Ok::<_, DebError>(())
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
        let (files, first) = choose(&packed, Path::new("x.deb"), &bytes).unwrap();
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

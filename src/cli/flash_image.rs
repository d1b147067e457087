//! `kraken-flash flash-image FILE DEVICE`: writes any disk image, packed or not, with the same
//! guard.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kraken_disk::{ImageFile, ReadAt, UsedMap};
use kraken_fetch::Format;
use kraken_flash::card::{
    Contents, ExpectedExtent, ImageSource, MappedExtent, Source, StreamSource, compare_map, data_in, decimal_size,
    left_out, map_extents,
};
use kraken_flash::output::{BMAP_BLOCK, Bmap, BmapRange};

use super::card_chosen::{self, CardArgs};
use super::{Failure, Session, access, card, text};

/// The largest block map that is read, in bytes; a larger file is not a block map.
const MAP_LIMIT: u64 = 256 << 20;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image: .img, or packed as .xz, .zst, .gz or .zip; a block map beside it (.bmap) is used
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The card, a whole block device as `kraken-flash devices` lists it
    #[arg(value_name = "DEVICE")]
    device: PathBuf,
    #[command(flatten)]
    card: CardArgs,
    /// Print the receipt as JSON
    #[arg(long, conflicts_with = "dry_run")]
    json: bool,
}

impl Args {
    /// Checks that the image is named before the card.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_device = |path: &Path| fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
        match is_device(&self.file) && !is_device(&self.device) {
            true => Err(format!(
                "{} is a device: the image is named first, and then the card: flash-image {} {}",
                self.file.display(),
                self.device.display(),
                self.file.display()
            )),
            false => Ok(()),
        }
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let map = block_map(&args.file)?;
    let stream = kraken_fetch::stream(&args.file)?;
    let size = stream.size.or(map.as_ref().map(|map| map.image_size));
    if let (Some(size), Some(map)) = (stream.size, &map)
        && size != map.image_size
    {
        return Err(Failure::message(format!(
            "{} has {size} bytes, and its block map says {}: they do not belong together; remove the map, or get the right one",
            args.file.display(),
            map.image_size
        )));
    }
    // Not every packed format records the image's size; the partition table says how large it is at
    // least.
    let needed = size.or(Some(stream.least));
    let chosen = card_chosen::choose(std::slice::from_ref(&args.device), &args.card, needed)?;
    if !args.card.is_dry_run() {
        access::may_write(&chosen)?;
    }
    let failed = |error| Failure::message(format!("reading {}: {error}", args.file.display()));
    let mut extents = map.as_ref().map(extents_of);
    // An image that can be read at any position is compared with its map before the user is asked.
    let image = match stream.format {
        Format::Raw => Some(Arc::new(ImageFile::open_read(&args.file).map_err(failed)?)),
        _ => None,
    };
    if let (Some(image), Some(extents)) = (&image, &mut extents) {
        fit_map(session, args, image, extents)?;
    }
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let name = text::printable(&name);
    card::confirm(session, &chosen, std::slice::from_ref(&name), &args.card)?;
    if args.card.is_dry_run() {
        return Ok(());
    }
    let contents = Contents {
        file: Some(args.file.clone()),
        ..Contents::default()
    };
    let write = |source: &mut dyn Source| {
        let label = format!("{name} → {}", chosen[0].device.path.display());
        card::write(session, &chosen[0], source, contents.clone(), &label, &args.card)
    };
    let written = match image {
        Some(image) => {
            let mut source = match extents {
                Some(extents) => ImageSource::of_extents(&*image, extents),
                None => ImageSource::of_image(&*image, &used(image.clone())),
            };
            write(&mut source)?
        }
        None => {
            let mut source = StreamSource::new(stream.bytes, size, extents).likely(stream.least);
            let written = write(&mut source)?;
            say_besides(session, source.unmapped());
            written
        }
    };
    if let Some(words) = stream.tail.words(stream.format) {
        session.progress.note(&format!("{name}: {words}"));
    }
    if args.json {
        let mut receipt = written.receipt;
        receipt.extents.clear();
        return text::json(out, &receipt);
    }
    if !session.global.quiet {
        out.write_all(card::done(&written, &name, &chosen[0].device.path).as_bytes())?;
    }
    Ok(())
}

/// Compares a raw image with its map, and adds to the map's ranges those that the image's own file
/// systems use besides.
fn fit_map(
    session: &Session,
    args: &Args,
    image: &Arc<ImageFile>,
    extents: &mut Vec<ExpectedExtent>,
) -> Result<(), Failure> {
    let total = extents.iter().map(|extent| extent.end - extent.start).sum();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::Stopped("interrupted; nothing was written".into()),
        _ => Failure::message(format!("reading {}: {error}; nothing was written", args.file.display())),
    };
    let task = session
        .progress
        .task("comparing the image with its block map", Some(total));
    compare_map(&**image, extents, &*task, &session.interrupt).map_err(failed)?;
    drop(task);
    let besides = left_out(&used(image.clone()), extents, image.size());
    say_besides(
        session,
        data_in(&**image, &besides, &session.interrupt).map_err(failed)?,
    );
    extents.extend(besides);
    extents.sort_by_key(|extent| extent.start);
    Ok(())
}

/// Prints a note when a map leaves out ranges that contain data.
fn say_besides(session: &Session, bytes: u64) {
    if bytes > 0 {
        session.progress.note(&format!(
            "note: the block map leaves out {} that are not empty; they are written as well",
            decimal_size(bytes)
        ));
    }
}

/// Returns the ranges that the image's own file systems use, or the whole image where that is
/// unknown.
fn used(image: Arc<ImageFile>) -> UsedMap {
    let all = 0..image.size();
    UsedMap::of(image).unwrap_or_else(|_| UsedMap::from_ranges([all]))
}

/// Reads the block map beside an image, or the one beside the raw image that a packed file
/// contains.
fn block_map(image: &Path) -> Result<Option<Bmap>, Failure> {
    let name = image.as_os_str().to_string_lossy().into_owned();
    let raw = [".xz", ".zst", ".gz", ".zip"]
        .iter()
        .find_map(|end| name.strip_suffix(end));
    let beside = |name: &str| PathBuf::from(format!("{name}.bmap"));
    let Some(path) = [Some(beside(&name)), raw.map(beside)]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
    else {
        return Ok(None);
    };
    let failed = |why: String| {
        Failure::message(format!(
            "reading {}: {why}; remove it to write the whole image",
            path.display()
        ))
    };
    let length = fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    if length > MAP_LIMIT {
        return Err(failed("it is too large to be a block map".into()));
    }
    let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
    let map = Bmap::parse(&text).map_err(|error| failed(error.to_string()))?;
    // Without it the beginning of the card would stay empty.
    match map.ranges.first().is_some_and(|range| range.first == 0) {
        true => Ok(Some(map)),
        false => Err(failed(
            "it leaves out the image's first block, where the partition table is".into(),
        )),
    }
}

/// The map's ranges.
fn extents_of(map: &Bmap) -> Vec<ExpectedExtent> {
    let bytes = |block: u64| block * BMAP_BLOCK;
    let range = |range: &BmapRange| MappedExtent {
        start: bytes(range.first),
        end: bytes(range.last + 1).min(map.image_size),
        sha256: range.sha256,
    };
    map_extents(map.ranges.iter().map(range))
}

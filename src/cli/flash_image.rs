//! `kraken-flash flash-image FILE DEVICE`: writes any image of a disk, packed or not, with the same guard.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kraken_flash::base::{self, Format};
use kraken_flash::card::{Contents, Cut, ImageSource, Source, StreamSource};
use kraken_flash::disk::{ImageFile, ReadAt, UsedMap};
use kraken_flash::output::{BMAP_BLOCK, Bmap, BmapRange};

use super::card::{self, CardArgs};
use super::{Failure, Session, door, text};

/// A block map larger than this is not one of ours, in bytes.
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

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let map = block_map(&args.file)?;
    let stream = base::stream(&args.file)?;
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
    // Not every packing says how large the image is; its partition table says how large at least.
    let needed = size.or(Some(stream.least));
    let chosen = card::choose(std::slice::from_ref(&args.device), &args.card, needed)?;
    if !args.card.is_dry_run() {
        door::may_write(&chosen)?;
    }
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let name = text::printable(&name);
    card::confirm(session, &chosen, std::slice::from_ref(&name), &args.card)?;
    if args.card.is_dry_run() {
        return Ok(());
    }
    let what = Contents {
        file: Some(args.file.clone()),
        ..Contents::default()
    };
    let cuts = map.map(|map| cuts_of(&map));
    let failed = |error| Failure::message(format!("reading {}: {error}", args.file.display()));
    let write = |source: &mut dyn Source| {
        let label = format!("{name} → {}", chosen[0].device.path.display());
        card::write(session, &chosen[0], (source, what.clone()), &label, &args.card)
    };
    let written = match stream.format {
        Format::Raw => {
            let image = Arc::new(ImageFile::open_read(&args.file).map_err(failed)?);
            let mut source = match cuts {
                Some(cuts) => ImageSource::of_cuts(&*image, cuts),
                None => ImageSource::of_image(&*image, &used(image.clone())),
            };
            write(&mut source)?
        }
        _ => write(&mut StreamSource::new(stream.bytes, size, cuts).likely(stream.least))?,
    };
    if args.json {
        let mut receipt = written.receipt;
        receipt.pieces.clear();
        return text::json(out, &receipt);
    }
    if !session.global.quiet {
        out.write_all(card::done(&written, &name, &chosen[0].device.path).as_bytes())?;
    }
    Ok(())
}

/// What is in use, by the image's own file systems; all of it where that cannot be told.
fn used(image: Arc<ImageFile>) -> UsedMap {
    let all = 0..image.size();
    UsedMap::of(image).unwrap_or_else(|_| UsedMap::from_ranges([all]))
}

/// The block map beside an image, or beside the raw image that a packed one has in it.
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
    Bmap::parse(&text).map(Some).map_err(|error| failed(error.to_string()))
}

/// The map's ranges.
fn cuts_of(map: &Bmap) -> Vec<Cut> {
    let bytes = |block: u64| block * BMAP_BLOCK;
    let range = |range: &BmapRange| {
        let end = bytes(range.last + 1).min(map.image_size);
        (bytes(range.first)..end, range.sha256.clone())
    };
    kraken_flash::card::cuts(map.ranges.iter().map(range))
}

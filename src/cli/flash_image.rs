//! `kraken-flash flash-image FILE DEVICE`: writes any disk image, packed or not, with the same
//! guard.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use kraken_flash::card::{Contents, FileImage, access, decimal_size};

use super::card::{self, Question};
use super::card_args::CardArgs;
use super::{Failure, Session, text};

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
    let image = FileImage::open(&args.file)?;
    let chosen = card::choose(std::slice::from_ref(&args.device), &args.card, Some(image.needed()))?;
    if !args.card.is_dry_run() {
        access::may_write(&chosen)?;
    }
    let mut source = image
        .into_source(session.job())
        .map_err(|error| match error.is_interrupted() {
            true => Failure::Stopped("interrupted; nothing was written".into()),
            false => error.into(),
        })?;
    let before = source.left_out_by_map();
    say_left_out(session, before);
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let name = text::printable(&name);
    let question = Question {
        card: &chosen[0],
        becomes: name.clone(),
        note: None,
    };
    card::confirm(session, &[question], &args.card)?;
    if args.card.is_dry_run() {
        return Ok(());
    }
    let contents = Contents {
        file: Some(args.file.clone()),
        ..Contents::default()
    };
    let label = format!("{name} → {}", chosen[0].path().display());
    let flashed = card::write(session, &chosen[0], &mut source, contents, label, &args.card)?;
    say_left_out(session, source.left_out_by_map() - before);
    if let Some(words) = source.tail() {
        session.progress.note(&format!("{name}: {words}"));
    }
    if args.json {
        let mut receipt = flashed.receipt;
        receipt.extents.clear();
        return text::json(out, &receipt);
    }
    if !session.global.quiet {
        out.write_all(card::done(&flashed, &name, chosen[0].path()).as_bytes())?;
    }
    Ok(())
}

/// Prints a note when a map leaves out ranges that contain data.
fn say_left_out(session: &Session, bytes: u64) {
    if bytes > 0 {
        session.progress.note(&format!(
            "note: the block map leaves out {} that are not empty; they are written as well",
            decimal_size(bytes)
        ));
    }
}

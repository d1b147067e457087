//! Writes one image to one card through the library: `cargo run --example flash -- IMAGE DEVICE`.
//! `--not-removable` behind it allows a device that is not a card, such as a loop device.

use std::error::Error;
use std::io::stdin;
use std::path::PathBuf;
use std::process::ExitCode;

use kraken_flash::card::access::{self, FlashOptions};
use kraken_flash::card::{Contents, FileImage, Host, Policy};
use kraken_flash::project::Job;

fn main() -> ExitCode {
    match flash() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn flash() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(image), Some(device)) = (arguments.next(), arguments.next()) else {
        return Err("usage: flash IMAGE DEVICE [--not-removable]".into());
    };
    let job = Job::silent();
    let file = FileImage::open(&image)?;

    // The guard: it refuses what is in use, what is too small, and what is not a card.
    let policy = Policy {
        needed: Some(file.needed()),
        allow_fixed: arguments
            .next()
            .is_some_and(|option| option.as_os_str() == "--not-removable"),
        ..Policy::default()
    };
    let cards = access::choose(&Host::system(), &[device], &policy)?;
    access::may_write(&cards)?;
    // Compares the image with the block map beside it, before anything is lost.
    let mut source = file.into_source(job)?;

    let card = &cards[0];
    println!("All that is on {} will be lost. Type yes:", card.path().display());
    card.warnings().iter().for_each(|warning| println!("  note: {warning}"));
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if answer.trim() != "yes" {
        return Err("nothing was written".into());
    }
    // It writes only what is still the device that was chosen, and reads all of it back.
    let contents = Contents {
        file: Some(image),
        ..Contents::default()
    };
    let flashed = access::flash(card, &mut source, contents, &FlashOptions::default(), job)?;
    println!(
        "{} bytes written; receipt: {}",
        flashed.receipt.bytes,
        flashed.kept?.display()
    );
    Ok(())
}

//! `make bench`: how fast images are made, each measurement compared with the tool that a user
//! would use instead.
//!
//! Arguments choose parts by name (`make bench PARTS="raw patches"`); without any, all parts that
//! need no emulator are measured. Environment: `KRAKEN_BENCH_BASE` is a raw base image (else the
//! cached `debian` base), `KRAKEN_BENCH_DIR` the folder to work in (some 20 times the base's size
//! in used bytes; else the target folder), `KRAKEN_BENCH_ROUNDS` the number of rounds (else 3).

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests write where they like, and their failure is a panic"
)]

mod cold;
mod debs;
mod docker;
mod first_boot;
mod memory;
mod patches;
mod raw;
mod reflink;
mod rounds;
mod setting;
mod table;

use std::error::Error;
use std::process::ExitCode;

use setting::Setting;
use table::Table;

/// The errors of a benchmark are text for the person who runs it.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

type Part = fn(&Setting, &mut Table) -> Result<()>;

const PARTS: &[(&str, Part)] = &[
    ("raw", raw::measure),
    ("reflink", reflink::measure),
    ("patches", patches::measure),
    ("cold", cold::measure),
    ("docker", docker::measure),
    ("first-boot", first_boot::measure),
];

/// Parts that are measured only when they are named: emulators take many minutes, and need a
/// machine without other work.
const ONLY_BY_NAME: &[&str] = &["first-boot"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| PARTS.iter().all(|(part, _)| part != name)) {
        let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no part \"{unknown}\"; there are {}", names.join(", ")).into());
    }
    let setting = Setting::prepare()?;
    print!("{}", setting.describe()?);
    let mut table = Table::default();
    for (name, part) in PARTS {
        let chosen = match wanted.is_empty() {
            true => !ONLY_BY_NAME.contains(name),
            false => wanted.iter().any(|wanted| wanted == name),
        };
        if chosen {
            eprintln!("bench: {name}, load {}", setting::load());
            part(&setting, &mut table)?;
        }
    }
    println!("\nload at the end: {}\n\n{}", setting::load(), table.render());
    Ok(())
}

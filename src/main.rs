//! The `kraken-flash` program: a thin binary over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kraken_flash::cli::run()
}

//! `kraken-flash schema`: prints the JSON schema of `kraken.toml`, for editors.

use std::io::Write;

use kraken_flash::spec;

use super::CliError;

/// Prints the schema.
pub fn run(out: &mut dyn Write) -> Result<(), CliError> {
    out.write_all(spec::schema().as_bytes())?;
    Ok(())
}

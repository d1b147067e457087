//! `kraken-flash schema`: prints the JSON schema of `kraken.toml`, for editors.

use std::io::Write;

use super::Failure;

/// Prints the schema.
pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    out.write_all(kraken_spec::schema().as_bytes())?;
    Ok(())
}

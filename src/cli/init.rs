//! `kraken-flash init`: writes a commented `kraken.toml`.

use std::path::Path;

use kraken_flash::workspace::{self, CONFIG};

use super::{CliError, Global, say};

/// Writes the file that `--config` names, or `./kraken.toml`; never over another.
pub fn run(global: &Global) -> Result<(), CliError> {
    let path = global.config.as_deref().unwrap_or(Path::new(CONFIG));
    workspace::init(path)?;
    say(
        global,
        &format!("wrote {}; `kraken-flash plan` shows what it makes", path.display()),
    );
    Ok(())
}

//! `kraken-flash init`: writes a commented `kraken.toml`.

use std::path::Path;

use kraken_flash::workspace::{self, CONFIG};

use super::{Failure, Session, say};

/// Writes the file that `--config` names, or `./kraken.toml`; never over another.
pub(super) fn run(session: &Session) -> Result<(), Failure> {
    let path = session.global.config.as_deref().unwrap_or(Path::new(CONFIG));
    workspace::init(path)?;
    say(
        session,
        &format!("wrote {}; `kraken-flash plan` shows what it makes", path.display()),
    );
    Ok(())
}

//! `kraken-flash fetch`: gets everything that a later `build` needs, so that it works offline.

use std::io::Write;

use kraken_flash::base;
use kraken_flash::workspace::MissingKeys;

use super::load::{self, BaseArgs};
use super::{Failure, Session, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    base: BaseArgs,
    /// Print what was got as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut image = load::load(session, MissingKeys::Leave)?.workspace.cluster.image;
    args.base.apply(&mut image)?;
    let base = base::obtain(&image, &args.base.options(), &*session.progress, &session.interrupt)?;
    if args.json {
        return text::json(
            out,
            &serde_json::json!({
                "base": base.origin, "raw": base.raw, "size": base.size,
                "sha256": base.raw_sha256, "download-sha256": base.download_sha256,
            }),
        );
    }
    if !session.global.quiet {
        writeln!(
            out,
            "{}: {}, SHA-256 {}",
            text::printable(&base.origin),
            text::size(base.size),
            base.raw_sha256
        )?;
        writeln!(out, "{}", base.raw.display())?;
    }
    Ok(())
}

//! `kraken-flash fetch`: downloads everything that a later `build` needs, so that it works offline.

use std::io::Write;

use kraken_flash::project::{self, Wanted};
use kraken_spec::workspace::MissingKeys;

use super::load::{self, BaseArgs};
use super::{Failure, Session, say, tables, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    base: BaseArgs,
    /// Ask the package archives again, and move kraken.lock on to what they have now
    #[arg(long, conflicts_with = "offline")]
    update: bool,
    /// Print what was got as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut project = load::load(session, MissingKeys::Leave)?.project;
    args.base.apply(&mut project.workspace.cluster.image)?;
    let options = args.base.options();
    let base = project.base(&options, session.job())?;
    let wanted = Wanted {
        options: &options,
        update: args.update,
        makes_images: false,
    };
    let selection = project.packages(&base, &wanted, session.job())?;
    // The user may want another version, or other options, so what was fetched stays.
    for refused in selection
        .iter()
        .flat_map(|ready| project::docker_refuses(project.cluster(), &project.assets, &ready.locked))
    {
        say(session, &format!("warning: `build` will refuse this: {refused}"));
    }
    let packages = selection.map(|selection| selection.locked.packages).unwrap_or_default();
    if args.json {
        return text::json(
            out,
            &serde_json::json!({
                "base": base.origin, "raw": base.raw, "size": base.size,
                "sha256": base.raw_sha256, "download-sha256": base.download_sha256,
                "packages": packages,
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
        if !packages.is_empty() {
            let rows = packages.iter().map(|package| {
                let why = match (&package.needed_by, &package.upgrades) {
                    (Some(other), _) => format!("needed by {other}"),
                    (None, Some(old)) => format!("in place of {old}"),
                    (None, None) => String::new(),
                };
                vec![
                    package.name.clone(),
                    package.version.clone(),
                    text::size(package.size),
                    why,
                ]
            });
            let sum = packages.iter().map(|package| package.size).sum();
            writeln!(out, "\n{}", tables::table(&["PACKAGE", "VERSION", "SIZE", ""], rows))?;
            let s = if packages.len() == 1 { "" } else { "s" };
            writeln!(out, "\n{} package{s}, {}", packages.len(), text::size(sum))?;
        }
    }
    Ok(())
}

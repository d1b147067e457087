//! `kraken-flash inspect`: what is on an image.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use kraken_flash::provision::Membership;
use kraken_flash::verify::{self, Facts};

use super::{Failure, Session, lived, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The raw image
    image: PathBuf,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let facts = verify::inspect(&args.image, &session.interrupt)?;
    if args.json {
        text::json(out, &facts)?;
    } else {
        out.write_all(render(&args.image.display().to_string(), &facts).as_bytes())?;
    }
    match facts.partitions.is_empty() {
        true => Err(Failure::Wrong),
        false => Ok(()),
    }
}

fn render(name: &str, facts: &Facts) -> String {
    let mut shown = String::new();
    let used = facts
        .used_bytes
        .map_or_else(String::new, |bytes| format!(", {} in use", text::size(bytes)));
    let _ = writeln!(shown, "{name}: {}{used}", text::size(facts.size));
    if let Some(table) = &facts.table {
        let _ = writeln!(shown, "  table    {table}");
    }
    for part in &facts.partitions {
        let free = part
            .free
            .map_or_else(String::new, |bytes| format!(", {} free", text::size(bytes)));
        let (size, id) = (text::size(part.size), text::printable(&part.partuuid));
        let _ = writeln!(
            shown,
            "  part {}   {:<5} {size}{free}  PARTUUID={id}",
            part.number, part.purpose
        );
    }
    if let Some(os) = &facts.system {
        let how = match &os.cloud_init {
            Some(cloud_init) => format!("cloud-init {}", text::printable(&cloud_init.version)),
            None => "no cloud-init".into(),
        };
        let _ = writeln!(
            shown,
            "  system   {}, {}, {how}",
            text::printable(&os.in_words()),
            os.architecture
        );
        if facts.node.is_none() {
            for line in lived::lines(&os.lived) {
                let _ = writeln!(shown, "  {:<8} {}", line.label, text::printable(&line.text));
            }
        }
    }
    for (index, package) in facts.packages.iter().enumerate() {
        let label = if index == 0 { "packages" } else { "" };
        let (name, version) = (text::printable(&package.name), text::printable(&package.version));
        let _ = writeln!(shown, "  {label:<8} {name} {version}");
    }
    match &facts.node {
        Some(node) => {
            let _ = writeln!(
                shown,
                "  node     {} of {}: {}, {}, {}",
                node.id.number,
                text::printable(&node.cluster),
                text::printable(&node.id.hostname),
                node.id.address,
                node.id.role
            );
            let swarm = match node.swarm {
                Membership::None => "none",
                Membership::Baked => "a member from its first boot on",
                Membership::Join => "joins by token on its first boot",
                Membership::Rejoin => "joins a running swarm by token, in the place of another card",
                Membership::Admitted => {
                    "joins a running swarm by a token that this gave out, in the place of another card"
                }
            };
            let _ = writeln!(shown, "  swarm    {swarm}");
        }
        None => shown.push_str("  node     none: not made by kraken-flash\n"),
    }
    for problem in &facts.problems {
        let _ = writeln!(shown, "  problem  {}", text::printable(problem));
    }
    shown
}

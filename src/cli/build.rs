//! `kraken-flash build`: makes images for all nodes, or for some.

use std::io::Write;
use std::path::PathBuf;

use kraken_flash::bake::Golden;
use kraken_flash::card::Making;
use kraken_flash::output::{Compression, Folder, ManifestInputs, Options, Written};

use super::golden::{self, Wanted};
use super::load::{self, BaseArgs};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, tables, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this node; may be given several times [default: all nodes]
    #[arg(long = "node", value_name = "N", value_parser = load::node_number)]
    pub(super) nodes: Vec<u32>,
    #[command(flatten)]
    pub(super) rejoin: RejoinArgs,
    /// Where the images go
    #[arg(short, long, value_name = "DIR", default_value = "images")]
    output: PathBuf,
    /// Pack the images
    #[arg(long, value_enum, value_name = "FORMAT")]
    compress: Option<Pack>,
    /// Leave SHA256SUMS out: faster; the block maps hold hashes of every used range all the same
    #[arg(long)]
    no_sums: bool,
    #[command(flatten)]
    base: BaseArgs,
    /// Print the manifest's entries of the images as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Pack {
    /// Small and slow
    Xz,
    /// Fast, nearly as small
    #[value(alias = "zstd")]
    Zst,
}

impl Args {
    /// The folder into which the images are written.
    pub(super) fn output(&self) -> &std::path::Path {
        &self.output
    }
}

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let wanted = Wanted {
        nodes: &args.nodes,
        base: &args.base,
        rejoin: &args.rejoin,
        making: Some(match args.nodes.is_empty() {
            true => Making::AllImages,
            false => Making::SomeImages,
        }),
        images: &args.output,
    };
    let options = Options {
        compress: args.compress.map(|pack| match pack {
            Pack::Xz => Compression::Xz,
            Pack::Zst => Compression::Zstd,
        }),
        no_sums: args.no_sums,
    };
    let begun = golden::begin(session, &wanted)?;
    // The folder first: a folder that cannot be written to is found before minutes of downloading.
    let folder = Folder::open(&args.output)?;
    let baked = begun.bake()?;
    let facts = ManifestInputs::new(&baked.golden, baked.loaded.project.config_sha256);
    let written = folder.write(&baked.golden, &baked.nodes()?, facts, options, session.job())?;
    // Another run may use the folder and the cache while the reader of this run's output is slow.
    let shown = if args.json {
        let mut json = Vec::new();
        text::json(&mut json, &written.iter().map(|image| &image.node).collect::<Vec<_>>())?;
        json
    } else {
        render(&baked.golden, &written).into_bytes()
    };
    drop((folder, baked));
    if args.json || !session.global.quiet {
        out.write_all(&shown)?;
    }
    Ok(())
}

fn render(golden: &Golden, written: &[Written]) -> String {
    let rows = written.iter().map(|image| {
        let node = &image.node;
        vec![
            node.id.hostname.clone(),
            node.id.address.to_string(),
            node.id.role.to_string(),
            text::size(node.size),
            image.path.display().to_string(),
        ]
    });
    let os = golden.image().os();
    let packages = match golden.image().packages().len() {
        0 => String::new(),
        1 => ", with 1 package baked in".into(),
        count => format!(", with {count} packages baked in"),
    };
    let card = written.first().map_or(0, |image| image.node.raw_size);
    format!(
        "{}\n\nFrom {} ({}){packages}. A card needs at least {}.\n",
        tables::table(&["NODE", "ADDRESS", "ROLE", "SIZE", "IMAGE"], rows),
        text::printable(golden.image().described()),
        os.architecture,
        text::size(card),
    )
}

//! `kraken-flash build`: images for all nodes, or some.

use std::io::Write;
use std::path::{Path, PathBuf};

use kraken_flash::bake::{self, Golden, Inputs};
use kraken_flash::base::{self, Cache};
use kraken_flash::output::{Compression, Folder, ManifestInputs, Options, Written};
use kraken_flash::provision::Rejoin;
use kraken_flash::spec::{Cluster, Node, Role, SwarmMode};
use kraken_flash::swarm::Token;
use kraken_flash::workspace::{self, MissingKeys};

use super::load::{self, BaseArgs};
use super::{Failure, Session, keys, plan, text};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this node; may be given several times [default: all nodes]
    #[arg(long = "node", value_name = "N")]
    nodes: Vec<u32>,
    /// The cards replace others of a swarm that is running: they join it by token, as new nodes
    #[arg(long, requires = "nodes")]
    rejoin: bool,
    /// The token for --rejoin, where tokens or the CA were rotated since the keys were made: a file that holds what
    /// `docker swarm join-token -q` prints, or - for standard input
    #[arg(long, value_name = "FILE", requires = "rejoin")]
    token_file: Option<PathBuf>,
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

pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let loaded = load::load(session, MissingKeys::Make)?;
    let mut cluster = loaded.workspace.cluster.clone();
    args.base.apply(&mut cluster.image)?;
    let nodes = chosen(&cluster.nodes, &args.nodes)?;
    let token = match &args.token_file {
        Some(file) => Some(given_token(file, &cluster, &nodes)?),
        None => None,
    };
    let (keys, rejoin) = match (args.rejoin, &token) {
        (false, _) => (keys::read_or_make(session, &cluster)?, Rejoin::No),
        // New keys would have tokens that no running swarm knows.
        (true, None) => (Some(keys::required(session, &cluster)?), Rejoin::ByKeys),
        (true, Some(token)) => (None, Rejoin::ByToken(Some(token))),
    };
    let (progress, interrupt) = (&*session.progress, &session.interrupt);
    // The folder first: a name that cannot be written to is found before minutes of downloading.
    let folder = Folder::open(&args.output)?;
    let cache = Cache::open(None)?;
    let options = args.base.options();
    let base = base::obtain(&cluster.image, &options, progress, interrupt)?;
    let selection = load::packages(session, (&cluster, &loaded.lock), &base, (&options, false))?;
    let inputs = Inputs {
        cluster: &cluster,
        base: &base,
        assets: &loaded.assets,
        packages: selection.as_ref(),
        keys: keys.as_ref(),
        rejoin,
    };
    let golden = bake::bake(inputs, &cache.root().join("golden"), progress, interrupt)?;
    let options = Options {
        compress: args.compress.map(|pack| match pack {
            Pack::Xz => Compression::Xz,
            Pack::Zst => Compression::Zstd,
        }),
        no_sums: args.no_sums,
    };
    let facts = ManifestInputs::new(&golden, loaded.config_sha256);
    let written = folder.write(&golden, &nodes, facts, options, progress, interrupt)?;
    if args.json {
        return text::json(out, &written.iter().map(|image| &image.node).collect::<Vec<_>>());
    }
    if !session.global.quiet {
        out.write_all(render(&golden, &written).as_bytes())?;
    }
    Ok(())
}

/// The token in the file, for nodes that all have the role which it gives.
fn given_token(file: &Path, cluster: &Cluster, nodes: &[&Node]) -> Result<Token, Failure> {
    if cluster.swarm.mode == SwarmMode::None {
        return Err(keys::no_swarm());
    }
    if nodes.iter().any(|node| node.role != nodes[0].role) {
        return Err(Failure::Usage(
            "a token is for managers or for workers: run once for the nodes of each role, with its token".into(),
        ));
    }
    let path = if file == Path::new("-") {
        Path::new("/dev/stdin")
    } else {
        file
    };
    let failed = |error: &dyn std::fmt::Display| {
        let role = nodes.first().map_or(Role::Worker, |node| node.role);
        Failure::message(format!(
            "reading the join token in {}: {error}; it should hold what `docker swarm join-token -q {role}` prints on a manager, and be readable by you alone (chmod 600)",
            file.display()
        ))
    };
    let text = workspace::read_secret(path).map_err(|error| failed(&error))?;
    Token::parse(&text).map_err(|error| failed(&error))
}

/// The nodes asked for, in order, each once; all when none was named.
fn chosen<'a>(nodes: &'a [Node], wanted: &[u32]) -> Result<Vec<&'a Node>, Failure> {
    if let Some(missing) = wanted
        .iter()
        .find(|number| !nodes.iter().any(|node| node.number == **number))
    {
        let count = nodes.len();
        return Err(Failure::Usage(format!(
            "there is no node {missing}: the cluster has nodes 1 to {count}"
        )));
    }
    Ok(nodes
        .iter()
        .filter(|node| wanted.is_empty() || wanted.contains(&node.number))
        .collect())
}

fn render(golden: &Golden<'_>, written: &[Written]) -> String {
    let rows = written.iter().map(|image| {
        let node = &image.node;
        vec![
            node.hostname.clone(),
            node.address.to_string(),
            node.role.clone(),
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
        plan::table(&["NODE", "ADDRESS", "ROLE", "SIZE", "IMAGE"], rows),
        text::printable(&os.pretty_name),
        os.architecture,
        text::size(card),
    )
}

//! `kraken-flash plan`: shows what each node will be, and changes nothing.

use std::io::Write;
use std::path::Path;

use comfy_table::Table;
use kraken_flash::base::OsImage;
use kraken_flash::packages::lock::LockedPackage;
use kraken_spec::workspace::{LoginKeys, MissingKeys, Surroundings, Workspace};
use kraken_spec::{BaseRef, Cluster, InterfaceChoice, Node, Sudo, SwarmMode};
use serde::Serialize;

use super::packages::{self, Planned};
use super::tables::{new_table, stdout_width, trimmed};
use super::{Failure, Session, known, lived, load, text};

/// What `plan` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print everything as JSON, without secrets
    #[arg(long)]
    json: bool,
    /// Show the plan with this base instead of kraken.toml's
    #[arg(long, value_name = "BASE")]
    base: Option<String>,
}

/// Prints the plan.
pub(super) fn run(session: &Session, args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let mut workspace = Workspace::load(
        session.global.config.as_deref(),
        &Surroundings::here(),
        MissingKeys::Leave,
    )?;
    load::warn_of_clock(session, &workspace.cluster);
    load::replace_base(&mut workspace.cluster.image, args.base.as_deref())?;
    let packages = packages::planned(session, &workspace);
    if args.json {
        return text::json(out, &Plan::new(&workspace, &packages));
    }
    let width = stdout_width();
    let cluster = &workspace.cluster;
    let from = match &workspace.config {
        Some(path) => format!("from {}", tidy(path)),
        None => "the default cluster: there is no kraken.toml".to_owned(),
    };
    let nodes = match cluster.nodes.len() {
        1 => "1 node".to_owned(),
        count => format!("{count} nodes"),
    };
    writeln!(out, "{}: {nodes}, {from}\n", cluster.name)?;
    writeln!(out, "{}\n", trimmed(&common(&workspace, &packages, width)))?;
    writeln!(out, "{}", trimmed(&node_table(&cluster.nodes, width)))?;
    for refused in &packages.refused {
        let refused = text::printable(refused);
        writeln!(out, "\nWarning: `build` will refuse this: {refused}.")?;
    }
    for warning in &packages.warnings {
        let warning = text::printable(warning);
        writeln!(out, "\nWarning: {warning}.")?;
    }
    let remarks = known::planned(cluster);
    for remark in &remarks {
        let text = text::printable(&remark.to_string());
        writeln!(out, "\nWarning: {text}.{}", known::help(remark))?;
    }
    if remarks.iter().any(|remark| remark.refuse) {
        let what = match remarks.iter().any(|remark| remark.refuse && remark.node.is_some()) {
            true => "Such a card is",
            false => "Cards are",
        };
        writeln!(
            out,
            "\n{what} not written without --rejoin or --new-cluster (docs/operations.md)."
        )?;
    }
    Ok(())
}

/// `plan --json`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Plan<'a> {
    /// The spec; null for the default cluster.
    config: Option<&'a Path>,
    cluster: &'a Cluster,
    /// SHA-256 fingerprints of the keys that may log in.
    ssh_key_fingerprints: Vec<String>,
    /// What the base is, and what it has of an earlier use; null when it is not in the cache yet.
    base: Option<&'a OsImage>,
    /// Why `build` will refuse the base, if it will.
    base_refused: Vec<&'a str>,
    /// Why `build` will refuse the templates, the overlays, the lock file, or an option for Docker
    /// which the version in the lock file does not know.
    refused: &'a [String],
    /// What may not be what the user means, but is not refused.
    warnings: &'a [String],
    /// The packages of the lock file; null when it has none for this base and this spec.
    packages: Option<&'a [LockedPackage]>,
    /// The size of the smallest card that is large enough, in bytes; null when the base or the
    /// packages are not known yet.
    card_bytes: Option<u64>,
    /// The private key that `build` will make because there is no other key; null when there is
    /// one.
    ssh_key_to_be_made: Option<&'a Path>,
    /// What of this would harm a swarm whose cards or images were made before: such cards are
    /// refused without --rejoin or --new-cluster. Also which record of cards or images cannot be
    /// read.
    swarm_warnings: Vec<String>,
}

impl<'a> Plan<'a> {
    fn new(workspace: &'a Workspace, planned: &'a Planned) -> Self {
        let keys = &workspace.cluster.user.ssh_keys;
        Self {
            config: workspace.config.as_deref(),
            cluster: &workspace.cluster,
            ssh_key_fingerprints: keys.iter().filter_map(|key| kraken_spec::fingerprint(key)).collect(),
            base: planned.system.as_ref(),
            base_refused: planned.system.as_ref().map_or_else(Vec::new, |system| {
                lived::refused(&system.lived, &workspace.cluster)
                    .iter()
                    .map(|stay| stay.what.as_str())
                    .collect()
            }),
            refused: &planned.refused,
            warnings: &planned.warnings,
            packages: planned.bake.as_ref().map(|bake| bake.packages.as_slice()),
            card_bytes: planned.card,
            ssh_key_to_be_made: match &workspace.keys {
                LoginKeys::ToBeMade(path) => Some(path),
                _ => None,
            },
            swarm_warnings: known::planned(&workspace.cluster)
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

/// Returns the table of what all nodes share, a row for each section.
fn common(workspace: &Workspace, planned: &Planned, width: Option<u16>) -> Table {
    let cluster = &workspace.cluster;
    let mut table = new_table(width);
    table.add_row(["image", &image(cluster)]);
    if let Some(system) = &planned.system {
        let mut lines = vec![system.in_words()];
        lines.extend(lived::becomes(&system.lived, cluster));
        let lines: Vec<String> = lines.iter().map(|line| text::printable(line)).collect();
        table.add_row(["base", &lines.join("\n")]);
    }
    table.add_row(["network", &network(cluster)]);
    table.add_row(["user", &user(cluster)]);
    table.add_row(["log in with", &keys(workspace)]);
    table.add_row(["system", &system(cluster)]);
    table.add_row(["docker", &packages::docker(cluster)]);
    table.add_row(["swarm", &swarm(cluster)]);
    if let Some(others) = packages::others(cluster) {
        table.add_row(["packages", &others]);
    }
    table.add_row(["card", &planned.sentence()]);
    if !cluster.system.packages_on_first_boot.is_empty() {
        table.add_row(["first boot", &cluster.system.packages_on_first_boot.join(", ")]);
    }
    table
}

fn image(cluster: &Cluster) -> String {
    let mut text = match &cluster.image.base {
        BaseRef::Path(path) => tidy(path),
        BaseRef::Url(url) => url.clone(),
        BaseRef::Catalogue(name) => match &cluster.image.catalogue {
            Some(catalogue) => format!("{name}, of {catalogue}"),
            None => format!("{name}, of Raspberry Pi's catalogue"),
        },
        BaseRef::Debian => "Debian, composed here".to_owned(),
    };
    if let Some(mirror) = &cluster.image.mirror {
        text.push_str(&format!(", from {mirror}"));
    }
    if let Some(hash) = &cluster.image.sha256 {
        text.push_str(&format!(", SHA-256 {hash}"));
    }
    text
}

fn network(cluster: &Cluster) -> String {
    let network = &cluster.network;
    let servers: Vec<_> = network.dns.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "{}, gateway {}, DNS {}",
        network.subnet,
        network.gateway,
        servers.join(" ")
    );
    if !network.search.is_empty() {
        text.push_str(&format!(", search {}", network.search.join(" ")));
    }
    text.push_str(match network.interface {
        InterfaceChoice::Auto => ", on the USB gigabit adapter or else the onboard port",
        InterfaceChoice::Onboard => ", on the onboard port",
        InterfaceChoice::Gigabit => ", on the USB gigabit adapter",
        InterfaceChoice::Mac => ", on the interface with the node's MAC address",
    });
    text
}

fn user(cluster: &Cluster) -> String {
    let user = &cluster.user;
    let password = match user.password_hash {
        Some(_) => "with a password",
        None => "without a password",
    };
    let sudo = match user.sudo {
        Sudo::Nopasswd => "sudo without asking",
        Sudo::Password => "sudo with the password",
        Sudo::None => "no sudo",
    };
    format!("{}, {password}, {sudo}, in {}", user.name, user.groups.join(" "))
}

fn keys(workspace: &Workspace) -> String {
    if let LoginKeys::ToBeMade(path) = &workspace.keys {
        return format!("a key pair that `build` will make: {}", tidy(path));
    }
    let lines: Vec<String> = workspace
        .cluster
        .user
        .ssh_keys
        .iter()
        .map(|key| {
            let comment = key.splitn(3, ' ').nth(2).unwrap_or_default();
            format!("{} {comment}", kraken_spec::fingerprint(key).unwrap_or_default())
        })
        .collect();
    lines.join("\n")
}

/// Returns how the nodes become a swarm, and what is unwise about it.
fn swarm(cluster: &Cluster) -> String {
    let swarm = &cluster.swarm;
    let how = match swarm.mode {
        SwarmMode::None => return "none".into(),
        SwarmMode::Baked => "from the first boot on",
        SwarmMode::Join => "the first manager from its first boot on, the others join it",
    };
    let keys = match swarm.keys_file.exists() {
        true => format!("keys in {}", tidy(&swarm.keys_file)),
        false => format!("keys that `build` will make: {}", tidy(&swarm.keys_file)),
    };
    let mut text = format!("{how}; {keys}");
    text.push_str(&overlay_networks(cluster));
    let managers = cluster.managers().count();
    if managers.is_multiple_of(2) {
        text.push_str(&format!(
            "\n{managers} managers bear no more losses than {}: take an odd number",
            managers - 1
        ));
    }
    text
}

/// Returns where overlay networks get their subnets, when that is not Docker's default, and a
/// warning when the space is small.
fn overlay_networks(cluster: &Cluster) -> String {
    let swarm = &cluster.swarm;
    let mut text = String::new();
    if !swarm.address_pools.is_empty() {
        let pools: Vec<String> = swarm.address_pools.iter().map(ToString::to_string).collect();
        text.push_str(&format!(
            "\noverlay networks get /{} subnets of {}",
            swarm.subnet_size,
            pools.join(", ")
        ));
        if let Some(taken) = &swarm.pool_avoids {
            text.push_str(&format!(": {taken} is in Docker's own 10.0.0.0/8"));
        }
    }
    let (room, nodes) = (swarm.addresses_in_subnet(), cluster.nodes.len());
    if usize::try_from(room).is_ok_and(|room| room < 2 * nodes + 8) {
        text.push_str(&format!(
            "\na subnet of /{} has {room} addresses: {nodes} nodes take one each in the network `ingress`, every published service one more",
            swarm.subnet_size
        ));
    }
    text
}

fn system(cluster: &Cluster) -> String {
    let system = &cluster.system;
    let keyboard = &system.keyboard;
    let mut text = format!(
        "{}, {}, keyboard {} {}",
        system.timezone, system.locale, keyboard.layout, keyboard.model
    );
    if !keyboard.variant.is_empty() {
        text.push_str(&format!(" {}", keyboard.variant));
    }
    if let Some(time) = system
        .clock_floor
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
    {
        text.push_str(&format!(", clock not before {time}"));
    }
    if let Some(overlay) = &system.overlay {
        text.push_str(&format!(", overlay {}", tidy(overlay)));
    }
    text
}

/// Returns the table of the nodes; it has columns for MAC addresses and labels only when there are
/// any.
fn node_table(nodes: &[Node], width: Option<u16>) -> Table {
    let macs = nodes.iter().any(|node| node.mac.is_some());
    let labels = nodes.iter().any(|node| !node.labels.is_empty());
    let mut table = new_table(width);
    let optional = [(macs, "MAC"), (labels, "LABELS")];
    let names = ["NODE", "HOST NAME", "ADDRESS", "ROLE", "BOARD"];
    table.set_header(
        names
            .into_iter()
            .chain(optional.into_iter().filter(|(shown, _)| *shown).map(|(_, name)| name)),
    );
    for node in nodes {
        let mut row = vec![
            node.number.to_string(),
            node.hostname.clone(),
            node.address.to_string(),
            node.role.to_string(),
            node.board.to_string(),
        ];
        if macs {
            row.push(node.mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string()));
        }
        if labels {
            let pairs: Vec<_> = node
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            row.push(pairs.join(" "));
        }
        table.add_row(row);
    }
    table
}

/// Returns a path without the `./` before it.
fn tidy(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

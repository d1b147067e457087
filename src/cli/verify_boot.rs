//! `kraken-flash verify --boot`: boots the images in QEMU and shows the results of the checks.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use kraken_fetch::{Cache, Downloads};
use kraken_flash::boot_check::{self, BootReport, BootTarget, Check, FallbackKernel, Machine, Plan, PowerCut, render};
use kraken_flash::project;
use kraken_flash::verify::FolderImages;
use kraken_spec::workspace::{LoginKeys, MissingKeys};
use kraken_spec::{Cluster, Node, Role, SwarmMode};
use kraken_swarm_state::ClusterKeys;

use super::boot_view::{Booting, View};
use super::golden::{self, Wanted};
use super::load::{self, BaseArgs, Loaded};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, boot_images, keys, known, say, text, verify_path};

/// Arguments of `verify` that go with `--boot`.
#[derive(Debug, clap::Args)]
pub(super) struct BootArgs {
    /// Boot the image in QEMU; of a folder, or of kraken.toml where no path is given, all nodes, as
    /// one cluster on a LAN of their own. Nothing is written to the images
    #[arg(long, help_heading = "Proof by booting")]
    pub(super) boot: bool,
    /// Boot these nodes only
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        value_parser = load::node_number,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    nodes: Vec<u32>,
    /// Boot at most so many nodes at the same time [default: two for each core, as many as there is
    /// memory for]. Managers stay on, workers take turns
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..),
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    at_once: Option<u16>,
    /// What is emulated: `virt` is fast, the boards are slow and have their own devices
    #[arg(
        long,
        value_name = "MACHINE",
        default_value = "virt",
        value_parser = machine,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    machine: Machine,
    /// How large the emulated cards are at least; a power of two
    #[arg(
        long,
        value_name = "GIB",
        default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=1024),
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    card_size: u64,
    /// Cut a node's power while it comes up, as soon as its console prints TEXT, and give it again:
    /// of node NODE, or of each that is booted (a TEXT that begins with a number and a colon needs
    /// NODE). Several times for several cuts, in this order; a TEXT that is never printed is a
    /// failed check
    #[arg(
        long,
        value_name = "[NODE:]TEXT",
        value_parser = power_cut,
        requires = "boot",
        help_heading = "Proof by booting"
    )]
    cut_power_at: Vec<PowerCut>,
    /// Boot with this root device in the place of the one in cmdline.txt
    #[arg(long, value_name = "DEVICE", requires = "boot", help_heading = "Proof by booting")]
    root: Option<String>,
    /// Write the report as JUnit XML, for CI
    #[arg(long, value_name = "FILE", requires = "boot", help_heading = "Proof by booting")]
    junit: Option<PathBuf>,
    /// Write the report as one HTML file, with picture, timeline and evidence
    #[arg(long, value_name = "FILE", requires = "boot", help_heading = "Proof by booting")]
    html: Option<PathBuf>,
    /// Keep the consoles' logs here [default: those of nodes that failed, in consoles/ in the cache
    /// folder]
    #[arg(long, value_name = "DIR", requires = "boot", help_heading = "Proof by booting")]
    consoles: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Proof by booting")]
    pub(super) base: BaseArgs,
}

impl BootArgs {
    /// Refuses a power cut at a node that is not booted: it would never happen.
    fn cuts_are_of(&self, booted: &[&Node]) -> Result<(), Failure> {
        let mut named = self.cut_power_at.iter().filter_map(|cut| cut.node);
        match named.find(|number| booted.iter().all(|node| node.number != *number)) {
            None => Ok(()),
            Some(number) => Err(Failure::Usage(format!(
                "--cut-power-at names node {number}, which is not booted"
            ))),
        }
    }

    /// Refuses options about the base when the images exist already. Only `virt` may need a
    /// download: a kernel that it can boot.
    pub(super) fn check_with_path(&self) -> Result<(), String> {
        if self.base.replaces() {
            return Err("--base has no effect on images that are there: leave it out, or leave the path out".into());
        }
        match self.base.are_given() && self.machine != Machine::Virt {
            true => Err(format!(
                "--offline and --refresh have no effect on images that are there and boot as {}: nothing is downloaded for it",
                self.machine.name()
            )),
            false => Ok(()),
        }
    }
}

fn power_cut(words: &str) -> Result<PowerCut, String> {
    let Ok(cut) = words.parse::<PowerCut>();
    match cut.text.trim().is_empty() {
        true => Err(
            "it says no text of the console: say what its line has in it, such as \"3:Setting up containerd\"".into(),
        ),
        false => Ok(cut),
    }
}

fn machine(name: &str) -> Result<Machine, String> {
    Machine::ALL
        .into_iter()
        .find(|machine| machine.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Machine::ALL.iter().map(|machine| machine.name()).collect();
            format!("there is no such machine here; there are {}", names.join(", "))
        })
}

/// What `verify --boot` is to boot, and how it prints the result.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    /// An image or a folder of images; `None` for what kraken.toml describes.
    pub(super) path: Option<&'a Path>,
    /// The node that the one image should be.
    pub(super) node: Option<u32>,
    pub(super) as_json: bool,
}

/// Boots the requested images, or those that kraken.toml describes.
pub(super) fn run(
    session: &Session,
    args: &BootArgs,
    request: Request<'_>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let Request { path, node, as_json } = request;
    if let Some(path) = path {
        verify_path::is_there(path)?;
        let loaded = load::load(session, MissingKeys::Leave)?;
        let cluster = &loaded.project.workspace.cluster;
        let keys = keys::read(session, cluster)?;
        if !path.is_dir() && !args.nodes.is_empty() {
            return Err(Failure::Usage(
                "--nodes picks from a folder, or from kraken.toml; which node one image should be is said with --node"
                    .into(),
            ));
        }
        if path.is_dir() && node.is_some() {
            return Err(Failure::Usage("of a folder, nodes are picked with --nodes".into()));
        }
        let mut set = None;
        let (targets, _unpacked) = match path.is_dir() {
            true => {
                let images = FolderImages::read(path, cluster)?;
                // Before guests start, which takes long: the user may want to check the folder
                // first.
                for stranger in images.strangers() {
                    say(session, &format!("warning: {stranger}"));
                }
                set = Some(boot_check::set_check(&images));
                (boot_images::of_folder(&images, cluster, &args.nodes)?, None)
            }
            false => {
                let (target, unpacked) = boot_images::of_file(session, path, node, cluster)?;
                (vec![target], unpacked)
            }
        };
        let booted: Vec<&Node> = targets.iter().map(|target| target.node).collect();
        args.cuts_are_of(&booted)?;
        boot_images::emulator_is_here()?;
        let images = Images {
            loaded: &loaded,
            keys: keys.as_ref(),
            targets,
            set,
            as_json,
        };
        return boot(session, args, images, out);
    }
    boot_images::emulator_is_here()?;
    let wanted = Wanted {
        nodes: &args.nodes,
        base: &args.base,
        rejoin: &RejoinArgs::default(),
        making: None,
        images: Path::new(known::IMAGES),
    };
    let begun = golden::begin(session, &wanted)?;
    args.cuts_are_of(&begun.nodes()?)?;
    let baked = begun.bake()?;
    let mut targets = Vec::new();
    for node in baked.nodes()? {
        let image = baked.golden.node(node)?;
        let golden = baked.golden.image().path().to_owned();
        targets.push(BootTarget::made(node, golden, image.patch().clone()));
    }
    let images = Images {
        loaded: &baked.loaded,
        keys: baked.golden.inputs().admission.keys(),
        targets,
        set: None,
        as_json,
    };
    boot(session, args, images, out)
}

/// The images to boot.
struct Images<'a> {
    loaded: &'a Loaded,
    keys: Option<&'a ClusterKeys>,
    targets: Vec<BootTarget<'a>>,
    /// The check of the folder that the images are in.
    set: Option<Check>,
    as_json: bool,
}

fn boot(session: &Session, args: &BootArgs, images: Images<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let Images {
        loaded,
        keys,
        mut targets,
        set,
        as_json,
    } = images;
    let cluster = &loaded.project.workspace.cluster;
    // Managers start first, because the others connect to them.
    targets.sort_by_key(|target| (target.node.role != Role::Manager, target.node.number));
    let cache = Cache::open(None)?;
    let room = cache.root().join("boot");
    let _unpacked = boot_images::unpack(session, &mut targets, &room)?;
    let booting: Vec<Booting> = targets.iter().map(|target| shown(cluster, target.node)).collect();
    let fallback = fallback_kernel(session, args, cluster, &targets)?;
    let plan = Plan {
        cluster,
        targets,
        fallback,
        machine: args.machine,
        card: args.card_size.next_power_of_two() << 30,
        root: args.root.clone(),
        power_cuts: args.cut_power_at.clone(),
        at_once: args.at_once.map(usize::from),
        room,
        consoles: args
            .consoles
            .clone()
            .unwrap_or_else(|| cache.root().join("consoles").join(&cluster.name)),
        keep_consoles: args.consoles.is_some(),
        logins: private_keys(
            &loaded.project.workspace.keys,
            &loaded.project.workspace.folder,
            cluster,
        ),
        tokens: keys.map(tokens).transpose()?,
        set,
    };
    let report = {
        let view = View::new(session, &booting, boot_check::stages(cluster));
        boot_check::boot(&plan, &view, &session.interrupt).map_err(|error| match error {
            boot_check::BootError::Interrupted(stopped) => Failure::from(stopped),
            error => Failure::Failed(Box::new(error)),
        })?
    };
    show(session, args, &report, as_json, out)
}

/// Obtains the fallback kernel when one of the images has no kernel for `virt`.
fn fallback_kernel(
    session: &Session,
    args: &BootArgs,
    cluster: &Cluster,
    targets: &[BootTarget<'_>],
) -> Result<Option<FallbackKernel>, Failure> {
    let Some(target) = targets.iter().find(|target| target.lacks_virtio()) else {
        return Ok(None);
    };
    if args.machine != Machine::Virt {
        return Ok(None);
    }
    let options = args.base.options();
    let downloads = Downloads::open(&options, cluster.apt.proxy.as_deref(), session.job())?;
    FallbackKernel::fetch(
        target,
        &cluster.apt.mirrors,
        options.refresh,
        project::now(),
        &downloads,
    )
    .map(Some)
    .map_err(|error| Failure::Failed(Box::new(error)))
}

fn show(
    session: &Session,
    args: &BootArgs,
    report: &BootReport,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let failed = |error: kraken_flash::verify::CheckError| Failure::Failed(Box::new(error));
    if let Some(file) = &args.junit {
        render::save(file, &render::junit(report)).map_err(failed)?;
    }
    if let Some(file) = &args.html {
        render::save(file, &render::html(report).map_err(failed)?).map_err(failed)?;
        say(session, &format!("The report is in {}", file.display()));
    }
    let shown = match as_json {
        true => text::json(out, &render::json(report)),
        false if session.global.quiet && report.is_good() => Ok(()),
        false => out.write_all(render::text(report).as_bytes()).map_err(Failure::from),
    };
    // The verdict first: a wrong image stays wrong when the reader of stdout closes it.
    match (report.interrupted, report.is_good(), shown) {
        (true, ..) => Err(Failure::from(kraken_foundation::interrupt::Interrupted)),
        (false, false, Ok(()) | Err(Failure::StdoutClosed)) => Err(Failure::Wrong),
        (false, _, shown) => shown,
    }
}

fn shown(cluster: &Cluster, node: &Node) -> Booting {
    Booting {
        number: node.number,
        hostname: node.hostname.clone(),
        role: match cluster.swarm.mode {
            SwarmMode::None => "none".to_owned(),
            _ => node.role.to_string(),
        },
    }
}

fn tokens(keys: &ClusterKeys) -> Result<[String; 2], Failure> {
    let token = |role| {
        kraken_swarm_state::token(keys, role)
            .map(|token| token.reveal().to_string())
            .map_err(|error| Failure::Failed(Box::new(error)))
    };
    Ok([
        token(kraken_swarm_state::Role::Worker)?,
        token(kraken_swarm_state::Role::Manager)?,
    ])
}

/// Returns the files with private keys that open without a passphrase and whose public keys the
/// nodes have.
fn private_keys(keys: &LoginKeys, folder: &Path, cluster: &Cluster) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    if let LoginKeys::Made(path) | LoginKeys::ToBeMade(path) = keys {
        candidates.push(path.clone());
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".ssh"));
    for folder in [Some(folder.to_owned()), home].into_iter().flatten() {
        let names = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let public = names.filter(|path| path.extension().is_some_and(|extension| extension == "pub"));
        let mut private: Vec<PathBuf> = public.map(|path| path.with_extension("")).collect();
        private.sort();
        candidates.extend(private);
    }
    candidates.retain(|path| opens_and_is_configured(path, cluster));
    candidates
}

fn opens_and_is_configured(path: &Path, cluster: &Cluster) -> bool {
    let Ok(key) = ssh_key::PrivateKey::read_openssh_file(path) else {
        return false;
    };
    let is_it = |line: &String| {
        ssh_key::PublicKey::from_openssh(line).is_ok_and(|public| public.key_data() == key.public_key().key_data())
    };
    !key.is_encrypted() && cluster.user.ssh_keys.iter().any(is_it)
}

//! `kraken-flash verify --boot`: boots the images in QEMU and shows the results of the checks.

use std::io::Write;
use std::path::Path;

use kraken_fetch::{Cache, Downloads};
use kraken_flash::boot_check::{self, BootReport, BootTarget, Check, FallbackKernel, Machine, Plan, render};
use kraken_flash::card::Making;
use kraken_flash::project;
use kraken_flash::verify::FolderImages;
use kraken_spec::workspace::MissingKeys;
use kraken_spec::{Cluster, Node, Role, SwarmMode};
use kraken_swarm_state::ClusterKeys;

use super::boot_args::BootArgs;
use super::boot_images::{self, FileTarget};
use super::boot_logins::{private_keys, tokens};
use super::boot_view::{Booting, View};
use super::golden::{self, Wanted};
use super::load::{self, Loaded};
use super::rejoin::RejoinArgs;
use super::{Failure, Session, keys, known, say, text, verify_path};

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
        let (targets, _unpacking) = match path.is_dir() {
            true => {
                let images = FolderImages::read(path, cluster)?;
                // Before guests start, which takes long: the user may want to check the folder
                // first.
                for fault in images.faults() {
                    say(session, &format!("warning: {fault}"));
                }
                set = Some(boot_check::set_check(&images));
                (boot_images::of_folder(&images, cluster, &args.nodes)?, None)
            }
            false => {
                let FileTarget { target, unpacking } = boot_images::of_file(session, path, node, cluster)?;
                (vec![target], unpacking)
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
        making: Some(Making::Trial),
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
        boot_check::boot(&plan, &view, &session.interrupt)?
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
    if let Some(file) = &args.junit {
        render::save(file, &render::junit(report))?;
    }
    if let Some(file) = &args.html {
        render::save(file, &render::html(report)?)?;
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

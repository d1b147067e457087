//! Checks one image in all ways that are possible without booting it.

use std::path::Path;
use std::sync::Arc;

use super::packages::Against;
use super::report::ImageReport;
use super::volumes::{ImageVolume, Trees};
use super::{boot, daemon, modules, overlay, packages, pristine, swarm, tools};
use kraken_disk::{ImageFile, Layout, Slice};
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::{Context as _, Result};
use kraken_image::base::OsImage;
use kraken_image::packages::lock::Lock;
use kraken_image::provision::{self, Assets, Context, Membership, NodeRecord};
use kraken_spec::{Cluster, Node, SwarmMode};
use kraken_swarm_state::ClusterKeys;

/// What an image is compared with.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    /// The cluster that it should belong to.
    pub cluster: &'a Cluster,
    /// The templates and overlays that it should have been made from.
    pub assets: &'a Assets,
    /// The node that it should be; `None` accepts the node that the image names.
    pub node: Option<u32>,
    /// The cluster's keys. Without them the secrets on the card are only compared with each other.
    pub keys: Option<&'a ClusterKeys>,
    /// The SHA-256 of the base that it should have been made from, if a manifest names it.
    pub base_sha256: Option<Sha256Hash>,
    /// The packages that should be in it, by its base; with `None` they are not compared with a
    /// list.
    pub lock: Option<&'a Lock>,
    /// The SHA-256 of its record of packages, if a manifest names it.
    pub packages_sha256: Option<Sha256Hash>,
}

/// Checks one raw image. Each failed check adds findings. A check that an earlier failure makes
/// impossible is left out.
///
/// # Errors
/// If the image cannot be read at all, or if a program is missing.
pub fn verify_image(path: &Path, expected: &Expectation<'_>, interrupt: &Interrupt) -> Result<ImageReport> {
    let mut report = ImageReport {
        path: path.into(),
        ..ImageReport::default()
    };
    let file = Arc::new(ImageFile::open_read(path).doing("opening", path)?);
    report.begin("partition-table");
    let layout = match Layout::detect(file.clone()) {
        Ok(layout) => layout,
        Err(error) => {
            report.find("partition-table", "", error.to_string());
            return Ok(report);
        }
    };
    interrupt.check()?;
    report.begin("fat");
    let boot_slice = Slice::new(file.clone(), layout.boot.start, layout.boot.len).doing("reading", path)?;
    match kraken_disk::check_fat(&boot_slice) {
        Ok(problems) => problems.into_iter().for_each(|problem| report.find("fat", "", problem)),
        Err(error) => report.find("fat", "", error.to_string()),
    }
    report.begin("ext4");
    for problem in tools::e2fsck(path, layout.root.start)? {
        report.find("ext4", "", problem);
    }
    interrupt.check()?;
    let boot = match layout.boot_tree(file.clone()) {
        Ok(tree) => tree,
        Err(error) => {
            report.find("fat", "", error.to_string());
            return Ok(report);
        }
    };
    match layout.root_tree(file) {
        Ok(root) => {
            let trees = Trees {
                boot: &boot,
                root: &root,
            };
            verify_trees(path, &layout, trees, expected, &mut report, interrupt)?;
        }
        Err(error) => report.find("ext4", "", error.to_string()),
    }
    Ok(report)
}

fn verify_trees(
    path: &Path,
    layout: &Layout,
    trees: Trees<'_>,
    expected: &Expectation<'_>,
    report: &mut ImageReport,
    interrupt: &Interrupt,
) -> Result<()> {
    let Trees { boot, root } = trees;
    report.begin("system");
    // The image's age matters to `bake` only. Here, the record says which clock floor was baked in.
    let os = match OsImage::read(boot, root, 0) {
        Ok(os) => os,
        Err(error) => {
            report.find("system", "", error.to_string());
            return Ok(());
        }
    };
    report.begin("node");
    let record = match NodeRecord::read(root) {
        Ok(Some(record)) => record,
        Ok(None) => {
            report.find(
                "node",
                "",
                "the image does not say which node it is: it was not made by kraken-flash",
            );
            return Ok(());
        }
        Err(error) => {
            report.find("node", "", error.to_string());
            return Ok(());
        }
    };
    report.node = Some(record.id.number);
    report.hostname = Some(record.id.hostname.clone());
    boot::verify(layout, &os, expected.cluster, trees, report);
    modules::verify(root, expected.cluster, report);
    inputs(&record, expected, report);
    let Some(node) = which_node(&record, expected, report) else {
        return Ok(());
    };
    let context = Context {
        cluster: expected.cluster,
        os: &os,
        boot,
        root,
        clock_floor: record.clock_floor,
        base_sha256: record.base_sha256,
        keys: expected.keys,
        rejoin: record.swarm.rejoin(),
    };
    // If the image is so damaged that its intended content cannot be planned, that is a finding,
    // not an error.
    let mut wanted = match provision::common(&context, expected.assets) {
        Ok(overlay) => overlay,
        Err(error) => {
            report.find("files", "", format!("{error}"));
            return Ok(());
        }
    };
    match provision::node(&context, expected.assets, node) {
        Ok(overlay) => wanted.merge(overlay),
        Err(error) => {
            report.find("files", "", format!("{error}"));
            return Ok(());
        }
    }
    overlay::compare(&wanted, boot, root, report);
    pristine::verify(trees, expected.cluster, &record, &wanted, report);
    let against = Against {
        lock: expected.lock.map(|lock| lock.set_for(record.base_sha256)),
        record_sha256: expected.packages_sha256,
        cluster: Some(expected.cluster),
        overlay: Some(&wanted),
    };
    if expected.cluster.swarm.mode != SwarmMode::None || record.swarm != Membership::None {
        swarm::verify(root, &record, expected.cluster, node, report);
    }
    if record.swarm == Membership::Baked {
        report.warnings = provision::covers(root, &provision::state_folder(expected.cluster));
    }
    let volume = ImageVolume {
        image: path,
        offset: layout.root.start,
    };
    report.packages = packages::verify(volume, root, against, report, interrupt)?;
    interrupt.check()?;
    let locked = expected
        .lock
        .is_some_and(|lock| lock.set_for(record.base_sha256).is_some());
    let target = daemon::DaemonTarget {
        root,
        architecture: &os.architecture,
        swarm: record.swarm != Membership::None,
        trusted: locked && !report.findings.iter().any(|finding| finding.check == "packages"),
    };
    daemon::verify(&target, report);
    Ok(())
}

/// Checks that the inputs that the image names are the expected ones.
fn inputs(record: &NodeRecord, expected: &Expectation<'_>, report: &mut ImageReport) {
    if let Some(wanted) = expected.base_sha256.filter(|wanted| *wanted != record.base_sha256) {
        let message = format!("it names the base {}, the manifest {wanted}", record.base_sha256);
        report.find("node", format!("root:{}", NodeRecord::PATH), message);
    }
    let configured = expected.cluster.system.clock_floor;
    if let Some(floor) = configured.filter(|floor| record.clock_floor < *floor) {
        let message = format!(
            "its clock floor is {}, and kraken.toml asks for at least {floor}",
            record.clock_floor
        );
        report.find("node", format!("root:{}", NodeRecord::PATH), message);
    }
}

/// Returns the node of the cluster that the image should be, and checks that the image names the
/// same node.
fn which_node<'a>(record: &NodeRecord, expected: &Expectation<'a>, report: &mut ImageReport) -> Option<&'a Node> {
    let cluster = expected.cluster;
    if record.cluster != cluster.name {
        report.find(
            "node",
            "",
            format!(
                "it belongs to the cluster {:?}, and kraken.toml describes {:?}",
                record.cluster, cluster.name
            ),
        );
    }
    let wanted = expected.node.unwrap_or(record.id.number);
    if record.id.number != wanted {
        report.find(
            "node",
            "",
            format!(
                "it is node {} ({}) and should be node {wanted}",
                record.id.number, record.id.hostname
            ),
        );
    }
    let node = cluster.nodes.iter().find(|node| node.number == wanted);
    if node.is_none() {
        let count = cluster.nodes.len();
        report.find(
            "node",
            "",
            format!("it is node {wanted}, and kraken.toml has {count} nodes"),
        );
    }
    node
}

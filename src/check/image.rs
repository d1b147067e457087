//! Everything that can be said of one image without booting it.

use std::path::Path;
use std::sync::Arc;

use super::report::ImageReport;
use super::{CheckError, overlay, tools};
use crate::base::OsImage;
use crate::disk::{self, FileTree, ImageFile, Layout, Slice};
use crate::interrupt::Interrupt;
use crate::provision::{self, Assets, Context, NodeRecord};
use crate::spec::{Cluster, Node};

/// What an image is compared with.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    /// The cluster it should belong to.
    pub cluster: &'a Cluster,
    /// Templates and overlays it should have been made from.
    pub assets: &'a Assets,
    /// The node it should be; `None` for whichever node it says it is.
    pub node: Option<u32>,
}

/// Checks one raw image. Each check that fails adds findings; a check that cannot be made because an earlier one failed is left out.
///
/// # Errors
/// [`CheckError`] when the image cannot be read at all or a tool is missing.
pub fn verify_image(path: &Path, expected: &Expectation<'_>, interrupt: &Interrupt) -> Result<ImageReport, CheckError> {
    let mut report = ImageReport {
        path: path.into(),
        ..ImageReport::default()
    };
    let file = Arc::new(ImageFile::open_read(path).map_err(CheckError::io("opening", path))?);
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
    let boot_slice =
        Slice::new(file.clone(), layout.boot.start, layout.boot.len).map_err(CheckError::io("reading", path))?;
    match disk::check_fat(&boot_slice) {
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
        Ok(root) => verify_trees(&layout, &boot, &root, expected, &mut report)?,
        Err(error) => report.find("ext4", "", error.to_string()),
    }
    Ok(report)
}

fn verify_trees(
    layout: &Layout,
    boot: &dyn FileTree,
    root: &dyn FileTree,
    expected: &Expectation<'_>,
    report: &mut ImageReport,
) -> Result<(), CheckError> {
    report.begin("system");
    // The image's age matters to `bake` only; here the record says which floor was baked in.
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
    report.node = Some(record.number);
    report.hostname = Some(record.hostname.clone());
    verify_boot(layout, &os, boot, root, report);
    let Some(node) = which_node(&record, expected, report) else {
        return Ok(());
    };
    let context = Context {
        cluster: expected.cluster,
        os: &os,
        boot,
        root,
        clock_floor: record.clock_floor,
        base_sha256: &record.base_sha256,
    };
    // An image so damaged that nothing can be planned from it is wrong; that is a finding, and no reason to stop.
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
    Ok(())
}

/// The node of the cluster that the image should be, and whether it says so itself.
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
    let wanted = expected.node.unwrap_or(record.number);
    if record.number != wanted {
        report.find(
            "node",
            "",
            format!(
                "it is node {} ({}) and should be node {wanted}",
                record.number, record.hostname
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

/// Whether the kernel will find its root file system, and the system its boot partition.
fn verify_boot(layout: &Layout, os: &OsImage, boot: &dyn FileTree, root: &dyn FileTree, report: &mut ImageReport) {
    const CHECK: &str = "boot";
    const LIMIT: u64 = 1 << 20;
    report.begin(CHECK);
    let cmdline: Vec<&str> = os.cmdline.split_ascii_whitespace().collect();
    match cmdline.iter().filter_map(|word| word.strip_prefix("root=")).next_back() {
        None => report.find(CHECK, "boot:/cmdline.txt", "names no root= device"),
        Some(device) => {
            let id = device
                .strip_prefix("PARTUUID=")
                .filter(|id| !id.eq_ignore_ascii_case(&layout.root.partuuid));
            if let Some(id) = id {
                let message = format!("root=PARTUUID={id}, and the root partition is {}", layout.root.partuuid);
                report.find(CHECK, "boot:/cmdline.txt", message);
            }
        }
    }
    let fstab = match root.read("/etc/fstab", LIMIT) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => String::new(),
        Err(error) => return report.find(CHECK, "root:/etc/fstab", error.to_string()),
    };
    for line in fstab.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(mount)) = (fields.next(), fields.next()) else {
            continue;
        };
        let wanted = match mount {
            "/" => &layout.root.partuuid,
            _ if mount == os.boot_mount => &layout.boot.partuuid,
            _ => continue,
        };
        if let Some(id) = device
            .strip_prefix("PARTUUID=")
            .filter(|id| !id.eq_ignore_ascii_case(wanted))
        {
            report.find(
                CHECK,
                "root:/etc/fstab",
                format!("mounts PARTUUID={id} on {mount}, and that partition is {wanted}"),
            );
        }
    }
    if matches!(boot.metadata("/config.txt"), Ok(None)) {
        report.find(CHECK, "boot:/config.txt", "is missing: the firmware reads it");
    }
}

//! Checks that the kernels of an image have the modules that Docker and a swarm need. Without one
//! of these, a node starts and joins, but runs no container, or none that another node can reach.

use kraken_disk::FileTree;
use kraken_foundation::Result;
use kraken_spec::{Cluster, DockerSource, SwarmMode};

use super::report::ImageReport;

const CHECK: &str = "kernel";
/// The largest list of modules, in bytes.
const LIMIT: u64 = 16 << 20;
/// The possible endings of a module's file.
const ENDINGS: &[&str] = &[".ko", ".ko.xz", ".ko.gz", ".ko.zst"];

/// The name of a module, the places where kernels have it, and its purpose.
struct Need(&'static str, &'static [&'static str], &'static str);

/// Modules that every Docker uses.
const DOCKER: &[Need] = &[
    Need("overlay", &["fs/overlayfs"], "the layers of images (overlay2)"),
    Need("bridge", &["net/bridge"], "the networks of containers"),
    Need("br_netfilter", &["net/bridge"], "rules between containers"),
    Need("veth", &["drivers/net"], "the containers' ends of networks"),
];
/// Modules that a swarm uses as well.
const SWARM: &[Need] = &[
    Need("vxlan", &["drivers/net/vxlan", "drivers/net"], "networks across nodes"),
    Need(
        "ip_vs",
        &["net/netfilter/ipvs"],
        "addresses and published ports of services",
    ),
];

/// Checks every kernel of the image that has modules. A kernel without modules (all of them built
/// in, or made by hand) cannot be checked.
pub(super) fn verify(root: &dyn FileTree, cluster: &Cluster, report: &mut ImageReport) {
    let swarm = cluster.swarm.mode != SwarmMode::None;
    if !swarm && cluster.docker.source == DockerSource::None {
        return;
    }
    let mut begun = false;
    // /lib is a link to usr/lib on all but the oldest images. The first folder with any modules
    // contains all of them.
    for folder in ["/usr/lib/modules", "/lib/modules"] {
        let kernels = match root.list(folder) {
            Ok(kernels) => kernels,
            Err(error) => return report.find(CHECK, format!("root:{folder}"), error.to_string()),
        };
        if kernels.is_empty() {
            continue;
        }
        for kernel in kernels {
            let place = format!("{folder}/{kernel}");
            match missing(root, &place, swarm) {
                Ok(None) => {}
                Ok(Some(missing)) => {
                    if !std::mem::replace(&mut begun, true) {
                        report.begin(CHECK);
                    }
                    for Need(name, _, purpose) in missing {
                        let message = format!(
                            "has no module {name}, neither built in nor as a file: Docker needs it for {purpose}; use a base whose kernel has it"
                        );
                        report.find(CHECK, format!("root:{place}"), message);
                    }
                }
                Err(error) => report.find(CHECK, format!("root:{place}"), error.to_string()),
            }
        }
        return;
    }
}

/// Returns what the kernel with the modules in `place` lacks; `None` if there is no list of what is
/// built into it.
fn missing(root: &dyn FileTree, place: &str, swarm: bool) -> Result<Option<Vec<&'static Need>>> {
    let text = |name: &str| -> Result<Option<String>> {
        let bytes = root.read(&format!("{place}/{name}"), LIMIT)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    };
    let Some(builtin) = text("modules.builtin")? else {
        return Ok(None);
    };
    // Paths as depmod(8) lists them. It may not have run yet, so the usual places are checked, too.
    let listed = text("modules.dep")?.unwrap_or_default();
    let mut missing = Vec::new();
    for need in DOCKER.iter().chain(if swarm { SWARM } else { &[] }) {
        let Need(name, usual, _) = need;
        let named = |path: &&str| module(path).is_some_and(|found| found == *name);
        if builtin.lines().any(|line| named(&line)) {
            continue;
        }
        let mut paths: Vec<String> = listed
            .lines()
            .filter_map(|line| line.split(':').next())
            .filter(named)
            .map(str::to_owned)
            .collect();
        for folder in *usual {
            paths.extend(ENDINGS.iter().map(|ending| format!("kernel/{folder}/{name}{ending}")));
        }
        let mut there = false;
        for path in paths {
            let path = if path.starts_with('/') {
                path
            } else {
                format!("{place}/{path}")
            };
            there = there || root.metadata(&path)?.is_some();
        }
        if !there {
            missing.push(need);
        }
    }
    Ok(Some(missing))
}

/// Returns the name of the module in a file. The kernel does not distinguish `-` from `_`.
fn module(path: &str) -> Option<String> {
    let name = path.trim().rsplit('/').next()?;
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))?;
    Some(stem.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_disk::MemoryTree;

    const PLACE: &str = "/usr/lib/modules/6.12.1-v8";

    fn named(tree: &MemoryTree, swarm: bool) -> Option<Vec<&'static str>> {
        let missing = missing(tree, PLACE, swarm).unwrap()?;
        Some(missing.into_iter().map(|need| need.0).collect())
    }

    #[test]
    fn a_module_is_there_built_in_as_a_listed_file_or_in_its_usual_place() {
        let mut tree = MemoryTree::new();
        let at = |path: &str| format!("{PLACE}/{path}");
        tree.file(&at("kernel/net/bridge/bridge.ko.xz"), *b"x");
        assert_eq!(named(&tree, true), None, "there is no list of what is built in");
        tree.file(
            &at("modules.builtin"),
            *b"kernel/fs/overlayfs/overlay.ko\nkernel/drivers/net/veth.ko\n",
        );
        assert_eq!(named(&tree, true).unwrap(), ["br_netfilter", "vxlan", "ip_vs"]);
        assert_eq!(named(&tree, false).unwrap(), ["br_netfilter"]);
        tree.file(&at("kernel/net/bridge/br_netfilter.ko"), *b"x")
            .file(&at("updates/ip-vs.ko.zst"), *b"x")
            .file(
                &at("modules.dep"),
                *b"updates/ip-vs.ko.zst: kernel/x.ko\nkernel/drivers/net/vxlan/vxlan.ko.xz:\nkernel/net/ip_vs_rr.ko:\n",
            );
        // The list names a file that does not exist.
        assert_eq!(named(&tree, true).unwrap(), ["vxlan"]);
        tree.file(&at("kernel/drivers/net/vxlan/vxlan.ko.xz"), *b"x");
        assert_eq!(named(&tree, true).unwrap(), [""; 0]);
    }
}

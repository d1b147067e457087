//! Finds what would be on every node and cannot be removed, since an earlier owner may want it:
//! accounts, containers, services.

use kraken_disk::{FileTree, NodeType};
use kraken_foundation::Result;

use super::docker::{docker_folders, docker_holds};
use super::facts::{Stay, shown};
use super::{logins, settings};
use crate::base::text::text;

/// Returns everything that was found. What only a machine that ran can have is searched only on
/// images that were booted, since vendors make images of many kinds.
pub(super) fn find(root: &dyn FileTree, booted: bool, raspberry_pi_os: bool) -> Result<Vec<Stay>> {
    let mut found = logins::find(root, raspberry_pi_os)?;
    let mut add = |what: String| found.push(Stay { what, account: None });
    settings::find(root)?.into_iter().for_each(&mut add);
    for folder in docker_folders(root)? {
        let holds = docker_holds(root, &folder)?;
        if holds.anything() {
            add(format!(
                "Docker's state in {folder}: {}, {}, {}",
                count(holds.images, "image"),
                count(holds.containers, "container"),
                count(holds.volumes, "volume")
            ));
        }
    }
    if let Some(node) = made_by_us(root)? {
        add(node);
    }
    if booted {
        for name in root.list("/var/spool/cron/crontabs")? {
            add(format!("the crontab of {}", shown(&name)));
        }
        for unit in own_units(root)? {
            add(format!("the service {}", shown(&unit)));
        }
        for name in root
            .list("/etc/wireguard")?
            .iter()
            .filter(|name| name.ends_with(".conf"))
        {
            add(format!("the private key in /etc/wireguard/{}", shown(name)));
        }
        for folder in ["/var/lib/rancher", "/var/lib/kubelet"] {
            if !root.list(folder)?.is_empty() {
                add(format!("a node of Kubernetes in {folder}"));
            }
        }
    }
    Ok(found)
}

/// Returns a description when the image is one of kraken-flash, or a copy of a card that was
/// written with one.
fn made_by_us(root: &dyn FileTree) -> Result<Option<String>> {
    let Some(record) = text(root, "/etc/kraken-flash/node.json")? else {
        return Ok(None);
    };
    let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
    let cluster = record["cluster"].as_str().map_or_else(String::new, shown);
    let number = record["number"].as_u64().unwrap_or_default();
    Ok(Some(format!(
        "what kraken-flash made of it: node {number} of {cluster}, with its account, settings and services"
    )))
}

/// Returns unit files of the administrator that something starts. Units that packages enable are
/// symbolic links, and images of kraken-flash have its own services.
fn own_units(root: &dyn FileTree) -> Result<Vec<String>> {
    const FOLDER: &str = "/etc/systemd/system";
    let mut wanted = std::collections::BTreeSet::new();
    let names = root.list(FOLDER)?;
    for folder in names
        .iter()
        .filter(|name| name.ends_with(".wants") || name.ends_with(".requires"))
    {
        wanted.extend(root.list(&format!("{FOLDER}/{folder}"))?);
    }
    let mut units = Vec::new();
    for name in names {
        let vendors = name.starts_with("kraken-") || name == "regenerate_ssh_host_keys.service";
        let is_unit = [".service", ".timer", ".socket", ".path"]
            .iter()
            .any(|end| name.ends_with(end));
        if is_unit
            && !vendors
            && wanted.contains(&name)
            && root
                .metadata(&format!("{FOLDER}/{name}"))?
                .is_some_and(|meta| meta.node == NodeType::File)
        {
            units.push(name);
        }
    }
    Ok(units)
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

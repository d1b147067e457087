//! Finds disks that are mounted over the folder with a node's baked swarm state: dockerd then reads
//! the disk and finds no swarm.

use std::collections::BTreeSet;

use super::assets::Part;
use super::{Assets, Membership, Rejoin, state_folder};
use kraken_disk::{FileTree, MemoryTree, real_path};
use kraken_overlay::{Kind, Overlay, Volume};
use kraken_spec::Cluster;

const FSTAB: &str = "/etc/fstab";
/// The folders of mount units, systemd.unit(5).
const UNITS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// The largest of these files that is read, in bytes, and the most units.
const LARGEST: u64 = 1 << 20;
const MOST: usize = 1000;

/// Returns what hides a swarm's baked state on nodes of the cluster, one sentence each, with what
/// to do: mounts of a base with this root volume, and of the overlays.
pub fn covers_swarm(cluster: &Cluster, assets: &Assets, root: &dyn FileTree) -> Vec<String> {
    let mut found = BTreeSet::new();
    for node in &cluster.nodes {
        if Membership::of_node(cluster, node, Rejoin::No) != Membership::Baked {
            continue;
        }
        let mut tree = mounts_of(root);
        for part in [Part::Common, node.role.into(), Part::User] {
            lay(&assets.part(part, 0), &mut tree);
        }
        found.extend(covers(&tree, &state_folder(cluster)));
    }
    found.into_iter().collect()
}

/// Returns what is mounted over a folder on the node with this root volume, one sentence each.
pub fn covers(root: &dyn FileTree, state: &str) -> Vec<String> {
    let real = real_path(root, state).unwrap_or_else(|_| state.to_owned());
    let covers = |place: &str| is_at_or_above(place, state) || is_at_or_above(place, &real);
    let mut found: Vec<String> = text(root, FSTAB)
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(mounted_by_fstab)
        .filter(|place| covers(place))
        .map(|place| sentence(FSTAB, &place, state))
        .collect();
    for path in units(root) {
        let place = text(root, &path).as_deref().and_then(mounted_by_unit);
        found.extend(
            place
                .filter(|place| covers(place))
                .map(|place| sentence(&path, &place, state)),
        );
    }
    found
}

fn sentence(file: &str, place: &str, state: &str) -> String {
    format!(
        "{file} mounts a disk at {place}, over the folder {state} of the card, in which the node's place in the swarm is baked: Docker does \
         not see it there, and is in no swarm. Mount the disk only after that folder was copied onto it (docs/operations.md, \"data-root\")"
    )
}

/// The card's own root hides nothing.
fn is_at_or_above(place: &str, folder: &str) -> bool {
    let place = place.trim_end_matches('/');
    place.starts_with('/') && (place == folder || folder.starts_with(&format!("{place}/")))
}

/// Returns where a line of fstab(5) mounts something when the node starts, or when the mount point
/// is used.
fn mounted_by_fstab(line: &str) -> Option<String> {
    let mut fields = line.split_ascii_whitespace();
    let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
    let options: Vec<&str> = fields.next().unwrap_or_default().split(',').collect();
    let waits = options.contains(&"noauto") && !options.contains(&"x-systemd.automount");
    (!device.starts_with('#') && kind != "swap" && !waits).then(|| unescaped(place))
}

/// Decodes blanks and similar characters, which are octal there.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, later)) = rest.split_first() {
        let code = later
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &later[3..] } else { later };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns where a unit mounts something, systemd.mount(5).
fn mounted_by_unit(text: &str) -> Option<String> {
    let mut section = "";
    let mut place = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let ("[Mount]", Some(("Where", value))) =
            (section, line.split_once('=').map(|(key, value)| (key.trim(), value)))
        {
            place = Some(value.trim().to_owned());
        }
    }
    place
}

/// Returns all mount units, each once: folders and units may be symbolic links. A masked unit does
/// not count.
fn units(root: &dyn FileTree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in UNITS {
        let names = real_path(root, folder)
            .and_then(|folder| root.list(&folder))
            .unwrap_or_default();
        let units = names.iter().filter(|name| name.ends_with(".mount")).take(MOST);
        found.extend(units.filter_map(|name| real_path(root, &format!("{folder}/{name}")).ok()));
    }
    found
}

fn text(root: &dyn FileTree, path: &str) -> Option<String> {
    let real = real_path(root, path).ok()?;
    let bytes = root.read(&real, LARGEST).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Copies an image's mount configuration into memory, so that overlays can be laid over it.
fn mounts_of(root: &dyn FileTree) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for path in units(root).into_iter().chain([FSTAB.to_owned()]) {
        if let Some(text) = text(root, &path) {
            tree.file(&path, text.into_bytes());
        }
    }
    tree
}

fn lay(overlay: &Overlay, tree: &mut MemoryTree) {
    for (volume, path, entry) in overlay.iter() {
        let path = path.as_str();
        let is_unit = path.ends_with(".mount") && UNITS.iter().any(|folder| path.starts_with(&format!("{folder}/")));
        if volume != Volume::Root || !(is_unit || path == FSTAB) {
            continue;
        }
        match &entry.kind {
            Kind::File(content) if content.len() <= LARGEST => {
                if let Ok(bytes) = content.read() {
                    tree.file(path, bytes.to_vec());
                }
            }
            Kind::Symlink(target) => {
                tree.symlink(path, &String::from_utf8_lossy(target));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = "/var/lib/docker/swarm";

    fn with(path: &str, text: &str) -> MemoryTree {
        let mut tree = MemoryTree::new();
        tree.file(path, text.as_bytes().to_vec());
        tree
    }

    #[test]
    fn lines_of_fstab_that_cover_the_state_are_found_and_no_others() {
        for (line, found) in [
            ("LABEL=ssd /var/lib/docker ext4 defaults,nofail 0 2", true),
            ("LABEL=ssd /var/lib/docker/ ext4", true),
            ("LABEL=ssd\t/var ext4 defaults", true),
            ("LABEL=ssd /var/lib/docker/swarm ext4 defaults", true),
            ("/mnt/ssd/docker /var/lib/docker none bind", true),
            ("LABEL=ssd /var/lib/dock\\145r ext4 noauto,x-systemd.automount", true),
            ("PARTUUID=1-02 / ext4 defaults,noatime 0 1", false),
            ("PARTUUID=1-01 /boot/firmware vfat defaults 0 2", false),
            ("#LABEL=ssd /var/lib/docker ext4 defaults", false),
            ("# LABEL=ssd /var/lib/docker ext4 defaults", false),
            ("LABEL=ssd /var/lib/docker ext4 noauto", false),
            ("LABEL=ssd /var/lib/docker2 ext4 defaults", false),
            ("LABEL=ssd /var/lib/docker/overlay2 ext4 defaults", false),
            ("LABEL=swap none swap sw", false),
            ("LABEL=ssd /var/lib/docker", false),
            ("\\", false),
            ("a \\9\\777\\1 ext4", false),
        ] {
            let said = covers(&with(FSTAB, &format!("proc /proc proc defaults 0 0\n{line}\n")), STATE);
            assert_eq!(said.len(), usize::from(found), "{line}: {said:?}");
        }
        let said = &covers(&with(FSTAB, "LABEL=ssd /var ext4 defaults"), STATE)[0];
        assert!(
            said.starts_with("/etc/fstab mounts a disk at /var, over the folder /var/lib/docker/swarm"),
            "{said}"
        );
    }

    #[test]
    fn mount_units_that_cover_the_state_are_found_and_no_others() {
        let own = "/etc/systemd/system/var-lib-docker.mount";
        for (path, text, found) in [
            (
                own,
                "[Unit]\nWhere=/x\n[Mount]\nWhat=/dev/sda1\nWhere = /var/lib/docker\n",
                true,
            ),
            ("/usr/lib/systemd/system/var.mount", "[Mount]\nWhere=/var\n", true),
            (own, "[Mount]\nWhere=/mnt\n", false),
            (own, "[Unit]\nWhere=/var/lib/docker\n", false),
            (own, "", false),
            ("/etc/systemd/system/var.service", "[Mount]\nWhere=/var\n", false),
        ] {
            let said = covers(&with(path, text), STATE);
            assert_eq!(said.len(), usize::from(found), "{path}: {text}: {said:?}");
        }
        let mut masked = MemoryTree::new();
        masked.symlink(own, "/dev/null");
        assert_eq!(covers(&masked, STATE), Vec::<String>::new());
        // A folder that is a link counts each unit once, and the target of the state's path counts
        // too.
        let mut linked = with("/usr/lib/systemd/system/srv.mount", "[Mount]\nWhere=/srv\n");
        linked
            .symlink("/lib", "usr/lib")
            .symlink("/var/lib/docker", "/srv/docker");
        assert_eq!(covers(&linked, STATE).len(), 1);
        // A file that cannot be read hides nothing.
        let mut odd = with(FSTAB, &"x".repeat(2 << 20));
        odd.symlink(own, "var-lib-docker.mount");
        assert_eq!(covers(&odd, STATE), Vec::<String>::new());
    }
}

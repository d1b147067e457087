//! Where an image's dockerd keeps its state, and what is in it.

use kraken_disk::{FileTree, NodeType};
use kraken_foundation::Result;

use crate::base::text::text;

/// The numbers of objects in dockerd's state that belong to its user.
#[derive(Clone, Copy, Default)]
pub(super) struct DockerHolds {
    pub(super) images: usize,
    pub(super) containers: usize,
    pub(super) volumes: usize,
}

impl DockerHolds {
    pub(super) fn anything(self) -> bool {
        self.images + self.containers + self.volumes > 0
    }
}

/// Returns where dockerd keeps its state: the default folder, and the one that its configuration
/// names.
pub(super) fn docker_folders(root: &dyn FileTree) -> Result<Vec<String>> {
    let mut folders = vec!["/var/lib/docker".to_owned()];
    let config = text(root, "/etc/docker/daemon.json")?.unwrap_or_default();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap_or_default();
    if let Some(named) = config["data-root"].as_str() {
        let named = named.trim_end_matches('/');
        // A state folder is at least two levels deep: never /etc or /.
        let plain = !named.split('/').any(|part| part == ".." || part == ".") && named.starts_with('/');
        if plain && named.matches('/').count() >= 2 && !named.starts_with("/usr/") && named != folders[0] {
            folders.push(named.to_owned());
        }
    }
    Ok(folders)
}

/// Returns what is in a state folder of dockerd. Its images lie under the name of the storage
/// driver.
pub(super) fn docker_holds(root: &dyn FileTree, folder: &str) -> Result<DockerHolds> {
    let mut holds = DockerHolds {
        containers: root.list(&format!("{folder}/containers"))?.len(),
        ..DockerHolds::default()
    };
    for driver in root.list(&format!("{folder}/image"))? {
        holds.images += root
            .list(&format!("{folder}/image/{driver}/imagedb/content/sha256"))?
            .len();
    }
    for name in root.list(&format!("{folder}/volumes"))? {
        let path = format!("{folder}/volumes/{name}");
        let is_folder = root
            .metadata(&path)?
            .is_some_and(|meta| meta.node == NodeType::Directory);
        holds.volumes += usize::from(is_folder);
    }
    Ok(holds)
}

//! Whether the Docker of the lock file takes what the cluster tells it.

use kraken_flash::packages::lock::{LOCK, LockedSet};
use kraken_flash::provision::{self, Assets};
use kraken_spec::Cluster;
use kraken_spec::daemon::Version;

/// Why no image can be made of this cluster with the Docker that is locked for its base; a sentence each. Nothing where none is locked:
/// then its version is not known.
pub(super) fn refused(cluster: &Cluster, assets: &Assets, bake: &LockedSet) -> Vec<String> {
    let Some(engine) = bake.engine() else {
        return Vec::new();
    };
    let Some(version) = Version::of_package(&engine.version) else {
        return Vec::new();
    };
    provision::docker_refuses(cluster, assets, version)
        .into_iter()
        .map(|error| format!("{error}; {LOCK} has {} {} for this base", engine.name, engine.version))
        .collect()
}

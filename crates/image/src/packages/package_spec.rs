//! Derives, from a cluster, the request that the lock file stores.

use super::lock::{LockedDeb, PackageSpec};
use kraken_spec::{Cluster, DockerSource};

/// Whether a cluster asks for packages. It does not where the base has all that it needs, and
/// `packages` of `[docker]` is empty.
pub fn are_asked_for(cluster: &Cluster) -> bool {
    !PackageSpec::new(cluster, Vec::new()).is_empty() || !cluster.system.debs.is_empty()
}

impl PackageSpec {
    /// Returns what a cluster asks for; `debs` are its package files with their hashes.
    pub(super) fn new(cluster: &Cluster, debs: Vec<LockedDeb>) -> Self {
        let docker = &cluster.docker;
        let usual: &[&str] = match docker.source {
            // Before trixie, the client is inside docker.io.
            DockerSource::Debian => &["docker.io", "docker-cli?"],
            DockerSource::DockerCe => &["docker-ce", "docker-ce-cli", "containerd.io"],
            DockerSource::None => &[],
        };
        let mut packages: Vec<String> = match &docker.packages {
            Some(named) if docker.source != DockerSource::None => named.clone(),
            _ => usual.iter().map(|name| (*name).to_owned()).collect(),
        };
        for package in &cluster.system.packages {
            if !packages.contains(package) {
                packages.push(package.clone());
            }
        }
        let own = docker.source == DockerSource::DockerCe;
        Self {
            docker: docker.source,
            docker_archive: own.then(|| docker.archive.clone()),
            docker_key: own.then(|| hex::encode_upper(docker.key_fingerprint)),
            packages,
            recommends: cluster.apt.recommends,
            debs,
        }
    }

    /// Returns whether nothing is requested.
    pub(super) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.debs.is_empty()
    }

    /// Returns whether this is what the cluster asks for, judged by kraken.toml alone: package
    /// files are compared by name.
    pub fn is_of(&self, cluster: &Cluster) -> bool {
        let files = self.debs.iter().map(|deb| &deb.file);
        files.eq(cluster.system.debs.iter().map(|deb| &deb.written)) && *self == Self::new(cluster, self.debs.clone())
    }
}

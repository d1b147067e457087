//! What a cluster asks for, as the lock file keeps it.

use super::lock::{LockedDeb, PackageSpec};
use kraken_spec::{Cluster, DockerSource};

impl PackageSpec {
    /// What a cluster asks for; `debs`: its package files, with their hashes.
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

    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.debs.is_empty()
    }

    /// Whether this is what the cluster asks for, as far as kraken.toml alone tells: package files are compared by name.
    pub fn is_of(&self, cluster: &Cluster) -> bool {
        let files = self.debs.iter().map(|deb| &deb.file);
        files.eq(cluster.system.debs.iter().map(|deb| &deb.written)) && *self == Self::new(cluster, self.debs.clone())
    }
}

//! Docker's own archive: its address for the system in an image, and the key that signs it.

use url::Url;

use super::error;
use super::store::Store;
use crate::base::OsImage;
use kraken_debian::Fetch;
use kraken_debian::Source;
use kraken_foundation::{Context as _, Error, Kind, Result};
use kraken_spec::{Board, Cluster, DockerSource};

/// The largest key file, in bytes.
const LARGEST_KEY: u64 = 1 << 20;

/// Returns Docker's own archive, if the cluster uses it, with the key that has the pinned
/// fingerprint. The key comes from a file or from the archive itself.
pub(super) fn source(cluster: &Cluster, os: &OsImage, store: &Store<'_>) -> Result<Option<Source>> {
    let docker = &cluster.docker;
    if docker.source != DockerSource::DockerCe {
        return Ok(None);
    }
    if os.codename.is_empty() {
        return Err(Error::new(
            Kind::Unsupported,
            "asking Docker's own archive: the base image does not say which release it is (VERSION_CODENAME in /etc/os-release); use [docker] source = \"debian\"",
        ));
    }
    let distribution = distribution(&os.id, &os.codename);
    // Debian's armhf begins with ARMv7; the first boards and the Pi Zero have an ARMv6.
    let first = cluster.nodes.iter().find(|node| node.board == Board::Pi1);
    if let (Some(node), true) = (first, os.id == "raspbian" && distribution == "debian") {
        return Err(error::choosing(format!(
            "Docker's own archive has nothing for {} (a {}) from trixie on, since its packages for armhf need a newer processor; \
             use [docker] source = \"debian\"",
            node.hostname, node.board
        )));
    }
    let address = |rest: &str| {
        let text = format!("{}/{distribution}{rest}", docker.archive);
        Url::parse(&text).map_err(|error| error::choosing(format!("{text} is not an address: {error}")))
    };
    let (named, key) = match &docker.key_file {
        Some(path) => {
            let bytes = std::fs::read(path).doing("reading", path)?;
            (path.display().to_string(), bytes)
        }
        None => {
            let url = address("/gpg")?;
            let bytes = store.text(&url, LARGEST_KEY)?.ok_or_else(|| {
                let text = format!("{url} is not there; name the key in [docker] key-file");
                Error::new(Kind::NotFound, text)
            })?;
            (url.to_string(), bytes)
        }
    };
    let fingerprint = hex::encode_upper(docker.key_fingerprint);
    Source::pinned(&address("")?, &os.codename, &["stable"], &key, &fingerprint, &named)
        .map(Some)
        .map_err(|error| {
            let text = format!("taking the key {named}: {error}; check [docker] key-file and key-fingerprint");
            error.context(text)
        })
}

/// Docker has one folder for each distribution. 32-bit Raspberry Pi OS calls itself `raspbian`, for
/// which Docker made packages up to bookworm. From trixie on there are only those for Debian, whose
/// armhf runs on all boards of 32-bit Raspberry Pi OS except the first.
fn distribution(id: &str, codename: &str) -> &'static str {
    const RASPBIAN: &[&str] = &["wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm"];
    match id == "raspbian" && RASPBIAN.contains(&codename) {
        true => "raspbian",
        false => "debian",
    }
}

/// Returns what the user should know about the archive that is used.
pub(super) fn note(os: &OsImage) -> Option<&'static str> {
    (os.id == "raspbian" && distribution(&os.id, &os.codename) == "debian")
        .then_some("Docker's own archive has no packages for 32-bit Raspberry Pi OS from trixie on; those for Debian's armhf are taken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raspbian_is_asked_for_as_long_as_docker_made_packages_for_it() {
        for (id, codename, want) in [
            ("raspbian", "bullseye", "raspbian"),
            ("raspbian", "bookworm", "raspbian"),
            ("raspbian", "trixie", "debian"),
            ("raspbian", "forky", "debian"),
            ("debian", "bookworm", "debian"),
            ("debian", "trixie", "debian"),
        ] {
            assert_eq!(distribution(id, codename), want, "{id} {codename}");
        }
    }
}

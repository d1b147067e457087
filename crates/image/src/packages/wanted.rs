//! Which indexes a request needs, and which archives it can do without.

use kraken_debian::{FailedArchive, ImageState, LocalDeb};
use kraken_foundation::Result;

use super::lock::PackageSpec;

/// Architectures by how much their indexes are needed.
#[derive(Default)]
pub(super) struct NeededIndexes<'a> {
    /// Their indexes must be there.
    pub needed: Vec<&'a str>,
    /// Their indexes are read where an archive has them.
    pub optional: Vec<&'a str>,
}

/// Returns the architectures whose indexes must be there, and those whose indexes are read where
/// available. Indexes of a foreign architecture (Raspberry Pi OS has armhf besides arm64) are
/// needed only when the user names it; packages of it that the image has may have to be upgraded
/// together with others.
pub(super) fn architectures<'a>(image: &'a ImageState, spec: &PackageSpec, debs: &[LocalDeb]) -> NeededIndexes<'a> {
    let named = |arch: &str| {
        let in_deb = |deb: &LocalDeb| {
            let field = deb.control.lines().find_map(|line| line.strip_prefix("Architecture:"));
            field.is_some_and(|value| value.trim() == arch)
        };
        let suffix = format!(":{arch}");
        let with_version = format!(":{arch}=");
        spec.packages
            .iter()
            .any(|name| name.trim_end_matches('?').ends_with(&suffix) || name.contains(&with_version))
            || debs.iter().any(in_deb)
    };
    let mut indexes = NeededIndexes::default();
    for (number, arch) in image.architectures().into_iter().enumerate() {
        if number == 0 || named(arch) {
            indexes.needed.push(arch);
        } else if image.installed().any(|entry| entry.architecture() == arch) {
            indexes.optional.push(arch);
        }
    }
    indexes
}

/// Returns the archives that failed, if the others may be used without them: those that the image
/// names. An archive from kraken.toml is required.
pub(super) fn usable_without(failed: Vec<FailedArchive>) -> Result<Vec<FailedArchive>> {
    let (of_image, mut own): (Vec<_>, Vec<_>) = failed
        .into_iter()
        .partition(|archive| archive.named_in.starts_with("/etc/apt/"));
    match own.is_empty() {
        true => Ok(of_image),
        false => Err(own.swap_remove(0).error),
    }
}

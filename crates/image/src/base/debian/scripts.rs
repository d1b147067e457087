//! The scripts that compose the base, and the name of the resulting image.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::release::Release;
use kraken_foundation::Sha256Hash;

/// Every file of `src/base/debian/` that is not Rust, as it is written to the working folder.
pub(super) const SCRIPTS: [(&str, &str); 8] = [
    ("before-packages.sh", include_str!("before-packages.sh")),
    ("compose.sh", include_str!("compose.sh")),
    ("customize.sh", include_str!("customize.sh")),
    ("dpkg.cfg", include_str!("dpkg.cfg")),
    ("host-apt.sh", include_str!("host-apt.sh")),
    ("image.sh", include_str!("image.sh")),
    ("initramfs.sh", include_str!("initramfs.sh")),
    ("native.sh", include_str!("native.sh")),
];

/// Returns where the image is kept: `CACHE/debian/SUITE-KEY.img`. The key is a hash of the release
/// and the scripts. A later version of this program with other scripts makes another image, and the
/// same version works offline from its own image.
pub fn cached_path(cache_dir: &Path, release: &Release) -> PathBuf {
    cache_dir
        .join("debian")
        .join(format!("{}-{:.16}.img", release.suite, key_of(release)))
}

/// Returns the key of a release with these scripts.
pub(super) fn key_of(release: &Release) -> Sha256Hash {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(release.suite);
    add(&release.packages.join(","));
    add(release.python.unwrap_or_default());
    for (name, text) in SCRIPTS {
        add(name);
        add(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_script_is_carried_in_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/base/debian");
        let mut on_disk: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".rs"))
            .collect();
        on_disk.sort();
        assert_eq!(on_disk, SCRIPTS.map(|(name, _)| name.to_owned()));
    }
}

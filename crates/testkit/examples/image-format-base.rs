//! Makes the base of `tests/it/image_format.rs`:
//! `cargo run -p testkit --example image-format-base`, only when another base is needed.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests write where they like, and their failure is a panic"
)]

use std::fs;
use std::path::Path;

use testkit::world::{trixie, with_package};

fn main() -> std::io::Result<()> {
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/image-format/base.img.zst");
    let folder = tempfile::tempdir()?;
    // Docker is in it, so that a swarm is baked without an archive to fetch Docker from.
    let image = with_package(
        trixie().root_mib(48).file("usr/bin/python3", "#!\n"),
        "docker.io",
        "Architecture: arm64\nVersion: 27.5-1\n",
        &["/usr/sbin/dockerd"],
    );
    let image = fs::read(image.build(folder.path()))?;
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(to, zstd::encode_all(&image[..], 19)?)
}

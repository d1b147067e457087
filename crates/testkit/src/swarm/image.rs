//! A container image that does not come from a registry.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::docker;
use super::engine::Engine;

/// Returns the image [`super::IMAGE`] for this machine's architecture, made once in a folder.
pub fn tar(folder: &Path, engine: &Engine) -> PathBuf {
    let to = folder.join("busybox.tar");
    if !to.exists() {
        // In Go's spelling.
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let program = fs::read(engine.tree().join("usr/bin/busybox")).unwrap();
        docker::image_of(&program, architecture, &to);
    }
    to
}

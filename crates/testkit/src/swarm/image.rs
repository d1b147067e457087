//! A container image that comes from no registry.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::docker;
use super::engine::Engine;

/// The image [`super::IMAGE`] for this machine's architecture, made once in a folder.
pub fn tar(folder: &Path, engine: &Engine) -> PathBuf {
    let to = folder.join("busybox.tar");
    if !to.exists() {
        // As Go names them.
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

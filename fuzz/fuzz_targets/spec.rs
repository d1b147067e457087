//! `kraken.toml`: no panic, no hang; what is wrong can be shown.
#![cfg_attr(fuzzing, no_main)]

use std::io;
use std::path::{Path, PathBuf};

use kraken_spec::{DefaultKeys, Files};
use libfuzzer_sys::fuzz_target;

/// A world in which every file holds the same text.
struct Stub;

const KEY: &[u8] = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g kraken\n";

impl Files for Stub {
    fn locate(&self, written: &str) -> PathBuf {
        written.into()
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.as_os_str().len() {
            0 => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(KEY.to_vec()),
        }
    }
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(path.as_os_str().as_encoded_bytes().to_vec())
    }
    fn is_file(&self, path: &Path) -> bool {
        self.is_folder(path)
    }
    fn is_folder(&self, path: &Path) -> bool {
        path.ends_with("extra")
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::ToBeMade
    }
}

fuzz_target!(|input: &str| {
    match kraken_spec::load("kraken.toml", input, &Stub) {
        Ok(cluster) => assert!(!cluster.nodes.is_empty(), "a cluster has nodes"),
        Err(errors) => assert!(!errors.to_string().is_empty(), "an error says something"),
    }
});

#[cfg(not(fuzzing))]
fn main() {
    fuzz::without_fuzzer();
}

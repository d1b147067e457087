//! Real packages for arm64, fetched by the host's own apt client from its configured mirror, and
//! kept in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kraken_fetch::Cache;
use kraken_image::base::debian;

/// Returns the `.deb`s of these packages for arm64, in the release of the debian base. They are
/// downloaded once.
pub fn fetch(names: &[&str]) -> Vec<PathBuf> {
    let cache = Cache::open(None).unwrap().root().join("test-debs");
    let state = cache.join("apt");
    for folder in ["lists/partial", "archives/partial", "etc"] {
        fs::create_dir_all(state.join(folder)).unwrap();
    }
    names.iter().map(|name| one(name, &cache, &state)).collect()
}

fn one(name: &str, cache: &Path, state: &Path) -> PathBuf {
    if let Some(found) = cached(name, cache) {
        return found;
    }
    let mirror = debian::Mirror::of_host().unwrap();
    fs::write(state.join("status"), "").unwrap();
    fs::write(
        state.join("etc/sources.list"),
        format!(
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} {} main\n",
            mirror.archive,
            debian::Release::TRIXIE.suite
        ),
    )
    .unwrap();
    if fs::read_dir(state.join("lists")).unwrap().count() < 3 {
        apt(state, cache, &["update"]);
    }
    apt(state, cache, &["download", &format!("{name}:arm64")]);
    cached(name, cache).unwrap_or_else(|| panic!("apt-get downloaded no {name}"))
}

fn cached(name: &str, cache: &Path) -> Option<PathBuf> {
    let found = fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path());
    let mine = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
    };
    found.filter(mine).max()
}

fn apt(state: &Path, folder: &Path, arguments: &[&str]) {
    let set = |key: &str, value: String| format!("{key}={value}");
    let output = Command::new("apt-get")
        .current_dir(folder)
        .args([
            "-q",
            "-o",
            "APT::Architecture=arm64",
            "-o",
            "APT::Architectures=arm64",
            "-o",
            "APT::Sandbox::User=root",
        ])
        .args([
            "-o",
            &set("Dir::State::Lists", state.join("lists").display().to_string()),
        ])
        .args([
            "-o",
            &set("Dir::State::status", state.join("status").display().to_string()),
        ])
        .args(["-o", &set("Dir::Cache", state.display().to_string())])
        .args([
            "-o",
            &set(
                "Dir::Etc::SourceList",
                state.join("etc/sources.list").display().to_string(),
            ),
        ])
        .args(["-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Acquire::Languages=none"])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("apt-get cannot be run ({error}): this test needs a Debian machine"));
    assert!(
        output.status.success(),
        "apt-get {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

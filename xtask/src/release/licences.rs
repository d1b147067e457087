//! The licences of what is inside the static program: each crate with its own texts.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::output;

const HEAD: &str = "Libraries inside the program kraken-flash, with their licences
=============================================================

The program is linked statically. Beside the crates below it holds Rust's standard library (MIT or Apache-2.0), musl, the C library
(MIT), and LLVM's compiler-rt and libunwind (Apache-2.0 with LLVM exception). Crates that hold C code (liblzma-sys, ring, zstd-sys) keep
its licence with their own. zstd may be taken under BSD-3-Clause or the GPL, and is taken under the former; of xz only liblzma is here.

";

/// How the names of files with licences begin.
const NAMES: [&str; 5] = ["licen", "copying", "copyright", "notice", "unlicense"];

/// A crate that is inside the program.
#[derive(Debug)]
struct Inside {
    name: String,
    version: String,
    licence: String,
    folder: PathBuf,
}

/// The text that lists the crates, and has each text of a licence once.
///
/// # Errors
/// When cargo cannot say what is inside, or a crate names no licence.
pub(super) fn texts(root: &Path, triple: &str) -> Result<String, Box<dyn Error>> {
    let mut cargo = Command::new("cargo");
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        triple,
    ]);
    let metadata: Value = serde_json::from_str(&output(cargo.current_dir(root))?)?;
    let crates = inside(&metadata)?;
    let mut out = HEAD.to_owned();
    for one in &crates {
        writeln!(out, "{} {}: {}", one.name, one.version, one.licence)?;
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in &crates {
        for text in own_texts(&one.folder)? {
            texts
                .entry(text)
                .or_default()
                .push(format!("{} {}", one.name, one.version));
        }
    }
    for (text, of) in texts {
        writeln!(out, "\n{}\n{}\n\n{text}", "-".repeat(72), of.join(", "))?;
    }
    Ok(out)
}

/// The crates from the registry that the program depends on, not counting what only builds it.
fn inside(metadata: &Value) -> Result<Vec<Inside>, Box<dyn Error>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let packages = list(&metadata["packages"]);
    let is_program = |package: &&Value| package["name"] == "kraken-flash" && package["source"].is_null();
    let program = packages
        .iter()
        .find(is_program)
        .ok_or("cargo does not know kraken-flash")?;
    let mut open = vec![text(&program["id"])];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        for dependency in list(&nodes[&id]["deps"]) {
            // A kind of `null` is an ordinary dependency, others are for building and for tests.
            if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                open.push(text(&dependency["pkg"]));
            }
        }
    }
    let mut found = Vec::new();
    for package in packages {
        let procedural = list(&package["targets"])
            .iter()
            .any(|target| target["kind"][0] == "proc-macro");
        if !seen.contains(&text(&package["id"])) || package["source"].is_null() || procedural {
            continue;
        }
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let licence = text(&package["license"]);
        if licence.is_empty() {
            return Err(format!("{name} {version} names no licence").into());
        }
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().ok_or("a manifest without a folder")?.to_owned();
        found.push(Inside {
            name,
            version,
            licence,
            folder,
        });
    }
    Ok(found)
}

/// The texts of licences in a crate's folder and one below it, where C code lies.
fn own_texts(folder: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut texts = BTreeSet::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if entry.file_type()?.is_dir() {
                folders.extend((depth == 0).then(|| (entry.path(), 1)));
            } else if NAMES.iter().any(|known| name.starts_with(known)) && !name.ends_with(".rs") {
                let text = String::from_utf8_lossy(&fs::read(entry.path())?).into_owned();
                let text = text.replace("\r\n", "\n").trim().to_owned();
                // Where a crate's C code comes with the GPL, it is for parts that are not here,
                // or one of two to choose from.
                if !text.get(..200).unwrap_or(&text).contains("GNU ") && !text.is_empty() {
                    texts.insert(text);
                }
            }
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_the_program_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = texts(&root, "x86_64-unknown-linux-gnu").unwrap();
        let has = |name: &str| text.lines().any(|line| line.starts_with(name) && line.contains(": "));
        assert!(has("zstd-sys 2.") && has("clap "), "{}", &text[..2000]);
        assert!(!has("proptest ") && !has("clap_derive ") && !has("cc ") && !has("kraken-"));
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")) && !text.contains("GNU GENERAL PUBLIC LICENSE\n"));
    }
}

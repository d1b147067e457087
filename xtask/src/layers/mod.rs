//! The layers of the workspace: which crate uses which, and whether files of one crate use each
//! other in a ring.

mod documented;
mod graph;
mod modules;
mod references;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use graph::rings;
use modules::ModuleTree;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for what the crate itself needs, else `dev` or `build`.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

/// A crate of the workspace, as it is printed.
struct Crate {
    layer: usize,
    name: String,
    lines: usize,
    uses: Vec<String>,
}

/// Prints the layers of the workspace at `root`.
///
/// # Errors
/// When the sources cannot be read, files of a crate use each other in a ring, a file does not say
/// what it is for, or the page of the architecture lists other crates.
pub(crate) fn run(root: &Path) -> Result<(), Box<dyn Error>> {
    let packages = packages(root)?;
    let mut found = BTreeSet::new();
    let mut crates = Vec::new();
    let mut wrong = Vec::new();
    for package in &packages {
        for target in &package.targets {
            if target.kind.iter().any(|kind| kind == "lib" || kind == "bin") {
                let tree = ModuleTree::read(&target.src_path)?;
                found.extend(rings(&tree.uses()));
            }
        }
        let folder = package.manifest_path.parent().unwrap_or(root).join("src");
        for path in documented::without_a_purpose(&folder)? {
            wrong.push(format!(
                "{} does not open with a `//!` line that says what it is for",
                path.display()
            ));
        }
        crates.push(Crate {
            layer: layer(package, &packages),
            name: package.name.clone(),
            lines: lines(&folder)?,
            uses: uses(package, &packages).map(|used| used.name.clone()).collect(),
        });
    }
    let in_layers: BTreeMap<_, _> = crates
        .iter()
        .map(|found: &Crate| (found.name.clone(), found.layer))
        .collect();
    // What is never part of the program stands in the text, not in the table.
    let in_layers = in_layers.into_iter().filter(|(name, _)| name.starts_with("kraken-"));
    wrong.extend(documented::differences(root, &in_layers.collect())?);
    crates.sort_by(|a, b| (a.layer, &a.name).cmp(&(b.layer, &b.name)));
    println!("layer   lines  crate (uses)");
    for Crate {
        layer,
        name,
        lines,
        uses,
    } in crates
    {
        let uses = match uses.is_empty() {
            true => String::new(),
            false => format!(" ({})", uses.join(", ")),
        };
        println!("{layer:>5}  {lines:>6}  {name}{uses}");
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    if found.is_empty() {
        println!("no files use each other in a ring");
        return Ok(());
    }
    for ring in &found {
        println!("ring of {} files:", ring.len());
        for file in ring {
            println!(
                "    {}",
                file.strip_prefix(root.canonicalize()?).unwrap_or(file).display()
            );
        }
    }
    Err(format!(
        "{} rings of files that use each other: move what both need into a file of its own",
        found.len()
    )
    .into())
}

fn packages(root: &Path) -> Result<Vec<Package>, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    Ok(metadata.packages)
}

/// The crates of the workspace that a crate needs; what its tests need is left out.
fn uses<'a>(package: &'a Package, packages: &'a [Package]) -> impl Iterator<Item = &'a Package> {
    packages.iter().filter(|other| {
        let is_it = |dependency: &Dependency| dependency.kind.is_none() && dependency.name == other.name;
        package.dependencies.iter().any(is_it)
    })
}

/// One more than the highest layer of what it uses. Cargo itself refuses a ring of crates.
fn layer(package: &Package, packages: &[Package]) -> usize {
    uses(package, packages)
        .map(|used| 1 + layer(used, packages))
        .max()
        .unwrap_or(0)
}

/// Lines of all Rust files in a folder.
fn lines(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sum += lines(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sum += fs::read_to_string(&path)?.lines().count();
        }
    }
    Ok(sum)
}

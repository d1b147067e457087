//! `cargo xtask release`: static programs, packages, tarballs and checksums in
//! `target/release-VERSION`, tested where users are.
//!
//! `cargo xtask man` and `cargo xtask completions` write what packagers need to `target/man` and
//! `target/completions`. They are made of the program at hand and never committed: so they cannot
//! be old, and no change of an option is a change of three more files.

mod licences;
mod made;
mod pages;
mod target;
mod tree;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{output, run};
use made::{Options, Release};
use target::{TARGETS, Target};
use tree::Parts;

/// Releases of Debian on which the packages are tested.
const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// Makes a release. `words` is what stands behind `release`.
///
/// # Errors
/// When the changelog does not have the version, something cannot be built, or a package fails its
/// test.
pub(crate) fn run_release(root: &Path, words: &[&str]) -> Result<(), Box<dyn Error>> {
    let options = options(words)?;
    let root = root.canonicalize()?;
    let release = release(&root)?;
    let wanted = TARGETS
        .iter()
        .filter(|target| options.only.is_empty() || options.only.iter().any(|only| only == target.debian));
    let mut built = Vec::new();
    for target in wanted {
        eprintln!("release: building {}", target.triple);
        built.push((target, target::build(&root, target, &options)?));
    }
    let here = match built.iter().find(|(target, _)| target.is_host()) {
        Some((_, program)) => program.clone(),
        None => debug_program(&root)?,
    };
    let mut files = Vec::new();
    let mut debs = Vec::new();
    for (target, program) in &built {
        let parts = Parts { program, here: &here };
        let laid = tree::lay(&release, target, &parts)?;
        files.push(tree::tarball(&release, target, &laid)?);
        debs.push((*target, tree::deb(&release, target, &laid)?));
    }
    files.extend(debs.iter().map(|(_, deb)| deb.clone()));
    sums(&release, &files)?;
    if !options.no_test {
        for (target, deb) in &debs {
            test(&release, target, deb)?;
        }
    }
    println!("{}", release.out.display());
    Ok(())
}

/// Writes the manual pages of the sources at hand to `target/man`.
///
/// # Errors
/// When the program does not compile, or the folder cannot be written.
pub(crate) fn run_man(root: &Path) -> Result<(), Box<dyn Error>> {
    let folder = root.join("target/man");
    pages::man(&debug_program(root)?, &folder, &epoch(root)?)?;
    println!("{}", folder.canonicalize()?.display());
    Ok(())
}

/// Writes the completions of all shells to `target/completions`.
///
/// # Errors
/// When the program does not compile, or the folder cannot be written.
pub(crate) fn run_completions(root: &Path) -> Result<(), Box<dyn Error>> {
    let folder = root.join("target/completions");
    pages::completions(&debug_program(root)?, &folder)?;
    println!("{}", folder.canonicalize()?.display());
    Ok(())
}

/// Builds the program as it is tested, for this machine.
fn debug_program(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    run(Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--bin", "kraken-flash"])
        .current_dir(root))?;
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(folder.join("debug/kraken-flash"))
}

fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--build-std" => options.build_std = true,
            "--no-test" => options.no_test = true,
            "--only" => {
                let name = rest.next().copied().unwrap_or_default();
                if !TARGETS.iter().any(|target| target.debian == name) {
                    return Err(format!("--only {name}: there is only amd64 and arm64"));
                }
                options.only.push(name.to_owned());
            }
            other => return Err(format!("release has no {other}")),
        }
    }
    Ok(options)
}

fn release(root: &Path) -> Result<Release, Box<dyn Error>> {
    let manifest: String = fs::read_to_string(root.join("Cargo.toml"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .ok_or("Cargo.toml has no version")?
        .to_owned();
    in_changelog(&fs::read_to_string(root.join("CHANGELOG.md"))?, &version)?;
    let out = root.join(format!("target/release-{version}"));
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let work = root.join("target/release-tools/work");
    fs::create_dir_all(&work)?;
    fs::create_dir_all(&out)?;
    Ok(Release {
        root: root.to_owned(),
        work,
        out,
        version,
        maintainer: maintainer(root)?,
        epoch: epoch(root)?,
    })
}

/// Whether the newest release of the changelog is this version, with its day.
fn in_changelog(text: &str, version: &str) -> Result<(), String> {
    let newest = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .find(|title| !title.starts_with('['))
        .unwrap_or_default();
    match newest.split_once(" - ") {
        Some((found, day)) if found == version && day.len() == 10 => Ok(()),
        _ => Err(format!(
            "CHANGELOG.md has no `## {version} - YYYY-MM-DD` as its newest release, but `{newest}`\nhelp: docs/release.md"
        )),
    }
}

/// `SOURCE_DATE_EPOCH`, else the time of the last commit.
fn epoch(root: &Path) -> Result<String, Box<dyn Error>> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(given);
    }
    let mut git = Command::new("git");
    Ok(output(git.args(["log", "-1", "--format=%ct"]).current_dir(root))?
        .trim()
        .to_owned())
}

/// `DEBFULLNAME` and `DEBEMAIL` as for other packages (debchange(1)), else who made the last
/// commit.
fn maintainer(root: &Path) -> Result<String, Box<dyn Error>> {
    if let (Ok(name), Ok(address)) = (std::env::var("DEBFULLNAME"), std::env::var("DEBEMAIL")) {
        return Ok(format!("{name} <{address}>"));
    }
    let mut git = Command::new("git");
    Ok(output(git.args(["log", "-1", "--format=%an <%ae>"]).current_dir(root))?
        .trim()
        .to_owned())
}

/// Writes `SHA256SUMS`, as sha256sum(1) checks it.
fn sums(release: &Release, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let names = files.iter().filter_map(|file| file.file_name());
    let text = output(Command::new("sha256sum").args(names).current_dir(&release.out))?;
    fs::write(release.out.join("SHA256SUMS"), text)?;
    Ok(())
}

/// Installs, uses and removes a package on each release of Debian.
fn test(release: &Release, target: &Target, deb: &Path) -> Result<(), Box<dyn Error>> {
    for suite in SUITES {
        eprintln!("release: testing {} on {suite}", target.debian);
        run(Command::new("tools/release-test.sh")
            .args([suite, target.debian])
            .arg(deb)
            .current_dir(&release.root)
            .stdout(std::io::stderr()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_released_when_the_changelog_has_its_day() {
        let text = "# Changelog\n\n## [Unreleased]\n\n## 0.2.0 - 2026-12-01\n\n## 0.1.0 - 2026-11-30\n";
        assert_eq!(in_changelog(text, "0.2.0"), Ok(()));
        assert!(in_changelog(text, "0.1.0").unwrap_err().contains("but `0.2.0"));
        assert!(in_changelog("## [Unreleased]\n", "0.1.0").is_err());
        assert!(in_changelog("## 0.1.0 - soon\n", "0.1.0").is_err());
    }

    #[test]
    fn options_are_known_or_refused() {
        let given = options(&["--build-std", "--only", "arm64"]).unwrap();
        assert!(given.build_std && !given.no_test && given.only == ["arm64"]);
        assert!(options(&["--only", "riscv64"]).is_err());
        assert!(options(&["--only"]).is_err());
        assert!(options(&["--fast"]).is_err());
    }
}

//! What a package installs, laid out in a folder; and the tarball and the `.deb` made of it.
//!
//! dpkg-deb(1) and tar(1) make them, not cargo-deb: a static program needs no computed
//! dependencies, so that a package is this folder and one control file, and the two tools leave the
//! same bytes each time (`SOURCE_DATE_EPOCH`). cargo-deb would be some 200 crates more.

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::made::Release;
use super::target::Target;
use super::{licences, pages};
use crate::command::{output, run};

const CONTROL: &str = include_str!("debian/control");
const COPYRIGHT: &str = include_str!("debian/copyright");
const OVERRIDES: &str = include_str!("debian/lintian-overrides");
const README: &str = include_str!("debian/README.Debian");

/// Files of the program that every package has.
pub(super) struct Parts<'a> {
    /// The program of the package's target.
    pub program: &'a Path,
    /// The same program, of this machine: it prints pages and completions.
    pub here: &'a Path,
}

/// Lays out `usr/…` as Debian has it in a fresh folder, and returns the folder.
///
/// # Errors
/// When something cannot be read or written.
pub(super) fn lay(release: &Release, target: &Target, parts: &Parts) -> Result<PathBuf, Box<dyn Error>> {
    let tree = release.work.join(format!("tree-{}", target.debian));
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let share = tree.join("usr/share");
    let (man, doc) = (share.join("man/man1"), share.join("doc/kraken-flash"));
    let lintian = share.join("lintian/overrides");
    for folder in [&tree.join("usr/bin"), &man, &doc, &lintian] {
        fs::create_dir_all(folder)?;
    }
    fs::write(lintian.join("kraken-flash"), OVERRIDES)?;
    fs::copy(parts.program, tree.join("usr/bin/kraken-flash"))?;
    pages::man(parts.here, &man, &release.epoch)?;
    pages::completions(parts.here, &share)?;
    fs::write(doc.join("README.Debian"), README)?;
    fs::write(doc.join("copyright"), COPYRIGHT)?;
    fs::copy(release.root.join("CHANGELOG.md"), doc.join("changelog"))?;
    fs::write(doc.join("changelog.Debian"), changelog(release)?)?;
    fs::write(doc.join("THIRD-PARTY"), licences::texts(&release.root, target.triple)?)?;
    let mut packed: Vec<PathBuf> = fs::read_dir(&man)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    packed.extend(["changelog", "changelog.Debian", "THIRD-PARTY"].map(|name| doc.join(name)));
    // Without name and time in it: the same bytes each time.
    run(Command::new("gzip").args(["-9", "--no-name", "--force"]).args(&packed))?;
    set_modes(&tree)?;
    Ok(tree)
}

/// The changelog of the package, deb-changelog(5): one entry, which leads to the program's own.
fn changelog(release: &Release) -> Result<String, Box<dyn Error>> {
    let date = output(
        Command::new("date")
            .args(["--utc", "--rfc-email", "--date"])
            .arg(format!("@{}", release.epoch)),
    )?;
    Ok(format!(
        "kraken-flash ({}-1) stable; urgency=medium\n\n  * Release {}: see changelog.gz.\n\n -- {}  {}\n",
        release.version,
        release.version,
        release.maintainer,
        date.trim()
    ))
}

/// Modes of a package, whatever this user's umask is.
fn set_modes(folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            set_modes(&path)?;
            continue;
        }
        let mode = if folder.ends_with("bin") { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Makes the `.deb` of a tree; returns its path.
///
/// # Errors
/// When dpkg-deb is missing or fails.
pub(super) fn deb(release: &Release, target: &Target, tree: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control)?;
    let kib = (size(tree)?).div_ceil(1024);
    let text = CONTROL
        .replace("{version}", &release.version)
        .replace("{architecture}", target.debian)
        .replace("{maintainer}", &release.maintainer)
        .replace("{size}", &kib.to_string());
    fs::write(control.join("control"), text)?;
    let sums = "cd \"$1\" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums";
    run(Command::new("sh").args(["-c", sums, "md5sums"]).arg(tree))?;
    set_modes(&control)?;
    let file = release
        .out
        .join(format!("kraken-flash_{}-1_{}.deb", release.version, target.debian));
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([tree, &file])
        .env("SOURCE_DATE_EPOCH", &release.epoch)
        // Several threads cut what they pack in other places.
        .env("DPKG_DEB_THREADS_MAX", "1")
        .stdout(std::io::stderr()))?;
    fs::remove_dir_all(control)?;
    Ok(file)
}

/// Makes the tarball of a tree, for systems that are not Debian's; returns its path.
///
/// # Errors
/// When tar or xz is missing or fails.
pub(super) fn tarball(release: &Release, target: &Target, tree: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let name = format!("kraken-flash-{}-{}", release.version, target.name);
    let top = release.work.join(&name);
    if top.exists() {
        fs::remove_dir_all(&top)?;
    }
    run(Command::new("cp").arg("-a").args([&tree.join("usr"), &top]))?;
    for page in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(release.root.join(page), top.join(page))?;
    }
    // What is for Debian alone.
    for path in [
        "lintian",
        "doc/kraken-flash/changelog.Debian.gz",
        "doc/kraken-flash/README.Debian",
    ] {
        run(Command::new("rm").arg("-r").arg(top.join("share").join(path)))?;
    }
    let file = release.out.join(format!("{name}.tar.xz"));
    run(Command::new("tar")
        .args([
            "--sort=name",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--format=gnu",
        ])
        .arg(format!("--mtime=@{}", release.epoch))
        .env("XZ_OPT", "-6 --threads=1")
        .args(["--xz", "--create", "--file"])
        .args([&file, Path::new("-C"), &release.work])
        .arg(&name))?;
    fs::remove_dir_all(top)?;
    Ok(file)
}

/// Bytes of all files beneath a folder.
fn size(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        bytes += if path.is_dir() {
            size(&path)?
        } else {
            path.metadata()?.len()
        };
    }
    Ok(bytes)
}

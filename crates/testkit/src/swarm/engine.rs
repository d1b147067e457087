//! The dockerd of a release: a small Debian tree with its `docker.io`, made once and kept in the
//! cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kraken_fetch::Cache;
use kraken_image::base::debian;
use sha2::{Digest, Sha256};

use super::super::tools::{require, search_path};
use super::super::{output, run};
use super::tail::last_lines;

/// The packages in every tree besides Debian's required packages. busybox is for the container
/// image.
const PACKAGES: &str = "docker.io,containerd,runc,iptables,iproute2,busybox-static,python3";
/// The public keys of the Debian archive, from the package `debian-archive-keyring`.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Settings of the tree's apt. The index of a development release may be older than it says it
/// should be.
const APT: [&str; 2] = ["Acquire::Languages \"none\";", "Acquire::Check-Valid-Until \"false\";"];
const DPKG: [&str; 4] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
];

/// A dockerd, and the tree that it runs in.
#[derive(Clone, Debug)]
pub struct Engine {
    tree: PathBuf,
    version: String,
}

impl Engine {
    /// Returns Debian's `docker.io` of a release (`bookworm`, `trixie`, `sid`), for this machine's
    /// architecture. The first call makes the tree, from the mirror of this machine's apt; later
    /// ones need no network. To get newer packages of a release, remove the tree from the folder
    /// `test-trees` of the cache.
    pub fn suite(suite: &str) -> Self {
        require(&[
            ("mmdebstrap", "mmdebstrap"),
            ("unshare", "util-linux"),
            ("ip", "iproute2"),
        ]);
        // The client became a package of its own after bookworm.
        let packages = match suite {
            "bullseye" | "bookworm" => PACKAGES.to_owned(),
            _ => format!("{PACKAGES},docker-cli"),
        };
        let architecture = run(Command::new("dpkg").arg("--print-architecture"));
        let architecture = architecture.trim();
        let recipe = format!("{suite} {architecture} {packages} {APT:?} {DPKG:?}");
        let key = &hex::encode(Sha256::digest(recipe))[..12];
        let folder = Cache::open(None).unwrap().root().join("test-trees");
        fs::create_dir_all(&folder).unwrap();
        let tree = folder.join(format!("{suite}-{architecture}-{key}"));
        let lock = File::create(tree.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        if !tree.is_dir() {
            make(suite, &packages, &tree);
        }
        let version = version_in(&tree);
        Self { tree, version }
    }

    /// Returns the newest that Debian has.
    pub fn newest() -> Self {
        Self::suite("sid")
    }

    /// Returns its version, `26.1.5`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the root of its tree, which must not be changed.
    pub fn tree(&self) -> &Path {
        &self.tree
    }
}

/// Makes a tree beside its final place. The caller holds the lock.
fn make(suite: &str, packages: &str, tree: &Path) {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: it starts dockerds in namespaces of their own"
    );
    let mirror = debian::Mirror::of_host().unwrap();
    let (work, log) = (tree.with_extension("work"), tree.with_extension("log"));
    if work.exists() {
        fs::remove_dir_all(&work).unwrap();
    }
    let proxies = output(Command::new("apt-config").args(["dump", "Acquire"]));
    // When it is killed, it leaves no mounts and no processes.
    let mut command = Command::new("unshare");
    command
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "mmdebstrap",
        ])
        .args(["--mode=root", "--variant=minbase", "--format=directory"])
        .arg(format!("--keyring={KEYRING}"))
        .arg(format!("--include={packages}"))
        .args(APT.map(|line| format!("--aptopt={line}")))
        .args(DPKG.map(|line| format!("--dpkgopt={line}")));
    for line in String::from_utf8_lossy(&proxies.stdout).lines() {
        let line_is_for_the_way_out = ["proxy", "cainfo", "capath"]
            .iter()
            .any(|word| line.to_ascii_lowercase().contains(word));
        if line_is_for_the_way_out && line.starts_with("Acquire::http") {
            command.arg(format!("--aptopt={line}"));
        }
    }
    let written = File::create(&log).unwrap();
    command
        .arg(suite)
        .arg(&work)
        .arg(format!("deb {} {suite} main", mirror.archive))
        .env("PATH", search_path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(written.try_clone().unwrap())
        .stderr(written);
    let status = command.status().unwrap();
    assert!(
        status.success() && work.join("usr/sbin/dockerd").is_file(),
        "mmdebstrap could not make a tree of {suite} ({status}):\n{}",
        last_lines(&log, 20)
    );
    fs::rename(&work, tree).unwrap();
}

/// Returns the upstream version of the tree's `docker.io`, from dpkg's status.
fn version_in(tree: &Path) -> String {
    let status = fs::read_to_string(tree.join("var/lib/dpkg/status")).unwrap();
    let paragraph = status
        .split("\n\n")
        .find(|paragraph| paragraph.starts_with("Package: docker.io\n"))
        .expect("docker.io in the tree");
    let version = paragraph
        .lines()
        .find_map(|line| line.strip_prefix("Version: "))
        .expect("a version");
    let upstream = version.split(['+', '-']).next().unwrap_or(version);
    upstream.to_owned()
}

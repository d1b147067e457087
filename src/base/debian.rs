//! The base `debian`: a Pi-bootable Debian, composed on this machine from Debian's own signed packages.
//!
//! The work is done by `mmdebstrap` and the shell scripts beside this file. This module finds out what the host has
//! (mirror, keys, tools), runs the scripts in namespaces of their own, and keeps the result in the cache: a second call
//! needs neither the network nor root.

mod compose;
mod host;
mod release;

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::cache::{CACHE_VARIABLE, NO_FOLLOW, lock_failed};
use kraken_foundation::interrupt::{Interrupt, Interrupted};
use kraken_foundation::progress::Progress;

pub use host::Mirror;
pub use release::Release;

/// Names the Debian mirror to use (`http://mirror.example/debian`) where the host's apt configuration has none.
pub const MIRROR_VARIABLE: &str = "KRAKEN_FLASH_DEBIAN_MIRROR";

/// Every file of `src/base/debian/` that is not Rust, as it is written to the working folder.
const SCRIPTS: [(&str, &str); 8] = [
    ("before-packages.sh", include_str!("debian/before-packages.sh")),
    ("compose.sh", include_str!("debian/compose.sh")),
    ("customize.sh", include_str!("debian/customize.sh")),
    ("dpkg.cfg", include_str!("debian/dpkg.cfg")),
    ("host-apt.sh", include_str!("debian/host-apt.sh")),
    ("image.sh", include_str!("debian/image.sh")),
    ("initramfs.sh", include_str!("debian/initramfs.sh")),
    ("native.sh", include_str!("debian/native.sh")),
];

/// Why there is no `debian` base.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// Programs or keys are missing.
    #[error("composing the debian base: this machine lacks {}; install it with: apt-get install {}", .what.join(", "), .packages.join(" "))]
    Missing {
        /// What was looked for and not found.
        what: Vec<String>,
        /// The Debian packages that have it.
        packages: Vec<String>,
    },
    /// It is not there yet and the user is not root.
    #[error(
        "composing the debian base needs root (it installs packages into a tree of its own), once; after that it is taken from the \
         cache. Run as root with the same cache: sudo env KRAKEN_FLASH_CACHE={} kraken-flash fetch --base debian",
        cache.display()
    )]
    NeedsRoot {
        /// This user's cache folder.
        cache: PathBuf,
    },
    /// The host's apt knows no Debian archive.
    #[error(
        "composing the debian base: the apt configuration of this machine names no Debian archive; \
         name one with {MIRROR_VARIABLE}=http://HOST/debian"
    )]
    NoMirror,
    /// A program of the host could not be asked.
    #[error("asking `{command}`: {why}")]
    Host {
        /// The command line.
        command: String,
        /// What went wrong.
        why: String,
    },
    /// The archive could not be reached, or is not what it should be.
    #[error(
        "reading the release date of the Debian archive at {uri}: {why}; check the network and the mirror, or run `apt-get update`"
    )]
    Archive {
        /// The file asked for.
        uri: String,
        /// What went wrong.
        why: String,
    },
    /// The scripts failed.
    #[error("composing the debian base failed while {stage}; the end of its log, all of which is in {}:\n{tail}", .log.display())]
    Compose {
        /// What was being done.
        stage: String,
        /// The whole log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A file could not be read or written.
    #[error("{doing} {}: {source}", .path.display())]
    Io {
        /// A gerund: "creating".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The user asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    move |source| DebianError::Io { doing, path, source }
}

/// Where the image is kept: `CACHE/debian/SUITE-KEY.img`. The key is a hash of the release and the scripts, so that a later version of
/// this program with other scripts makes another image, and the same version works offline from what it has.
pub fn cached_path(cache_dir: &Path, release: &Release) -> PathBuf {
    cache_dir
        .join("debian")
        .join(format!("{}-{}.img", release.suite, &key_of(release)[..16]))
}

fn key_of(release: &Release) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(release.suite);
    add(&release.packages.join(","));
    add(release.python.unwrap_or_default());
    for (name, text) in SCRIPTS {
        add(name);
        add(text);
    }
    hex::encode(hash.finalize())
}

/// The raw image of a Debian release: from the cache, or composed (which takes minutes, root and a Debian mirror).
///
/// The image is sparse: an MBR disk of 2000 MiB with a FAT32 `bootfs` and an ext4 `rootfs`, as Raspberry Pi OS has them.
/// Two processes that ask at the same time compose it once. `refresh` composes it anew, even when the cache has it.
///
/// # Errors
/// [`DebianError`]; nothing is left under the final name.
pub fn obtain(
    cache_dir: &Path,
    release: &Release,
    refresh: bool,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PathBuf, DebianError> {
    let image = cached_path(cache_dir, release);
    if image.is_file() && !refresh {
        return Ok(image);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(DebianError::NeedsRoot {
            cache: cache_dir.to_owned(),
        });
    }
    let missing = host::Missing::look();
    if !missing.is_empty() {
        return Err(missing.into());
    }
    let folder = cache_dir.join("debian");
    fs::create_dir_all(&folder).map_err(io_error("creating", &folder))?;
    let _lock = lock(&folder.join("lock"), progress, interrupt)?;
    if image.is_file() && !refresh {
        return Ok(image);
    }
    compose::run(release, &folder, &image, progress, interrupt)?;
    Ok(image)
}

/// Waits for its turn: the lock goes with the returned file.
fn lock(path: &Path, progress: &dyn Progress, interrupt: &Interrupt) -> Result<fs::File, DebianError> {
    let mut options = fs::File::options();
    options.create(true).truncate(false).write(true).custom_flags(NO_FOLLOW);
    let file = options.open(path).map_err(io_error("creating", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => {
                return Err(io_error("locking", path)(lock_failed(error, CACHE_VARIABLE)));
            }
        }
        if !told {
            progress.note("another process is composing the debian base; waiting for it");
            told = true;
        }
        interrupt.check()?;
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::progress::Silent;

    #[test]
    fn a_cached_image_is_used_without_root_or_network() {
        let cache = tempfile::tempdir().unwrap();
        let path = cached_path(cache.path(), &Release::TRIXIE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"image").unwrap();
        let found = obtain(cache.path(), &Release::TRIXIE, false, &Silent, &Interrupt::new());
        assert_eq!(found.unwrap(), path);
    }

    #[test]
    fn the_lock_gives_way_to_an_interrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _held = lock(&path, &Silent, &Interrupt::new()).unwrap();
        let interrupt = Interrupt::new();
        interrupt.set();
        assert!(matches!(
            lock(&path, &Silent, &interrupt),
            Err(DebianError::Interrupted(Interrupted))
        ));
    }

    #[test]
    fn every_script_is_carried_in_the_program() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/base/debian");
        let mut on_disk: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".rs"))
            .collect();
        on_disk.sort();
        assert_eq!(on_disk, SCRIPTS.map(|(name, _)| name.to_owned()));
    }
}

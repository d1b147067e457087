//! What several commands begin with: the cluster, its templates and overlays, where the base comes from.

use std::fs;
use std::path::{Path, PathBuf};

use kraken_flash::base::{self, Base, Downloads};
use kraken_flash::packages::lock::LOCK;
use kraken_flash::packages::{self, For, Selection};
use kraken_flash::provision::Assets;
use kraken_flash::spec::{self, BaseRef, Cluster, Image};
use kraken_flash::workspace::{LoginKeys, MissingKeys, Surroundings, Workspace};
use sha2::{Digest, Sha256};

use super::known::Standing;
use super::{Failure, Session};

/// A cluster with all that its images are rendered from.
pub(super) struct Loaded {
    pub(super) workspace: Workspace,
    pub(super) assets: Assets,
    /// SHA-256 of `kraken.toml`; `None` for the default cluster.
    pub(super) config_sha256: Option<String>,
    /// Where the lock file is, or will be.
    pub(super) lock: PathBuf,
    /// What is written down of each card's place in the swarm.
    pub(super) swarm: Option<Standing>,
}

/// Reads the cluster, and says when a key pair was made for it.
pub(super) fn load(session: &Session, missing: MissingKeys) -> Result<Loaded, Failure> {
    let workspace = Workspace::load(session.global.config.as_deref(), &Surroundings::here(), missing)?;
    if let LoginKeys::Made(path) = &workspace.keys {
        session.progress.note(&format!(
            "No SSH key was configured or found, so a pair was made: {} (keep it; it logs in to every node)",
            path.display()
        ));
    }
    let assets = Assets::load(Some(&workspace.folder), workspace.cluster.system.overlay.as_deref())?;
    let config_sha256 = match &workspace.config {
        None => None,
        Some(path) => Some(hash(path)?),
    };
    Ok(Loaded {
        lock: lock_of(&workspace),
        workspace,
        assets,
        config_sha256,
        swarm: None,
    })
}

fn hash(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::message(format!("reading {}: {error}", path.display())))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// Where the lock file of a workspace is, or will be.
pub(super) fn lock_of(workspace: &Workspace) -> PathBuf {
    match workspace.folder.as_path() {
        folder if folder == Path::new(".") => PathBuf::from(LOCK),
        folder => folder.join(LOCK),
    }
}

/// The packages that the cluster asks for, ready in the cache; `None` when it asks for none. `update`: moves the lock file on.
pub(super) fn packages(
    session: &Session,
    (cluster, lock): (&Cluster, &Path),
    base: &Base,
    (options, update): (&base::Options, bool),
) -> Result<Option<Selection>, Failure> {
    let downloads = Downloads::open(
        options,
        cluster.apt.proxy.as_deref(),
        &*session.progress,
        &session.interrupt,
    )?;
    let wanted = For {
        cluster,
        base,
        lock,
        update,
        now: now(),
    };
    Ok(packages::obtain(wanted, &downloads)?)
}

/// The time, by which signatures are judged; nothing of it goes into an image.
pub(super) fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// Where the base comes from, when not from where kraken.toml says.
#[derive(Debug, clap::Args)]
pub(super) struct BaseArgs {
    /// Take this base instead of kraken.toml's: a path, an address, a catalogue name, or "debian"
    #[arg(long, value_name = "BASE")]
    base: Option<String>,
    /// Use no network: what is not in the cache is an error
    #[arg(long)]
    offline: bool,
    /// Look for a newer base than the one in the cache
    #[arg(long, conflicts_with = "offline")]
    refresh: bool,
}

impl BaseArgs {
    /// Whether any of them is given.
    pub(super) fn are_given(&self) -> bool {
        self.base.is_some() || self.offline || self.refresh
    }

    /// Whether a base is named.
    pub(super) fn replaces(&self) -> bool {
        self.base.is_some()
    }

    /// Puts the base named here in the place of the spec's. The hash that the spec gives is that of its own base.
    pub(super) fn apply(&self, image: &mut Image) -> Result<(), Failure> {
        replace_base(image, self.base.as_deref())?;
        match (&image.base, self.refresh) {
            (BaseRef::Path(path), true) => Err(Failure::Usage(format!(
                "--refresh has no effect: the base {} is a file, of which nobody has a newer one",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// How to get it.
    pub(super) fn options(&self) -> base::Options {
        base::Options {
            offline: self.offline,
            refresh: self.refresh,
            ..base::Options::default()
        }
    }
}

/// Puts the base of `--base` in the place of the spec's. The hash that the spec gives is that of its own base.
pub(super) fn replace_base(image: &mut Image, written: Option<&str>) -> Result<(), Failure> {
    if let Some(written) = written {
        // On the command line a file that is there is meant, whatever its name looks like.
        let file = Path::new(written).is_file() && !written.contains('/');
        let written = if file { &format!("./{written}") } else { written };
        image.base = spec::base_ref(written, &|text| text.into())
            .map_err(|why| Failure::Usage(format!("--base {written}: {why}")))?;
        image.sha256 = None;
    }
    Ok(())
}

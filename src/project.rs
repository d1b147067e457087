//! A cluster's folder, from `kraken.toml` to a golden image: the steps that every command takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kraken_fetch::{Cache, Downloads, Options};
pub use kraken_foundation::Job;
use kraken_foundation::{Context as _, Error, Kind, Result, Sha256Hash};
pub use kraken_image::bake::Admission;
use kraken_image::bake::{self, Golden, Inputs};
use kraken_image::base::{self, Base};
use kraken_image::packages::lock::{LOCK, LockedSet};
use kraken_image::packages::{self, ObtainRequest, ReadyPackages};
use kraken_image::provision::{self, Assets};
use kraken_spec::daemon::Version;
use kraken_spec::workspace::{MissingKeys, Surroundings, Workspace, WorkspaceError};
use kraken_spec::{Cluster, Node};

/// A cluster with everything that its images are rendered from.
pub struct Project {
    /// `kraken.toml`, resolved, and its folder.
    pub workspace: Workspace,
    /// Templates and overlays.
    pub assets: Arc<Assets>,
    /// SHA-256 of `kraken.toml`; `None` for the default cluster.
    pub config_sha256: Option<Sha256Hash>,
    /// Where the lock file is, or will be.
    pub lock: PathBuf,
}

/// A project with its base and its packages in the cache: everything that a golden image is made
/// from.
pub struct Prepared {
    inputs: Inputs,
    golden: PathBuf,
}

/// Where packages come from, and what is done with them.
pub struct Wanted<'a> {
    /// Where the base and the packages come from.
    pub options: &'a Options,
    /// Whether the lock file is updated to what the archives have now.
    pub update: bool,
    /// Whether images are made of them. If so, a set that cannot become an image is refused before
    /// its packages are fetched.
    pub makes_images: bool,
}

impl Project {
    /// Reads `config`, or `kraken.toml` of the folder in `around`, or takes the default cluster.
    ///
    /// # Errors
    /// A [`WorkspaceError`] inside when `kraken.toml`, or a file that it names, is wrong; otherwise
    /// when templates or overlays are.
    pub fn open(config: Option<&Path>, around: &Surroundings, missing: MissingKeys) -> Result<Self> {
        let workspace = Workspace::load(config, around, missing).map_err(of_workspace)?;
        let assets = Assets::load(Some(&workspace.folder), workspace.cluster.system.overlay.as_deref())?;
        let config_sha256 = workspace.config.as_deref().map(hash).transpose()?;
        Ok(Self {
            lock: lock_of(&workspace),
            assets: Arc::new(assets),
            config_sha256,
            workspace,
        })
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.workspace.cluster
    }

    /// Returns the nodes with these numbers in the cluster's order, each once; all of them when no
    /// number is given.
    ///
    /// # Errors
    /// [`Kind::Usage`] when there is no such node.
    pub fn nodes(&self, numbers: &[u32]) -> Result<Vec<&Node>> {
        let nodes = &self.cluster().nodes;
        let is_there = |number: &u32| nodes.iter().any(|node| node.number == *number);
        if let Some(number) = numbers.iter().copied().find(|number| !is_there(number)) {
            let count = nodes.len();
            let text = format!("there is no node {number}: the cluster has nodes 1 to {count}");
            return Err(Error::new(Kind::Usage, text));
        }
        let is_wanted = |node: &&Node| numbers.is_empty() || numbers.contains(&node.number);
        Ok(nodes.iter().filter(is_wanted).collect())
    }

    /// Obtains the base image and keeps it in the cache.
    ///
    /// # Errors
    /// When it cannot be obtained.
    pub fn base(&self, options: &Options, job: Job<'_>) -> Result<Base> {
        base::obtain(&self.cluster().image, options, job)
    }

    /// Obtains the packages that the cluster asks for and keeps them in the cache; `None` when it
    /// asks for none.
    ///
    /// # Errors
    /// When they cannot be obtained, or no image can be made of them.
    pub fn packages(&self, base: &Base, wanted: &Wanted<'_>, job: Job<'_>) -> Result<Option<ReadyPackages>> {
        let cluster = self.cluster();
        let downloads = Downloads::open(wanted.options, cluster.apt.proxy.as_deref(), job)?;
        let request = ObtainRequest {
            cluster,
            base,
            lock: &self.lock,
            update: wanted.update,
            now: now(),
        };
        if wanted.makes_images
            && !wanted.update
            && let Some(bake) = packages::locked(request, &downloads)?
        {
            self.refuse(&bake)?;
        }
        let selection = packages::obtain(request, &downloads)?;
        if wanted.makes_images
            && let Some(selection) = &selection
        {
            self.refuse(&selection.locked)?;
        }
        Ok(selection)
    }

    /// Refuses packages before anything is made of them: the build of the images would fail at the
    /// end for the same reasons.
    fn refuse(&self, bake: &LockedSet) -> Result<()> {
        let refused = docker_refuses(self.cluster(), &self.assets, bake);
        match refused.is_empty() {
            true => Ok(()),
            false => Err(Error::new(Kind::Usage, refused.join("\n"))),
        }
    }

    /// Obtains base and packages, and checks that images can be made of them. `admission` says how
    /// the nodes join their swarm.
    ///
    /// # Errors
    /// When one of them cannot be obtained, or no image can be made of them.
    pub fn prepare(&self, admission: Admission, options: &Options, job: Job<'_>) -> Result<Prepared> {
        let cluster = self.cluster();
        let cache = Cache::open(options.cache.as_deref())?;
        let base = self.base(options, job)?;
        bake::accepts(cluster, &base)?;
        if !admission.is_into_a_running_swarm() {
            for covers in bake::covers_swarm(cluster, &self.assets, &base)? {
                job.note(&format!("warning: {covers}"));
            }
        }
        let wanted = Wanted {
            options,
            update: false,
            makes_images: true,
        };
        let packages = self.packages(&base, &wanted, job)?;
        Ok(Prepared {
            inputs: Inputs {
                cluster: Arc::new(cluster.clone()),
                base: Arc::new(base),
                assets: Arc::clone(&self.assets),
                packages: packages.map(Arc::new),
                admission,
            },
            golden: cache.root().join("golden"),
        })
    }
}

impl Prepared {
    /// Makes the golden image, or takes it from the cache.
    ///
    /// # Errors
    /// When the golden image cannot be made.
    pub fn bake(self, job: Job<'_>) -> Result<Golden> {
        bake::bake(self.inputs, &self.golden, job)
    }
}

/// Returns why no image can be made of this cluster with the Docker that is locked for its base; a
/// sentence each. Empty when none is locked, because its version is not known then.
pub fn docker_refuses(cluster: &Cluster, assets: &Assets, bake: &LockedSet) -> Vec<String> {
    let Some(engine) = bake.engine() else {
        return Vec::new();
    };
    let Some(version) = Version::of_package(&engine.version) else {
        return Vec::new();
    };
    provision::docker_refuses(cluster, assets, version)
        .into_iter()
        .map(|error| format!("{error}; {LOCK} has {} {} for this base", engine.name, engine.version))
        .collect()
}

/// Returns where the lock file of a workspace is, or will be.
pub fn lock_of(workspace: &Workspace) -> PathBuf {
    match workspace.folder.as_path() {
        folder if folder == Path::new(".") => PathBuf::from(LOCK),
        folder => folder.join(LOCK),
    }
}

/// Returns the time in seconds since 1970, by which signatures are judged; it never goes into an
/// image.
pub fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

/// Keeps the error of a workspace, which is shown with its place in `kraken.toml`.
fn of_workspace(error: WorkspaceError) -> Error {
    match error {
        WorkspaceError::Read { .. } | WorkspaceError::Write { .. } => Error::of(error),
        error => Error::typed(Kind::Usage, error),
    }
}

fn hash(path: &Path) -> Result<Sha256Hash> {
    Ok(Sha256Hash::of(fs::read(path).doing("reading", path)?))
}

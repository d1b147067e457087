//! A cluster's folder, from `kraken.toml` to a golden image: the way that every command takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use kraken_fetch::{Cache, CacheError, DownloadError, Downloads, Options};
pub use kraken_foundation::Job;
pub use kraken_image::bake::Admission;
use kraken_image::bake::{self, BakeError, Golden, Inputs};
use kraken_image::base::{self, Base, BaseError};
use kraken_image::packages::lock::{LOCK, LockedSet};
use kraken_image::packages::{self, ObtainRequest, PackagesError, ReadyPackages};
use kraken_image::provision::{self, Assets, ProvisionError};
use kraken_spec::daemon::Version;
use kraken_spec::workspace::{MissingKeys, Surroundings, Workspace, WorkspaceError};
use kraken_spec::{Cluster, Node};
use sha2::{Digest, Sha256};

/// Why a project cannot be opened, or no image be made of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// `kraken.toml` is wrong, or a file that it names cannot be read.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// `kraken.toml` cannot be read once more, for its hash.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Templates or overlays are wrong.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// The cache folder cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Downloads cannot begin.
    #[error(transparent)]
    Downloads(#[from] DownloadError),
    /// The base image cannot be had.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The packages cannot be had.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The golden image cannot be made.
    #[error(transparent)]
    Bake(#[from] BakeError),
    /// The Docker that is locked for the base does not take what `kraken.toml` says of it; a line for each reason.
    #[error("{}", .0.join("\n"))]
    Docker(Vec<String>),
    /// There is no such node.
    #[error("there is no node {number}: the cluster has nodes 1 to {count}")]
    NoNode {
        /// The number that was asked for.
        number: u32,
        /// How many nodes there are.
        count: usize,
    },
}

/// A cluster with all that its images are rendered from.
pub struct Project {
    /// `kraken.toml`, resolved, and its folder.
    pub workspace: Workspace,
    /// Templates and overlays.
    pub assets: Arc<Assets>,
    /// SHA-256 of `kraken.toml`, in hexadecimal; `None` for the default cluster.
    pub config_sha256: Option<String>,
    /// Where the lock file is, or will be.
    pub lock: PathBuf,
}

/// A project with its base and its packages in the cache: all that a golden image is made from.
pub struct Prepared {
    inputs: Inputs,
    golden: PathBuf,
}

/// Where packages come from, and what is done with them.
pub struct Wanted<'a> {
    /// Where the base and the packages come from.
    pub options: &'a Options,
    /// Whether the lock file is moved on to what the archives have now.
    pub update: bool,
    /// Whether images are made of them: what cannot become one is refused before its packages are fetched.
    pub makes_images: bool,
}

impl Project {
    /// Reads `config`, or `kraken.toml` of the folder in `around`, or takes the default cluster.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn open(config: Option<&Path>, around: &Surroundings, missing: MissingKeys) -> Result<Self, ProjectError> {
        let workspace = Workspace::load(config, around, missing)?;
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

    /// The nodes with these numbers in the cluster's order, each once; all of them when no number is given.
    ///
    /// # Errors
    /// [`ProjectError::NoNode`].
    pub fn nodes(&self, numbers: &[u32]) -> Result<Vec<&Node>, ProjectError> {
        let nodes = &self.cluster().nodes;
        let is_there = |number: &u32| nodes.iter().any(|node| node.number == *number);
        if let Some(number) = numbers.iter().copied().find(|number| !is_there(number)) {
            let count = nodes.len();
            return Err(ProjectError::NoNode { number, count });
        }
        let is_wanted = |node: &&Node| numbers.is_empty() || numbers.contains(&node.number);
        Ok(nodes.iter().filter(is_wanted).collect())
    }

    /// Brings the base image into the cache.
    ///
    /// # Errors
    /// [`ProjectError::Base`].
    pub fn base(&self, options: &Options, job: Job<'_>) -> Result<Base, ProjectError> {
        Ok(base::obtain(&self.cluster().image, options, job)?)
    }

    /// Brings the packages that the cluster asks for into the cache; `None` when it asks for none.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn packages(
        &self,
        base: &Base,
        wanted: &Wanted<'_>,
        job: Job<'_>,
    ) -> Result<Option<ReadyPackages>, ProjectError> {
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

    /// Before anything is made of packages: making the images would fail at the end for the same reasons.
    fn refuse(&self, bake: &LockedSet) -> Result<(), ProjectError> {
        let refused = docker_refuses(self.cluster(), &self.assets, bake);
        match refused.is_empty() {
            true => Ok(()),
            false => Err(ProjectError::Docker(refused)),
        }
    }

    /// Brings base and packages into the cache, and checks that images can be made of them. `admission` says how the nodes come into their
    /// swarm.
    ///
    /// # Errors
    /// [`ProjectError`].
    pub fn prepare(&self, admission: Admission, options: &Options, job: Job<'_>) -> Result<Prepared, ProjectError> {
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
    /// [`ProjectError::Bake`].
    pub fn bake(self, job: Job<'_>) -> Result<Golden, ProjectError> {
        Ok(bake::bake(self.inputs, &self.golden, job)?)
    }
}

/// Why no image can be made of this cluster with the Docker that is locked for its base; a sentence each. Empty where none is locked: its
/// version is not known then.
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

/// Where the lock file of a workspace is, or will be.
pub fn lock_of(workspace: &Workspace) -> PathBuf {
    match workspace.folder.as_path() {
        folder if folder == Path::new(".") => PathBuf::from(LOCK),
        folder => folder.join(LOCK),
    }
}

/// The time in seconds since 1970, by which signatures are judged; nothing of it goes into an image.
pub fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

fn hash(path: &Path) -> Result<String, ProjectError> {
    let failed = |source| ProjectError::Read {
        path: path.to_owned(),
        source,
    };
    Ok(hex::encode(Sha256::digest(fs::read(path).map_err(failed)?)))
}

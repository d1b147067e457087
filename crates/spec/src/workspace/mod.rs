//! The folder of `kraken.toml`: reads the files that the spec names, and makes what is missing (an SSH key pair, the cluster's keys).
//!
//! The rest of this crate only parses; this module does its reading and writing. It never opens an image.

use std::io;
use std::path::{Path, PathBuf};

mod cluster_keys;
mod error;
mod files;
mod init;
mod keys;

pub use cluster_keys::{Encrypt, Unlock, make_cluster_keys, read_cluster_keys, read_secret};
pub use error::WorkspaceError;
pub use files::Surroundings;
pub use init::init;
pub use keys::{PRIVATE_KEY, PUBLIC_KEY};

use crate::Cluster;

/// The spec's name when none is given.
pub const CONFIG: &str = "kraken.toml";

/// What to do when the spec names no SSH key and there is none to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKeys {
    /// Make a pair beside the spec.
    Make,
    /// Change nothing; `ssh_keys` of the cluster is left empty, and no image must be built from it.
    Leave,
}

/// Whose keys can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKeys {
    /// Those that the spec names.
    Configured,
    /// None was named; these files were found.
    Found(Vec<PathBuf>),
    /// None was named or found, so a pair was made now: its private key.
    Made(PathBuf),
    /// None was named or found; a pair will be made here ([`MissingKeys::Leave`]).
    ToBeMade(PathBuf),
}

/// A cluster and the folder it lives in.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of `kraken.toml`; the current one when there is none. Overriding templates and overlays are in it.
    pub folder: PathBuf,
    /// The spec; `None` for the default cluster.
    pub config: Option<PathBuf>,
    /// What the spec says.
    pub cluster: Cluster,
    /// Whose keys can log in. When it is [`LoginKeys::Made`] the user must be told.
    pub keys: LoginKeys,
}

impl Workspace {
    /// Reads `config`, or `kraken.toml` of the current folder, or takes the default cluster when that is not there.
    ///
    /// A key pair is made only when the spec is right in every other way.
    ///
    /// # Errors
    /// When a named `config` cannot be read, when the spec is wrong, or when a key pair cannot be made.
    pub fn load(config: Option<&Path>, around: &Surroundings, missing: MissingKeys) -> Result<Self, WorkspaceError> {
        let path = around.folder.join(config.unwrap_or(Path::new(CONFIG)));
        let text = read_config(&path, config.is_some())?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = match &text {
            Some(_) => path.display().to_string(),
            None => "the default cluster".to_owned(),
        };
        let spec = text.as_deref().unwrap_or_default();
        let configured = crate::parse(&name, spec).is_ok_and(|raw| raw.user.ssh_keys.is_set());
        let files = files::DiskFiles {
            folder: &folder,
            home: around.home.as_deref(),
            pair: if configured { None } else { keys::existing(&folder)? },
        };
        let mut cluster = crate::load(&name, spec, &files)?;
        let private = files::beside(&folder, PRIVATE_KEY);
        let keys = if !cluster.user.ssh_keys.is_empty() {
            match configured {
                true => LoginKeys::Configured,
                false => LoginKeys::Found(files.default_key_files()),
            }
        } else if missing == MissingKeys::Make {
            cluster.user.ssh_keys.push(keys::make(&folder, &cluster.name)?);
            LoginKeys::Made(private)
        } else {
            LoginKeys::ToBeMade(private)
        };
        Ok(Self {
            folder,
            config: text.map(|_| path),
            cluster,
            keys,
        })
    }
}

/// The text of the spec; `None` when it is not there and nobody asked for it by name.
fn read_config(path: &Path, named: bool) -> Result<Option<String>, WorkspaceError> {
    let read = files::read_small(path).and_then(|(bytes, _)| {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is text in UTF-16"));
        }
        String::from_utf8(bytes).map_err(|error| {
            let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            io::Error::new(io::ErrorKind::InvalidData, format!("line {line} is not UTF-8"))
        })
    });
    match read {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Ok(None),
        Err(source) if source.kind() == io::ErrorKind::InvalidData => Err(WorkspaceError::NoText {
            path: path.to_owned(),
            source,
        }),
        Err(source) => Err(WorkspaceError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

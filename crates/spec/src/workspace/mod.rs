//! The folder of `kraken.toml`: reads the files that the spec names, and makes what is missing (an
//! SSH key pair, the cluster's keys).
//!
//! The rest of this crate only parses; this module does its reading and writing. It never opens an
//! image.

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

/// The name of the spec when the user gives none.
pub const CONFIG: &str = "kraken.toml";

/// What to do when the spec names no SSH key and none is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKeys {
    /// Make a pair beside the spec.
    Make,
    /// Change nothing. `ssh_keys` of the cluster is left empty, and no image must be built from it.
    Leave,
}

/// The source of the keys that can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKeys {
    /// The spec names them.
    Configured,
    /// The spec names none; these files were found.
    Found(Vec<PathBuf>),
    /// The spec names none and none was found, so a pair was made now. Holds the path of its
    /// private key.
    Made(PathBuf),
    /// The spec names none and none was found; a pair will be made here ([`MissingKeys::Leave`]).
    ToBeMade(PathBuf),
}

/// A cluster and the folder that its files are in.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of `kraken.toml`; the current one when there is none. It holds the templates and
    /// overlays that override the built-in ones.
    pub folder: PathBuf,
    /// The spec; `None` for the default cluster.
    pub config: Option<PathBuf>,
    /// What the spec says.
    pub cluster: Cluster,
    /// The source of the keys that can log in. When it is [`LoginKeys::Made`], the caller must
    /// report that to the user.
    pub keys: LoginKeys,
}

impl Workspace {
    /// Reads `config`, or `kraken.toml` of the current folder, or returns the default cluster when
    /// that file does not exist.
    ///
    /// A key pair is made only when everything else in the spec is right.
    ///
    /// # Errors
    /// When a named `config` cannot be read, when the spec is wrong, or when a key pair cannot be
    /// made.
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

/// Returns the text of the spec; `None` when it does not exist and the user did not name it.
fn read_config(path: &Path, named: bool) -> Result<Option<String>, WorkspaceError> {
    let read = files::read_small(path).and_then(|file| {
        let bytes = file.bytes;
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

//! Errors in `kraken.toml` and with the files around it.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use crate::SpecErrors;

/// Why a workspace cannot be used, with what to do as the diagnostic's help.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum WorkspaceError {
    /// The spec is wrong; holds all its mistakes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Spec(#[from] SpecErrors),
    /// The spec cannot be read.
    #[error("reading {}: {source}", path.display())]
    #[diagnostic(help("check the name and the permissions; `kraken-flash init` writes a new one"))]
    Read {
        /// The spec.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The spec is a text of another encoding.
    #[error("reading {}: {source}", path.display())]
    #[diagnostic(help(
        "save it as UTF-8: in Windows' Notepad with \"Save as\" (PowerShell's `>` writes UTF-16), elsewhere with `iconv -f UTF-16 -t UTF-8`"
    ))]
    NoText {
        /// The spec.
        path: PathBuf,
        /// What it is instead.
        source: io::Error,
    },
    /// There is a file already: `init` never writes over a file.
    #[error("{} is there already, and was not touched", path.display())]
    #[diagnostic(help("edit it, or move it away first if another one is to be made"))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("writing {}: {source}", path.display())]
    #[diagnostic(help("make the folder writable"))]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A key pair cannot be made.
    #[error("making an SSH key pair: {source}")]
    #[diagnostic(help("make one yourself: ssh-keygen -t ed25519"))]
    MakeKey {
        /// Why not.
        source: ssh_key::Error,
    },
    /// The cluster's keys cannot be used.
    #[error("using the cluster's keys {}: {why}", path.display())]
    #[diagnostic(help("{help}"))]
    ClusterKeys {
        /// The file.
        path: PathBuf,
        /// Why not; never its content.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// The key pair beside the spec is damaged.
    #[error("reading the SSH key {}: {why}", path.display())]
    #[diagnostic(help(
        "remove kraken_ed25519 and kraken_ed25519.pub to have a new pair made; cards that were written know the old one"
    ))]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why not; never its content.
        why: String,
    },
}

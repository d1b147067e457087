//! A release that is being made, and what the command line asks of it.

use std::path::PathBuf;

/// What stands behind `release`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Compile the standard library from the toolchain's sources.
    pub(super) build_std: bool,
    /// Leave the tests on Debian's releases out.
    pub(super) no_test: bool,
    /// As Debian calls them; empty for all.
    pub(super) only: Vec<String>,
}

/// A release that is being made.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) root: PathBuf,
    /// Where trees are laid out.
    pub(super) work: PathBuf,
    /// Where the files to publish go.
    pub(super) out: PathBuf,
    pub(super) version: String,
    /// Name and address, as Debian writes them.
    pub(super) maintainer: String,
    /// Seconds since 1970 of the commit: the time of every file.
    pub(super) epoch: String,
}

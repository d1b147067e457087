//! `kraken.toml` → a resolved, validated [`Cluster`]; and the folder around it.
//!
//! [`load`] parses a text and checks it. The caller reads the files that the text names
//! ([`Files`]). Every error contains line and column, and what to do. The steps: `read` walks the
//! TOML and takes the known keys out ([`RawConfig`]); `resolve` fills in the defaults and checks
//! all of it, with `names`, `ssh` and `crypt`. Both note what is wrong and go on, so that
//! everything is reported at once. [`workspace`] does the reading and writing: it finds
//! `kraken.toml`, SSH keys and the cluster's keys, and makes what is missing.
//!
//! This crate opens no image and no connection. Apart from [`workspace`] it touches no disk.
//!
//! ```
//! assert!(kraken_spec::parse("kraken.toml", "[cluster]\nnodes = 3\n").is_ok());
//! // Unknown keys are errors, each with its place and the key that was probably meant.
//! let errors = kraken_spec::parse("kraken.toml", "[cluster]\nnods = 3\n").unwrap_err();
//! assert_eq!(errors.problems().len(), 1);
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod cluster;
mod crypt;
pub mod daemon;
mod declare;
mod defaults;
mod field;
mod files;
mod hints;
mod keyboard;
pub mod keys;
mod mask;
mod names;
mod nets;
mod node;
mod options;
mod problem;
mod raw;
mod read;
mod resolve;
mod section;
mod ssh;
mod system_names;
mod tree;
pub mod workspace;

pub use cluster::{
    Apt, BaseRef, Cluster, DebRef, Docker, DockerSource, Image, InterfaceChoice, Keyboard, Network, SecretText, Sudo,
    Swarm, SwarmMode, System, UsedImage, User,
};
pub use field::{At, Field, Moment, Pair, Pairs};
pub use files::{DefaultKeys, Files, FoundKey};
pub use keyboard::{KEYBOARDS_OF, is_listed_layout};
pub use nets::LocalPool;
pub use node::{Availability, Board, Node, NodeId, Role};
pub use options::{Options, Place};
pub use problem::{Problem, SpecErrors};
pub use raw::{
    RawApt, RawCluster, RawConfig, RawDocker, RawImage, RawKeyboard, RawNetwork, RawNode, RawSwarm, RawSystem, RawUser,
    schema,
};
pub use resolve::base_ref;
pub use ssh::{fingerprint, public_keys};

/// Reads the text of a spec without checking what its values mean.
///
/// `name` is the name of the text in errors, usually `kraken.toml`.
///
/// # Errors
/// All syntax errors; when there are none, all unknown keys and all values of a wrong type.
pub fn parse(name: &str, text: &str) -> Result<RawConfig, SpecErrors> {
    let mut problems = problem::Problems::default();
    let raw = read::config(text, &mut problems);
    if problems.is_empty() {
        Ok(raw)
    } else {
        Err(problems.into_errors(name, text))
    }
}

/// Reads the text of a spec, fills in the defaults and checks all of it. The empty text is the
/// default cluster.
///
/// # Errors
/// Everything that is wrong, at once: unknown keys, wrong types, and everything that the rules of
/// `kraken.toml` forbid. Only a syntax error hides the rest, because the parser guesses what
/// follows it.
pub fn load(name: &str, text: &str, files: &dyn Files) -> Result<Cluster, SpecErrors> {
    let mut problems = problem::Problems::default();
    let raw = read::config(text, &mut problems);
    match resolve::cluster(&raw, files, &mut problems) {
        Some(cluster) if problems.is_empty() => Ok(cluster),
        _ => Err(problems.into_errors(name, text)),
    }
}

//! A compose file → the objects of a swarm, as `docker stack deploy` makes them.
//!
//! [`parse`] reads the text of a compose file: it replaces variables, resolves anchors and merge
//! keys, and translates every key or refuses it with line and column ([`keys`] lists them all).
//! What a swarm ignores is a note. Files, variables and passwords come from the caller
//! ([`Sources`]). The result is a [`Stack`]: networks, secrets, configs and services, named and
//! labelled as the command line of Docker does it, so that the same command later finds nothing to
//! change. [`Stack::images`] lists the images, and [`Stack::pinned`] takes their digests.
//!
//! This crate opens no connection and touches no disk.
//!
//! ```
//! use kraken_stack::{FileKind, Files, Sources, parse};
//! use zeroize::Zeroizing;
//!
//! struct NoFiles;
//! impl Files for NoFiles {
//!     fn read(&self, _: &str, _: FileKind, _: usize) -> std::io::Result<Zeroizing<Vec<u8>>> {
//!         Err(std::io::ErrorKind::NotFound.into())
//!     }
//! }
//! let sources = Sources {
//!     variables: &|_| None,
//!     files: &NoFiles,
//!     passwords: &|_| Zeroizing::new("made from a seed".to_owned()),
//! };
//! let text = "services:\n  web:\n    image: nginx\n    ports: ['80:80']\n";
//! let stack = parse("compose.yaml", text, "shop", &sources).unwrap();
//! assert_eq!(stack.services[0].spec.name, "shop_web");
//! assert_eq!(stack.networks[0].name, "shop_default");
//! let text = "services:\n  web:\n    image: nginx\n    privileged: true\n";
//! let errors = parse("compose.yaml", text, "shop", &sources).unwrap_err();
//! assert_eq!(errors.problems()[0].place().line, 4);
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

pub mod api;
mod constraint;
mod facts;
#[cfg(test)]
mod hostile;
mod image;
pub mod keys;
mod problem;
mod read;
mod reader;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod refused;
mod sources;
mod stack;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod variables;
mod yaml;

pub use constraint::{NodeRole, NodeTraits};
pub use facts::{Memory, NamedVolume, PublishMode, PublishedPort};
pub use problem::{Note, Place, Problem, StackErrors};
pub use sources::{FileKind, Files, PasswordRequest, Sources};
pub use stack::{ImageUse, Objects, Service, Stack};

/// Translates the text of a compose file into the stack `stack`.
///
/// `name` is the name of the text in errors, usually its path as the user wrote it.
///
/// # Errors
/// Everything that is wrong, at once, each with its place: what is not YAML, unknown and refused
/// keys, values that Docker would refuse or silently change, files that cannot be read, variables
/// that are not set.
pub fn parse(name: &str, text: &str, stack: &str, sources: &Sources<'_>) -> Result<Stack, StackErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut problems = problem::Problems::default();
    let mut tree = match yaml::read(text) {
        Ok(tree) => tree,
        Err(problem) => {
            problems.push(problem);
            // What is secret in a text that cannot be read is not known: nothing of it is shown.
            return Err(problems.into_errors(name, &blank(text)));
        }
    };
    read::hide_secrets(&tree, &mut problems);
    variables::replace(&mut tree, sources.variables, &mut problems);
    let mut reader = reader::Reader {
        stack,
        sources,
        problems,
        notes: Vec::new(),
    };
    match read::stack(&tree, &mut reader) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        None if reader.problems.is_empty() => {
            reader.wrong(
                tree.place,
                "the compose file has no services",
                "it needs the key `services`",
            );
            Err(reader.problems.into_errors(name, text))
        }
        _ => Err(reader.problems.into_errors(name, text)),
    }
}

/// Returns a text of the same length and lines that shows nothing.
fn blank(text: &str) -> String {
    let shown = text.bytes().map(|byte| {
        if matches!(byte, b'\n' | b'\r') {
            byte as char
        } else {
            ' '
        }
    });
    shown.take(yaml::LONGEST).collect()
}

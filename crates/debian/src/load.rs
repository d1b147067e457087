//! Reads all named archives, and separates those that can be used from those that cannot.

use super::archive::{Architectures, Archive, fetch_release, open};
use super::fetch::Fetch;
use super::sources::{Source, with_slash};
use kraken_foundation::{Error, Kind, Result};

/// The archives that were read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Those that could be verified, in the order of their sources.
    pub archives: Vec<Archive>,
    /// Those that could not. Without all archives of the image other packages may be chosen, so the
    /// user must see these errors.
    pub failed: Vec<FailedArchive>,
}

/// An archive that could not be used.
#[derive(Debug)]
pub struct FailedArchive {
    /// Its address and suite.
    pub shown: String,
    /// Where it is named.
    pub named_in: String,
    /// Why not.
    pub error: Error,
}

/// Reads all sources, and returns the verified archives, in their order. `now` is in seconds since
/// 1970; `architectures` are those of the image.
///
/// # Errors
/// When a file of an archive cannot be fetched, verified or read: one archive is enough.
pub fn load(sources: &[Source], fetch: &dyn Fetch, now: u64, architectures: &[&str]) -> Result<Vec<Archive>> {
    let all = Architectures {
        needed: architectures,
        welcome: &[],
    };
    let loaded = load_available(sources, fetch, now, all);
    match loaded.failed.into_iter().next() {
        Some(failed) => Err(failed.error),
        None => Ok(loaded.archives),
    }
}

/// Reads all sources, as apt does: one that cannot be verified is left out as a whole, and the
/// others are still read. After a host did not answer at all, it is not asked again: each attempt
/// would take as long.
pub fn load_available(sources: &[Source], fetch: &dyn Fetch, now: u64, architectures: Architectures<'_>) -> Loaded {
    let mut loaded = Loaded::default();
    let mut silent: Vec<String> = Vec::new();
    for source in sources {
        let port = source.url.port().map_or_else(String::new, |port| format!(":{port}"));
        let host = source.url.host_str().unwrap_or_default().to_owned() + &port;
        if silent.contains(&host) {
            let why = format!("{host} did not answer before");
            let error = Error::new(Kind::Network, why);
            loaded.failed.push(FailedArchive::of(source, error));
            continue;
        }
        let same =
            |a: &Archive| a.url == with_slash(source.url.clone()) && a.suite == source.suite && a.keys == source.keys;
        let known = loaded.archives.iter().position(same);
        let opened = match known {
            Some(at) => Ok(loaded.archives.remove(at)),
            None => fetch_release(source, fetch)
                .inspect_err(|error| {
                    if error.kind() != Kind::NotFound {
                        silent.push(host);
                    }
                })
                .and_then(|release| open(source, release, now)),
        };
        match opened.and_then(|archive| archive.with_parts(source, fetch, architectures)) {
            Ok(archive) => loaded.archives.insert(known.unwrap_or(loaded.archives.len()), archive),
            Err(error) => loaded.failed.push(FailedArchive::of(source, error)),
        }
    }
    loaded
}

impl FailedArchive {
    fn of(source: &Source, error: Error) -> Self {
        Self {
            shown: format!("{} {}", source.url, source.suite),
            named_in: source.named_in.clone(),
            error,
        }
    }
}

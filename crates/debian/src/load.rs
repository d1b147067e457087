//! Reads all named archives, and separates those that can be used from those that cannot.

use super::archive::{Architectures, Archive, open};
use super::archive_error::ArchiveError;
use super::fetch::{Fetch, FetchFailed};
use super::sources::{Source, with_slash};

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
    pub error: ArchiveError,
}

/// Reads all sources, and returns the verified archives, in their order. `now` is in seconds since
/// 1970; `architectures` are those of the image.
///
/// # Errors
/// [`ArchiveError`]: one archive that cannot be verified is enough.
pub fn load(
    sources: &[Source],
    fetch: &dyn Fetch,
    now: u64,
    architectures: &[&str],
) -> Result<Vec<Archive>, ArchiveError> {
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
            let error = ArchiveError::Fetch(FetchFailed::new(why));
            loaded.failed.push(FailedArchive::of(source, error));
            continue;
        }
        let same =
            |a: &Archive| a.url == with_slash(source.url.clone()) && a.suite == source.suite && a.keys == source.keys;
        let known = loaded.archives.iter().position(same);
        let opened = match known {
            Some(at) => Ok(loaded.archives.remove(at)),
            None => open(source, fetch, now).inspect_err(|error| {
                if matches!(error, ArchiveError::Fetch(failed) if !failed.missing) {
                    silent.push(host);
                }
            }),
        };
        match opened.and_then(|archive| archive.with_parts(source, fetch, architectures)) {
            Ok(archive) => loaded.archives.insert(known.unwrap_or(loaded.archives.len()), archive),
            Err(error) => loaded.failed.push(FailedArchive::of(source, error)),
        }
    }
    loaded
}

impl FailedArchive {
    fn of(source: &Source, error: ArchiveError) -> Self {
        Self {
            shown: format!("{} {}", source.url, source.suite),
            named_in: source.named_in.clone(),
            error,
        }
    }
}

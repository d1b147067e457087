//! Asks all archives that are named, and tells those that can be used from those that cannot.

use super::archive::{Archive, open};
use super::archive_error::ArchiveError;
use super::fetch::{Fetch, FetchFailed};
use super::image::ImageState;
use super::lock::Asked;
use super::obtain_error::PackagesError;
use super::pick::LocalDeb;
use super::sources::{Source, with_slash};

/// Which architectures' packages are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Architectures<'a> {
    /// Whose indexes must be there.
    pub needed: &'a [&'a str],
    /// Whose indexes are read where they can be had: of a foreign architecture nobody asked for.
    pub welcome: &'a [&'a str],
}

/// What the archives answered.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Those that could be proven, in the order of their sources.
    pub archives: Vec<Archive>,
    /// Those that could not. With less than what the image names other packages may be chosen: the user must hear of it.
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

/// Asks all sources, and gives what could be proven, in their order. `now` is in seconds since 1970; `architectures` are those of the image.
///
/// # Errors
/// [`ArchiveError`]: one archive that cannot be proven is enough.
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
    let loaded = load_what_there_is(sources, fetch, now, all);
    match loaded.failed.into_iter().next() {
        Some(failed) => Err(failed.error),
        None => Ok(loaded.archives),
    }
}

/// Asks all sources, as apt does: one that cannot be proven is left out as a whole, and the others are still asked. Of a host that does
/// not answer at all nothing more is wanted: each attempt would take as long again.
pub fn load_what_there_is(sources: &[Source], fetch: &dyn Fetch, now: u64, architectures: Architectures<'_>) -> Loaded {
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

/// The architectures whose indexes must be there, and those whose indexes are read where they can be had. Of a foreign one (Raspberry
/// Pi OS has armhf besides arm64) nothing is wanted unless somebody asks for it by name; packages of it that the image has may need
/// to go along with an upgrade.
pub(super) fn architectures<'a>(
    image: &'a ImageState,
    asked: &Asked,
    debs: &[LocalDeb],
) -> (Vec<&'a str>, Vec<&'a str>) {
    let named = |arch: &str| {
        let in_deb = |deb: &LocalDeb| {
            let field = deb.control.lines().find_map(|line| line.strip_prefix("Architecture:"));
            field.is_some_and(|value| value.trim() == arch)
        };
        let suffix = format!(":{arch}");
        let with_version = format!(":{arch}=");
        asked
            .packages
            .iter()
            .any(|name| name.trim_end_matches('?').ends_with(&suffix) || name.contains(&with_version))
            || debs.iter().any(in_deb)
    };
    let (mut needed, mut welcome) = (Vec::new(), Vec::new());
    for (number, arch) in image.architectures().into_iter().enumerate() {
        if number == 0 || named(arch) {
            needed.push(arch);
        } else if image.installed().any(|entry| entry.architecture() == arch) {
            welcome.push(arch);
        }
    }
    (needed, welcome)
}

/// The archives that failed, when the others may be used without them: those that the image names. One that kraken.toml asks for is wanted.
pub(super) fn usable_without(failed: Vec<FailedArchive>) -> Result<Vec<FailedArchive>, PackagesError> {
    let (of_image, mut own): (Vec<_>, Vec<_>) = failed
        .into_iter()
        .partition(|archive| archive.named_in.starts_with("/etc/apt/"));
    match own.is_empty() {
        true => Ok(of_image),
        false => Err(own.swap_remove(0).error.into()),
    }
}

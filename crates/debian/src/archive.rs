//! Signed archives: InRelease is verified by its signature and dates, Packages by the hash that
//! InRelease signs, and only then read.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use liblzma::stream::{CONCATENATED, Stream};
use sha2::{Digest, Sha256};
use url::Url;

use super::fetch::Fetch;
use super::index::Index;
use super::openpgp::{Keyring, verify};
use super::release::{Listed, Release};
use super::sources::{SignedBy, Source, with_slash};
use kraken_foundation::{Context, Error, Kind, Result, Sha256Hash};

/// The maximum size of an InRelease (bytes): Debian's have some hundred kilobytes.
const MOST_RELEASE: u64 = 32 << 20;

/// The maximum size of an index, packed or unpacked (bytes).
const MOST_INDEX: u64 = 1 << 30;

/// The maximum amount of memory for unpacking an xz index (bytes).
const XZ_MEMORY: u64 = 176 << 20;

/// The endings with which an index is searched, in this order.
const PACKINGS: [(&str, Packing); 3] = [(".xz", Packing::Xz), (".gz", Packing::Gzip), ("", Packing::Plain)];

#[derive(Clone, Copy, Debug)]
enum Packing {
    Xz,
    Gzip,
    Plain,
}

/// The architectures whose packages are requested.
#[derive(Clone, Copy, Debug)]
pub struct Architectures<'a> {
    /// Architectures whose indexes must exist.
    pub needed: &'a [&'a str],
    /// Architectures whose indexes are read where they are available: foreign ones that the user
    /// did not ask for.
    pub welcome: &'a [&'a str],
}

/// One suite of an archive, verified.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its address, as in the source, with a slash at its end.
    pub url: Url,
    /// The suite as in the source.
    pub suite: String,
    /// Its Release file.
    pub release: Release,
    /// Fingerprint of the certificate that signed it: upper-case hex.
    pub signed_by: String,
    /// Its indexes, in apt's order.
    pub parts: Vec<Part>,
    /// What is missing in it, for the user.
    pub notes: Vec<String>,
    /// What the user must see about it in any case.
    pub warnings: Vec<String>,
    pub(super) keys: SignedBy,
}

/// One index of an archive.
#[derive(Clone, Debug)]
pub struct Part {
    /// The component; empty in a flat archive.
    pub component: String,
    /// The architecture of the index, or `all`; empty in a flat archive.
    pub architecture: String,
    /// Its packages.
    pub index: Index,
}

impl Archive {
    /// Reads those of its indexes that a source wants and that are not read yet.
    pub(super) fn with_parts(
        mut self,
        source: &Source,
        fetch: &dyn Fetch,
        architectures: Architectures<'_>,
    ) -> Result<Self> {
        let all = [architectures.needed, architectures.welcome].concat();
        for WantedIndex {
            component,
            architecture,
        } in wanted(source, &self.release, &all)
        {
            let known = |p: &Part| p.component == component && p.architecture == architecture;
            if self.parts.iter().any(known) {
                continue;
            }
            match self.index(fetch, &component, &architecture) {
                Ok(Some(index)) => self.parts.push(Part {
                    component,
                    architecture,
                    index,
                }),
                Ok(None) if architecture == "all" => {}
                Ok(None) => self.notes.push(format!(
                    "{} {} has no packages in {component} for {architecture}",
                    self.url, self.suite
                )),
                Err(error) if architectures.welcome.contains(&architecture.as_str()) => self.notes.push(format!(
                    "{} {}: packages in {component} for {architecture} were passed over, which nothing here needs: {error}",
                    self.url, self.suite
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }
}

/// An index that is to be read; both are empty in a flat archive.
#[derive(Default)]
struct WantedIndex {
    component: String,
    architecture: String,
}

/// Returns the wanted indexes.
fn wanted(source: &Source, release: &Release, architectures: &[&str]) -> Vec<WantedIndex> {
    if source.is_flat() {
        return vec![WantedIndex::default()];
    }
    let asked = |arch: &&&str| source.architectures.is_empty() || source.architectures.iter().any(|a| a == **arch);
    let mut archs: Vec<&str> = architectures.iter().filter(asked).copied().collect();
    if !release.all_in_each && release.architectures.iter().any(|arch| arch == "all") {
        archs.push("all");
    }
    let of = |component: &String| {
        let component = component.clone();
        archs
            .iter()
            .map(move |arch| WantedIndex {
                component: component.clone(),
                architecture: (*arch).to_owned(),
            })
            .collect::<Vec<_>>()
    };
    source.components.iter().flat_map(of).collect()
}

/// Fetches InRelease; `None` when there is none.
pub(super) fn fetch_release(source: &Source, fetch: &dyn Fetch) -> Result<Option<Vec<u8>>> {
    fetch.text(&release_url(source), MOST_RELEASE)
}

/// Verifies InRelease; `bytes` is what [`fetch_release`] returned.
pub(super) fn open(source: &Source, bytes: Option<Vec<u8>>, now: u64) -> Result<Archive> {
    let (shown, named_in) = (release_url(source), &source.named_in);
    let bytes = bytes.ok_or_else(|| {
        let text = format!("there is no {shown}: check the address and the suite in {named_in}, or the mirror");
        Error::new(Kind::NotFound, text)
    })?;
    let trusted = TrustedKeys::of(source)?;
    let signed = verify(&bytes, &trusted.keyring, &source.keys.fingerprints, now).map_err(|error| {
        let text = format!("{shown} is not used: {error}; check the mirror, and the key that {named_in} names");
        error.context(text)
    })?;
    let not_used = || format!("{shown} is not used");
    let release = Release::parse(&signed.text).quoted(not_used)?;
    let asked = if source.is_flat() { "" } else { source.suite.as_str() };
    release.check(asked, now).quoted(not_used)?;
    Ok(Archive {
        url: with_slash(source.url.clone()),
        suite: source.suite.clone(),
        release,
        signed_by: signed.fingerprint,
        parts: Vec::new(),
        notes: Vec::new(),
        warnings: trusted.warnings,
        keys: source.keys.clone(),
    })
}

/// The keys that may sign for a source.
#[derive(Default)]
struct TrustedKeys {
    keyring: Keyring,
    /// One for each key file that is ignored.
    warnings: Vec<String>,
}

impl TrustedKeys {
    /// Reads the key files of a source. A file among those that apt trusts for all archives that is
    /// not a key is ignored with a warning, as in apt, since other files there may hold the right
    /// one. A file that the source itself names must be a key.
    fn of(source: &Source) -> Result<Self> {
        let mut trusted = Self::default();
        let for_all = |name: &str| name == "/etc/apt/trusted.gpg" || name.starts_with("/etc/apt/trusted.gpg.d/");
        for file in &source.keys.files {
            let Err(error) = trusted.keyring.add(file.bytes.as_deref().unwrap_or_default()) else {
                continue;
            };
            if source.keys.files.len() == 1 || !for_all(&file.name) {
                return Err(error).quoted(|| format!("reading the key file {}", file.name));
            }
            let warning = format!("the key file {} of the image is ignored: {error}", file.name);
            trusted.warnings.push(warning);
        }
        Ok(trusted)
    }
}

fn release_url(source: &Source) -> Url {
    at(&folder(&with_slash(source.url.clone()), source), "InRelease")
}

/// Returns the address of the folder of InRelease.
fn folder(url: &Url, source: &Source) -> Url {
    match source.is_flat() {
        true => at(url, &source.suite),
        false => at(url, &format!("dists/{}/", source.suite)),
    }
}

/// Returns the address of a file below an address. The path is escaped: no `?`, `#`, `%` or `..`
/// leads elsewhere.
pub(super) fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        segments.extend(path.split('/').filter(|part| !matches!(*part, "" | "." | "..")));
        if path.ends_with('/') {
            segments.push("");
        }
    }
    url
}

impl Archive {
    /// Returns the address of a package.
    pub fn file_url(&self, filename: &str) -> Url {
        at(&self.url, filename)
    }

    fn folder(&self) -> Url {
        match self.suite.ends_with('/') {
            true => at(&self.url, &self.suite),
            false => at(&self.url, &format!("dists/{}/", self.suite)),
        }
    }

    /// Returns the index of a component and architecture; `None` when the archive does not list
    /// one.
    fn index(&self, fetch: &dyn Fetch, component: &str, arch: &str) -> Result<Option<Index>> {
        let (folder, plain) = match component {
            "" => (String::new(), "Packages".to_owned()),
            _ => {
                let folder = format!("{component}/binary-{arch}/");
                (folder.clone(), folder + "Packages")
            }
        };
        let unpacked = self.release.file(&plain);
        let mut missing = None;
        for (ending, packing) in PACKINGS {
            let path = format!("{plain}{ending}");
            let Some(listed) = self.release.file(&path) else {
                continue;
            };
            let url = at(&self.folder(), &path);
            if listed.size > MOST_INDEX {
                let text = format!("{url} is not used: it is larger than 1 GiB");
                return Err(Error::new(Kind::Unsupported, text));
            }
            let by_hash = format!("{folder}by-hash/SHA256/{}", listed.sha256);
            let places = [self.release.by_hash.then(|| at(&self.folder(), &by_hash)), Some(url)];
            for url in places.into_iter().flatten() {
                match fetch.file(&url, listed.size, &listed.sha256) {
                    Ok(path) => return read(&url, &path, listed, packing, unpacked).map(Some),
                    Err(error) if error.kind() == Kind::NotFound => missing = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        match missing {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }
}

/// Verifies a file by its hash, unpacks it, and reads it. The unpacked bytes are verified, too,
/// where the Release file lists them.
fn read(url: &Url, path: &Path, listed: Listed, packing: Packing, plain: Option<Listed>) -> Result<Index> {
    let bytes = whole(path, listed).map_err(|why| wrong_file(url, &why))?;
    let most = plain.map_or(MOST_INDEX, |plain| plain.size);
    let bytes = Cursor::new(bytes);
    let input: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(bytes),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED);
            let stream = stream.map_err(|error| damaged(url, &error))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
        }
    };
    let mut capped = Capped {
        input,
        most,
        length: 0,
        hasher: Sha256::new(),
    };
    let index = Index::read(BufReader::with_capacity(1 << 18, &mut capped)).map_err(|error| {
        match error.downcast_ref::<std::io::Error>() {
            Some(error) => damaged(url, error),
            None => {
                let text = format!("reading {url}: {error}; the archive publishes an index that cannot be read");
                error.context(text)
            }
        }
    })?;
    let found = Sha256Hash::from(capped.hasher.finalize());
    if plain.is_some_and(|plain| plain.size != capped.length || plain.sha256 != found) {
        let why = "it unpacks to another file than the one that was signed";
        return Err(wrong_file(url, why));
    }
    Ok(index)
}

/// The file is not the one that was signed.
fn wrong_file(url: &Url, why: &str) -> Error {
    let text = format!(
        "{url} is not used: {why}; the mirror may be in the middle of an update: try again later, or take another"
    );
    Error::new(Kind::Damaged, text)
}

/// The file cannot be unpacked.
fn damaged(url: &Url, why: &dyn Display) -> Error {
    let text = format!("unpacking {url}: {why}; the archive publishes a damaged file: take another mirror");
    Error::new(Kind::Damaged, text)
}

fn whole(path: &Path, listed: Listed) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("opening {}: {error}", path.display()))?;
    file.take(listed.size + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("reading {}: {error}", path.display()))?;
    if bytes.len() as u64 != listed.size {
        return Err(format!("it is not {} bytes long, as was signed", listed.size));
    }
    if Sha256Hash::of(&bytes) != listed.sha256 {
        return Err("its SHA-256 is not the one that was signed".to_owned());
    }
    Ok(bytes)
}

/// Hashes the bytes that are read, and stops when there are more than were signed.
struct Capped {
    input: Box<dyn Read>,
    most: u64,
    length: u64,
    hasher: Sha256,
}

impl Read for Capped {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(out)?;
        self.length += count as u64;
        if self.length > self.most {
            return Err(std::io::Error::other(format!(
                "it unpacks to more than {} bytes",
                self.most
            )));
        }
        self.hasher.update(&out[..count]);
        Ok(count)
    }
}

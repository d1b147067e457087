//! Signed archives: InRelease proven by its signature and dates, Packages proven by the hash that it signs, and only then read.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use liblzma::stream::{CONCATENATED, Stream};
use sha2::{Digest, Sha256};
use url::Url;

use super::archive_error::ArchiveError;
use super::fetch::Fetch;
use super::index::Index;
use super::openpgp::{Keyring, OpenPgpError, verify};
use super::release::{Listed, Release};
use super::sources::{SignedBy, Source, with_slash};

/// No InRelease is larger (bytes): Debian's have some hundred kilobytes.
const MOST_RELEASE: u64 = 32 << 20;

/// No index is larger, packed or unpacked (bytes).
const MOST_INDEX: u64 = 1 << 30;

/// So much memory may an xz index need to be unpacked (bytes).
const XZ_MEMORY: u64 = 176 << 20;

/// The names under which an index is looked for, in this order.
const PACKINGS: [(&str, Packing); 3] = [(".xz", Packing::Xz), (".gz", Packing::Gzip), ("", Packing::Plain)];

#[derive(Clone, Copy, Debug)]
enum Packing {
    Xz,
    Gzip,
    Plain,
}

/// One suite of an archive, proven.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Its address, as the source has it; with a slash at its end.
    pub url: Url,
    /// The suite as the source has it.
    pub suite: String,
    /// What it says of itself.
    pub release: Release,
    /// Fingerprint of the certificate that signed it: upper-case hex.
    pub signed_by: String,
    /// Its indexes, in apt's order.
    pub parts: Vec<Part>,
    /// What is missing in it, for the user.
    pub notes: Vec<String>,
    keys: SignedBy,
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

/// Asks all sources, and gives what could be proven, in their order. `now` is in seconds since 1970; `architectures` are those of the image.
///
/// # Errors
/// [`ArchiveError`]: one archive that cannot be proven is enough, since with less than what the image names other packages might be chosen.
pub fn load(
    sources: &[Source],
    fetch: &dyn Fetch,
    now: u64,
    architectures: &[&str],
) -> Result<Vec<Archive>, ArchiveError> {
    let mut archives: Vec<Archive> = Vec::new();
    for source in sources {
        let same =
            |a: &Archive| a.url == with_slash(source.url.clone()) && a.suite == source.suite && a.keys == source.keys;
        let at = match archives.iter().position(same) {
            Some(at) => at,
            None => {
                archives.push(open(source, fetch, now)?);
                archives.len() - 1
            }
        };
        let archive = &mut archives[at];
        for (component, architecture) in wanted(source, &archive.release, architectures) {
            let known = |p: &Part| p.component == component && p.architecture == architecture;
            if archive.parts.iter().any(known) {
                continue;
            }
            match archive.index(fetch, &component, &architecture)? {
                Some(index) => archive.parts.push(Part {
                    component,
                    architecture,
                    index,
                }),
                None if architecture == "all" => {}
                None => archive.notes.push(format!(
                    "{} {} has no packages in {component} for {architecture}",
                    archive.url, archive.suite
                )),
            }
        }
    }
    Ok(archives)
}

/// Components and architectures whose indexes are wanted.
fn wanted(source: &Source, release: &Release, architectures: &[&str]) -> Vec<(String, String)> {
    if source.is_flat() {
        return vec![(String::new(), String::new())];
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
            .map(move |arch| (component.clone(), (*arch).to_owned()))
            .collect::<Vec<_>>()
    };
    source.components.iter().flat_map(of).collect()
}

/// Fetches and proves InRelease.
fn open(source: &Source, fetch: &dyn Fetch, now: u64) -> Result<Archive, ArchiveError> {
    let url = with_slash(source.url.clone());
    let release_url = at(&folder(&url, source), "InRelease");
    let shown = release_url.to_string();
    let bytes = fetch.text(&release_url, MOST_RELEASE).map_err(ArchiveError::Fetch)?;
    let bytes = bytes.ok_or_else(|| ArchiveError::NoRelease {
        url: shown.clone(),
        named_in: source.named_in.clone(),
    })?;
    let mut keys = Keyring::default();
    // As apt does: a file that is no key takes nothing from the others, and is the reason only where none of them fits.
    let mut unread = None;
    for file in &source.keys.files {
        if let Err(source) = keys.add(file.bytes.as_deref().unwrap_or_default()) {
            let name = file.name.clone();
            unread.get_or_insert(ArchiveError::Key { file: name, source });
        }
    }
    let signed = match (verify(&bytes, &keys, &source.keys.fingerprints, now), unread) {
        (Ok(signed), _) => signed,
        (Err(OpenPgpError::NotGood { .. }), Some(unread)) => return Err(unread),
        (Err(error), _) => {
            return Err(ArchiveError::Signature {
                url: shown,
                named_in: source.named_in.clone(),
                source: error,
            });
        }
    };
    let refused = |source| ArchiveError::Release {
        url: shown.clone(),
        source,
    };
    let release = Release::parse(&signed.text).map_err(refused)?;
    let asked = if source.is_flat() { "" } else { source.suite.as_str() };
    release.check(asked, now).map_err(refused)?;
    Ok(Archive {
        url,
        suite: source.suite.clone(),
        release,
        signed_by: signed.fingerprint,
        parts: Vec::new(),
        notes: Vec::new(),
        keys: source.keys.clone(),
    })
}

/// The folder that InRelease lies in.
fn folder(url: &Url, source: &Source) -> Url {
    match source.is_flat() {
        true => at(url, &source.suite),
        false => at(url, &format!("dists/{}/", source.suite)),
    }
}

/// A file below an address. What the path holds stays in the path: no `?`, `#`, `%` or `..` leads elsewhere.
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
    /// Where a package of it lies.
    pub fn file_url(&self, filename: &str) -> Url {
        at(&self.url, filename)
    }

    fn folder(&self) -> Url {
        match self.suite.ends_with('/') {
            true => at(&self.url, &self.suite),
            false => at(&self.url, &format!("dists/{}/", self.suite)),
        }
    }

    /// The index of a component and architecture; `None` when the archive does not list one.
    fn index(&self, fetch: &dyn Fetch, component: &str, arch: &str) -> Result<Option<Index>, ArchiveError> {
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
                return Err(ArchiveError::TooLarge { url: url.to_string() });
            }
            let by_hash = format!("{folder}by-hash/SHA256/{}", hex::encode(listed.sha256));
            let places = [self.release.by_hash.then(|| at(&self.folder(), &by_hash)), Some(url)];
            for url in places.into_iter().flatten() {
                match fetch.file(&url, listed.size, &listed.sha256) {
                    Ok(path) => return read(&url, &path, listed, packing, unpacked).map(Some),
                    Err(error) if error.missing => missing = Some(error),
                    Err(error) => return Err(ArchiveError::Fetch(error)),
                }
            }
        }
        match missing {
            Some(error) => Err(ArchiveError::Fetch(error)),
            None => Ok(None),
        }
    }
}

/// Proves a file by its hash, unpacks it, and reads it. What it unpacks to is proven, too, where the Release file lists that.
fn read(
    url: &Url,
    path: &Path,
    listed: Listed,
    packing: Packing,
    plain: Option<Listed>,
) -> Result<Index, ArchiveError> {
    let url = url.to_string();
    let bytes = whole(path, listed).map_err(|why| ArchiveError::WrongFile { url: url.clone(), why })?;
    let most = plain.map_or(MOST_INDEX, |plain| plain.size);
    let bytes = Cursor::new(bytes);
    let input: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(bytes),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
        Packing::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED);
            let stream = stream.map_err(|error| ArchiveError::Damaged {
                url: url.clone(),
                why: error.to_string(),
            })?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
        }
    };
    let mut capped = Capped {
        input,
        most,
        length: 0,
        hasher: Sha256::new(),
    };
    let index = Index::read(BufReader::with_capacity(1 << 18, &mut capped)).map_err(|error| match error {
        super::index::IndexError::Read(error) => ArchiveError::Damaged {
            url: url.clone(),
            why: error.to_string(),
        },
        source => ArchiveError::Index {
            url: url.clone(),
            source,
        },
    })?;
    let found: [u8; 32] = capped.hasher.finalize().into();
    if plain.is_some_and(|plain| plain.size != capped.length || plain.sha256 != found) {
        let why = "it unpacks to another file than the one that was signed".to_owned();
        return Err(ArchiveError::WrongFile { url, why });
    }
    Ok(index)
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
    if <[u8; 32]>::from(Sha256::digest(&bytes)) != listed.sha256 {
        return Err("its SHA-256 is not the one that was signed".to_owned());
    }
    Ok(bytes)
}

/// Hashes what is read, and stops what grows beyond what was signed.
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

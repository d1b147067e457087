//! Obtains the raw image that `[image]` names: checked, unpacked, cached, without repeating work.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use url::Url;

use super::base_error::{is_about_this_machine, is_another_image, offline, wrong_hash};
use super::catalogue::{self, DEFAULT_CATALOGUE, Entry};
use super::debian::{self, Release};
use super::found::Base;
use kraken_fetch::address::{self, shown};
use kraken_fetch::cache::{self, Cache};
use kraken_fetch::download::{self, RetryPolicy, Wanted};
use kraken_fetch::http::Client;
use kraken_fetch::{Format, HashedFile, Limits, Options, Packed, RawFile, prune};
use kraken_foundation::{Context as _, Error, Job, Result, Sha256Hash};
use kraken_spec::{BaseRef, Image};

/// Obtains the base that `image` names.
///
/// # Errors
/// When the base cannot be had or is not the right one; then at most a `.part` file is left,
/// which the next run resumes.
pub fn obtain(image: &Image, options: &Options, job: Job<'_>) -> Result<Base> {
    let work = Work {
        cache: Cache::open(options.cache.as_deref())?,
        client: Client::new(&options.user_agent, options.stall),
        image,
        options,
        job,
    };
    match &image.base {
        BaseRef::Path(path) => work.file(path),
        BaseRef::Url(url) => work.download(&address::parse(url)?, &Announced::default()),
        BaseRef::Catalogue(name) => work.named(name),
        BaseRef::Debian => work.debian(),
    }
}

/// The sizes and hashes that the catalogue announces for an image; they are checked.
#[derive(Clone, Debug, Default)]
struct Announced {
    download_size: Option<u64>,
    download: Option<Sha256Hash>,
    raw_size: Option<u64>,
    raw: Option<Sha256Hash>,
}

/// Which raw image came out of a packed file.
#[derive(Serialize, Deserialize)]
struct Contents {
    raw_sha256: Sha256Hash,
    size: u64,
}

/// Which file was found at an address.
#[derive(Serialize, Deserialize)]
struct Found {
    address: String,
    sha256: Sha256Hash,
    size: u64,
    validator: Option<String>,
}

struct Work<'a> {
    cache: Cache,
    client: Client,
    image: &'a Image,
    options: &'a Options,
    job: Job<'a>,
}

impl Work<'_> {
    /// A file of the user. A raw image is used in place; a packed one is unpacked into the cache.
    fn file(&self, path: &Path) -> Result<Base> {
        let format = kraken_fetch::recognise(path)?;
        let origin = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let HashedFile { sha256, size } = self.cache.hash_of(path, self.job)?;
        if format != Format::Raw {
            return self.unpacked(path, format, &sha256, &Announced::default(), origin);
        }
        let base = Base {
            raw: path.to_owned(),
            raw_sha256: sha256,
            size,
            origin,
            download_sha256: None,
        };
        self.check(&base)?;
        Ok(base)
    }

    fn debian(&self) -> Result<Base> {
        if self.options.offline && !debian::cached_path(self.cache.root(), &Release::TRIXIE).is_file() {
            return Err(offline("debian"));
        }
        let refresh = self.options.refresh;
        let raw = debian::obtain(self.cache.root(), &Release::TRIXIE, refresh, self.job)?;
        let HashedFile { sha256, size } = self.cache.hash_of(&raw, self.job)?;
        let base = Base {
            raw,
            raw_sha256: sha256,
            size,
            origin: "debian".into(),
            download_sha256: None,
        };
        self.check(&base)?;
        Ok(base)
    }

    /// An image of the catalogue. Once a name was resolved, the result is kept until a refresh.
    fn named(&self, name: &str) -> Result<Base> {
        let address = self.image.catalogue.as_deref().unwrap_or(DEFAULT_CATALOGUE);
        let mirror = self.image.mirror.as_deref().map(address::parse).transpose()?;
        let catalogue = address::parse(address)?;
        let key = cache::key(&[catalogue.as_str().as_bytes(), name.trim().as_bytes()]);
        let known = self
            .cache
            .record::<Entry>("name", &key)
            .filter(|_| !self.options.refresh);
        let (entry, fresh) = match known {
            Some(entry) => (entry, false),
            None => (self.look_up(&catalogue, name, mirror.as_ref())?, true),
        };
        let url = on_mirror(address::parse(&entry.url)?, mirror.as_ref());
        let announced = Announced {
            download_size: entry.image_download_size,
            download: entry.download_hash()?,
            raw_size: entry.extract_size,
            raw: entry.raw_hash()?,
        };
        let base = self.download(&url, &announced)?;
        if fresh {
            self.cache.remember("name", &key, &entry);
        }
        Ok(base)
    }

    fn look_up(&self, catalogue: &Url, name: &str, mirror: Option<&Url>) -> Result<Entry> {
        if self.options.offline {
            return Err(offline(name));
        }
        let load = |link: &str| {
            let url = address::parse(link)?;
            let url = if url == *catalogue { url } else { on_mirror(url, mirror) };
            download::text(&self.client, self.timeouts(), &url, catalogue::MOST_BYTES, self.job)
        };
        let skipped = |_: &str, error: Error| {
            if error.is_interrupted() {
                return Err(error);
            }
            self.job
                .note(&format!("a part of the catalogue is passed over: {error}"));
            Ok(())
        };
        catalogue::search(catalogue.as_str(), name, load, skipped)
    }

    /// A file at an address: from the cache if known there, else from the network.
    fn download(&self, url: &Url, announced: &Announced) -> Result<Base> {
        let key = cache::key(&[url.as_str().as_bytes()]);
        let _lock = self.cache.lock(&format!("url-{key}"), self.job)?;
        let origin = shown(url);
        if !self.options.refresh {
            match self.cached(&key, announced, &origin) {
                Ok(Some(base)) => return Ok(base),
                Ok(None) => {}
                // The cached file from that address has another hash; it may have been replaced
                // there since.
                Err(error) if !self.options.offline && is_another_image(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.options.offline {
            return Err(offline(&origin));
        }
        let hash = self.fetched(url, &key, announced)?;
        let path = self.cache.download_path(&hash);
        let made = kraken_fetch::recognise(&path).and_then(|format| {
            let base = self.unpacked(&path, format, &hash, announced, origin)?;
            if format == Format::Raw {
                // The raw image in the cache has the same bytes.
                let _ = fs::remove_file(&path);
            }
            Ok(base)
        });
        if made
            .as_ref()
            .is_err_and(|error| !error.is_interrupted() && !is_about_this_machine(error))
        {
            let _ = fs::remove_file(&path);
            self.cache.forget("url", &key);
        }
        made
    }

    /// Returns what the cache has from an address.
    fn cached(&self, key: &str, announced: &Announced, origin: &str) -> Result<Option<Base>> {
        let Some(found) = self.cache.record::<Found>("url", key) else {
            return Ok(None);
        };
        let hash = found.sha256;
        if announced.download.is_some_and(|announced| announced != hash) {
            return Ok(None);
        }
        if let Some(base) = self.known(&hash, announced, origin)? {
            return Ok(Some(base));
        }
        let Some(path) = self.cache.download(&hash, self.job)? else {
            return Ok(None);
        };
        let format = kraken_fetch::recognise(&path)?;
        self.unpacked(&path, format, &hash, announced, origin.to_owned())
            .map(Some)
    }

    /// Downloads into the cache; returns the hash under which the file is stored.
    fn fetched(&self, url: &Url, key: &str, announced: &Announced) -> Result<Sha256Hash> {
        let part = self.cache.part_path(key);
        let wanted = Wanted {
            url,
            headers: &[],
            size: announced.download_size,
            sha256: announced.download,
            most: self.options.most,
        };
        let fetched = download::download(&self.client, self.timeouts(), &wanted, &part, self.job)
            .inspect_err(|error| download::discard_useless(&part, error))?;
        self.cache.keep_download(&part, &fetched.sha256)?;
        let found = Found {
            address: shown(url),
            sha256: fetched.sha256,
            size: fetched.size,
            validator: fetched.validator,
        };
        self.cache.remember("url", key, &found);
        Ok(fetched.sha256)
    }

    /// Returns the raw image that earlier came out of the packed file with the hash `packed`.
    fn known(&self, packed: &Sha256Hash, announced: &Announced, origin: &str) -> Result<Option<Base>> {
        let Some(contents) = self.cache.record::<Contents>("contents", &packed.to_string()) else {
            return Ok(None);
        };
        let raw = contents.raw_sha256;
        let Some(path) = self.cache.raw(&raw, self.job)? else {
            return Ok(None);
        };
        let base = self.base(path, packed, &raw, contents.size, origin.to_owned());
        self.check_announced(&base, announced)?;
        self.check(&base)?;
        Ok(Some(base))
    }

    /// Unpacks a file with the hash `packed` into the cache, unless it is already there.
    fn unpacked(
        &self,
        source: &Path,
        format: Format,
        packed: &Sha256Hash,
        announced: &Announced,
        origin: String,
    ) -> Result<Base> {
        let key = packed.to_string();
        let _lock = self.cache.lock(&format!("raw-{key}"), self.job)?;
        if let Some(base) = self.known(packed, announced, &origin)? {
            return Ok(base);
        }
        // Under the lock, a file of this name was left by a killed run. It is made again, and never
        // through a symbolic link.
        let temporary = self.cache.raw_temporary(&key);
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.doing("removing", &temporary)?,
        }
        let target = File::create_new(&temporary).doing("creating", &temporary)?;
        let temporary = tempfile::TempPath::try_from_path(&temporary).doing("creating", &temporary)?;
        let limits = Limits {
            exact: announced.raw_size,
            most: self.options.most,
        };
        let image = Packed { path: source, format };
        let raw = RawFile {
            file: &target,
            path: &temporary,
        };
        let unpacked = kraken_fetch::unpack(image, raw, limits, self.job)?;
        let path = self.cache.raw_path(&unpacked.sha256);
        let base = self.base(path.clone(), packed, &unpacked.sha256, unpacked.size, origin);
        self.check_announced(&base, announced)?;
        self.check(&base)?;
        drop(target);
        temporary
            .persist(&path)
            .map_err(|error| error.error)
            .doing("naming", &path)?;
        self.cache.remember_hash(&path, &unpacked.sha256)?;
        let contents = Contents {
            raw_sha256: base.raw_sha256,
            size: unpacked.size,
        };
        self.cache.remember("contents", &key, &contents);
        if let Some(folder) = path.parent() {
            prune::raw(folder, SystemTime::now());
        }
        Ok(base)
    }

    fn base(&self, raw: PathBuf, packed: &Sha256Hash, hash: &Sha256Hash, size: u64, origin: String) -> Base {
        Base {
            raw,
            raw_sha256: *hash,
            size,
            origin,
            download_sha256: (packed != hash).then_some(*packed),
        }
    }

    /// `[image] sha256` may be the hash of the packed file or of the raw image.
    fn check(&self, base: &Base) -> Result<()> {
        let Some(expected) = self.image.sha256 else {
            return Ok(());
        };
        match expected == base.raw_sha256 || base.download_sha256 == Some(expected) {
            true => Ok(()),
            false => Err(wrong_hash(base, expected)),
        }
    }

    fn check_announced(&self, base: &Base, announced: &Announced) -> Result<()> {
        match announced.raw {
            Some(expected) if expected != base.raw_sha256 => Err(wrong_hash(base, expected)),
            _ => Ok(()),
        }
    }

    fn timeouts(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.options.attempts.max(1),
            pause: self.options.pause,
        }
    }
}

fn on_mirror(url: Url, mirror: Option<&Url>) -> Url {
    match mirror {
        Some(mirror) => address::on_mirror(&url, mirror),
        None => url,
    }
}

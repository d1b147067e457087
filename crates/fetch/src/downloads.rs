//! Files and documents for other crates, with the same client and the same cache: files are kept by
//! their hash, documents by their address.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use url::Url;

use super::address::shown;
use super::ask::{Question, ask};
use super::cache::{self, Cache, HashedFile, Lock, changing};
use super::download::{self, RetryPolicy, Wanted};
use super::fetch_error::FetchError;
use super::http::{Answer, Client, FormField, Header};
use super::options::Options;
use kraken_foundation::{Context, Error, Job, Kind, Result, Sha256Hash};

/// A file of the user, kept in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Its path in the cache.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
}

/// Downloads into the cache.
pub struct Downloads<'a> {
    pub(crate) cache: Cache,
    client: Client,
    options: &'a Options,
    pub(crate) job: Job<'a>,
}

impl<'a> Downloads<'a> {
    /// Opens the cache. Without a `proxy` those of the environment are used (`http_proxy` and
    /// similar ones).
    ///
    /// # Errors
    /// When there is no cache folder, or the proxy is invalid.
    pub fn open(options: &'a Options, proxy: Option<&str>, job: Job<'a>) -> Result<Self> {
        let client = match proxy {
            None => Client::new(&options.user_agent, options.stall),
            Some(proxy) => Client::with_proxy(&options.user_agent, options.stall, proxy).map_err(|why| {
                let text = format!("using the proxy of [apt]: {why}; write it as http://HOST:PORT");
                Error::new(Kind::Usage, text)
            })?,
        };
        Ok(Self {
            cache: Cache::open(options.cache.as_deref())?,
            client,
            options,
            job,
        })
    }

    /// Whether the network must not be used.
    pub fn is_offline(&self) -> bool {
        self.options.offline
    }

    /// The job that the downloads are a part of.
    pub fn job(&self) -> Job<'a> {
        self.job
    }

    /// The cache folder.
    pub fn folder(&self) -> &Path {
        self.cache.root()
    }

    /// Returns a document of at most `most` bytes as it is at its address now; `None` when the
    /// server does not have it (404, 410).
    ///
    /// # Errors
    /// When the server refuses or does not answer, or sends more; offline, always.
    pub fn document(&self, url: &Url, most: u64) -> Result<Option<Vec<u8>>> {
        if self.options.offline {
            return Err(offline(url));
        }
        let retries = self.retries();
        match download::bytes(&self.client, retries, url, most, self.job) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if FetchError::is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns what a server answers to a request with these headers, whatever its status. Faults
    /// that pass are tried again (408, 425, 5xx), and a server that asks for a pause (429 or 503
    /// with `Retry-After` in seconds) is given it, up to two minutes.
    ///
    /// # Errors
    /// When the server does not answer, sends more than `most` bytes, or takes no requests for
    /// longer; offline, always.
    pub fn ask(&self, url: &Url, headers: &[Header], most: u64) -> Result<Answer> {
        if self.options.offline {
            return Err(offline(url));
        }
        let retries = self.retries();
        ask(
            &Question { url, most, retries },
            || self.client.get(url, headers),
            self.job,
        )
    }

    /// As [`Downloads::ask`], with a form that is posted.
    ///
    /// # Errors
    /// Those of [`Downloads::ask`].
    pub fn post(&self, url: &Url, form: &[FormField<'_>], most: u64) -> Result<Answer> {
        if self.options.offline {
            return Err(offline(url));
        }
        let retries = self.retries();
        ask(
            &Question { url, most, retries },
            || self.client.post(url, form),
            self.job,
        )
    }

    /// Returns the file with this hash, if the cache has it.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn cached(&self, sha256: &Sha256Hash) -> Result<Option<PathBuf>> {
        self.cache.download(sha256, self.job)
    }

    /// Returns the file with this size (bytes) and hash: from the cache, else from its address.
    ///
    /// # Errors
    /// When it cannot be fetched or kept, or another file is at the address.
    pub fn file(&self, url: &Url, size: u64, sha256: &Sha256Hash) -> Result<PathBuf> {
        self.file_with(url, &[], size, sha256)
    }

    /// As [`Downloads::file`], with these headers in each request.
    ///
    /// # Errors
    /// Those of [`Downloads::file`].
    pub fn file_with(&self, url: &Url, headers: &[Header], size: u64, sha256: &Sha256Hash) -> Result<PathBuf> {
        if let Some(path) = self.cached(sha256)? {
            return Ok(path);
        }
        if self.options.offline {
            return Err(offline(url));
        }
        let key = cache::key(&[b"file", &sha256.0]);
        let _lock = self.cache.lock(&format!("file-{key}"), self.job)?;
        if let Some(path) = self.cached(sha256)? {
            return Ok(path);
        }
        let part = self.cache.part_path(&key);
        let wanted = Wanted {
            url,
            headers,
            size: Some(size),
            sha256: Some(*sha256),
            most: size,
        };
        download::download(&self.client, self.retries(), &wanted, &part, self.job)
            .inspect_err(|error| download::discard_useless(&part, error))?;
        self.cache.keep_download(&part, sha256)
    }

    /// Waits until no other run works on `key`, and keeps others out until the lock is dropped.
    ///
    /// # Errors
    /// When locking fails or the interrupt was set.
    pub fn lock(&self, key: &str) -> Result<Lock> {
        self.cache.lock(key, self.job)
    }

    /// Returns the SHA-256 of a file of the user, which stays where it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&self, file: &Path) -> Result<Sha256Hash> {
        Ok(self.cache.hash_of(file, self.job)?.sha256)
    }

    /// Keeps a file of the user in the cache, by its hash.
    ///
    /// # Errors
    /// When it cannot be read or copied, or is larger than `most` bytes.
    pub fn keep(&self, file: &Path, most: u64) -> Result<KeptFile> {
        let HashedFile { sha256, size } = self.cache.hash_of(file, self.job)?;
        if size > most {
            let text = format!("reading {}: it is larger than {} MiB", file.display(), most >> 20);
            return Err(Error::new(Kind::Unsupported, text));
        }
        if let Some(path) = self.cached(&sha256)? {
            return Ok(KeptFile { path, sha256, size });
        }
        let path = self.cache.download_path(&sha256);
        let copy = || -> io::Result<()> {
            let mut copy = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
            io::copy(&mut fs::File::open(file)?, &mut copy)?;
            copy.flush()?;
            copy.as_file().sync_data()?;
            copy.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        copy().doing("copying to", &path)?;
        // The copy is hashed again: the file could have changed meanwhile.
        match self.cached(&sha256)? {
            Some(path) => Ok(KeptFile { path, sha256, size }),
            None => Err(changing(file)),
        }
    }

    fn retries(&self) -> RetryPolicy {
        RetryPolicy {
            attempts: self.options.attempts.max(1),
            pause: self.options.pause,
        }
    }
}

/// It is not in the cache, and the network may not be used.
fn offline(url: &Url) -> Error {
    let text = format!(
        "fetching {}: it is not in the cache, and the network must not be used; run `kraken-flash fetch` first",
        shown(url)
    );
    Error::new(Kind::Network, text)
}

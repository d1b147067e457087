//! Downloads: resumed where they broke, tried again when that can help, hashed while they arrive.
//!
//! A download grows in `<part>`; beside it `<part>.json` records of which version of the file it is
//! a part. An interrupted run leaves nothing else.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ureq::http::header;
use url::Url;

use super::address::shown;
use super::ask::{Question, ask};
use super::fetch_error::{FetchError, gave_up, refused, too_large};
use super::http::{Client, ContentRange, Event, Exchange, Head, Header};
pub use super::retry::RetryPolicy;
use super::retry::{Broken, again_after, give_up_or_pause};
use kraken_foundation::progress::Task;
use kraken_foundation::{Context, Error, Job, Kind, Result, Sha256Hash, named};

/// An attempt with at least this many new bytes does not count as failed.
const HEADWAY: u64 = 64 << 10;

/// What to fetch, and what is known about it.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Its address.
    pub url: &'a Url,
    /// Headers of each request: a login.
    pub headers: &'a [Header],
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256, which it must have.
    pub sha256: Option<Sha256Hash>,
    /// The maximum number of bytes that are accepted.
    pub most: u64,
}

/// A finished download, still under the name of its part.
#[derive(Debug)]
pub struct Fetched {
    /// Its SHA-256.
    pub sha256: Sha256Hash,
    /// Its size in bytes.
    pub size: u64,
    /// `ETag` or `Last-Modified`.
    pub validator: Option<String>,
}

/// The version of the file that the part belongs to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Note {
    validator: Option<String>,
    total: Option<u64>,
}

/// How an attempt ended, if not with a permanent error.
enum Attempt {
    Done,
    /// It broke, for this reason; another attempt may help.
    Broke(Broken),
}

struct Transfer<'a> {
    client: &'a Client,
    wanted: &'a Wanted<'a>,
    part: &'a Path,
    file: File,
    /// Bytes in `file`; all of them are in `hasher`, too.
    length: u64,
    hasher: Sha256,
    note: Note,
    task: Box<dyn Task>,
    job: Job<'a>,
}

/// Fetches a file into `part`; resumes what is there. On success `part` holds the whole file, on
/// the disk.
pub fn download(
    client: &Client,
    retries: RetryPolicy,
    wanted: &Wanted<'_>,
    part: &Path,
    job: Job<'_>,
) -> Result<Fetched> {
    let mut transfer = Transfer::open(client, wanted, part, job)?;
    let mut resumed = transfer.length > 0;
    loop {
        transfer.run(retries)?;
        match transfer.finish() {
            // The old part may have been wrong.
            Err(error) if resumed && is_wrong_hash(&error) => resumed = false,
            result => return result,
        }
        transfer.restart()?;
    }
}

/// Fetches a text of at most `most` bytes.
pub fn text(client: &Client, retries: RetryPolicy, url: &Url, most: u64, job: Job<'_>) -> Result<String> {
    let bytes = bytes(client, retries, url, most, job)?;
    String::from_utf8(bytes).map_err(|_| {
        let text = format!("fetching {}: it is not a text", shown(url));
        Error::new(Kind::Damaged, text)
    })
}

/// Fetches a document of at most `most` bytes into memory.
pub fn bytes(client: &Client, retries: RetryPolicy, url: &Url, most: u64, job: Job<'_>) -> Result<Vec<u8>> {
    let question = Question { url, most, retries };
    let answer = ask(&question, || client.get(url, &[]), job)?;
    match answer.head.status {
        200 => Ok(answer.body),
        status => Err(refused(url, status)),
    }
}

impl<'a> Transfer<'a> {
    fn open(client: &'a Client, wanted: &'a Wanted<'a>, part: &'a Path, job: Job<'a>) -> Result<Self> {
        let file = named::open(part).doing("opening", part)?;
        let name = wanted.url.path_segments().and_then(|mut segments| segments.next_back());
        // apt's archives offer indexes under their hash, which means nothing to a user.
        let is_hash = |name: &&str| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let name = match name.filter(|name| !name.is_empty()) {
            None => "base",
            Some(name) if is_hash(&name) => "package index",
            // A blob of a registry: as much of its hash as people use.
            Some(name) => name
                .strip_prefix("sha256:")
                .and_then(|hash| hash.get(..12))
                .unwrap_or(name),
        };
        let what = format!("downloading {name}");
        let mut transfer = Self {
            client,
            wanted,
            part,
            file,
            length: 0,
            hasher: Sha256::new(),
            note: Note::default(),
            task: job.task(&what, wanted.size),
            job,
        };
        transfer.take_up()?;
        Ok(transfer)
    }

    /// Resumes the part of an earlier run, if that is possible.
    fn take_up(&mut self) -> Result<()> {
        let note = fs::read(note_path(self.part)).ok();
        let note: Option<Note> = note.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match note {
            Some(note) if note.validator.is_some() => self.note = note,
            _ => return self.restart(),
        }
        let mut buffer = vec![0; 1 << 20];
        loop {
            self.job.interrupt.check()?;
            let count = io::Read::read(&mut self.file, &mut buffer).doing("reading", self.part)?;
            if count == 0 {
                break;
            }
            self.hasher.update(&buffer[..count]);
            self.length += count as u64;
            self.task.advance(count as u64);
        }
        match self.note.total {
            Some(total) if self.length > total => self.restart(),
            _ => Ok(()),
        }
    }

    /// Discards what has arrived.
    fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).doing("emptying", self.part)?;
        io::Seek::rewind(&mut self.file).doing("emptying", self.part)?;
        let _ = fs::remove_file(note_path(self.part));
        self.length = 0;
        self.hasher = Sha256::new();
        self.note = Note::default();
        Ok(())
    }

    /// Makes attempts until the file is complete.
    fn run(&mut self, retries: RetryPolicy) -> Result<()> {
        let mut failed = 0;
        let mut furthest = self.length;
        while self.length == 0 || self.note.total != Some(self.length) {
            let broken = match self.attempt()? {
                Attempt::Done => break,
                Attempt::Broke(broken) => broken,
            };
            // Only new bytes count as progress: a server that always breaks at the same place makes
            // none.
            failed = if self.length >= furthest + HEADWAY {
                1
            } else {
                failed + 1
            };
            furthest = furthest.max(self.length);
            give_up_or_pause(self.wanted.url, retries, failed, &broken, self.job)?;
        }
        Ok(())
    }

    fn attempt(&mut self) -> Result<Attempt> {
        let mut headers = self.wanted.headers.to_vec();
        match &self.note.validator {
            Some(validator) if self.length > 0 => {
                headers.push(Header {
                    name: header::RANGE,
                    value: format!("bytes={}-", self.length),
                });
                headers.push(Header {
                    name: header::IF_RANGE,
                    value: validator.clone(),
                });
            }
            _ => self.restart()?,
        }
        let exchange = self.client.get(self.wanted.url, &headers);
        match exchange.next(self.job.interrupt)? {
            Event::Head(head) => match self.begin(&head)? {
                Some(broken) => Ok(Attempt::Broke(broken)),
                None => self.receive(&exchange),
            },
            Event::Failed(failure) if failure.passing => Ok(Attempt::Broke(failure.why.into())),
            Event::Failed(failure) => Err(gave_up(self.wanted.url, &failure.why, 1)),
            Event::Block(_) | Event::End => Ok(Attempt::Broke("the answer has no head".into())),
        }
    }

    /// Prepares for the body that follows `head`; returns the reason when the body is of no use.
    fn begin(&mut self, head: &Head) -> Result<Option<Broken>> {
        match head.status {
            200 => {
                // The whole file comes: the server does not support ranges, or has another version
                // by now.
                self.restart()?;
                self.note = Note {
                    validator: head.validator(),
                    total: head.length(),
                };
                self.write_note()?;
            }
            206 => {
                let same = head.validator().is_none_or(|now| Some(now) == self.note.validator);
                let fits = head.range().is_some_and(|ContentRange { first, total }| {
                    first == self.length && (total.is_none() || self.note.total.is_none() || total == self.note.total)
                });
                if self.length == 0 || !same || !fits {
                    self.restart()?;
                    return Ok(Some("the server sent a part that does not fit".into()));
                }
            }
            416 if self.length > 0 => {
                self.restart()?;
                return Ok(Some("the server has no such part".into()));
            }
            _ => return again_after(self.wanted.url, head).map(Some),
        }
        if let Some(size) = self.note.total.or(self.wanted.size) {
            self.task.set_total(size);
        }
        self.check_total().map(|()| None)
    }

    fn check_total(&self) -> Result<()> {
        let Some(size) = self.note.total else { return Ok(()) };
        match self.wanted.size {
            Some(expected) if expected != size => Err(self.wrong_size(size, expected)),
            _ => self.check_limit(size),
        }
    }

    fn check_limit(&self, size: u64) -> Result<()> {
        let limit = self.wanted.size.unwrap_or(self.wanted.most);
        if size > limit {
            return Err(too_large(self.wanted.url, limit));
        }
        Ok(())
    }

    fn receive(&mut self, exchange: &Exchange) -> Result<Attempt> {
        loop {
            match exchange.next(self.job.interrupt)? {
                Event::Block(block) => {
                    let length = self.length + block.len() as u64;
                    self.check_limit(length)?;
                    self.file.write_all(&block).doing("writing", self.part)?;
                    self.hasher.update(&block);
                    self.length = length;
                    self.task.advance(block.len() as u64);
                }
                Event::End => break,
                Event::Failed(failure) => return Ok(Attempt::Broke(failure.why.into())),
                Event::Head(_) => return Ok(Attempt::Broke("a second head".into())),
            }
        }
        match self.note.total {
            Some(total) if self.length < total => {
                let why = format!("the connection ended after {} of {total} bytes", self.length);
                Ok(Attempt::Broke(why.into()))
            }
            _ => Ok(Attempt::Done),
        }
    }

    /// Checks the whole file, and syncs it to the disk. A wrong one is emptied.
    fn finish(&mut self) -> Result<Fetched> {
        let sha256 = Sha256Hash::from(self.hasher.clone().finalize());
        let wrong = match (self.wanted.size, self.wanted.sha256) {
            (Some(expected), _) if expected != self.length => Some(self.wrong_size(self.length, expected)),
            (_, Some(expected)) if expected != sha256 => {
                let wrong = FetchError::WrongHash {
                    url: shown(self.wanted.url),
                    found: sha256,
                    expected,
                };
                Some(Error::typed(Kind::Damaged, wrong))
            }
            _ => None,
        };
        if let Some(error) = wrong {
            self.restart()?;
            return Err(error);
        }
        self.file.sync_data().doing("writing", self.part)?;
        Ok(Fetched {
            sha256,
            size: self.length,
            validator: self.note.validator.clone(),
        })
    }

    fn wrong_size(&self, size: u64, expected: u64) -> Error {
        let text = format!(
            "fetching {}: it has {size} bytes, {expected} were announced; it is not the file that was meant",
            shown(self.wanted.url)
        );
        Error::new(Kind::Damaged, text)
    }

    fn write_note(&self) -> Result<()> {
        let path = note_path(self.part);
        let bytes = serde_json::to_vec(&self.note).unwrap_or_default();
        named::write(&path, &bytes).doing("writing", &path)
    }
}

/// Removes a part that a later run cannot use: the content was wrong and not the connection, or
/// nothing has arrived yet.
pub fn discard_useless(part: &Path, error: &Error) {
    // The system's errors are about this machine, whatever their kind.
    let is_damaged = error.kind() == Kind::Damaged && error.downcast_ref::<io::Error>().is_none();
    let is_wrong = is_damaged
        || match error.downcast_ref::<FetchError>() {
            // A login has run out: what has arrived is right.
            Some(FetchError::Status { status: 401, .. }) => false,
            other => other.is_some(),
        };
    if is_wrong || part.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        discard(part);
    }
}

fn is_wrong_hash(error: &Error) -> bool {
    matches!(error.downcast_ref::<FetchError>(), Some(FetchError::WrongHash { .. }))
}

/// Removes a part and its note.
pub fn discard(part: &Path) {
    let _ = fs::remove_file(part);
    let _ = fs::remove_file(note_path(part));
}

fn note_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

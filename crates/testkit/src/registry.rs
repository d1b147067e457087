//! Registries on loopback: one that answers from memory, and Debian's `docker-registry`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::child::Killed;
use crate::oci::{self, MadeImage};
use crate::site::{Answer, Request};
use crate::tools;

/// What a registry has. Its method [`Stock::answer`] is what a site answers with.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// Documents by tag or digest.
    documents: BTreeMap<String, Document>,
    blobs: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Document {
    media_type: String,
    bytes: Vec<u8>,
}

impl Stock {
    /// Puts a document under its digest and a tag.
    pub fn put(&mut self, tag: &str, media_type: &str, bytes: &[u8]) {
        self.replace(tag, media_type, bytes);
        self.replace(&oci::digest(bytes), media_type, bytes);
    }

    /// Puts bytes under a digest, which need not be theirs.
    pub fn put_blob(&mut self, digest: &str, bytes: &[u8]) {
        self.blobs.insert(digest.to_owned(), bytes.to_vec());
    }

    /// Puts other bytes in the place of a document.
    pub fn replace(&mut self, name: &str, media_type: &str, bytes: &[u8]) {
        let document = Document {
            media_type: media_type.to_owned(),
            bytes: bytes.to_vec(),
        };
        self.documents.insert(name.to_owned(), document);
    }

    /// Removes a document.
    pub fn remove(&mut self, name: &str) {
        self.documents.remove(name);
    }

    /// Removes a blob.
    pub fn remove_blob(&mut self, digest: &str) {
        self.blobs.remove(digest);
    }

    /// Puts an index of these images under a tag, with all that belongs to them.
    pub fn put_images(&mut self, tag: &str, images: &[&MadeImage]) -> Vec<u8> {
        for image in images {
            self.put("-", oci::MANIFEST, &image.manifest);
            for blob in image.blobs() {
                self.put_blob(&oci::digest(blob), blob);
            }
        }
        let entries: Vec<_> = images.iter().map(|image| image.entry()).collect();
        let index = oci::index(&entries);
        self.put(tag, oci::INDEX, &index);
        index
    }

    /// Answers as a registry: `/v2/NAME/manifests/…` and `/v2/NAME/blobs/…`, for any name.
    pub fn answer(&self, request: &Request) -> Answer {
        let mut parts = request.path.rsplit('/');
        let (selector, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let found = match kind {
            "manifests" => self.documents.get(selector).map(|document| {
                Answer::file(request, &document.bytes)
                    .with("Content-Type", &document.media_type)
                    .with("Docker-Content-Digest", &oci::digest(&document.bytes))
            }),
            "blobs" => self.blobs.get(selector).map(|bytes| Answer::file(request, bytes)),
            _ => None,
        };
        found.unwrap_or_else(|| Answer::new(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#))
    }
}

/// Debian's `docker-registry`, on loopback, with a login. It ends with the test.
pub struct RealRegistry {
    /// Host and port.
    pub host: String,
    _process: Killed,
}

/// User and password of the real registry.
pub const USER: &str = "kraken";
pub const PASSWORD: &str = "p4ss:w0rd";
/// User and password as a request has them.
const AUTHORIZATION: &str = "Basic a3Jha2VuOnA0c3M6dzByZA==";
/// The password as htpasswd(1) writes it.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuu4/9ASq31wzfPto2YfKYy64PDEdNHumq";

impl RealRegistry {
    /// Starts it on a port that the kernel chooses; what it keeps is in `folder`.
    pub fn start(folder: &Path) -> Self {
        tools::require(&[("docker-registry", "docker-registry")]);
        std::fs::write(folder.join("htpasswd"), format!("{USER}:{BCRYPT}\n")).expect("the logins");
        let config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\nstorage: {{filesystem: {{rootdirectory: {root}/data}}}}\n\
             http: {{addr: '127.0.0.1:0', secret: x}}\nauth: {{htpasswd: {{realm: test, path: {root}/htpasswd}}}}\n",
            root = folder.display()
        );
        let path = folder.join("config.yml");
        std::fs::write(&path, config).expect("the configuration");
        let mut process = Killed::spawn(
            Command::new("docker-registry")
                .env("PATH", tools::search_path())
                .env("OTEL_TRACES_EXPORTER", "none")
                .arg("serve")
                .arg(&path)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let log = process.stderr.take().expect("its log");
        let (sender, receiver) = channel();
        // Its log is read to the end: a full pipe would stop it.
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut seen = Vec::new();
        loop {
            let Ok(line) = receiver.recv_timeout(Duration::from_mins(1)) else {
                panic!("docker-registry does not start: {seen:#?}");
            };
            if let Some((_, rest)) = line.split_once("listening on ") {
                let host: String = rest.chars().take_while(|c| !matches!(c, '"' | ' ' | ',')).collect();
                return Self {
                    host,
                    _process: process,
                };
            }
            seen.push(line);
        }
    }

    /// Pushes an index of images under a tag, as a client of the protocol does.
    pub fn push(&self, repository: &str, tag: &str, images: &[&MadeImage]) -> Vec<u8> {
        for image in images {
            for blob in image.blobs() {
                self.push_blob(repository, blob);
            }
            self.push_document(
                repository,
                &oci::digest(&image.manifest),
                oci::MANIFEST,
                &image.manifest,
            );
        }
        let entries: Vec<_> = images.iter().map(|image| image.entry()).collect();
        let index = oci::index(&entries);
        self.push_document(repository, tag, oci::INDEX, &index);
        index
    }

    fn push_blob(&self, repository: &str, blob: &[u8]) {
        let begin = direct()
            .post(format!("http://{}/v2/{repository}/blobs/uploads/", self.host))
            .header("Authorization", AUTHORIZATION)
            .send_empty()
            .expect("an upload");
        let place = begin
            .headers()
            .get("location")
            .expect("its place")
            .to_str()
            .expect("an address");
        let separator = if place.contains('?') { '&' } else { '?' };
        direct()
            .put(format!("{place}{separator}digest={}", oci::digest(blob)))
            .header("Authorization", AUTHORIZATION)
            .header("Content-Type", "application/octet-stream")
            .send(blob)
            .expect("the registry takes the blob");
    }

    fn push_document(&self, repository: &str, name: &str, media_type: &str, bytes: &[u8]) {
        direct()
            .put(format!("http://{}/v2/{repository}/manifests/{name}", self.host))
            .header("Authorization", AUTHORIZATION)
            .header("Content-Type", media_type)
            .send(bytes)
            .expect("the registry takes the document");
    }
}

/// Returns a client that no proxy of the environment keeps from loopback.
fn direct() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).build().into()
}

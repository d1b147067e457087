//! Shared by the tests of `base`: a small disk image, real packers, and a web server on loopback
//! with faults on demand.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kraken_fetch::Options;
use kraken_flash::base::{Base, obtain};
use kraken_foundation::Job;
use kraken_foundation::Sha256Hash;
use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_spec::{BaseRef, Image};

/// A disk image of `size` bytes (a multiple of 512): one partition up to its end, data, and long
/// runs of zeros.
pub(crate) fn disk_image(size: usize) -> Vec<u8> {
    let mut image = vec![0u8; size];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for chunk in image.chunks_mut(64 << 10).step_by(3) {
        for byte in chunk {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
    }
    image[446..512].fill(0);
    image[446 + 4] = 0x83;
    image[446 + 8..446 + 12].copy_from_slice(&2048u32.to_le_bytes());
    image[446 + 12..446 + 16].copy_from_slice(&((size / 512) as u32 - 2048).to_le_bytes());
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    // It must not have the signature of another format by chance.
    image[0..2].fill(0);
    image[512..520].fill(0);
    image[1080..1082].fill(0);
    image
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash::of(bytes)
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    sha256(bytes).to_string()
}

/// Packs the file at `path` with a command line (`FILE` stands for it) whose output goes to stdout;
/// returns that output.
pub(crate) fn pack(path: &Path, command: &str) -> Vec<u8> {
    let line = command.replace("FILE", &format!("'{}'", path.display()));
    let output = Command::new("sh").arg("-c").arg(&line).output().expect("running sh");
    assert!(
        output.status.success(),
        "`{line}` failed; install xz-utils, zstd, gzip, zip and python3: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Every way of packing that the tests use: name and command line.
pub(crate) const PACKERS: &[(&str, &str)] = &[
    ("xz", "xz -1 -c FILE"),
    ("xz of several blocks", "xz -1 -T2 --block-size=1MiB -c FILE"),
    (
        "xz streams with padding",
        "head -c 2M FILE | xz -1 -c; head -c 8 /dev/zero; tail -c +2097153 FILE | xz -1 -c",
    ),
    ("zstd", "zstd -q -1 -c FILE"),
    (
        "zstd frames",
        "head -c 2M FILE | zstd -q -1 -c; tail -c +2097153 FILE | zstd -q -1 -c",
    ),
    ("gzip", "gzip -1 -c FILE"),
    (
        "gzip members",
        "head -c 2M FILE | gzip -1 -c; tail -c +2097153 FILE | gzip -1 -c",
    ),
    ("zip", "cd $(dirname FILE) && zip -q -1 - $(basename FILE)"),
];

/// A folder with a cache in it, and a function to obtain bases from it.
pub(crate) struct Desk {
    pub folder: tempfile::TempDir,
    pub options: Options,
    pub interrupt: Interrupt,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let options = Options {
            cache: Some(folder.path().join("cache")),
            stall: Duration::from_millis(400),
            attempts: 3,
            pause: Duration::from_millis(5),
            ..Options::default()
        };
        Self {
            folder,
            options,
            interrupt: Interrupt::new(),
        }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("writing a file");
        path
    }

    pub(crate) fn obtain(&self, base: BaseRef) -> kraken_foundation::Result<Base> {
        self.obtain_image(&image(base))
    }

    pub(crate) fn obtain_image(&self, image: &Image) -> kraken_foundation::Result<Base> {
        obtain(image, &self.options, Job::new(&Silent, &self.interrupt))
    }

    /// Returns the names in a folder of the cache, sorted.
    pub(crate) fn cached(&self, folder: &str) -> Vec<String> {
        let folder = self.folder.path().join("cache").join(folder);
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Checks that the cache has no file that looks finished, and nothing unfinished except a part
    /// that can be resumed.
    #[track_caller]
    pub(crate) fn assert_nothing_finished(&self) {
        assert_eq!(self.cached("raw"), Vec::<String>::new());
        for name in self.cached("downloads") {
            assert!(name.ends_with(".part") || name.ends_with(".part.json"), "{name}");
        }
    }
}

pub(crate) fn image(base: BaseRef) -> Image {
    Image {
        base,
        sha256: None,
        catalogue: None,
        mirror: None,
        used: kraken_spec::UsedImage::Refuse,
    }
}

#[track_caller]
pub(crate) fn assert_is(base: &Base, raw: &[u8]) {
    assert_eq!(base.size, raw.len() as u64);
    assert_eq!(base.raw_sha256, sha256(raw));
    assert!(std::fs::read(&base.raw).expect("raw image") == raw, "the bytes differ");
}

/// A fault of one answer.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection breaks after this many bytes of the body.
    Drop(usize),
    /// This many bytes of the body arrive, then nothing more.
    Hang(usize),
    /// `Range` is ignored.
    NoRange,
    /// Only a status.
    Status(u16),
    /// A redirect.
    Redirect(String),
    /// The body arrives in parts of this many bytes, each after a pause in milliseconds.
    Trickle(usize, u64),
    /// The body never ends.
    Endless,
    /// There is no `Content-Length`.
    NoLength,
}

#[derive(Clone, Default)]
struct Page {
    body: Vec<u8>,
    etag: Option<String>,
    faults: VecDeque<Fault>,
}

#[derive(Default)]
struct Site {
    pages: HashMap<String, Page>,
    log: Vec<String>,
}

/// A web server on loopback. It ends with the test.
pub(crate) struct Server {
    pub address: String,
    site: Arc<Mutex<Site>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binding a port of loopback");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        let site = Arc::new(Mutex::new(Site::default()));
        let shared = Arc::clone(&site);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let site = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let _ = answer(stream, &site);
                });
            }
        });
        Self { address, site }
    }

    /// Adds a page, with one fault for each of the next requests.
    pub(crate) fn put(&self, path: &str, body: &[u8], etag: Option<&str>, faults: &[Fault]) -> String {
        let page = Page {
            body: body.to_vec(),
            etag: etag.map(|etag| format!("\"{etag}\"")),
            faults: faults.iter().cloned().collect(),
        };
        self.site.lock().expect("site").pages.insert(path.to_owned(), page);
        format!("{}{path}", self.address)
    }

    /// Returns one line per request: the path, and `Range` if there was one.
    pub(crate) fn log(&self) -> Vec<String> {
        self.site.lock().expect("site").log.clone()
    }
}

fn answer(mut stream: TcpStream, site: &Mutex<Site>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let range = headers.get("range").cloned();
    let (page, fault) = {
        let mut site = site.lock().expect("site");
        site.log
            .push(format!("{path} {}", range.as_deref().unwrap_or("")).trim().to_owned());
        match site.pages.get_mut(&path) {
            Some(page) => {
                let fault = page.faults.pop_front();
                (page.clone(), fault)
            }
            None => (Page::default(), Some(Fault::Status(404))),
        }
    };
    match &fault {
        Some(Fault::Status(status)) => {
            return write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(Fault::Redirect(to)) => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        _ => {}
    }
    let first = range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
        .filter(|_| headers.get("if-range") == page.etag.as_ref() && !matches!(fault, Some(Fault::NoRange)));
    let etag = page.etag.map(|etag| format!("ETag: {etag}\r\n")).unwrap_or_default();
    let total = page.body.len();
    let body = match first {
        Some(first) if first >= total => {
            return write!(
                stream,
                "HTTP/1.1 416 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Some(first) => {
            let last = total - 1;
            write!(
                stream,
                "HTTP/1.1 206 X\r\nContent-Range: bytes {first}-{last}/{total}\r\n"
            )?;
            &page.body[first..]
        }
        None => {
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            &page.body[..]
        }
    };
    if !matches!(fault, Some(Fault::NoLength | Fault::Endless)) {
        write!(stream, "Content-Length: {}\r\n", body.len())?;
    }
    write!(stream, "{etag}Connection: close\r\n\r\n")?;
    match fault {
        Some(Fault::Drop(count)) => stream.write_all(&body[..count]),
        Some(Fault::Hang(count)) => {
            stream.write_all(&body[..count])?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Some(Fault::Trickle(count, pause)) => {
            for piece in body.chunks(count) {
                std::thread::sleep(Duration::from_millis(pause));
                stream.write_all(piece)?;
                stream.flush()?;
            }
            Ok(())
        }
        Some(Fault::Endless) => loop {
            stream.write_all(&[7; 65536])?;
        },
        _ => stream.write_all(body),
    }
}

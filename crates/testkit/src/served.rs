//! A web server on loopback for a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Serves a folder. It ends with the test.
pub struct Server {
    pub address: String,
    /// Requested paths, in order.
    pub log: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&log), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (folder, log) = (folder.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let _ = answer(stream, &folder, &log);
                });
            }
        });
        Self { address, log, stopped }
    }

    /// Stops the server: its address refuses connections from then on.
    pub fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        // It checks the flag when a client connects.
        while TcpStream::connect(self.address.trim_start_matches("http://")).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Answers one request: a file of the folder, from where `Range` says, or 404.
fn answer(mut stream: TcpStream, folder: &Path, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut first = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            let range = value
                .trim()
                .strip_prefix("bytes=")
                .and_then(|range| range.strip_suffix('-'));
            first = range.and_then(|range| range.parse().ok()).unwrap_or(0);
        }
    }
    log.lock().expect("the log").push(path.clone());
    let path: String = url::Url::parse(&format!("http://x{path}"))
        .map(|url| unescaped(url.path()))
        .unwrap_or_default();
    let parts: BTreeSet<&str> = path.split('/').collect();
    let file = folder.join(path.trim_start_matches('/'));
    match fs::read(&file) {
        Ok(bytes) if !parts.contains("..") && first <= bytes.len() => {
            let (total, body) = (bytes.len(), &bytes[first..]);
            let head = match first {
                0 => "200 OK\r\n".to_owned(),
                _ => format!(
                    "206 X\r\nContent-Range: bytes {first}-{}/{total}\r\n",
                    total.saturating_sub(1)
                ),
            };
            write!(
                stream,
                "HTTP/1.1 {head}Content-Length: {}\r\nETag: \"{total}\"\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(body)
        }
        _ => write!(
            stream,
            "HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    }
}

fn unescaped(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [a, b, after @ ..]) => {
                let digits = [*a, *b];
                bytes.extend(hex::decode(digits).unwrap_or_else(|_| b"%".to_vec()));
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

//! The HTML report in a real browser, Chromium without a screen: it loads without an error,
//! requests nothing, and is visible.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use kraken_flash::boot_check::{BootReport, render};

use crate::boot_report::reports;

/// The requests of the browser to its proxy. The proxy has the page under one address, and nothing
/// else.
struct Served {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

const PAGE: &str = "http://report.test/";

impl Served {
    fn new(html: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (html, log) = (html.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(&mut stream.unwrap(), &html, &log));
            }
        });
        Self { port, asked }
    }
}

/// One request, one answer, and the connection is closed.
fn answer(stream: &mut std::net::TcpStream, html: &str, log: &Mutex<Vec<String>>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let line = String::from_utf8_lossy(&request)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    if line.is_empty() {
        return; // The browser opened the connection in advance and did not use it.
    }
    let (status, body) = match line.starts_with(&format!("GET {PAGE} ")) {
        true => ("200 OK", html),
        false => ("404 Not Found", ""),
    };
    log.lock().unwrap().push(line);
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()));
}

/// Runs Chromium on the page; returns its output on stdout, and the page's messages on its console.
fn chromium(served: &Served, arguments: &[&str]) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ])
        // Switches off all requests that Chromium makes for itself.
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-default-apps",
        ])
        .args([
            "--disable-features=OptimizationHints,MediaRouter,Translate,NetworkTimeServiceQuerying",
            "--disable-domain-reliability",
        ])
        .args(["--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--proxy-server=http://127.0.0.1:{}", served.port))
        .arg("--proxy-bypass-list=<-loopback>")
        .args(arguments)
        .arg(PAGE)
        .env("HOME", profile.path());
    let done = command
        .output()
        .unwrap_or_else(|error| panic!("running chromium: {error}; install it (Debian: apt-get install chromium)"));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "chromium ended with {}:\n{said}", done.status);
    let console = said
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(String::from)
        .collect();
    (String::from_utf8(done.stdout).unwrap(), console)
}

/// The screenshots stay here for inspection.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boot-report");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Takes a screenshot of this many pixels; returns its bytes.
fn screenshot(served: &Served, name: &str, size: (u32, u32), arguments: &[&str]) -> Vec<u8> {
    let path = folder().join(name);
    let _ = std::fs::remove_file(&path);
    let (file, window) = (
        format!("--screenshot={}", path.display()),
        format!("--window-size={},{}", size.0, size.1),
    );
    let mut all = vec![file.as_str(), window.as_str()];
    all.extend(arguments);
    let (_, console) = chromium(served, &all);
    assert_eq!(console, Vec::<String>::new(), "{name}");
    let png = std::fs::read(&path).unwrap_or_else(|error| panic!("no screenshot {}: {error}", path.display()));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(
        (&png[1..4], number(16), number(20)),
        (b"PNG".as_slice(), size.0, size.1),
        "{name}"
    );
    png
}

fn serve(report: &BootReport) -> Served {
    Served::new(render::html(report).unwrap())
}

#[test]
fn the_page_loads_without_a_complaint_and_asks_for_nothing() {
    for (name, report, said) in [
        (
            "good",
            reports::good(7, 3),
            vec!["7 nodes boot and are right", "kraken-7", "swarm-nodes"],
        ),
        (
            "failing",
            reports::failing(),
            vec!["Permission denied (publickey).", "likely cause", "Kernel panic"],
        ),
        (
            "interrupted",
            reports::interrupted(),
            vec!["interrupted after 31 s", "not reached"],
        ),
        (
            "hostile",
            reports::hostile(),
            vec!["&lt;/script&gt;&lt;script&gt;alert(1)", "{{ 7 * 7 }}"],
        ),
    ] {
        let served = serve(&report);
        let (dom, console) = chromium(&served, &["--dump-dom"]);
        for text in said {
            assert!(dom.contains(text), "{name}: {text:?} is not in the page:\n{dom}");
        }
        assert_eq!(console, Vec::<String>::new(), "{name}: the page complains");
        // Chromium's requests to its vendor, whatever the page, end at the proxy, too.
        let own = |line: &String| {
            [".googleapis.com", ".google.com", ".gvt1.com"]
                .iter()
                .any(|host| line.contains(host))
        };
        let asked: Vec<String> = served
            .asked
            .lock()
            .unwrap()
            .iter()
            .filter(|line| !own(line))
            .cloned()
            .collect();
        assert_eq!(asked, [format!("GET {PAGE} HTTP/1.1")], "{name}");
    }
}

#[test]
fn the_page_is_to_be_seen_light_dark_and_on_a_phone() {
    let dark = "--blink-settings=preferredColorScheme=0";
    let light = "--blink-settings=preferredColorScheme=1";
    for (name, report) in [
        ("good", reports::good(7, 3)),
        ("failing", reports::failing()),
        ("twenty", reports::good(20, 3)),
        ("hostile", reports::hostile()),
    ] {
        let served = serve(&report);
        let shots = [
            screenshot(&served, &format!("{name}-light.png"), (1200, 5200), &[light]),
            screenshot(&served, &format!("{name}-dark.png"), (1200, 5200), &[dark]),
            screenshot(&served, &format!("{name}-phone.png"), (390, 3000), &[light]),
        ];
        // A blank page compresses to a few KiB.
        assert!(
            shots.iter().all(|png| png.len() > 40_000),
            "{name}: {:?}",
            shots.map(|png| png.len())
        );
        assert_ne!(shots[0], shots[1], "{name}: dark is light");
    }
}

//! A web server on loopback that answers as a test says, with faults where it wants them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request, as the server got it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// The path, without a query.
    pub path: String,
    /// What is behind the `?`.
    pub query: String,
    /// Headers by their name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after this many bytes of the body.
    pub cut: Option<usize>,
    /// The server waits between pieces of a thousandth of the body.
    pub slow: Option<Duration>,
}

/// A server. It ends with the test.
pub struct Site {
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Request {
    /// Returns a header; nothing for one that is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Returns the first byte that is asked for (`Range: bytes=5-`).
    fn first(&self) -> usize {
        let range = self.header("range").strip_prefix("bytes=");
        let first = range.and_then(|range| range.strip_suffix('-')?.parse().ok());
        first.unwrap_or_default()
    }
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Returns a file, from where the request says; it can be resumed.
    pub fn file(request: &Request, bytes: &[u8]) -> Self {
        let (first, total) = (request.first(), bytes.len());
        let answer = match first {
            0 => Self::new(200, bytes),
            first if first < total => {
                Self::new(206, &bytes[first..]).with("Content-Range", &format!("bytes {first}-{}/{total}", total - 1))
            }
            _ => Self::new(416, ""),
        };
        answer.with("ETag", &format!("\"{total}\""))
    }
}

impl Site {
    /// Starts a server that answers each request with what `answer` returns.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", answer)
    }

    /// As [`Site::start`], on another address of loopback: another host.
    pub fn start_on(host: &str, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a port of loopback");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (shared, answer) = (Arc::clone(&log), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let _ = serve(stream, &log, &*answer);
                });
            }
        });
        Self { address, log }
    }

    /// Host and port, as they stand in the name of an image.
    pub fn host(&self) -> &str {
        self.address.trim_start_matches("http://")
    }

    /// Returns the requests so far, in order.
    pub fn log(&self) -> Vec<Request> {
        self.log.lock().expect("the log").clone()
    }

    /// Returns the requests so far, each as `METHOD PATH`.
    pub fn lines(&self) -> Vec<String> {
        let log = self.log();
        log.iter()
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Answer) -> std::io::Result<()> {
    let request = read(&stream)?;
    log.lock().expect("the log").push(request.clone());
    let Answer {
        status,
        headers,
        body,
        cut,
        slow,
    } = answer(&request);
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    )?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n")?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let body = &body[..cut.unwrap_or(body.len()).min(body.len())];
    let Some(pause) = slow else {
        return stream.write_all(body);
    };
    for piece in body.chunks(body.len().div_ceil(1000).max(1)) {
        stream.write_all(piece)?;
        std::thread::sleep(pause);
    }
    Ok(())
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let mut request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    let target = words.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    (request.path, request.query) = (path.to_owned(), query.to_owned());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            request
                .headers
                .insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece)?;
            if size == 0 {
                break;
            }
            request.body.extend_from_slice(&piece[..size]);
        }
        return Ok(request);
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body)?;
    Ok(request)
}

//! An HTTP proxy on loopback that forwards every request to one server, and records the requested
//! hosts.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy; it ends with the test.
pub struct Proxy {
    /// `http://127.0.0.1:PORT`
    pub address: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Forwards everything to the server at `upstream` (`http://127.0.0.1:PORT`).
    pub fn to(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (shared, upstream) = (Arc::clone(&log), upstream.trim_start_matches("http://").to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, upstream) = (Arc::clone(&shared), upstream.clone());
                std::thread::spawn(move || lead(stream, &upstream, &log));
            }
        });
        Self { address, log }
    }

    /// Returns the first lines of the requests so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn lead(client: TcpStream, upstream: &str, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    log.lock().unwrap().push(line.trim_end().to_owned());
    let mut server = TcpStream::connect(upstream)?;
    if line.starts_with("CONNECT ") {
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        // RFC 9112, 3.2.2: a proxy gets the whole address, a server the path.
        let path = line.split(' ').nth(1).and_then(|address| address.split("://").nth(1));
        let path = path.and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned()));
        server.write_all(format!("GET {} HTTP/1.1\r\n", path.unwrap_or_default()).as_bytes())?;
    }
    let mut back = server.try_clone()?;
    let to_client = client.try_clone()?;
    let answering = std::thread::spawn(move || {
        let _ = io::copy(&mut back, &mut &to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 4096];
    while let Ok(count) = reader.read(&mut buffer) {
        if count == 0 || server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = answering.join();
    Ok(())
}

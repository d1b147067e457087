//! Docker's API over its socket: quicker than a client, and with a time limit.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Requests a path of the API from dockerd. An unsuccessful answer is an error, with dockerd's own
/// text.
///
/// dockerd makes its socket long before it answers: `timeout` is the limit for the answer.
pub fn get(socket: &Path, path: &str, timeout: Duration) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
    // HTTP/1.0: the answer comes in one piece, and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other(format!("no HTTP answer: {answer}")))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(serde_json::from_str(body).unwrap_or_else(|_| Value::from(body))),
        _ => Err(io::Error::other(format!("{path}: {}", body.trim()))),
    }
}

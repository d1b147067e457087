//! The part of Docker's Engine API that is about the swarm, on a socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// The answers to requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says {
    /// LocalNodeState: active, pending, error, locked, inactive.
    pub state: &'static str,
    /// `manager` or `worker`.
    pub role: &'static str,
    /// The error.
    pub error: &'static str,
    /// The states of the swarm's nodes; `late` is that of a node whose heartbeat the leader did not
    /// receive in time. None: there is no leader.
    pub nodes: Option<&'static [&'static str]>,
    /// Whether it is older than 23.0, whose /_ping does not report the swarm's state.
    pub old: bool,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            state: "pending",
            role: "worker",
            error: "",
            nodes: None,
            old: false,
        }
    }
}

/// How a Docker that is stopped, restarted or killed breaks off during a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Break {
    /// Before its answer.
    Mute,
    /// In the middle of its answer.
    Half,
    /// It answers with something that is not HTTP.
    Garbage,
}

/// A Docker; `None`: it accepts requests and does not answer them.
pub(super) struct Engine {
    breaks: Arc<Mutex<Option<(&'static str, Break)>>>,
    says: Arc<Mutex<Option<Says>>>,
    asked: Arc<Mutex<Vec<String>>>,
    socket: PathBuf,
}

impl Engine {
    pub(super) fn new(socket: &Path) -> Self {
        let says = Arc::new(Mutex::new(Some(Says::default())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = UnixListener::bind(socket).unwrap();
        let breaks = Arc::new(Mutex::new(None));
        let (shared, log, breaking) = (says.clone(), asked.clone(), breaks.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (says, log) = (*shared.lock().unwrap(), log.clone());
                let breaks = *breaking.lock().unwrap();
                std::thread::spawn(move || answer(stream, says, breaks, &log));
            }
        });
        Self {
            breaks,
            says,
            asked,
            socket: socket.to_owned(),
        }
    }

    /// Changes the state from now on.
    pub(super) fn says(&self, says: Says) {
        *self.says.lock().unwrap() = Some(says);
    }

    /// Changes the managers' answers from now on.
    pub(super) fn hangs(&self) {
        *self.says.lock().unwrap() = None;
    }

    /// Breaks off from now on, whenever it is asked for this path; with no path it works again.
    pub(super) fn breaks_off(&self, how: Option<(&'static str, Break)>) {
        *self.breaks.lock().unwrap() = how;
    }

    /// Returns the requests since the last call of this function.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

fn answer(mut stream: UnixStream, says: Option<Says>, breaks: Option<(&'static str, Break)>, log: &Mutex<Vec<String>>) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if reader.read_line(&mut request).is_err() {
        return;
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push(path.clone());
    let Some(says) = says else {
        std::thread::sleep(Duration::from_secs(5));
        return;
    };
    if let Some((_, how)) = breaks.filter(|(asked, _)| *asked == path) {
        let words: &[u8] = match how {
            Break::Mute => b"",
            Break::Half => b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"message\"",
            Break::Garbage => b"panic: runtime error\n\n",
        };
        let _ = stream.write_all(words);
        return;
    }
    let (status, header, body) = reply(&path, &says);
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

fn reply(path: &str, says: &Says) -> (u16, String, String) {
    let state = match (says.state, says.role) {
        ("active", role) => format!("active/{role}"),
        (state, _) => state.to_owned(),
    };
    let no_leader = json!({"message": "rpc error: code = Unknown desc = The swarm does not have a leader."});
    match (path, says.nodes) {
        ("/_ping", _) if says.old => (200, String::new(), "OK".to_owned()),
        ("/_ping", _) => (200, format!("Swarm: {state}\r\n"), "OK".to_owned()),
        ("/info", _) => {
            let swarm =
                json!({"LocalNodeState": says.state, "ControlAvailable": says.role == "manager", "Error": says.error});
            (200, String::new(), json!({"Swarm": swarm}).to_string())
        }
        ("/nodes", Some(nodes)) => {
            let node = |(number, state): (u32, &&str)| {
                let status = match *state {
                    "late" | "late-manager" => json!({"State": "down", "Addr": format!("127.77.0.{number}"),
                        "Message": "heartbeat failure for node in \"unknown\" state"}),
                    state => json!({"State": state, "Addr": format!("127.77.0.{number}")}),
                };
                json!({"ID": format!("id{number}"), "Version": {"Index": 7}, "Status": status,
                    "Spec": {"Role": if *state == "late-manager" { "manager" } else { "worker" }},
                    "Description": {"Hostname": format!("kraken-{number}")}})
            };
            let list: Value = (1..).zip(nodes).map(node).collect();
            (200, String::new(), list.to_string())
        }
        (path, Some(_)) if path.starts_with("/nodes/") => (200, String::new(), String::new()),
        ("/nodes", None) => (503, String::new(), no_leader.to_string()),
        _ => (404, String::new(), json!({"message": "page not found"}).to_string()),
    }
}

//! A LAN for guests in QEMU: an Ethernet switch in user space with a unix socket for each guest,
//! and one host on it, the gateway.
//!
//! A guest's network card is connected with
//! `-netdev stream,server=off,addr.type=unix,addr.path=SOCKET` (QEMU 7.2 and later). One thread
//! moves all frames. The host has a TCP/IP stack of its own (smoltcp): it has the gateway's
//! address, answers ARP, ping and, if wanted, NTP, and refuses everything else. Connections come in
//! through ports of 127.0.0.1 ([`Lan::forward`]). The switch observes all frames: which guests are
//! there ([`Lan::seen`]), and which addresses are claimed twice ([`Lan::conflicts`]).
//!
//! This crate needs no root, and nothing leads from the LAN to a real network.
//!
//! ```
//! use kraken_lan::{Lan, LanConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let lan = Lan::start(LanConfig {
//!     folder: folder.path().join("lan"),
//!     subnet: "192.168.3.0/24".parse()?,
//!     gateway: Some([192, 168, 3, 1].into()),
//!     host: [192, 168, 3, 1].into(),
//!     time: true,
//!     guests: 2,
//! })?;
//! assert!(lan.socket(0).exists());
//! assert!(lan.seen().is_empty());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        reason = "tests write where they like, and their failure is a panic"
    )
)]

mod arrival;
mod cable;
mod call;
mod carrier;
mod facts;
mod forward;
mod frame;
mod host;
mod ntp;
mod port;
mod sent;
mod sockets;
mod switch;
mod watch;

pub use facts::{Conflict, Neighbour, Party, Place, PortFacts, Sighting};
pub use kraken_foundation::mac::Mac;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use ipnet::Ipv4Net;

use carrier::{Carrier, Command};
use forward::Forwards;
use host::Host;
use kraken_foundation::{Context, Error, Kind, Result};
use port::Port;
use sockets::{Listening, Sockets};
use switch::Switch;
use watch::Watch;

/// The configuration of a LAN.
#[derive(Clone, Debug)]
pub struct LanConfig {
    /// The folder for the sockets: a private one with mode 0700, or one that does not exist yet.
    /// Its path must be short: a socket's path has 107 bytes at most.
    pub folder: PathBuf,
    /// The guests' subnet.
    pub subnet: Ipv4Net,
    /// The gateway that the guests are configured with: the host has this address.
    pub gateway: Option<Ipv4Addr>,
    /// The host's own address, from which it connects; no guest may have it. It may be the
    /// gateway's.
    pub host: Ipv4Addr,
    /// Whether the host answers time requests (NTP, UDP port 123), from its own clock.
    pub time: bool,
    /// The number of guests.
    pub guests: usize,
}

/// A LAN that runs until it is dropped.
pub struct Lan {
    subnet: Ipv4Net,
    sockets: Sockets,
    guests: usize,
    /// Taken only when the LAN is dropped: a closed channel ends the thread.
    commands: Option<Sender<Command>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    /// Why the thread ended, if it did so by itself.
    ended: Arc<Mutex<Option<String>>>,
}

impl Lan {
    /// Makes the sockets and starts the thread.
    pub fn start(config: LanConfig) -> Result<Lan> {
        let LanConfig {
            folder,
            subnet,
            gateway,
            host,
            time,
            guests,
        } = config;
        usable("host's address", host, subnet)?;
        if let Some(gateway) = gateway {
            usable("gateway", gateway, subnet)?;
        }
        let Listening { sockets, listeners } = Sockets::listen(&folder, guests)?;
        let carrier = carrier(listeners, subnet, [host, gateway.unwrap_or(host)], time);
        let WakeWire { wake, woken } = WakeWire::new().map_err(starting)?;
        let (commands, receiver) = mpsc::channel();
        let ended = Arc::new(Mutex::new(None));
        let why = ended.clone();
        let thread = std::thread::Builder::new().name("lan".into()).spawn(move || {
            if let Err(error) = carrier.run(woken, &receiver) {
                *why.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        });
        Ok(Lan {
            subnet,
            sockets,
            guests,
            commands: Some(commands),
            wake,
            thread: Some(thread.map_err(starting)?),
            ended,
        })
    }

    /// Returns the socket for a guest's QEMU. A guest may disconnect and connect again; a later
    /// connection replaces an earlier one.
    ///
    /// # Panics
    ///
    /// When the LAN has no such guest.
    pub fn socket(&self, guest: usize) -> &Path {
        match self.sockets.path(guest) {
            Some(path) => path,
            None => panic!(
                "the LAN has {} guests, numbered from 0; there is no guest {guest}",
                self.guests
            ),
        }
    }

    /// Returns a port of 127.0.0.1 that leads to a guest's address and port, for as long as the LAN
    /// lives. The same destination has the same port.
    ///
    /// A connection to it is closed when the guest refuses, or does not answer within 20 seconds.
    pub fn forward(&self, to: SocketAddrV4) -> Result<SocketAddrV4> {
        usable("guest's address", *to.ip(), self.subnet)?;
        let opened = self.ask(move |carrier| carrier.forwards.open(to))?;
        opened.quoted(|| format!("opening a port of 127.0.0.1 for {to}"))
    }

    /// Returns all interfaces that were seen, by guest and MAC; none when the LAN has ended by
    /// itself.
    pub fn seen(&self) -> Vec<Neighbour> {
        self.ask(|carrier| carrier.watch.seen()).unwrap_or_default()
    }

    /// Returns the addresses of the subnet that more than one party claims or probes; none when the
    /// LAN has ended by itself.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.ask(|carrier| carrier.watch.conflicts(Instant::now()))
            .unwrap_or_default()
    }

    /// Returns the facts about a guest's port; `None` when there is no such guest, or the LAN has
    /// ended by itself.
    pub fn port(&self, guest: usize) -> Option<PortFacts> {
        self.ask(move |carrier| carrier.ports.get(guest).map(Port::facts))
            .ok()?
    }

    /// Pulls a guest's cable: when this returns, nothing from or to it passes. The guest does not
    /// notice it; from its view, the others are gone.
    pub fn unplug(&self, guest: usize) -> Result<()> {
        self.set_plugged(guest, false)
    }

    /// Plugs a guest's cable in again.
    pub fn plug(&self, guest: usize) -> Result<()> {
        self.set_plugged(guest, true)
    }

    fn set_plugged(&self, guest: usize, joined: bool) -> Result<()> {
        if guest >= self.guests {
            let text = format!(
                "the LAN has no guest {guest}: they are numbered from 0, and there are {}",
                self.guests
            );
            return Err(Error::new(Kind::NotFound, text));
        }
        self.ask(move |carrier| {
            carrier.ports[guest].plug(joined);
            carrier.switch.forget(guest);
        })
    }

    /// Lets the thread run a command between two rounds, and waits for its result.
    fn ask<T: Send + 'static>(&self, what: impl FnOnce(&mut Carrier) -> T + Send + 'static) -> Result<T> {
        let (answer, answered) = mpsc::channel();
        let command: Command = Box::new(move |carrier| {
            // It fails only when the caller that waits for the answer is gone.
            let _ = answer.send(what(carrier));
        });
        let sent = self
            .commands
            .as_ref()
            .is_some_and(|commands| commands.send(command).is_ok());
        if sent {
            self.wake();
        }
        answered.recv().map_err(|_| {
            let text = format!("the LAN has ended by itself ({}); start the run again", self.why());
            Error::new(Kind::Internal, text)
        })
    }

    fn why(&self) -> String {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended
            .clone()
            .unwrap_or_else(|| "a fault of its own, printed on standard error".to_owned())
    }

    fn wake(&self) {
        // It fails when the thread is gone, or when so many bytes wait already that the thread
        // wakes anyway.
        let _ = (&self.wake).write(&[1]);
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The cause of a panic was recorded when it happened.
            let _ = thread.join();
        }
    }
}

/// Whether a host of the subnet can have the address.
fn usable(what: &str, address: Ipv4Addr, subnet: Ipv4Net) -> Result<()> {
    let edge = subnet.prefix_len() < 31 && (address == subnet.network() || address == subnet.broadcast());
    if subnet.contains(&address) && !edge {
        return Ok(());
    }
    let text = format!(
        "the {what} {address} is not an address for a host of {subnet}; give one that lies in it and is neither its first nor its last"
    );
    Err(Error::new(Kind::Usage, text))
}

/// The thread that carries the frames, or what it needs, could not be made.
fn starting(error: io::Error) -> Error {
    let text = format!("starting the LAN: {error}; the system is short of threads or open files");
    Error::from(error).context(text)
}

fn carrier(listeners: Vec<UnixListener>, subnet: Ipv4Net, addresses: [Ipv4Addr; 2], time: bool) -> Carrier {
    let now = Instant::now();
    Carrier {
        switch: Switch::new(sent::MAC, listeners.len()),
        ports: listeners.into_iter().map(Port::new).collect(),
        watch: Watch::new(subnet, sent::MAC, &addresses, now),
        host: Host::new(subnet, &addresses, time, now),
        forwards: Forwards::new(now),
        resting: None,
        busy: false,
    }
}

/// The connection that wakes the thread.
struct WakeWire {
    /// The callers' end, to which they write.
    wake: UnixStream,
    /// The thread's end.
    woken: UnixStream,
}

impl WakeWire {
    fn new() -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        Ok(Self { wake, woken })
    }
}

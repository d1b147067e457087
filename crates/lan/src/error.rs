//! Why a LAN could not be made or used.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;

/// Why a LAN could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// A socket or its folder could not be made.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// The operation, as a gerund.
        doing: &'static str,
        /// The file that it was applied to.
        path: PathBuf,
        /// What the system reported.
        source: io::Error,
    },
    /// The folder is open to other users, who could then connect to the LAN.
    #[error("{} is open to other users; give a folder of your own with mode 0700, or one that does not exist yet", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// The socket exists already.
    #[error("{} is there already, perhaps of a run that goes on; give a folder of its own to every run", path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The path does not fit into a socket's address.
    #[error("{} is too long for a socket ({} bytes, at most {most}); give a folder with a shorter path", path.display(), path.as_os_str().len())]
    LongPath {
        /// The socket.
        path: PathBuf,
        /// The maximum number of bytes.
        most: usize,
    },
    /// An address that no host of the subnet can have.
    #[error(
        "the {what} {address} is no address for a host of {subnet}; give one that lies in it and is neither its first nor its last"
    )]
    BadAddress {
        /// Whose address it is.
        what: &'static str,
        /// The address.
        address: Ipv4Addr,
        /// The LAN's subnet.
        subnet: Ipv4Net,
    },
    /// The LAN has no such guest.
    #[error("the LAN has no guest {guest}: they are numbered from 0, and there are {guests}")]
    NoGuest {
        /// The requested number.
        guest: usize,
        /// The number of guests.
        guests: usize,
    },
    /// The thread that carries the frames, or what it needs, could not be made.
    #[error("starting the LAN: {0}; the system is short of threads or open files")]
    Start(#[source] io::Error),
    /// No port could be opened for a guest.
    #[error("opening a port of 127.0.0.1 for {to}: {source}")]
    Forward {
        /// The destination of the port.
        to: std::net::SocketAddrV4,
        /// What the system reported.
        source: io::Error,
    },
    /// The LAN's thread ended by itself.
    #[error("the LAN has ended by itself ({0}); start the run again")]
    Ended(String),
}

impl LanError {
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| LanError::Io { doing, path, source }
    }
}

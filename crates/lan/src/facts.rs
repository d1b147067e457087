//! What the LAN observed, as data: which interfaces are there, which addresses they claim, where
//! two claim the same.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Instant;

use kraken_foundation::mac::Mac;

/// Where on the LAN something comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A guest, numbered from 0.
    Guest(usize),
    /// The host itself: the gateway, and the origin of connections to the guests.
    Host,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Guest(guest) => write!(f, "guest {guest}"),
            Place::Host => f.write_str("the host"),
        }
    }
}

/// How often something was seen, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The first time.
    pub first: Instant,
    /// The last time.
    pub last: Instant,
    /// How many times.
    pub times: u64,
}

impl Sighting {
    pub(super) fn at(now: Instant) -> Self {
        Self {
            first: now,
            last: now,
            times: 1,
        }
    }

    pub(super) fn again(&mut self, now: Instant) {
        self.last = now;
        self.times += 1;
    }

    /// Whether each of the two began before the other was last seen.
    pub(super) fn overlaps(&self, other: &Sighting) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// An interface that was seen at a guest's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The guest, numbered from 0.
    pub guest: usize,
    /// The interface's address. One guest may have several: bridges, bonds, containers on the LAN.
    pub mac: Mac,
    /// Its frames, and ARP packets in its name.
    pub frames: Sighting,
    /// IPv4 addresses that it claims: senders of ARP requests and replies, also of unsolicited
    /// ones.
    pub claims: BTreeMap<Ipv4Addr, Sighting>,
    /// IPv4 addresses that it probes before it takes them (RFC 5227: the sender is 0.0.0.0).
    pub probes: BTreeMap<Ipv4Addr, Sighting>,
    /// Requests for an address by DHCP. They are not answered on this LAN.
    pub dhcp: Option<Sighting>,
}

/// An IPv4 address that more than one party wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The address.
    pub address: Ipv4Addr,
    /// The parties that want it: at least two, in order of place and MAC.
    pub parties: Vec<Party>,
}

/// A party that wants an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where it is.
    pub place: Place,
    /// Its interface.
    pub mac: Mac,
    /// When it claimed the address.
    pub claimed: Option<Sighting>,
    /// When it probed for the address, to take it if it is free.
    pub probed: Option<Sighting>,
}

/// What is known of a guest's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortFacts {
    /// Whether a QEMU is connected.
    pub connected: bool,
    /// How many times one has connected.
    pub connections: u64,
    /// Whether its cable is pulled.
    pub cut: bool,
    /// Frames that came from the guest.
    pub received: u64,
    /// Frames that went to the guest.
    pub sent: u64,
    /// Frames that were dropped because the guest did not read them in time.
    pub dropped: u64,
    /// How many times the connection was closed because the data did not follow the protocol.
    pub garbled: u64,
}

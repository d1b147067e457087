//! What the LAN saw, as data: who is there, which addresses they claim, where two claim the same.

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
    /// The host itself: the gateway, and who connects to the guests.
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

    /// Whether one began before the other was last seen, both ways round.
    pub(super) fn overlaps(&self, other: &Sighting) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// An interface that was heard of at a guest's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The guest, numbered from 0.
    pub guest: usize,
    /// The interface's address. One guest may have several: bridges, bonds, containers on the LAN.
    pub mac: Mac,
    /// Its frames, and ARP packets in its name.
    pub frames: Sighting,
    /// IPv4 addresses that it says it has: senders of ARP requests and replies, also of those that nobody asked for.
    pub claims: BTreeMap<Ipv4Addr, Sighting>,
    /// IPv4 addresses that it asks for before it takes them (RFC 5227: the sender is 0.0.0.0).
    pub probes: BTreeMap<Ipv4Addr, Sighting>,
    /// Requests for an address by DHCP. Nobody answers them on this LAN.
    pub dhcp: Option<Sighting>,
}

/// An IPv4 address that more than one wants to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The address.
    pub address: Ipv4Addr,
    /// Who wants it: at least two, in order of place and MAC.
    pub parties: Vec<Party>,
}

/// One who wants to have an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Party {
    /// Where it is.
    pub place: Place,
    /// Its interface.
    pub mac: Mac,
    /// When it said that it has the address.
    pub claimed: Option<Sighting>,
    /// When it asked whether somebody has it, to take it if nobody does.
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
    /// Frames that were dropped, since the guest did not take them in time.
    pub dropped: u64,
    /// How many times the connection was closed because what came did not follow the protocol.
    pub garbled: u64,
}

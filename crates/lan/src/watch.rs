//! Observes the frames that pass: which interfaces are there, and which addresses are claimed,
//! probed and in conflict.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol};
use smoltcp::wire::{IpProtocol, Ipv4Packet, UdpPacket};

use super::facts::{Conflict, Neighbour, Party, Place, Sighting};
use kraken_foundation::mac::Mac;

/// The maximum number of interfaces that are recorded for one guest; a guest may invent more.
const INTERFACES: usize = 64;
/// The maximum number of addresses that are recorded for one interface.
const ADDRESSES: usize = 256;
/// How long a guest that asks for the host's address has to announce its own: one that gets little
/// processor time needs half a minute for what usually takes a moment.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(120);
/// Where a DHCP server listens, and where the first byte of a request is that distinguishes it from
/// a reply (RFC 2131).
const DHCP_SERVER: u16 = 67;
const BOOTREQUEST: u8 = 1;

/// The observations so far.
pub(crate) struct Watch {
    subnet: Ipv4Net,
    own: (Mac, BTreeMap<Ipv4Addr, Sighting>),
    neighbours: BTreeMap<(usize, Mac), Neighbour>,
}

impl Watch {
    /// Starts without observations; the host with this MAC has these addresses from now on.
    pub(crate) fn new(subnet: Ipv4Net, mac: Mac, addresses: &[Ipv4Addr], now: Instant) -> Self {
        let own = addresses.iter().map(|address| (*address, Sighting::at(now))).collect();
        Self {
            subnet,
            own: (mac, own),
            neighbours: BTreeMap::new(),
        }
    }

    /// Records the content of a frame from a guest.
    pub(crate) fn note(&mut self, guest: usize, ethernet: &[u8], now: Instant) {
        let Ok(frame) = EthernetFrame::new_checked(ethernet) else {
            return;
        };
        let source = Mac(frame.src_addr().0);
        if !source.is_unicast() {
            return;
        }
        self.meet(guest, source, now);
        match frame.ethertype() {
            EthernetProtocol::Arp => self.note_arp(guest, source, frame.payload(), now),
            EthernetProtocol::Ipv4 if asks_for_an_address(frame.payload()) => {
                if let Some(neighbour) = self.neighbours.get_mut(&(guest, source)) {
                    see(&mut neighbour.dhcp, now);
                }
            }
            _ => {}
        }
    }

    fn note_arp(&mut self, guest: usize, source: Mac, payload: &[u8], now: Instant) {
        let Some(ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr,
            source_protocol_addr: sender,
            target_protocol_addr: target,
            ..
        }) = arp(payload)
        else {
            return;
        };
        let mac = Mac(source_hardware_addr.0);
        if !mac.is_unicast() {
            return;
        }
        if mac != source {
            self.meet(guest, mac, now);
        }
        let Some(neighbour) = self.neighbours.get_mut(&(guest, mac)) else {
            return;
        };
        if !sender.is_unspecified() {
            tally(&mut neighbour.claims, sender, now);
        } else if operation == ArpOperation::Request {
            tally(&mut neighbour.probes, target, now);
        }
    }

    fn meet(&mut self, guest: usize, mac: Mac, now: Instant) {
        let known = self
            .neighbours
            .range((guest, Mac([0; 6]))..=(guest, Mac::BROADCAST))
            .count();
        match self.neighbours.entry((guest, mac)) {
            Entry::Occupied(mut entry) => entry.get_mut().frames.again(now),
            Entry::Vacant(entry) if known < INTERFACES => {
                entry.insert(Neighbour {
                    guest,
                    mac,
                    frames: Sighting::at(now),
                    claims: BTreeMap::new(),
                    probes: BTreeMap::new(),
                    dhcp: None,
                });
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Returns all interfaces that were seen, by guest and MAC.
    pub(crate) fn seen(&self) -> Vec<Neighbour> {
        self.neighbours.values().cloned().collect()
    }

    /// Returns the addresses of the subnet that more than one party wants.
    pub(crate) fn conflicts(&self, now: Instant) -> Vec<Conflict> {
        let mut wanted: BTreeMap<Ipv4Addr, Vec<Party>> = BTreeMap::new();
        for (address, party) in self.parties(now) {
            if self.subnet.contains(&address) {
                wanted.entry(address).or_default().push(party);
            }
        }
        wanted.retain(|_, parties| is_conflict(parties));
        wanted
            .into_iter()
            .map(|(address, parties)| Conflict { address, parties })
            .collect()
    }

    /// Returns everything of one guest, whatever its interface.
    fn all_of(&self, guest: usize) -> impl Iterator<Item = &Neighbour> {
        let all = self.neighbours.range((guest, Mac([0; 6]))..=(guest, Mac::BROADCAST));
        all.map(|(_, neighbour)| neighbour)
    }

    /// Whether a guest that asks for this address without a sender's address wants to have it. A
    /// kernel asks like that, too, when it searches its gateway while it has no address. So a guest
    /// that has an address does not want another, and a guest that asked for another address, or
    /// could not announce its own yet, does not want the host's.
    fn wants(&self, guest: usize, address: Ipv4Addr, now: Instant) -> bool {
        let is_ours = |address: &Ipv4Addr| self.subnet.contains(address);
        let has_one = self.all_of(guest).any(|all| all.claims.keys().any(is_ours));
        if has_one || !self.own.1.contains_key(&address) {
            return !has_one;
        }
        let all = self.all_of(guest).flat_map(|all| &all.probes);
        all.filter(|(address, _)| is_ours(address)).all(|(address, seen)| {
            self.own.1.contains_key(address) && now.duration_since(seen.first) >= ANNOUNCE_WITHIN
        })
    }

    fn parties(&self, now: Instant) -> impl Iterator<Item = (Ipv4Addr, Party)> {
        let guests = self.neighbours.values().flat_map(move |neighbour| {
            let probed_only = neighbour.probes.keys().filter(move |address| {
                !neighbour.claims.contains_key(address) && self.wants(neighbour.guest, **address, now)
            });
            neighbour.claims.keys().chain(probed_only).map(|address| {
                let party = Party {
                    place: Place::Guest(neighbour.guest),
                    mac: neighbour.mac,
                    claimed: neighbour.claims.get(address).copied(),
                    probed: neighbour.probes.get(address).copied(),
                };
                (*address, party)
            })
        });
        let (mac, own) = &self.own;
        let host = own.iter().map(|(address, claimed)| {
            let party = Party {
                place: Place::Host,
                mac: *mac,
                claimed: Some(*claimed),
                probed: None,
            };
            (*address, party)
        });
        guests.chain(host)
    }
}

/// Two places that want one address are a conflict. Two interfaces of one guest are a conflict only
/// if both claim it at the same time: a bond that takes an address over from its port is not one,
/// and neither is a guest with another card after a restart.
fn is_conflict(parties: &[Party]) -> bool {
    parties.iter().enumerate().any(|(n, one)| {
        parties[n + 1..].iter().any(|other| {
            one.place != other.place || matches!((one.claimed, other.claimed), (Some(a), Some(b)) if a.overlaps(&b))
        })
    })
}

fn see(sighting: &mut Option<Sighting>, now: Instant) {
    match sighting {
        Some(sighting) => sighting.again(now),
        None => *sighting = Some(Sighting::at(now)),
    }
}

fn tally(addresses: &mut BTreeMap<Ipv4Addr, Sighting>, address: Ipv4Addr, now: Instant) {
    if let Some(sighting) = addresses.get_mut(&address) {
        sighting.again(now);
    } else if addresses.len() < ADDRESSES {
        addresses.insert(address, Sighting::at(now));
    }
}

/// Parses an ARP packet of IPv4 over Ethernet.
pub(super) fn arp(payload: &[u8]) -> Option<ArpRepr> {
    ArpRepr::parse(&ArpPacket::new_checked(payload).ok()?).ok()
}

fn asks_for_an_address(packet: &[u8]) -> bool {
    let request = || {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        let whole = packet.next_header() == IpProtocol::Udp && packet.frag_offset() == 0;
        let datagram = UdpPacket::new_checked(whole.then(|| packet.payload())?).ok()?;
        Some(datagram.dst_port() == DHCP_SERVER && datagram.payload().first() == Some(&BOOTREQUEST))
    };
    request().unwrap_or(false)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;

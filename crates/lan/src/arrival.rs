//! The host's filter: which frames from the LAN are for the host, and which are refused because
//! there is no way out.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{ArpOperation, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol};
use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr};

use super::sent::{MAC, arp_frame, icmp_frame};
use super::watch;
use kraken_foundation::mac::Mac;

/// The number of bytes of a refused packet, after the IP header, that go back to its sender (RFC
/// 792: enough to identify the connection).
const QUOTED: usize = 8;

/// What to do with a frame.
pub(crate) enum Arrival {
    /// The host's stack reads it.
    Accept,
    /// The host sends this frame as the answer.
    Answer(Vec<u8>),
    /// The host ignores it.
    Ignore,
}

/// The host's addresses, against which frames are judged.
pub(crate) struct Filter {
    subnet: Ipv4Net,
    addresses: Vec<Ipv4Addr>,
}

impl Filter {
    /// Makes the filter of a host with these addresses.
    pub(crate) fn new(subnet: Ipv4Net, addresses: Vec<Ipv4Addr>) -> Self {
        Self { subnet, addresses }
    }

    /// Decides what to do with a frame.
    pub(crate) fn judge(&self, ethernet: &[u8]) -> Arrival {
        let Ok(frame) = EthernetFrame::new_checked(ethernet) else {
            return Arrival::Ignore;
        };
        match frame.ethertype() {
            EthernetProtocol::Arp => self.judge_arp(frame.payload()),
            EthernetProtocol::Ipv4 => self.judge_ipv4(&frame),
            _ => Arrival::Ignore,
        }
    }

    /// smoltcp answers only senders that have an address. A guest that asks whether an address is
    /// taken before it takes it (RFC 5227) is answered here.
    fn judge_arp(&self, packet: &[u8]) -> Arrival {
        match watch::arp(packet) {
            Some(ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Request,
                source_hardware_addr: asker,
                source_protocol_addr: Ipv4Addr::UNSPECIFIED,
                target_protocol_addr: wanted,
                ..
            }) if self.addresses.contains(&wanted) && asker.is_unicast() => {
                let reply = ArpRepr::EthernetIpv4 {
                    operation: ArpOperation::Reply,
                    source_hardware_addr: EthernetAddress(MAC.0),
                    source_protocol_addr: wanted,
                    target_hardware_addr: asker,
                    target_protocol_addr: Ipv4Addr::UNSPECIFIED,
                };
                Arrival::Answer(arp_frame(Mac(asker.0), &reply))
            }
            Some(_) => Arrival::Accept,
            None => Arrival::Ignore,
        }
    }

    /// Accepts packets for the host's addresses from within the subnet, and refuses others that are
    /// sent to it as to a router. Broadcasts are ignored: smoltcp would refuse connections to
    /// 255.255.255.255 in that name.
    fn judge_ipv4(&self, frame: &EthernetFrame<&[u8]>) -> Arrival {
        let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else {
            return Arrival::Ignore;
        };
        let (from, to) = (packet.src_addr(), packet.dst_addr());
        let neighbour =
            self.subnet.contains(&from) && from != self.subnet.broadcast() && !self.addresses.contains(&from);
        if !neighbour || Mac(frame.dst_addr().0) != MAC {
            return Arrival::Ignore;
        }
        if self.addresses.contains(&to) {
            return Arrival::Accept;
        }
        let is_not_one_host = to.is_broadcast() || to.is_multicast() || to.is_unspecified();
        match self.refusal(Mac(frame.src_addr().0), &packet) {
            Some(refusal) if !is_not_one_host => Arrival::Answer(refusal),
            _ => Arrival::Ignore,
        }
    }

    /// Makes "network unreachable", as from a router that has lost its uplink: the guest need not
    /// wait for an answer that never comes.
    fn refusal(&self, to: Mac, packet: &Ipv4Packet<&[u8]>) -> Option<Vec<u8>> {
        // Answers to answers and to later fragments are forbidden (RFC 1122, section 3.2.2).
        let icmp = packet.next_header() == IpProtocol::Icmp;
        let asks = !icmp || packet.payload().first() == Some(&ECHO_REQUEST);
        if !asks || packet.frag_offset() != 0 || !to.is_unicast() {
            return None;
        }
        let payload = packet.payload();
        let refusal = Icmpv4Repr::DstUnreachable {
            reason: Icmpv4DstUnreachable::NetUnreachable,
            header: Ipv4Repr::parse(packet, &ChecksumCapabilities::default()).ok()?,
            data: &payload[..payload.len().min(QUOTED)],
        };
        let gateway = *self.addresses.last()?;
        Some(icmp_frame(to, gateway, packet.src_addr(), &refusal))
    }
}

/// The type of an ICMP echo request (RFC 792).
const ECHO_REQUEST: u8 = 8;

//! Frames that the host itself sends, and the address that it sends them from.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr};
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr};

use super::frame::ETHERNET_HEADER;
use kraken_foundation::mac::Mac;

/// The address of the host's interface: a locally administered one, outside of the ranges that QEMU
/// and Docker use.
pub(crate) const MAC: Mac = Mac([0x02, b'k', b'f', 0, 0, 1]);

/// Makes a frame of the host with an ARP packet.
pub(crate) fn arp_frame(to: Mac, packet: &ArpRepr) -> Vec<u8> {
    let mut bytes = frame(to, EthernetProtocol::Arp, packet.buffer_len());
    packet.emit(&mut ArpPacket::new_unchecked(&mut bytes[ETHERNET_HEADER..]));
    bytes
}

/// Makes a frame of the host with an ICMP message.
pub(crate) fn icmp_frame(to: Mac, src_addr: Ipv4Addr, dst_addr: Ipv4Addr, message: &Icmpv4Repr<'_>) -> Vec<u8> {
    let header = Ipv4Repr {
        src_addr,
        dst_addr,
        next_header: IpProtocol::Icmp,
        payload_len: message.buffer_len(),
        hop_limit: 64,
    };
    let mut bytes = frame(to, EthernetProtocol::Ipv4, header.buffer_len() + message.buffer_len());
    let checksums = ChecksumCapabilities::default();
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes[ETHERNET_HEADER..]);
    header.emit(&mut packet, &checksums);
    message.emit(&mut Icmpv4Packet::new_unchecked(packet.payload_mut()), &checksums);
    bytes
}

/// Makes a frame of the host with space for a payload.
fn frame(to: Mac, ethertype: EthernetProtocol, payload: usize) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET_HEADER + payload];
    let header = EthernetRepr {
        src_addr: EthernetAddress(MAC.0),
        dst_addr: EthernetAddress(to.0),
        ethertype,
    };
    header.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
    bytes
}

//! A peer that sends and reads hand-made frames, as QEMU writes them to the socket.

use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr,
    IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

pub(super) const BROADCAST: [u8; 6] = [0xff; 6];

/// A network card without a system behind it.
pub(super) struct Peer {
    pub stream: UnixStream,
    pub mac: [u8; 6],
}

impl Peer {
    pub(super) fn connect(socket: &Path, mac: [u8; 6]) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        Self { stream, mac }
    }

    /// Sends a frame, preceded by its length.
    pub(super) fn send(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&length, frame].concat()).unwrap();
    }

    /// Returns a frame from this card.
    pub(super) fn frame(&self, to: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
        [&to[..], &self.mac, &kind.to_be_bytes(), payload].concat()
    }

    /// Returns the next frame; `None` when none arrives within this time, or the LAN closed the
    /// connection.
    pub(super) fn receive(&mut self, within: Duration) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.set_read_timeout(Some(within)).unwrap();
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::UnexpectedEof) => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut frame).unwrap();
        Some(frame)
    }

    /// Returns the first frame that fulfils the condition; others are ignored.
    pub(super) fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if let Some(found) = self.receive(Duration::from_secs(10)).and_then(|frame| wanted(&frame)) {
                return found;
            }
        }
        panic!("no frame came: {what}");
    }

    /// Waits for exactly this frame.
    pub(super) fn expect(&mut self, frame: &[u8]) {
        self.wait_for("one that was sent to it", |got| (got == frame).then_some(()));
    }

    /// Returns whether the LAN closed the connection within ten seconds.
    pub(super) fn is_closed(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            }
        }
    }

    /// Returns an ARP request of this card.
    pub(super) fn arp_request(&self, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        self.arp(ArpOperation::Request, sender, target)
    }

    pub(super) fn arp(&self, operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let packet = ArpRepr::EthernetIpv4 {
            operation,
            source_hardware_addr: EthernetAddress(self.mac),
            source_protocol_addr: sender,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: target,
        };
        let mut bytes = vec![0; packet.buffer_len()];
        packet.emit(&mut ArpPacket::new_unchecked(&mut bytes));
        self.frame(BROADCAST, 0x0806, &bytes)
    }

    /// Sends an ARP request, and waits for the MAC address with this IP address.
    pub(super) fn resolve(&mut self, own: Ipv4Addr, target: Ipv4Addr) -> [u8; 6] {
        let request = self.arp_request(own, target);
        self.send(&request);
        self.wait_for("an ARP reply", |frame| match arp(frame)? {
            ArpRepr::EthernetIpv4 {
                operation: ArpOperation::Reply,
                source_hardware_addr,
                source_protocol_addr,
                ..
            } => (source_protocol_addr == target).then_some(source_hardware_addr.0),
            _ => None,
        })
    }

    /// Returns an IPv4 packet of this card.
    pub(super) fn ipv4(
        &self,
        to: [u8; 6],
        from: Ipv4Addr,
        target: Ipv4Addr,
        protocol: IpProtocol,
        payload: &[u8],
    ) -> Vec<u8> {
        let header = Ipv4Repr {
            src_addr: from,
            dst_addr: target,
            next_header: protocol,
            payload_len: payload.len(),
            hop_limit: 64,
        };
        let mut bytes = vec![0; header.buffer_len() + payload.len()];
        let mut packet = Ipv4Packet::new_unchecked(&mut bytes);
        header.emit(&mut packet, &ChecksumCapabilities::default());
        packet.payload_mut().copy_from_slice(payload);
        self.frame(to, 0x0800, &bytes)
    }

    /// Returns a UDP datagram of this card.
    pub(super) fn udp(&self, to: [u8; 6], from: (Ipv4Addr, u16), target: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
        let header = UdpRepr {
            src_port: from.1,
            dst_port: target.1,
        };
        let mut bytes = vec![0; header.header_len() + payload.len()];
        header.emit(
            &mut UdpPacket::new_unchecked(&mut bytes[..]),
            &IpAddress::Ipv4(from.0),
            &IpAddress::Ipv4(target.0),
            payload.len(),
            |room| room.copy_from_slice(payload),
            &ChecksumCapabilities::default(),
        );
        self.ipv4(to, from.0, target.0, IpProtocol::Udp, &bytes)
    }

    /// Returns an echo request of this card.
    pub(super) fn ping(&self, to: [u8; 6], from: Ipv4Addr, target: Ipv4Addr, data: &[u8]) -> Vec<u8> {
        let request = Icmpv4Repr::EchoRequest {
            ident: 7,
            seq_no: 1,
            data,
        };
        let mut bytes = vec![0; request.buffer_len()];
        request.emit(
            &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
            &ChecksumCapabilities::default(),
        );
        self.ipv4(to, from, target, IpProtocol::Icmp, &bytes)
    }
}

/// Returns the ARP packet in a frame.
pub(super) fn arp(frame: &[u8]) -> Option<ArpRepr> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = (frame.ethertype() == EthernetProtocol::Arp).then(|| frame.payload())?;
    ArpRepr::parse(&ArpPacket::new_checked(packet).ok()?).ok()
}

/// Returns the parts of an IPv4 packet in a frame: from, to, protocol, payload.
pub(super) fn ipv4(frame: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, IpProtocol, Vec<u8>)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    let packet = (frame.ethertype() == EthernetProtocol::Ipv4).then(|| frame.payload())?;
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    packet.verify_checksum().then(|| {
        (
            packet.src_addr(),
            packet.dst_addr(),
            packet.next_header(),
            packet.payload().to_vec(),
        )
    })
}

//! The host on the LAN: it has the gateway's address, serves the time, and forwards nothing.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kraken_foundation::Kind;
use kraken_lan::Lan;
use smoltcp::wire::{Icmpv4Message, Icmpv4Packet, IpProtocol, TcpPacket, UdpPacket};

use crate::emulate_lan::peers::{Peer, ipv4};
use crate::emulate_lan::{GATEWAY, HOST, address, config, lan, mac};

const NTP: u16 = 123;
/// The code of "network unreachable" (RFC 792).
const NET_UNREACHABLE: u8 = 0;

#[test]
fn the_gateway_and_the_host_answer_arp_and_ping() {
    let lan = lan(1);
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    for target in [GATEWAY, HOST] {
        let router = peer.resolve(address(0), target);
        let ping = peer.ping(router, address(0), target, b"is anybody there?");
        peer.send(&ping);
        let data = peer.wait_for("an echo reply", |frame| {
            let (from, to, protocol, payload) = ipv4(frame)?;
            let packet = Icmpv4Packet::new_checked(&payload[..]).ok()?;
            let reply = protocol == IpProtocol::Icmp && packet.msg_type() == Icmpv4Message::EchoReply;
            (reply && from == target && to == address(0)).then(|| packet.data().to_vec())
        });
        assert_eq!(data, b"is anybody there?");
    }
}

#[test]
fn a_guest_that_probes_for_the_gateways_address_gets_an_answer() {
    let lan = lan(1);
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    let router = peer.resolve(address(0), GATEWAY);
    assert_eq!(peer.resolve(Ipv4Addr::UNSPECIFIED, GATEWAY), router);
}

#[test]
fn the_time_is_the_hosts() {
    let lan = lan(1);
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    for server in [GATEWAY, HOST] {
        let router = peer.resolve(address(0), server);
        let mut request = [0; 48];
        request[0] = 0x23;
        request[40..].copy_from_slice(b"cookie!!");
        let datagram = peer.udp(router, (address(0), 40_000), (server, NTP), &request);
        peer.send(&datagram);
        let reply = peer.wait_for("the time", |frame| {
            let (from, _, _, payload) = ipv4(frame)?;
            let datagram = UdpPacket::new_checked(&payload[..]).ok()?;
            (from == server && datagram.src_port() == NTP && datagram.dst_port() == 40_000)
                .then(|| datagram.payload().to_vec())
        });
        assert_eq!(reply[24..32], *b"cookie!!");
        let seconds = u64::from(u32::from_be_bytes(reply[40..44].try_into().unwrap()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2_208_988_800;
        let off = seconds.wrapping_sub(now).cast_signed() as i32;
        assert!(off.abs() <= 2, "the time is wrong by {off} s");
    }
}

#[test]
fn a_host_that_was_not_asked_to_tell_the_time_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder.path().join("lan"), 1);
    config.time = false;
    let lan = Lan::start(config).unwrap();
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    let router = peer.resolve(address(0), GATEWAY);
    let datagram = peer.udp(router, (address(0), 40_000), (GATEWAY, NTP), &[0x23; 48]);
    peer.send(&datagram);
    peer.wait_for("port unreachable", |frame| {
        let (_, _, protocol, payload) = ipv4(frame)?;
        let packet = Icmpv4Packet::new_checked(&payload[..]).ok()?;
        (protocol == IpProtocol::Icmp && packet.msg_type() == Icmpv4Message::DstUnreachable).then_some(())
    });
}

/// Returns a SYN to a port, made without a stack.
fn syn(peer: &Peer, router: [u8; 6], target: (Ipv4Addr, u16)) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    let mut packet = TcpPacket::new_unchecked(&mut bytes);
    packet.set_src_port(41_000);
    packet.set_dst_port(target.1);
    packet.set_seq_number(smoltcp::wire::TcpSeqNumber(1000));
    packet.set_header_len(20);
    packet.clear_flags();
    packet.set_syn(true);
    packet.set_window_len(1000);
    packet.fill_checksum(&address(0).into(), &target.0.into());
    peer.ipv4(router, address(0), target.0, IpProtocol::Tcp, &bytes)
}

/// A guest's packets to the gateway for another address arrive nowhere: not at the loopback, not at
/// this machine's own addresses, not at others.
#[test]
fn nothing_leads_out() {
    let lan = lan(2);
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let (tcp_port, udp_port) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    let router = peer.resolve(address(0), GATEWAY);
    let targets = [
        GATEWAY,
        HOST,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(192, 0, 2, 1),
        Ipv4Addr::BROADCAST,
    ];
    for target in targets {
        for frame in [
            syn(&peer, router, (target, tcp_port)),
            peer.udp(router, (address(0), 40_001), (target, udp_port), b"out"),
            peer.ping(router, address(0), target, b"out"),
        ] {
            peer.send(&frame);
        }
    }
    // Everything that arrives within a moment: the host's own refusals and answers to pings, the
    // gateway's messages that the others are unreachable, and nothing under another name.
    let (mut refused, mut no_way) = (0, 0);
    while let Some(frame) = peer.receive(Duration::from_millis(700)) {
        let Some((from, _, protocol, payload)) = ipv4(&frame) else {
            continue;
        };
        assert!([GATEWAY, HOST].contains(&from), "an answer from {from}");
        if protocol == IpProtocol::Tcp {
            let packet = TcpPacket::new_checked(&payload[..]).unwrap();
            assert!(packet.rst() && !packet.syn(), "a connection was accepted");
            refused += 1;
        } else {
            let packet = Icmpv4Packet::new_checked(&payload[..]).unwrap();
            let unreachable =
                (packet.msg_type(), packet.msg_code()) == (Icmpv4Message::DstUnreachable, NET_UNREACHABLE);
            assert!(packet.verify_checksum() && (!unreachable || from == GATEWAY));
            no_way += usize::from(unreachable);
        }
    }
    assert_eq!(refused, 2, "the gateway and the host refuse connections");
    assert_eq!(no_way, 6, "a connection, a datagram and a ping to each of two others");
    assert!(tcp.accept().is_err(), "a connection came through");
    assert!(udp.recv(&mut [0; 16]).is_err(), "a datagram came through");
}

#[test]
fn addresses_outside_of_the_subnet_or_at_its_edge_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (gateway, host) in [
        ("10.42.1.1", "10.42.0.250"),
        ("10.42.0.0", "10.42.0.250"),
        ("10.42.0.1", "10.42.0.255"),
    ] {
        let mut config = config(&folder.path().join("lan"), 1);
        config.gateway = Some(gateway.parse().unwrap());
        config.host = host.parse().unwrap();
        let refused = Lan::start(config).err().unwrap();
        assert!(
            refused.kind() == Kind::Usage && refused.to_string().contains("is not an address for a host of"),
            "{gateway}, {host}: {refused:?}"
        );
    }
}

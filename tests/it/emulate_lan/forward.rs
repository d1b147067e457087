//! Ports of 127.0.0.1 that are forwarded to guests.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use crate::emulate_lan::guest::{GREETING, Guest, PORT, Server};
use crate::emulate_lan::peers::{Peer, arp};
use crate::emulate_lan::{HOST, Net, address, lan, mac, until};

fn guest(lan: &Net, guest: u8, server: Server, connections: usize) -> Guest {
    Guest::start(
        lan.socket(usize::from(guest)),
        mac(guest),
        address(guest),
        server,
        connections,
    )
}

fn connect(lan: &Net, guest: u8) -> TcpStream {
    let local = lan.forward(SocketAddrV4::new(address(guest), PORT)).unwrap();
    assert_eq!(*local.ip(), Ipv4Addr::LOCALHOST);
    let stream = TcpStream::connect(local).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Bytes that are in the wrong place when one is lost.
fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| ((n * 31 + seed * 7 + n / 251) % 256) as u8)
        .collect()
}

/// Sends everything, ends, and reads everything that arrives meanwhile.
fn echoed(mut stream: TcpStream, sent: &[u8]) -> Vec<u8> {
    let mut writer = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    })
}

#[test]
fn megabytes_go_there_and_come_back_after_the_clients_end() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::Echo, 1);
    let sent = bytes(1, 3 << 20);
    assert!(
        echoed(connect(&lan, 0), &sent) == sent,
        "what came back is not what was sent"
    );
}

#[test]
fn what_a_guest_says_before_its_end_arrives_and_the_client_may_go_on() {
    let lan = lan(1);
    let guest = guest(&lan, 0, Server::GreetAndClose, 1);
    let mut stream = connect(&lan, 0);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, GREETING);
    let more = bytes(2, 300_000);
    stream.write_all(&more).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    until("all has come", || (guest.came() == more.len()).then_some(()));
}

#[test]
fn thirty_two_at_once_to_two_guests() {
    let lan = lan(2);
    let _guests = [guest(&lan, 0, Server::Echo, 16), guest(&lan, 1, Server::Echo, 16)];
    std::thread::scope(|scope| {
        for n in 0..32_usize {
            let lan = &lan;
            scope.spawn(move || {
                let sent = bytes(n, 60_000);
                assert!(echoed(connect(lan, (n % 2) as u8), &sent) == sent, "connection {n}");
            });
        }
    });
}

#[test]
fn a_guest_that_does_not_read_stops_its_client_and_no_other() {
    let lan = lan(2);
    let _guests = [guest(&lan, 0, Server::Mute, 1), guest(&lan, 1, Server::Echo, 1)];
    let mut stream = connect(&lan, 0);
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let chunk = bytes(3, 1 << 20);
    let mut taken = 0;
    let stopped = loop {
        match stream.write(&chunk) {
            Ok(n) => taken += n,
            Err(error) => break error.kind(),
        }
        assert!(taken < 64 << 20, "what the guest does not read is kept in memory");
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    let sent = bytes(4, 100_000);
    assert!(echoed(connect(&lan, 1), &sent) == sent);
}

#[test]
fn a_client_that_does_not_read_stops_the_guest_and_loses_nothing() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::Echo, 1);
    let mut stream = connect(&lan, 0);
    let mut writer = stream.try_clone().unwrap();
    let sent = bytes(5, 12 << 20);
    std::thread::scope(|scope| {
        let sent = &sent;
        scope.spawn(move || {
            writer.write_all(sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        std::thread::sleep(Duration::from_millis(500));
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert!(got == *sent, "what came back is not what was sent");
    });
}

#[test]
fn a_port_that_a_guest_refuses_is_closed_at_once() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::Echo, 1);
    let local = lan.forward(SocketAddrV4::new(address(0), 2375)).unwrap();
    let mut stream = TcpStream::connect(local).unwrap();
    let began = Instant::now();
    let read = stream.read(&mut [0]);
    assert!(matches!(read, Ok(0)), "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_guest_that_is_not_there_is_asked_for_again_and_given_up_after_twenty_seconds() {
    let lan = lan(2);
    let mut witness = Peer::connect(lan.socket(1), mac(1));
    lan.lets_in(1);
    let mut stream = connect(&lan, 0);
    let began = Instant::now();
    for _ in 0..3 {
        witness.wait_for("the host asks for the guest", |frame| {
            let smoltcp::wire::ArpRepr::EthernetIpv4 {
                source_protocol_addr,
                target_protocol_addr,
                ..
            } = arp(frame)?
            else {
                return None;
            };
            (source_protocol_addr == HOST && target_protocol_addr == address(0)).then_some(())
        });
    }
    let read = stream.read(&mut [0]);
    assert!(matches!(read, Ok(0)), "{read:?}");
    let took = began.elapsed().as_secs();
    assert!((18..25).contains(&took), "given up after {took} s");
}

#[test]
fn a_missing_guest_does_not_keep_the_others_waiting() {
    let lan = lan(3);
    let _missing: Vec<TcpStream> = (0..8).map(|_| connect(&lan, 2)).collect();
    let _guest = guest(&lan, 0, Server::GreetAndClose, 1);
    let began = Instant::now();
    let mut got = Vec::new();
    connect(&lan, 0).read_to_end(&mut got).unwrap();
    assert_eq!(got, GREETING);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_guest_that_comes_while_a_client_waits_for_it_answers() {
    let lan = lan(1);
    let mut stream = connect(&lan, 0);
    std::thread::sleep(Duration::from_millis(1500));
    let _guest = guest(&lan, 0, Server::GreetAndClose, 1);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, GREETING);
}

#[test]
fn a_connection_that_a_guest_breaks_off_is_broken_off_for_the_client_too() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::Reset, 1);
    let mut stream = connect(&lan, 0);
    stream.write_all(b"x").unwrap();
    let read = stream.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_guest_that_has_left_is_heard_to_the_end_and_then_the_client_is_let_go() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::GreetAndLeave, 1);
    let mut stream = connect(&lan, 0);
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, GREETING);
    until("writing fails", || stream.write_all(b"x").err());
}

#[test]
fn a_client_that_breaks_off_makes_room_at_the_guest() {
    let lan = lan(1);
    let _guest = guest(&lan, 0, Server::Echo, 1);
    for n in 0..3 {
        let mut stream = connect(&lan, 0);
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        // The guest serves one connection at a time: the next is refused unless the guest learns
        // that this one has ended.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        std::thread::sleep(Duration::from_millis(200 + n));
    }
}

#[test]
fn asked_twice_the_port_is_the_same_and_an_address_outside_is_refused() {
    let lan = lan(1);
    let to = SocketAddrV4::new(address(0), PORT);
    assert_eq!(lan.forward(to).unwrap(), lan.forward(to).unwrap());
    assert_ne!(
        lan.forward(to).unwrap(),
        lan.forward(SocketAddrV4::new(address(0), 80)).unwrap()
    );
    let outside = lan.forward("192.0.2.1:22".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(
        outside,
        "the guest's address 192.0.2.1 is not an address for a host of 10.42.0.0/24; give one that lies in it and is neither its first nor its last"
    );
}

//! Frames between guests, and peers that misbehave.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use proptest::prelude::*;

use crate::emulate_lan::peers::{BROADCAST, Peer};
use crate::emulate_lan::{GATEWAY, address, lan, mac, until};

/// A type of frame that is for experiments (IEEE 802), so that no guest answers.
const KIND: u16 = 0x88b5;
const MOMENT: Duration = Duration::from_millis(300);

/// Peers that the switch has accepted: the others do not receive what a peer sends before.
fn peers<const N: usize>(lan: &crate::emulate_lan::Net) -> [Peer; N] {
    let peers = std::array::from_fn(|n| Peer::connect(lan.socket(n), mac(n as u8)));
    (0..N).for_each(|n| lan.lets_in(n));
    peers
}

/// Makes the switch learn a peer: it sends a broadcast, and all others receive it.
fn introduce(peers: &mut [Peer]) {
    for n in 0..peers.len() {
        let hello = peers[n].frame(BROADCAST, KIND, &[n as u8; 50]);
        peers[n].send(&hello);
        for (_, other) in peers.iter_mut().enumerate().filter(|(other, _)| *other != n) {
            other.expect(&hello);
        }
    }
}

#[test]
fn a_broadcast_reaches_all_and_a_frame_for_one_reaches_one() {
    let lan = lan(3);
    let mut peers: [Peer; 3] = peers(&lan);
    introduce(&mut peers);
    let secret = peers[0].frame(mac(2), KIND, b"for the third alone");
    peers[0].send(&secret);
    peers[2].expect(&secret);
    assert_eq!(peers[1].receive(MOMENT), None);
}

#[test]
fn jumbo_frames_pass() {
    let lan = lan(2);
    let mut peers: [Peer; 2] = peers(&lan);
    introduce(&mut peers);
    let long = peers[0].frame(mac(1), KIND, &vec![7; 65_536]);
    peers[0].send(&long);
    peers[1].expect(&long);
}

#[test]
fn a_guest_goes_and_comes_back_also_while_its_old_line_is_open() {
    let lan = lan(2);
    let [mut stays, leaves] = peers(&lan);
    drop(leaves);
    until("the port is free", || lan.port(1).filter(|port| !port.connected));
    let mut again = Peer::connect(lan.socket(1), mac(1));
    until("the port is taken", || lan.port(1).filter(|port| port.connections == 2));
    let frame = stays.frame(BROADCAST, KIND, b"welcome back");
    stays.send(&frame);
    again.expect(&frame);
    let mut newer = Peer::connect(lan.socket(1), mac(1));
    assert!(again.is_closed(), "two have one port");
    stays.send(&frame);
    newer.expect(&frame);
}

#[test]
fn a_guest_that_does_not_read_loses_frames_and_holds_up_no_other() {
    let lan = lan(3);
    let mut peers: [Peer; 3] = peers(&lan);
    introduce(&mut peers);
    // Some 40 MiB for a peer that reads nothing.
    let flood = peers[0].frame(mac(2), KIND, &vec![1; 60_000]);
    for _ in 0..700 {
        peers[0].send(&flood);
    }
    let frame = peers[0].frame(mac(1), KIND, b"after the flood");
    peers[0].send(&frame);
    peers[1].expect(&frame);
    let port = lan.port(2).unwrap();
    assert!(port.connected && port.dropped > 500, "{port:?}");
    // What it reads in the end are complete frames.
    let [_, _, mut slow] = peers;
    let mut read = 0;
    while let Some(frame) = slow.receive(MOMENT) {
        assert!(frame == flood, "a frame is not as it was sent");
        read += 1;
    }
    assert_eq!(read, 700 - port.dropped);
}

#[test]
fn a_length_that_no_frame_has_closes_the_port_of_him_who_sent_it() {
    let lan = lan(3);
    let mut peers: [Peer; 3] = peers(&lan);
    introduce(&mut peers);
    peers[0].stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
    assert!(peers[0].is_closed());
    assert_eq!(lan.port(0).unwrap().garbled, 1);
    let frame = peers[1].frame(mac(2), KIND, b"the others go on");
    peers[1].send(&frame);
    peers[2].expect(&frame);
    // The peer may connect again.
    let mut again = Peer::connect(lan.socket(0), mac(0));
    again.resolve(address(0), GATEWAY);
}

#[test]
fn a_cut_cable_carries_nothing_until_it_is_put_back() {
    let lan = lan(2);
    let mut peers: [Peer; 2] = peers(&lan);
    introduce(&mut peers);
    lan.unplug(1).unwrap();
    let [mut near, mut far] = peers;
    let lost = near.frame(BROADCAST, KIND, b"lost");
    near.send(&lost);
    let also_lost = far.frame(BROADCAST, KIND, b"also lost");
    far.send(&also_lost);
    assert_eq!((near.receive(MOMENT), far.receive(MOMENT)), (None, None));
    assert!(lan.port(1).unwrap().cut);
    lan.plug(1).unwrap();
    let frame = near.frame(BROADCAST, KIND, b"found");
    near.send(&frame);
    assert_eq!(far.receive(MOMENT).unwrap(), frame);
    assert!(!lan.port(1).unwrap().cut);
    let said = lan.unplug(7).unwrap_err().to_string();
    assert_eq!(
        said,
        "the LAN has no guest 7: they are numbered from 0, and there are 2"
    );
}

#[test]
fn whatever_bytes_one_sends_the_others_go_on() {
    let lan = lan(3);
    let mut good: [Peer; 2] = peers(&lan);
    introduce(&mut good);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    });
    let bytes = prop::collection::vec(any::<u8>(), 0..3000);
    // Half of them have a true length, so that the bytes are frames for the switch, the watcher and
    // the host.
    let garbage = (bytes, any::<bool>(), 0_usize..4).prop_map(|(mut bytes, framed, kind)| {
        if !framed {
            return bytes;
        }
        let start: &[u8] = [
            &[0xff; 6][..],
            &[0x02, b'k', b'f', 0, 0, 1],
            &[0x33, 0x33, 0, 0, 0, 1],
            &[],
        ][kind];
        let header = [start, &mac(2), &[0x08, (bytes.len() % 2 * 6) as u8]].concat();
        bytes.splice(0..0, header);
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length, &bytes[..]].concat()
    });
    let good = RefCell::new((good, 0_u32));
    let outcome = runner.run(&garbage, |garbage| {
        let mut bad = Peer::connect(lan.socket(2), mac(2));
        // It fails when the LAN has already closed the connection because of an impossible length.
        let _ = bad.stream.write_all(&garbage);
        let (good, count) = &mut *good.borrow_mut();
        *count += 1;
        let frame = good[0].frame(mac(1), KIND, &[&b"still here "[..], &count.to_be_bytes()].concat());
        good[0].send(&frame);
        good[1].expect(&frame);
        Ok(())
    });
    outcome.unwrap();
    let (mut good, _) = good.into_inner();
    let router = good[0].resolve(address(0), GATEWAY);
    assert_eq!(router, [0x02, b'k', b'f', 0, 0, 1], "the host goes on, too");
}

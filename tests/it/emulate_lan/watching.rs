//! What the LAN reports about its guests.

use std::net::Ipv4Addr;

use kraken_lan::Place;
use smoltcp::wire::ArpOperation;

use crate::emulate_lan::peers::{BROADCAST, Peer};
use crate::emulate_lan::{GATEWAY, address, lan, mac, until};

const NO_ADDRESS: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

#[test]
fn who_is_there_and_what_he_claims_is_seen() {
    let lan = lan(2);
    let mut peer = Peer::connect(lan.socket(1), mac(1));
    peer.resolve(address(1), GATEWAY);
    let seen = lan.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].guest, seen[0].mac.0), (1, mac(1)));
    assert_eq!(seen[0].claims.keys().copied().collect::<Vec<_>>(), [address(1)]);
    assert!(seen[0].dhcp.is_none() && lan.conflicts().is_empty());
}

#[test]
fn one_address_at_two_guests_is_a_conflict_that_names_both() {
    let lan = lan(3);
    let mut peers: [Peer; 3] = std::array::from_fn(|n| Peer::connect(lan.socket(n), mac(n as u8)));
    peers[0].resolve(address(5), GATEWAY);
    peers[1].resolve(address(1), GATEWAY);
    assert!(lan.conflicts().is_empty());
    let gratuitous = peers[2].arp(ArpOperation::Reply, address(5), address(5));
    peers[2].send(&gratuitous);
    let conflicts = until("a conflict", || {
        Some(lan.conflicts()).filter(|conflicts| !conflicts.is_empty())
    });
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].address, address(5));
    let parties: Vec<_> = conflicts[0]
        .parties
        .iter()
        .map(|party| (party.place, party.mac.0))
        .collect();
    assert_eq!(parties, [(Place::Guest(0), mac(0)), (Place::Guest(2), mac(2))]);
}

#[test]
fn one_who_asks_for_an_address_that_another_has_is_a_party() {
    let lan = lan(2);
    let mut peers: [Peer; 2] = std::array::from_fn(|n| Peer::connect(lan.socket(n), mac(n as u8)));
    peers[0].resolve(address(0), GATEWAY);
    let probe = peers[1].arp_request(NO_ADDRESS, address(0));
    peers[1].send(&probe);
    let conflicts = until("a conflict", || {
        Some(lan.conflicts()).filter(|conflicts| !conflicts.is_empty())
    });
    let [owner, asker] = &conflicts[0].parties[..] else {
        panic!("{conflicts:?}")
    };
    assert!(owner.place == Place::Guest(0) && owner.claimed.is_some());
    assert!(asker.place == Place::Guest(1) && asker.claimed.is_none() && asker.probed.is_some());
}

#[test]
fn a_guest_with_the_gateways_address_is_in_conflict_with_the_host() {
    let lan = lan(1);
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    let gratuitous = peer.arp_request(GATEWAY, GATEWAY);
    peer.send(&gratuitous);
    let conflicts = until("a conflict", || {
        Some(lan.conflicts()).filter(|conflicts| !conflicts.is_empty())
    });
    let places: Vec<_> = conflicts[0]
        .parties
        .iter()
        .map(|party| party.place.to_string())
        .collect();
    assert_eq!(places, ["guest 0", "the host"]);
}

#[test]
fn a_node_that_asks_for_an_address_by_dhcp_is_counted() {
    let lan = lan(1);
    let mut peer = Peer::connect(lan.socket(0), mac(0));
    // A BOOTREQUEST, then a reply, which does not count.
    for operation in [1, 1, 2] {
        let message = [&[operation, 1, 6, 0][..], &[0; 236]].concat();
        let frame = peer.udp(BROADCAST, (NO_ADDRESS, 68), (Ipv4Addr::BROADCAST, 67), &message);
        peer.send(&frame);
    }
    peer.resolve(address(0), GATEWAY);
    assert_eq!(lan.seen()[0].dhcp.unwrap().times, 2);
}

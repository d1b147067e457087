//! Tests of the observations: hand-made frames, at made-up times.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::*;

const HOST: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);
const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const NODE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
const NO_SENDER: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// A watch, and the time at which its frames arrive.
struct Seen {
    watch: Watch,
    now: Instant,
}

impl Seen {
    fn nothing() -> Self {
        let now = Instant::now();
        let watch = Watch::new("10.0.0.0/24".parse().unwrap(), HOST, &[GATEWAY], now);
        Self { watch, now }
    }

    fn arp(mut self, guest: usize, from: Mac, operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        self.now += Duration::from_secs(1);
        let frame = arp_frame(from, from, operation, sender, target);
        self.watch.note(guest, &frame, self.now);
        self
    }

    fn later(mut self, seconds: u64) -> Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    /// Returns the addresses in conflict, each with its parties: guests by number, the host as
    /// `None`.
    fn conflicts(&self) -> Vec<(Ipv4Addr, Vec<Option<usize>>)> {
        let place = |party: &Party| match party.place {
            Place::Guest(guest) => Some(guest),
            Place::Host => None,
        };
        let conflicts = self.watch.conflicts(self.now).into_iter();
        conflicts
            .map(|conflict| (conflict.address, conflict.parties.iter().map(place).collect()))
            .collect()
    }
}

fn arp_frame(from: Mac, sender_mac: Mac, operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let ethernet = [&[0xff; 6][..], &from.0, &[0x08, 0x06]].concat();
    let header = [0, 1, 0x08, 0, 6, 4, 0, operation];
    [
        &ethernet[..],
        &header,
        &sender_mac.0,
        &sender.octets(),
        &[0; 6],
        &target.octets(),
    ]
    .concat()
}

#[test]
fn requests_replies_and_gratuitous_ones_are_claims() {
    for (operation, target) in [(REQUEST, GATEWAY), (REPLY, GATEWAY), (REQUEST, NODE), (REPLY, NODE)] {
        let seen = Seen::nothing().arp(3, A, operation, NODE, target);
        let neighbours = seen.watch.seen();
        assert_eq!(neighbours.len(), 1);
        assert_eq!((neighbours[0].guest, neighbours[0].mac), (3, A));
        assert_eq!(
            neighbours[0].claims.keys().collect::<Vec<_>>(),
            [&NODE],
            "operation {operation}, for {target}"
        );
    }
}

#[test]
fn the_first_and_the_last_time_are_kept() {
    let seen = Seen::nothing().arp(0, A, REQUEST, NODE, GATEWAY);
    let first = seen.now;
    let seen = seen.arp(0, A, REQUEST, NODE, GATEWAY).arp(0, A, REPLY, NODE, GATEWAY);
    let claim = seen.watch.seen()[0].claims[&NODE];
    assert_eq!((claim.first, claim.last, claim.times), (first, seen.now, 3));
}

#[test]
fn a_probe_claims_nothing() {
    let seen = Seen::nothing().arp(0, A, REQUEST, NO_SENDER, NODE);
    let neighbour = &seen.watch.seen()[0];
    assert!(neighbour.claims.is_empty());
    assert_eq!(neighbour.probes.keys().collect::<Vec<_>>(), [&NODE]);
    assert!(seen.conflicts().is_empty(), "no other host wants it");
}

#[test]
fn two_guests_with_one_address_are_in_conflict_whichever_cards_they_have() {
    let two_cards = Seen::nothing()
        .arp(0, A, REQUEST, NODE, GATEWAY)
        .arp(1, B, REQUEST, NODE, GATEWAY);
    assert_eq!(two_cards.conflicts(), [(NODE, vec![Some(0), Some(1)])]);
    let one_card = Seen::nothing()
        .arp(0, A, REQUEST, NODE, GATEWAY)
        .arp(1, A, REQUEST, NODE, GATEWAY);
    assert_eq!(one_card.conflicts(), [(NODE, vec![Some(0), Some(1)])]);
}

#[test]
fn one_who_probes_for_what_another_has_or_probes_for_is_in_conflict() {
    let taken = Seen::nothing()
        .arp(0, A, REPLY, NODE, GATEWAY)
        .arp(1, B, REQUEST, NO_SENDER, NODE);
    assert_eq!(taken.conflicts(), [(NODE, vec![Some(0), Some(1)])]);
    let at_once = Seen::nothing()
        .arp(0, A, REQUEST, NO_SENDER, NODE)
        .arp(1, B, REQUEST, NO_SENDER, NODE);
    assert_eq!(at_once.conflicts(), [(NODE, vec![Some(0), Some(1)])]);
}

#[test]
fn who_has_an_address_and_looks_for_the_gateway_without_a_senders_wants_nothing() {
    // A kernel whose own address is just being set again: seen at a guest that got little processor
    // time.
    let seen = Seen::nothing()
        .arp(4, A, REQUEST, NODE, GATEWAY)
        .arp(4, A, REQUEST, NO_SENDER, GATEWAY);
    assert!(seen.conflicts().is_empty());
    // The same for a guest whose own address is in conflict.
    let denied = Seen::nothing()
        .arp(1, B, REPLY, NODE, GATEWAY)
        .arp(4, A, REQUEST, NO_SENDER, NODE)
        .arp(4, A, REQUEST, NO_SENDER, GATEWAY);
    assert_eq!(denied.conflicts(), [(NODE, vec![Some(1), Some(4)])]);
    // The same for a guest that has not announced its own yet: seen at a guest that got little
    // processor time.
    let early = Seen::nothing()
        .arp(4, A, REQUEST, NO_SENDER, GATEWAY)
        .arp(4, A, REQUEST, NO_SENDER, GATEWAY)
        .later(100);
    assert!(early.conflicts().is_empty());
    let settled = early.arp(4, A, REQUEST, NODE, GATEWAY).later(100);
    assert!(settled.conflicts().is_empty());
    // A guest that still has none after that does want it.
    let wanted = Seen::nothing().arp(4, A, REQUEST, NO_SENDER, GATEWAY).later(120);
    assert_eq!(wanted.conflicts(), [(GATEWAY, vec![Some(4), None])]);
}

#[test]
fn the_hosts_addresses_are_its_own() {
    let seen = Seen::nothing().arp(4, A, REQUEST, GATEWAY, GATEWAY);
    assert_eq!(seen.conflicts(), [(GATEWAY, vec![Some(4), None])]);
}

#[test]
fn a_bond_that_takes_an_address_over_from_its_port_is_no_conflict_but_two_cards_at_once_are() {
    let over = Seen::nothing()
        .arp(0, A, REQUEST, NODE, GATEWAY)
        .arp(0, B, REQUEST, NODE, GATEWAY);
    assert!(over.conflicts().is_empty());
    let at_once = over.arp(0, A, REQUEST, NODE, GATEWAY);
    assert_eq!(at_once.conflicts(), [(NODE, vec![Some(0), Some(0)])]);
}

#[test]
fn addresses_of_other_networks_may_be_the_same_on_all_guests() {
    // Each Docker has 172.17.0.1 on its bridge.
    let bridge = Ipv4Addr::new(172, 17, 0, 1);
    let seen = Seen::nothing()
        .arp(0, A, REQUEST, bridge, bridge)
        .arp(1, B, REQUEST, bridge, bridge);
    assert!(seen.conflicts().is_empty());
}

#[test]
fn an_arp_packet_in_the_name_of_another_card_is_that_cards() {
    let mut seen = Seen::nothing();
    seen.watch.note(0, &arp_frame(A, B, REPLY, NODE, GATEWAY), seen.now);
    let neighbours = seen.watch.seen();
    assert_eq!(neighbours.iter().map(|n| n.mac).collect::<Vec<_>>(), [A, B]);
    assert!(neighbours[0].claims.is_empty() && neighbours[1].claims.contains_key(&NODE));
}

#[test]
fn a_guest_that_makes_up_cards_and_addresses_costs_little() {
    let mut seen = Seen::nothing();
    for n in 0..20_000_u32 {
        let [_, a, b, c] = n.to_be_bytes();
        let mac = Mac([2, 9, 9, a, b, c]);
        seen.watch.note(
            0,
            &arp_frame(mac, mac, REPLY, Ipv4Addr::from(0x0a00_0000 | n), GATEWAY),
            seen.now,
        );
        seen.watch.note(
            0,
            &arp_frame(A, A, REPLY, Ipv4Addr::from(0x0a00_0001 | n << 1), GATEWAY),
            seen.now,
        );
    }
    let neighbours = seen.watch.seen();
    assert!(neighbours.len() <= INTERFACES);
    assert!(neighbours.iter().all(|n| n.claims.len() <= ADDRESSES));
    let seen = seen.arp(1, B, REQUEST, NODE, GATEWAY);
    assert!(seen.watch.seen().iter().any(|n| n.guest == 1), "others are still seen");
}

#[test]
fn half_packets_and_other_protocols_say_nothing() {
    let whole = arp_frame(A, A, REPLY, NODE, GATEWAY);
    for length in 0..whole.len() {
        let mut seen = Seen::nothing();
        seen.watch.note(0, &whole[..length], seen.now);
        assert!(seen.watch.seen().iter().all(|n| n.claims.is_empty()), "{length} bytes");
    }
}

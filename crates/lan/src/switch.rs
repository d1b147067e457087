//! Forwards frames: learns which MAC address is behind which port.

use std::collections::HashMap;

use kraken_foundation::mac::Mac;

/// The maximum number of addresses that are remembered for a port, so that a guest that invents
/// addresses does not displace the others.
const MACS_PER_PORT: usize = 256;

/// The ports to which a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// No port.
    Nowhere,
    /// This port.
    Port(usize),
    /// All ports but the one it came from.
    Others,
}

/// The table of a learning switch.
pub(crate) struct Switch {
    behind: HashMap<Mac, usize>,
    /// Addresses that are known from the start and do not move: the host's own.
    fixed: (Mac, usize),
}

impl Switch {
    /// Makes a switch on which `mac` is behind `port`, whatever guests send.
    pub(crate) fn new(mac: Mac, port: usize) -> Self {
        Self {
            behind: HashMap::new(),
            fixed: (mac, port),
        }
    }

    /// Learns from a frame that came in at `port`, and returns where it goes.
    pub(crate) fn forward(&mut self, port: usize, source: Mac, destination: Mac) -> Target {
        if !source.is_unicast() || destination.is_link_local() {
            return Target::Nowhere;
        }
        self.learn(port, source);
        if !destination.is_unicast() {
            return Target::Others;
        }
        match self.port_of(destination) {
            Some(same) if same == port => Target::Nowhere,
            Some(other) => Target::Port(other),
            None => Target::Others,
        }
    }

    /// Forgets the addresses behind a port: its cable was pulled, or its guest has gone.
    pub(crate) fn forget(&mut self, port: usize) {
        self.behind.retain(|_, behind| *behind != port);
    }

    fn port_of(&self, mac: Mac) -> Option<usize> {
        let (own, port) = self.fixed;
        if mac == own {
            return Some(port);
        }
        self.behind.get(&mac).copied()
    }

    fn learn(&mut self, port: usize, mac: Mac) {
        if mac == self.fixed.0 || self.behind.get(&mac) == Some(&port) {
            return;
        }
        if self.behind.values().filter(|behind| **behind == port).count() < MACS_PER_PORT {
            self.behind.insert(mac, port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);
    const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn switch() -> Switch {
        Switch::new(HOST, 9)
    }

    #[test]
    fn what_is_unknown_is_flooded_until_it_is_heard_of() {
        let mut switch = switch();
        assert_eq!(switch.forward(0, A, B), Target::Others);
        assert_eq!(switch.forward(1, B, A), Target::Port(0));
        assert_eq!(switch.forward(0, A, B), Target::Port(1));
    }

    #[test]
    fn groups_are_flooded() {
        let mut switch = switch();
        for group in [
            Mac::BROADCAST,
            Mac([0x33, 0x33, 0, 0, 0, 1]),
            Mac([1, 0, 0x5e, 0, 0, 1]),
        ] {
            assert_eq!(switch.forward(0, A, group), Target::Others, "{group}");
        }
    }

    #[test]
    fn nothing_goes_back_to_where_it_came_from() {
        let mut switch = switch();
        switch.forward(0, A, Mac::BROADCAST);
        switch.forward(0, B, Mac::BROADCAST);
        assert_eq!(switch.forward(0, A, B), Target::Nowhere);
    }

    #[test]
    fn frames_for_the_next_switch_only_and_frames_from_a_group_go_nowhere() {
        let mut switch = switch();
        assert_eq!(switch.forward(0, A, Mac([1, 0x80, 0xc2, 0, 0, 0x0e])), Target::Nowhere);
        assert_eq!(switch.forward(0, Mac::BROADCAST, A), Target::Nowhere);
    }

    #[test]
    fn an_address_moves_with_its_guest_and_is_forgotten_with_its_cable() {
        let mut switch = switch();
        switch.forward(0, A, Mac::BROADCAST);
        switch.forward(2, A, Mac::BROADCAST);
        assert_eq!(switch.forward(1, B, A), Target::Port(2));
        switch.forget(2);
        assert_eq!(switch.forward(1, B, A), Target::Others);
    }

    #[test]
    fn no_guest_takes_the_hosts_address() {
        let mut switch = switch();
        switch.forward(0, HOST, Mac::BROADCAST);
        assert_eq!(switch.forward(1, B, HOST), Target::Port(9));
    }

    #[test]
    fn a_guest_that_makes_up_addresses_leaves_room_for_the_others() {
        let mut switch = switch();
        for n in 0..100_000_u32 {
            let [_, a, b, c] = n.to_be_bytes();
            switch.forward(0, Mac([2, 1, 1, a, b, c]), Mac::BROADCAST);
        }
        assert!(switch.behind.len() <= MACS_PER_PORT);
        switch.forward(1, B, Mac::BROADCAST);
        assert_eq!(switch.forward(0, A, B), Target::Port(1));
    }
}

//! An Ethernet address (EUI-48), as it is on the wire and as `ip link` writes it.

use std::fmt;

use serde::Serialize;

/// An Ethernet (MAC) address: six bytes, as they are on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of all stations.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether it is the address of one interface: not of a group (IEEE 802: the lowest bit of the
    /// first byte), and not all zeros.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// Whether frames to it end at the next switch (IEEE 802.1D, table 7-10: spanning tree, pause,
    /// LLDP).
    pub fn is_link_local(self) -> bool {
        self.0[..5] == [0x01, 0x80, 0xc2, 0, 0] && self.0[5] < 0x10
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_ip_link_writes_it() {
        assert_eq!(Mac([0x52, 0x54, 0, 0xab, 0xc, 1]).to_string(), "52:54:00:ab:0c:01");
    }

    #[test]
    fn groups_and_zeros_are_not_unicast() {
        assert!(Mac([0x52, 0x54, 0, 0, 0, 1]).is_unicast());
        for group in [Mac::BROADCAST, Mac([0x33, 0x33, 0, 0, 0, 1]), Mac([0; 6])] {
            assert!(!group.is_unicast(), "{group}");
        }
    }
}

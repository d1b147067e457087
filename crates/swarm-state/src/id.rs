//! Ids as swarmkit makes them (`identity/randomid.go`): 17 bytes with the top bit set, in base 36,
//! the 25 digits after the first.

use num_bigint::BigUint;

use super::ClusterKeys;

const BYTES: usize = 17;
const DIGITS: usize = 25;

/// Returns a number in base 36, padded with zeros at the front.
pub(super) fn base36(bytes: &[u8], digits: usize) -> String {
    let text = BigUint::from_bytes_be(bytes).to_str_radix(36);
    format!("{text:0>digits$}")
}

/// Returns the id of an object with this name.
pub(super) fn object_id(keys: &ClusterKeys, name: &str) -> String {
    let mut bytes = *keys.bytes::<BYTES>(name);
    bytes[0] |= 0x80;
    // Numbers from 2^135 on have 27 digits.
    base36(&bytes, 27)[1..=DIGITS].to_owned()
}

/// Returns the id of a raft member: not zero, and a positive number also where it is signed.
pub(super) fn raft_id(keys: &ClusterKeys, number: u32) -> u64 {
    let id = u64::from_be_bytes(*keys.bytes::<8>(&format!("raft id {number}")));
    (id & (u64::MAX >> 1)).max(1)
}

/// The ids that are derived from the keys.
pub(super) struct Ids<'a>(&'a ClusterKeys);

impl<'a> Ids<'a> {
    pub(super) fn new(keys: &'a ClusterKeys) -> Self {
        Self(keys)
    }

    pub(super) fn cluster(&self) -> String {
        object_id(self.0, "cluster id")
    }

    pub(super) fn ingress(&self) -> String {
        object_id(self.0, "ingress network id")
    }

    pub(super) fn node(&self, number: u32) -> String {
        object_id(self.0, &format!("node id {number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_25_digits_of_base_36() {
        for seed in 0..50 {
            let id = object_id(&ClusterKeys::from_seed([seed; 32]), "x");
            assert!(
                id.len() == DIGITS && id.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()),
                "{id}"
            );
        }
    }

    #[test]
    fn numbers_in_base_36_are_padded() {
        assert_eq!(base36(&[0x24], 4), "0010");
        assert_eq!(base36(&[0xff; 4], 1), "1z141z3");
    }
}

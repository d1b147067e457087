//! The networks that Docker makes, as far as a cluster is sized by them.

use ipnet::Ipv4Net;
use serde::Serialize;

/// Networks that Docker may take on a node: subnets of `size` in `base`. dockerd's `default-address-pools` has them in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LocalPool {
    /// The pool.
    pub base: Ipv4Net,
    /// Prefix length of a subnet.
    pub size: u8,
}

/// What no container has of a subnet: the two addresses at its ends, and its gateway.
const NOT_FOR_CONTAINERS: u32 = 3;

/// How many containers have an address in a subnet of this prefix length.
pub(super) fn addresses_in(size: u8) -> u32 {
    let all = 1_u32
        .checked_shl(32_u32.saturating_sub(size.into()))
        .unwrap_or(u32::MAX);
    all.saturating_sub(NOT_FOR_CONTAINERS)
}

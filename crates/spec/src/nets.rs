//! The networks that Docker makes, as far as they limit the size of a cluster.

use ipnet::Ipv4Net;
use serde::Serialize;

/// Networks that Docker may make on a node: subnets with the prefix length `size` in `base`.
/// dockerd's `default-address-pools` has them in this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LocalPool {
    /// The pool.
    pub base: Ipv4Net,
    /// Prefix length of a subnet.
    pub size: u8,
}

/// How many addresses of a subnet no container can have: the two at its ends, and its gateway.
const NOT_FOR_CONTAINERS: u32 = 3;

/// Returns how many containers can have an address in a subnet of this prefix length.
pub(super) fn addresses_in(size: u8) -> u32 {
    let all = 1_u32
        .checked_shl(32_u32.saturating_sub(size.into()))
        .unwrap_or(u32::MAX);
    all.saturating_sub(NOT_FOR_CONTAINERS)
}

//! Which node's card a device holds already. The extents that only this node has identify it.

use kraken_flash::bake::HashedExtent;
use kraken_flash::card::{self as devices, Target};
use kraken_foundation::progress::Silent;

use super::Session;

/// How many extents of a node are compared on a card; more would add no certainty.
const COMPARED: usize = 16;

/// The extents by which a written card differs from an empty one and from those of other nodes.
#[derive(Clone)]
pub(super) struct Held {
    hostname: String,
    extents: Vec<HashedExtent>,
}

impl Held {
    /// Keeps those extents of a node that differ from the golden image.
    pub(super) fn of(hostname: &str, node: &[HashedExtent], golden: &[HashedExtent]) -> Self {
        let mut shared = golden.iter().peekable();
        let own = node.iter().filter(|extent| {
            while shared.next_if(|other| other.start < extent.start).is_some() {}
            shared.peek() != Some(extent)
        });
        Self {
            hostname: hostname.to_owned(),
            extents: own.take(COMPARED).cloned().collect(),
        }
    }
}

/// Returns the host name of the node whose very bytes a card has, if it is one of these.
pub(super) fn held_by<'h>(target: &dyn Target, held: &'h [Held], session: &Session) -> Option<&'h str> {
    let fits = |held: &&Held| {
        let last = held.extents.last();
        last.is_some_and(|extent| extent.end <= target.size())
            && devices::compare(target, &held.extents, &Silent, &session.interrupt).is_ok()
    };
    held.iter().find(fits).map(|held| held.hostname.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::Sha256Hash;

    #[test]
    fn the_extents_that_only_a_node_has_identify_it() {
        let extent = |start: u64, sum: &str| HashedExtent {
            start,
            end: start + 4096,
            sha256: Sha256Hash::of(sum),
        };
        let golden = [extent(0, "a"), extent(8192, "b"), extent(16384, "c")];
        let node = [extent(0, "a"), extent(4096, "x"), extent(8192, "y"), extent(16384, "c")];
        assert_eq!(Held::of("kraken-1", &node, &golden).extents, node[1..3]);
    }
}

//! Which node's card a device holds already. The extents that only this node has identify it.

use kraken_foundation::interrupt::Interrupt;
use kraken_foundation::progress::Silent;
use kraken_image::bake::HashedExtent;

use crate::{Target, compare};

/// How many extents of a node are compared on a card; more would add no certainty.
const COMPARED: usize = 16;

/// A card that is done: the extents by which it differs from an empty one and from those of other
/// nodes.
#[derive(Clone, Debug)]
pub struct FinishedCard {
    hostname: String,
    extents: Vec<HashedExtent>,
}

impl FinishedCard {
    /// Keeps those extents of a node that differ from the golden image.
    pub fn of(hostname: &str, node: &[HashedExtent], golden: &[HashedExtent]) -> Self {
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
pub(super) fn held_by<'h>(target: &dyn Target, finished: &'h [FinishedCard], interrupt: &Interrupt) -> Option<&'h str> {
    let fits = |card: &&FinishedCard| {
        let last = card.extents.last();
        last.is_some_and(|extent| extent.end <= target.size())
            && compare(target, &card.extents, &Silent, interrupt).is_ok()
    };
    finished.iter().find(fits).map(|card| card.hostname.as_str())
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
        assert_eq!(FinishedCard::of("kraken-1", &node, &golden).extents, node[1..3]);
    }
}

//! Which node's card a device holds already: it is told by the pieces that are this node's own.

use kraken_flash::bake::Piece;
use kraken_flash::card::{self as devices, Target};
use kraken_foundation::progress::Silent;

use super::Session;

/// Pieces of a node that are looked for on a card: more would prove nothing more.
const TELLING: usize = 16;

/// What tells a card that was written from an empty one and from those of other nodes.
#[derive(Clone)]
pub(super) struct Held {
    hostname: String,
    pieces: Vec<Piece>,
}

impl Held {
    /// Of a node's pieces, those that are its own.
    pub(super) fn of(hostname: &str, node: &[Piece], golden: &[Piece]) -> Self {
        let mut shared = golden.iter().peekable();
        let own = node.iter().filter(|piece| {
            while shared.next_if(|other| other.start < piece.start).is_some() {}
            shared.peek() != Some(piece)
        });
        Self {
            hostname: hostname.to_owned(),
            pieces: own.take(TELLING).cloned().collect(),
        }
    }
}

/// The node whose very bytes a card has, if it is one of these.
pub(super) fn held_by<'h>(target: &dyn Target, held: &'h [Held], session: &Session) -> Option<&'h str> {
    let fits = |held: &&Held| {
        let last = held.pieces.last();
        last.is_some_and(|piece| piece.end <= target.size())
            && devices::compare(target, &held.pieces, &Silent, &session.interrupt).is_ok()
    };
    held.iter().find(fits).map(|held| held.hostname.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_told_by_the_pieces_that_are_its_own() {
        let piece = |start: u64, sum: &str| Piece {
            start,
            end: start + 4096,
            sha256: sum.into(),
        };
        let golden = [piece(0, "a"), piece(8192, "b"), piece(16384, "c")];
        let node = [piece(0, "a"), piece(4096, "x"), piece(8192, "y"), piece(16384, "c")];
        assert_eq!(Held::of("kraken-1", &node, &golden).pieces, node[1..3]);
    }
}

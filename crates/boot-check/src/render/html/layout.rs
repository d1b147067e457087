//! Where things are in the picture of the cluster: the sizes of both pictures, the rows of cards,
//! and the way of a cable.

use serde::Serialize;

/// A width and a height.
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A place in the picture.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Point {
    pub(super) x: u32,
    pub(super) y: u32,
}

/// Two opposite edges of the switch: their heights, or their distances from the left.
pub(super) struct Edges {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// A cable, and where it ends.
pub(super) struct Cable {
    /// The cable as an SVG path.
    pub(super) path: String,
    /// The middle of its port in the switch.
    pub(super) port: Point,
}

/// The sizes of things in units of the picture, which are pixels if the screen is large enough.
pub(super) struct Sizes {
    pub(super) card: Size,
    pub(super) gap: Size,
    /// The thickness of the switch.
    pub(super) switch: u32,
    /// The distance from the switch to the nearest cards.
    pub(super) cable: u32,
    /// How many characters of a name fit.
    pub(super) name: usize,
    /// Whether role and state have a line each.
    pub(super) narrow: bool,
}

pub(super) const WIDE: Sizes = Sizes {
    card: Size { width: 180, height: 84 },
    gap: Size { width: 28, height: 30 },
    switch: 44,
    cable: 40,
    name: 17,
    narrow: false,
};
pub(super) const TALL: Sizes = Sizes {
    card: Size {
        width: 152,
        height: 104,
    },
    gap: Size { width: 0, height: 16 },
    switch: 36,
    cable: 22,
    name: 14,
    narrow: true,
};
/// The largest number of cards in a row.
pub(super) const COLUMNS: usize = 5;
pub(super) const MARGIN: u32 = 8;

/// The place of a card, and its distance from the switch.
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    /// The height at which the cable leaves the card, and the height at which it enters the switch.
    pub(super) edge: u32,
    pub(super) switch: u32,
    /// The number of rows of cards between the card and the switch.
    pub(super) distance: usize,
}

impl Place {
    /// Returns the cable, which is straight if no card is in the way and otherwise runs around the
    /// corner and between the columns, and the place of its port.
    pub(super) fn cable(&self, sizes: &Sizes) -> Cable {
        let (edge, switch) = (self.edge, self.switch);
        if self.distance == 0 {
            let x = self.x + sizes.card.width / 2;
            return Cable {
                path: format!("M{x} {edge}V{switch}"),
                port: Point { x, y: switch },
            };
        }
        const ROUND: u32 = 7;
        let from = self.x + sizes.card.width - 30;
        // The cables of one column run beside each other, as far as there is room.
        let aside = number(self.distance - 1).min(3) * 4;
        let gutter = self.x + sizes.card.width + sizes.gap.width / 2 - 6 + aside;
        let down = switch > edge;
        let turn = if down {
            edge + sizes.gap.height / 2
        } else {
            edge - sizes.gap.height / 2
        };
        let (before, after) = if down {
            (turn - ROUND, turn + ROUND)
        } else {
            (turn + ROUND, turn - ROUND)
        };
        let path = format!(
            "M{from} {edge}V{before}Q{from} {turn} {} {turn}H{}Q{gutter} {turn} {gutter} {after}V{switch}",
            from + ROUND,
            gutter - ROUND
        );
        Cable {
            path,
            port: Point { x: gutter, y: switch },
        }
    }
}

/// Distributes cards over rows as evenly as possible, the fuller rows first.
pub(super) fn share(cards: usize, rows: usize) -> Vec<usize> {
    (0..rows)
        .map(|row| cards / rows + usize::from(row < cards % rows))
        .collect()
}

pub(super) fn number(count: usize) -> u32 {
    // A picture with more nodes than this is unreadable, but its numbers stay valid.
    u32::try_from(count.min(100_000)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn rows_are_even_and_the_fuller_ones_first() {
        for (cards, rows, shared) in [
            (1, 2, vec![1, 0]),
            (7, 2, vec![4, 3]),
            (11, 4, vec![3, 3, 3, 2]),
            (20, 4, vec![5, 5, 5, 5]),
        ] {
            assert_eq!(share(cards, rows), shared);
        }
    }
}

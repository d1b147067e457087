//! The picture of the cluster: a switch in the middle, the nodes on both sides of it, a cable from each.

use serde::Serialize;

use super::super::super::{BootReport, NodeReport, Outcome};
use super::super::words::{State, count, with};
use super::shown::Shown;
use kraken_foundation::text;

/// How large things are, in the picture's own units, which are pixels where there is room.
struct Sizes {
    card: (u32, u32),
    gap: (u32, u32),
    /// How thick the switch is.
    switch: u32,
    /// How far the switch is from the nearest cards.
    cable: u32,
    /// How many characters of a name fit.
    name: usize,
    /// Whether role and state have a line each.
    narrow: bool,
}

const WIDE: Sizes = Sizes {
    card: (180, 84),
    gap: (28, 30),
    switch: 44,
    cable: 40,
    name: 17,
    narrow: false,
};
const TALL: Sizes = Sizes {
    card: (152, 104),
    gap: (0, 16),
    switch: 36,
    cable: 22,
    name: 14,
    narrow: true,
};
/// The most cards beside each other.
const COLUMNS: usize = 5;
const MARGIN: u32 = 8;

#[derive(Serialize)]
pub(super) struct Picture {
    class: &'static str,
    width: u32,
    height: u32,
    /// What is to be seen, for who does not see it.
    description: String,
    switch: Switch,
    cards: Vec<Card>,
}

#[derive(Serialize)]
struct Switch {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    /// Where its name is.
    centre: (u32, u32),
    upright: bool,
    label: String,
}

#[derive(Serialize)]
struct Card {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    number: u32,
    name: String,
    full: String,
    address: String,
    role: String,
    manager: bool,
    state: Shown,
    word: String,
    /// Where its state stands: beside the role where there is room, else below it.
    state_at: (u32, u32),
    state_anchor: &'static str,
    /// The cable, as an SVG path.
    cable: String,
    /// The port in the switch: its middle.
    port: (u32, u32),
}

impl Picture {
    /// For a screen: the switch lies, nodes above and below, in as many rows as they need.
    pub(super) fn wide(report: &BootReport) -> Self {
        let sizes = &WIDE;
        let all = report.nodes.len();
        let rows_beside = all.div_ceil(2 * COLUMNS).max(1);
        let rows = share(all, 2 * rows_beside);
        let columns = rows.first().copied().unwrap_or(0).max(2);
        // The cables of outer rows end beside the last column.
        let aside = if rows_beside > 1 { sizes.gap.0 / 2 } else { 0 };
        let width = 2 * (MARGIN + aside) + number(columns) * (sizes.card.0 + sizes.gap.0);
        let side = number(rows_beside) * (sizes.card.1 + sizes.gap.1) - sizes.gap.1 + sizes.cable;
        let switch = (MARGIN + side, MARGIN + side + sizes.switch);
        let below = rows[rows_beside..].iter().filter(|cards| **cards > 0).count();
        let height = match below {
            0 => switch.1 + MARGIN,
            below => switch.1 + sizes.cable + number(below) * (sizes.card.1 + sizes.gap.1) - sizes.gap.1 + MARGIN,
        };
        let mut nodes = report.nodes.iter();
        let mut cards = Vec::new();
        for (row, count) in rows.iter().enumerate() {
            // Alone on its side a row stands in the middle; others keep to columns, so that cables pass between the cards.
            let fallback = number(columns - count) * (sizes.card.0 + sizes.gap.0) / 2;
            let indent = if rows_beside == 1 { fallback } else { 0 };
            for (column, node) in nodes.by_ref().take(*count).enumerate() {
                let x = MARGIN + aside + sizes.gap.0 / 2 + indent + number(column) * (sizes.card.0 + sizes.gap.0);
                let place = if row < rows_beside {
                    let y = MARGIN + number(row) * (sizes.card.1 + sizes.gap.1);
                    Place {
                        x,
                        y,
                        edge: y + sizes.card.1,
                        switch: switch.0,
                        distance: rows_beside - 1 - row,
                    }
                } else {
                    let distance = row - rows_beside;
                    let y = switch.1 + sizes.cable + number(distance) * (sizes.card.1 + sizes.gap.1);
                    Place {
                        x,
                        y,
                        edge: y,
                        switch: switch.1,
                        distance,
                    }
                };
                let (cable, port) = place.cable(sizes);
                cards.push(Card::new(node, sizes, (x, place.y), cable, port));
            }
        }
        let switch = Switch {
            x: MARGIN,
            y: switch.0,
            width: width - 2 * MARGIN,
            height: sizes.switch,
            centre: (width / 2, switch.0 + sizes.switch / 2),
            upright: false,
            label: label(report),
        };
        Self {
            class: "wide",
            width,
            height,
            description: description(report),
            switch,
            cards,
        }
    }

    /// For a phone: the switch stands, nodes left and right.
    pub(super) fn tall(report: &BootReport) -> Self {
        let sizes = &TALL;
        let rows = number(report.nodes.len().div_ceil(2)).max(1);
        let height = 2 * MARGIN + rows * (sizes.card.1 + sizes.gap.1);
        let switch = (
            MARGIN + sizes.card.0 + sizes.cable,
            MARGIN + sizes.card.0 + sizes.cable + sizes.switch,
        );
        let cards = report
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let y = MARGIN + sizes.gap.1 / 2 + number(index / 2) * (sizes.card.1 + sizes.gap.1);
                let middle = y + sizes.card.1 / 2;
                let (x, edge, port) = match index % 2 {
                    0 => (MARGIN, MARGIN + sizes.card.0, switch.0),
                    _ => (switch.1 + sizes.cable, switch.1 + sizes.cable, switch.1),
                };
                Card::new(node, sizes, (x, y), format!("M{edge} {middle}H{port}"), (port, middle))
            })
            .collect();
        let width = switch.1 + sizes.cable + sizes.card.0 + MARGIN;
        let switch = Switch {
            x: switch.0,
            y: MARGIN,
            width: sizes.switch,
            height: height - 2 * MARGIN,
            centre: (switch.0 + sizes.switch / 2, height / 2),
            upright: true,
            label: if rows > 1 { label(report) } else { "LAN".into() },
        };
        Self {
            class: "tall",
            width,
            height,
            description: description(report),
            switch,
            cards,
        }
    }
}

/// Where a card is, and how far from the switch.
struct Place {
    x: u32,
    y: u32,
    /// The height at which its cable leaves it, and that at which it enters the switch.
    edge: u32,
    switch: u32,
    /// How many rows of cards are between it and the switch.
    distance: usize,
}

impl Place {
    /// Straight where nothing is between, else around the corner and down between the columns.
    fn cable(&self, sizes: &Sizes) -> (String, (u32, u32)) {
        let (edge, switch) = (self.edge, self.switch);
        if self.distance == 0 {
            let x = self.x + sizes.card.0 / 2;
            return (format!("M{x} {edge}V{switch}"), (x, switch));
        }
        const ROUND: u32 = 7;
        let from = self.x + sizes.card.0 - 30;
        // Cables of the same column lie beside each other, as far as there is room.
        let aside = number(self.distance - 1).min(3) * 4;
        let gutter = self.x + sizes.card.0 + sizes.gap.0 / 2 - 6 + aside;
        let down = switch > edge;
        let turn = if down {
            edge + sizes.gap.1 / 2
        } else {
            edge - sizes.gap.1 / 2
        };
        let (before, after) = if down {
            (turn - ROUND, turn + ROUND)
        } else {
            (turn + ROUND, turn - ROUND)
        };
        let cable = format!(
            "M{from} {edge}V{before}Q{from} {turn} {} {turn}H{}Q{gutter} {turn} {gutter} {after}V{switch}",
            from + ROUND,
            gutter - ROUND
        );
        (cable, (gutter, switch))
    }
}

impl Card {
    fn new(node: &NodeReport, sizes: &Sizes, at: (u32, u32), cable: String, port: (u32, u32)) -> Self {
        let state = State::of(&node.checks);
        let full = text::line(&node.hostname);
        let name = match full.chars().count() > sizes.name {
            true => full.chars().take(sizes.name - 1).chain(['…']).collect(),
            false => full.clone(),
        };
        let word = match state {
            State::Wrong => format!("{} failed", with(&node.checks, Outcome::Failed).count()),
            state => Shown::from(state).word.to_owned(),
        };
        let (state_at, state_anchor) = match sizes.narrow {
            true => ((at.0 + 14, at.1 + 89), "start"),
            false => ((at.0 + sizes.card.0 - 12, at.1 + 68), "end"),
        };
        Self {
            x: at.0,
            y: at.1,
            width: sizes.card.0,
            height: sizes.card.1,
            number: node.node,
            name,
            full,
            address: node.address.to_string(),
            role: if node.role == "none" {
                String::new()
            } else {
                text::line(&node.role)
            },
            manager: node.role == "manager",
            state: state.into(),
            word,
            state_at,
            state_anchor,
            cable,
            port,
        }
    }
}

/// Shares cards out to rows, as evenly as can be, the fuller rows first.
fn share(cards: usize, rows: usize) -> Vec<usize> {
    (0..rows)
        .map(|row| cards / rows + usize::from(row < cards % rows))
        .collect()
}

fn label(report: &BootReport) -> String {
    format!("virtual LAN, {}", count(report.nodes.len(), "port"))
}

fn description(report: &BootReport) -> String {
    let of = |state| {
        report
            .nodes
            .iter()
            .filter(|node| State::of(&node.checks) == state)
            .count()
    };
    format!(
        "{} on one virtual LAN: {} right, {} wrong, {} not proven",
        count(report.nodes.len(), "node"),
        of(State::Right),
        of(State::Wrong),
        of(State::Unproven)
    )
}

fn number(count: usize) -> u32 {
    // A picture of more nodes than this is none; its numbers are still numbers.
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

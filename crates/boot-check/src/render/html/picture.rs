//! The picture of the cluster: a switch in the middle, nodes on both sides of it, a cable to each
//! node.

use serde::Serialize;

use super::super::super::{BootReport, NodeReport, Outcome};
use super::super::words::{State, count, with};
use super::layout::{COLUMNS, Cable, Edges, MARGIN, Place, Point, Sizes, TALL, WIDE, number, share};
use super::shown::Shown;
use kraken_foundation::text;

#[derive(Serialize)]
pub(super) struct Picture {
    class: &'static str,
    width: u32,
    height: u32,
    /// A description of the picture for readers who cannot see it.
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
    /// The place of its name.
    centre: Point,
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
    /// The place of its state: beside the role if there is room, otherwise below it.
    state_at: Point,
    state_anchor: &'static str,
    /// The cable, as an SVG path.
    cable: String,
    /// The middle of its port in the switch.
    port: Point,
}

impl Picture {
    /// Returns the picture for a screen: a horizontal switch, with the nodes above and below in as
    /// many rows as they need.
    pub(super) fn wide(report: &BootReport) -> Self {
        let sizes = &WIDE;
        let all = report.nodes.len();
        let rows_beside = all.div_ceil(2 * COLUMNS).max(1);
        let rows = share(all, 2 * rows_beside);
        let columns = rows.first().copied().unwrap_or(0).max(2);
        // The cables of the outer rows end beside the last column.
        let aside = if rows_beside > 1 { sizes.gap.width / 2 } else { 0 };
        let width = 2 * (MARGIN + aside) + number(columns) * (sizes.card.width + sizes.gap.width);
        let side = number(rows_beside) * (sizes.card.height + sizes.gap.height) - sizes.gap.height + sizes.cable;
        let edges = Edges {
            first: MARGIN + side,
            last: MARGIN + side + sizes.switch,
        };
        let below = rows[rows_beside..].iter().filter(|cards| **cards > 0).count();
        let height = match below {
            0 => edges.last + MARGIN,
            below => {
                edges.last + sizes.cable + number(below) * (sizes.card.height + sizes.gap.height) - sizes.gap.height
                    + MARGIN
            }
        };
        let mut nodes = report.nodes.iter();
        let mut cards = Vec::new();
        for (row, count) in rows.iter().enumerate() {
            // The only row of a side is centred. Several rows keep to columns, so that cables can
            // pass between the cards.
            let unused = number(columns - count) * (sizes.card.width + sizes.gap.width) / 2;
            let indent = if rows_beside == 1 { unused } else { 0 };
            for (column, node) in nodes.by_ref().take(*count).enumerate() {
                let x = MARGIN
                    + aside
                    + sizes.gap.width / 2
                    + indent
                    + number(column) * (sizes.card.width + sizes.gap.width);
                let place = if row < rows_beside {
                    let y = MARGIN + number(row) * (sizes.card.height + sizes.gap.height);
                    Place {
                        x,
                        y,
                        edge: y + sizes.card.height,
                        switch: edges.first,
                        distance: rows_beside - 1 - row,
                    }
                } else {
                    let distance = row - rows_beside;
                    let y = edges.last + sizes.cable + number(distance) * (sizes.card.height + sizes.gap.height);
                    Place {
                        x,
                        y,
                        edge: y,
                        switch: edges.last,
                        distance,
                    }
                };
                let at = Point { x, y: place.y };
                cards.push(Card::new(node, sizes, at, place.cable(sizes)));
            }
        }
        let switch = Switch {
            x: MARGIN,
            y: edges.first,
            width: width - 2 * MARGIN,
            height: sizes.switch,
            centre: Point {
                x: width / 2,
                y: edges.first + sizes.switch / 2,
            },
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

    /// Returns the picture for a phone: a vertical switch, with the nodes left and right.
    pub(super) fn tall(report: &BootReport) -> Self {
        let sizes = &TALL;
        let rows = number(report.nodes.len().div_ceil(2)).max(1);
        let height = 2 * MARGIN + rows * (sizes.card.height + sizes.gap.height);
        let edges = Edges {
            first: MARGIN + sizes.card.width + sizes.cable,
            last: MARGIN + sizes.card.width + sizes.cable + sizes.switch,
        };
        let cards = report
            .nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let y = MARGIN + sizes.gap.height / 2 + number(index / 2) * (sizes.card.height + sizes.gap.height);
                let middle = y + sizes.card.height / 2;
                let (x, edge, port) = match index % 2 {
                    0 => (MARGIN, MARGIN + sizes.card.width, edges.first),
                    _ => (edges.last + sizes.cable, edges.last + sizes.cable, edges.last),
                };
                let cable = Cable {
                    path: format!("M{edge} {middle}H{port}"),
                    port: Point { x: port, y: middle },
                };
                Card::new(node, sizes, Point { x, y }, cable)
            })
            .collect();
        let width = edges.last + sizes.cable + sizes.card.width + MARGIN;
        let switch = Switch {
            x: edges.first,
            y: MARGIN,
            width: sizes.switch,
            height: height - 2 * MARGIN,
            centre: Point {
                x: edges.first + sizes.switch / 2,
                y: height / 2,
            },
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

impl Card {
    fn new(node: &NodeReport, sizes: &Sizes, at: Point, cable: Cable) -> Self {
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
            true => (
                Point {
                    x: at.x + 14,
                    y: at.y + 89,
                },
                "start",
            ),
            false => (
                Point {
                    x: at.x + sizes.card.width - 12,
                    y: at.y + 68,
                },
                "end",
            ),
        };
        Self {
            x: at.x,
            y: at.y,
            width: sizes.card.width,
            height: sizes.card.height,
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
            cable: cable.path,
            port: cable.port,
        }
    }
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

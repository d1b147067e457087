//! The picture that the view draws on a terminal: a row for each node and one for the cluster, cut
//! to the terminal's width and height.

use console::{Style, measure_text_width, truncate_str};

use super::state::{Node, State};

/// How many columns a terminal needs before roles are shown, and before the names of stages are.
const ROLES: usize = 70;
const STAGE_NAMES: usize = 60;
/// How many columns the console keeps before stages are written as words.
const CONSOLE: usize = 30;
const GAP: &str = "  ";
const CLUSTER: &str = "cluster";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Plain,
    Name,
    Good,
    Bad,
    Quiet,
}

/// A row: parts of a text, each in one colour. No part contains a control character.
#[derive(Default)]
pub(super) struct Row(Vec<(String, Paint)>);

impl Row {
    fn push(&mut self, paint: Paint, text: impl Into<String>) {
        self.0.push((text.into(), paint));
    }

    /// Returns the row, at most `width` columns wide as a terminal counts them. Escape sequences
    /// only set colours, and appear only when `color` is set.
    pub(super) fn show(&self, width: usize, color: bool) -> String {
        let mut left = width;
        let mut shown = String::new();
        for (whole, paint) in &self.0 {
            if left == 0 {
                break;
            }
            let text = truncate_str(whole, left, "…");
            left -= measure_text_width(&text).min(left);
            let style = match paint {
                Paint::Plain => Style::new(),
                Paint::Name => Style::new().bold(),
                Paint::Good => Style::new().green(),
                Paint::Bad => Style::new().red().bold(),
                Paint::Quiet => Style::new().dim(),
            };
            let was_cut = text != whole.as_str();
            match text.trim().is_empty() {
                true => shown.push_str(&text),
                false => shown.push_str(&style.force_styling(color).apply_to(text).to_string()),
            }
            if was_cut {
                break;
            }
        }
        shown.truncate(shown.trim_end().len());
        shown
    }
}

/// The widths of the columns.
struct Columns {
    name: usize,
    role: usize,
    /// The form in which stages are written.
    stages: Stages,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stages {
    /// `✓ kernel  ✓ root  · docker`
    Words,
    /// `✓✓·` and the name of the last stage, in this many columns.
    Marks(usize),
}

impl Columns {
    fn of(state: &State, width: usize) -> Self {
        let widest = |text: &dyn Fn(&Node) -> &str| {
            state
                .nodes
                .iter()
                .map(|node| measure_text_width(text(node)))
                .max()
                .unwrap_or(0)
        };
        let name = widest(&|node| &node.hostname)
            .max(CLUSTER.len())
            .min((width / 3).max(4));
        let role = if width >= ROLES { widest(&|node| &node.role) } else { 0 };
        let words: usize = state.stages.iter().map(|stage| measure_text_width(stage) + 4).sum();
        let stages = if name + role + words + 12 + CONSOLE <= width {
            Stages::Words
        } else if width >= STAGE_NAMES {
            Stages::Marks(
                state
                    .stages
                    .iter()
                    .map(|stage| measure_text_width(stage))
                    .max()
                    .unwrap_or(0),
            )
        } else {
            Stages::Marks(0)
        };
        Self { name, role, stages }
    }
}

/// Returns the rows for a terminal of `width` columns and `height` lines, at `now` in milliseconds.
/// The last line stays free for the cursor.
pub(super) fn frame(state: &State, now: u64, width: usize, height: usize) -> Vec<Row> {
    let columns = Columns::of(state, width);
    let room = height.saturating_sub(2);
    let shown = choose(state, room);
    let mut rows: Vec<Row> = shown
        .iter()
        .filter_map(|at| state.nodes.get(*at))
        .map(|node| node_row(state, node, &columns, now))
        .collect();
    if shown.len() < state.nodes.len() && room > 0 {
        rows.push(others_row(state, &shown));
    }
    if height > 1 {
        rows.push(cluster_row(state, &columns, now));
    }
    rows
}

/// Chooses which nodes get a row when there are more nodes than rows: first those that failed, then
/// those that are still booting.
fn choose(state: &State, room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..state.nodes.len()).collect();
    if order.len() > room {
        let rank = |node: &Node| match (node.failed.is_empty(), node.started, node.up) {
            (false, ..) => 0,
            (_, Some(_), None) => 1,
            (_, None, _) => 2,
            (_, _, Some(_)) => 3,
        };
        order.sort_by_key(|at| rank(&state.nodes[*at]));
        order.truncate(room.saturating_sub(1));
        order.sort_unstable();
    }
    order
}

fn node_row(state: &State, node: &Node, columns: &Columns, now: u64) -> Row {
    let mut row = Row::default();
    row.push(Paint::Name, fit(&node.hostname, columns.name));
    row.push(Paint::Plain, GAP);
    if columns.role > 0 {
        row.push(Paint::Quiet, fit(&node.role, columns.role));
        row.push(Paint::Plain, GAP);
    }
    push_stages(&mut row, state, node, columns.stages);
    let seconds = node
        .started
        .map(|started| node.up.unwrap_or(now).saturating_sub(started) / 1000);
    let seconds = seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default();
    row.push(Paint::Plain, format!("{seconds:>6}{GAP}"));
    if !node.failed.is_empty() {
        row.push(Paint::Bad, format!("✗ {}{GAP}", node.failed.join(", ")));
    }
    match (node.started, node.last_line.is_empty()) {
        (None, true) => row.push(Paint::Quiet, "waits for its turn"),
        _ => row.push(Paint::Quiet, node.last_line.as_str()),
    }
    row
}

fn push_stages(row: &mut Row, state: &State, node: &Node, how: Stages) {
    let stages = || state.stages.iter().zip(&node.reached);
    match how {
        Stages::Words => {
            for (stage, reached) in stages() {
                match reached {
                    true => row.push(Paint::Good, format!("✓ {stage}{GAP}")),
                    false => row.push(Paint::Quiet, format!("· {stage}{GAP}")),
                }
            }
        }
        Stages::Marks(width) => {
            for (_, reached) in stages() {
                match reached {
                    true => row.push(Paint::Good, "✓"),
                    false => row.push(Paint::Quiet, "·"),
                }
            }
            if width > 0 {
                let last = stages().rfind(|(_, reached)| **reached).map_or("", |(stage, _)| stage);
                row.push(Paint::Plain, format!(" {}", fit(last, width)));
            }
        }
    }
}

fn others_row(state: &State, shown: &[usize]) -> Row {
    let others = || {
        state
            .nodes
            .iter()
            .enumerate()
            .filter(|(at, _)| !shown.contains(at))
            .map(|(_, node)| node)
    };
    let counts = [
        ("failed", others().filter(|node| !node.failed.is_empty()).count()),
        (
            "booting",
            others()
                .filter(|node| node.failed.is_empty() && node.started.is_some() && node.up.is_none())
                .count(),
        ),
        (
            "waiting",
            others()
                .filter(|node| node.failed.is_empty() && node.started.is_none())
                .count(),
        ),
        (
            "up",
            others()
                .filter(|node| node.failed.is_empty() && node.up.is_some())
                .count(),
        ),
    ];
    let shown: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    let mut row = Row::default();
    row.push(
        Paint::Quiet,
        format!("… and {} more: {}", others().count(), shown.join(", ")),
    );
    row
}

fn cluster_row(state: &State, columns: &Columns, now: u64) -> Row {
    let up = state.nodes.iter().filter(|node| node.up.is_some()).count();
    let mut row = Row::default();
    row.push(Paint::Name, fit(CLUSTER, columns.name));
    row.push(
        Paint::Plain,
        format!("{GAP}{up} of {} up, {} s{GAP}", state.nodes.len(), now / 1000),
    );
    if !state.failed.is_empty() {
        row.push(Paint::Bad, format!("✗ {}{GAP}", state.failed.join(", ")));
    }
    if !state.passed.is_empty() {
        row.push(Paint::Good, format!("✓ {}{GAP}", state.passed.join(", ")));
    }
    match state.interrupted {
        true => row.push(Paint::Bad, "interrupted: stopping"),
        false => row.push(Paint::Quiet, state.doing.as_str()),
    }
    row
}

/// Returns a text for a column: cut, or padded with blanks.
fn fit(text: &str, width: usize) -> String {
    let cut = truncate_str(text, width, "…");
    let blanks = width.saturating_sub(measure_text_width(&cut));
    format!("{cut}{}", " ".repeat(blanks))
}

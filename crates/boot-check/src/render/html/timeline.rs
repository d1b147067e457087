//! The timeline: the stages of each node as marks and its checks as bars, all on one axis of time.
//!
//! Positions along the axis are in per cent and heights are in pixels, so that the timeline fits a
//! phone as well as a wall, and text keeps its size.

use serde::Serialize;

use super::super::super::{BootReport, Check, Outcome, Stage};
use super::super::words::{State, happened, names, seconds, with};
use super::shown::Shown;
use kraken_foundation::text;

/// The width of the axis and of a letter on an ordinary screen, in pixels. Only the places of
/// labels depend on them.
const SCREEN: f64 = 780.0;
const LETTER: f64 = 6.4;
/// Heights, in pixels.
const STAGES: u32 = 26;
const LANE: u32 = 18;
/// The smallest length of a bar, in per cent, so that it can be seen.
const SHORTEST: f64 = 0.5;

#[derive(Serialize)]
pub(super) struct Timeline {
    ticks: Vec<Tick>,
    tracks: Vec<Track>,
}

#[derive(Serialize)]
struct Tick {
    at: String,
    label: String,
    anchor: &'static str,
}

/// One node, or the cluster.
#[derive(Serialize)]
struct Track {
    name: String,
    anchor: String,
    state: Shown,
    height: u32,
    /// The first and the last known moment.
    rail: Rail,
    marks: Vec<Mark>,
    bars: Vec<Bar>,
    /// The stages in words: `kernel 3.1 s`.
    words: Vec<String>,
    failed: String,
}

/// A line along the axis.
#[derive(Serialize)]
struct Rail {
    from: String,
    to: String,
}

/// A stage.
#[derive(Serialize)]
struct Mark {
    at: String,
    title: String,
    /// Its name, if there is room for it.
    label: String,
    anchor: &'static str,
}

/// A check.
#[derive(Serialize)]
struct Bar {
    at: String,
    width: String,
    y: u32,
    outcome: Shown,
    title: String,
    label: String,
    /// Where its label begins or ends.
    label_at: String,
    label_anchor: &'static str,
}

impl Timeline {
    pub(super) fn new(report: &BootReport) -> Self {
        let stages = report
            .nodes
            .iter()
            .flat_map(|node| &node.stages)
            .map(|stage| stage.at_ms);
        let checks = report
            .checks()
            .filter(|check| happened(check))
            .map(|check| check.ended_ms.max(check.began_ms));
        let end = stages.chain(checks).chain([report.took_ms]).max().unwrap_or(0).max(1);
        let axis = Axis { end };
        let mut tracks: Vec<Track> = report
            .nodes
            .iter()
            .map(|node| {
                let anchor = format!("node-{}", node.node);
                axis.track(
                    text::line(&node.hostname),
                    anchor,
                    State::of(&node.checks),
                    &node.stages,
                    &node.checks,
                )
            })
            .collect();
        if report.cluster_checks.iter().any(happened) {
            let state = State::of_cluster(report);
            tracks.push(axis.track(
                "the nodes together".into(),
                "together".into(),
                state,
                &[],
                &report.cluster_checks,
            ));
        }
        Self {
            ticks: axis.ticks(),
            tracks,
        }
    }
}

/// The axis, from the start of the run to its end.
struct Axis {
    /// The end in milliseconds.
    end: u64,
}

impl Axis {
    /// Returns the position of a time, in per cent.
    fn at(&self, ms: u64) -> f64 {
        // The result is exact enough for some thousand years.
        ms.min(self.end) as f64 * 100.0 / self.end as f64
    }

    /// Returns ticks at round times, about eight of them at most.
    fn ticks(&self) -> Vec<Tick> {
        let steps = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800].map(|seconds| seconds * 1000);
        let step = steps
            .into_iter()
            .find(|step| self.end / step <= 8)
            .unwrap_or(self.end / 8 + 1);
        (0..=self.end / step)
            .map(|index| {
                let at = self.at(index * step);
                let anchor = match at {
                    at if at < 3.0 => "start",
                    at if at > 97.0 => "end",
                    _ => "middle",
                };
                Tick {
                    at: per_cent(at),
                    label: format!("{} s", index * step / 1000),
                    anchor,
                }
            })
            .collect()
    }

    fn track(&self, name: String, anchor: String, state: State, stages: &[Stage], checks: &[Check]) -> Track {
        let top = if stages.is_empty() { 4 } else { STAGES };
        let lanes = self.lanes(checks, top);
        let made = || checks.iter().filter(|check| happened(check));
        let times = || {
            stages
                .iter()
                .map(|stage| stage.at_ms)
                .chain(made().map(|check| check.began_ms))
        };
        let begin = times().min();
        let end = times().chain(made().map(|check| check.ended_ms)).max();
        // No line break separates a name from its time.
        let word =
            |stage: &Stage| format!("{} {}", text::line(&stage.name), seconds(stage.at_ms)).replace(' ', "\u{a0}");
        Track {
            name,
            anchor,
            state: state.into(),
            height: top + lanes.count * LANE + 4,
            rail: Rail {
                from: per_cent(self.at(begin.unwrap_or(0))),
                to: per_cent(self.at(end.unwrap_or(0))),
            },
            marks: self.marks(stages),
            bars: lanes.bars,
            words: stages.iter().map(word).collect(),
            failed: names(with(checks, Outcome::Failed)),
        }
    }

    /// Returns the marks of the stages. Labels are placed from the last stage backwards: that a
    /// node is ready is the most important one.
    fn marks(&self, stages: &[Stage]) -> Vec<Mark> {
        let mut free = 100.0;
        let mut marks: Vec<Mark> = stages
            .iter()
            .rev()
            .map(|stage| {
                let (at, name) = (self.at(stage.at_ms), text::line(&stage.name));
                let width = wide(&name) + 1.6;
                let (label, anchor) = if at + width <= free {
                    (name.clone(), "start")
                } else if free == 100.0 && at >= width {
                    (name.clone(), "end")
                } else {
                    (String::new(), "start")
                };
                free = if anchor == "end" { at - width } else { at - 1.2 };
                Mark {
                    at: per_cent(at),
                    title: format!("{name}, {}", seconds(stage.at_ms)),
                    label,
                    anchor,
                }
            })
            .collect();
        marks.reverse();
        marks
    }

    /// Returns the bars of the checks, in lanes below each other where they overlap in time.
    fn lanes(&self, checks: &[Check], top: u32) -> Lanes {
        let mut made: Vec<&Check> = checks.iter().filter(|check| happened(check)).collect();
        made.sort_by_key(|check| (check.began_ms, check.ended_ms));
        let mut lanes: Vec<f64> = Vec::new();
        let mut bars = Vec::new();
        for check in made {
            let mut from = self.at(check.began_ms);
            let to = self.at(check.ended_ms).max(from + SHORTEST).min(100.0);
            from = from.min(to - SHORTEST).max(0.0);
            let label = match check.outcome {
                Outcome::Failed => format!("✗ {}", check.name),
                _ => check.name.to_owned(),
            };
            let place = place_label(from, to, wide(&label));
            let lane = lanes.iter().position(|free| *free <= place.from).unwrap_or(lanes.len());
            match lanes.get_mut(lane) {
                Some(free) => *free = place.to + 0.4,
                None => lanes.push(place.to + 0.4),
            }
            bars.push(Bar {
                at: per_cent(from),
                width: per_cent(to - from),
                y: top + u32::try_from(lane).unwrap_or(0) * LANE,
                outcome: check.outcome.into(),
                title: format!("{}, {} – {}", label, seconds(check.began_ms), seconds(check.ended_ms)),
                label,
                label_at: per_cent(place.at),
                label_anchor: place.anchor,
            });
        }
        let count = u32::try_from(lanes.len()).unwrap_or(0);
        Lanes { bars, count }
    }
}

/// The bars of a node's checks.
struct Lanes {
    bars: Vec<Bar>,
    /// The number of lanes that the bars are in.
    count: u32,
}

/// The place of a bar's label, in per cent.
struct Label {
    /// Where the bar and its label together begin.
    from: f64,
    /// Where they end.
    to: f64,
    /// Where the text begins, or ends if the anchor says so.
    at: f64,
    anchor: &'static str,
}

/// Returns where the label of a bar goes: into it, else behind it, else before it.
fn place_label(from: f64, to: f64, width: f64) -> Label {
    if width + 1.0 <= to - from {
        Label {
            from,
            to,
            at: from + 0.6,
            anchor: "start",
        }
    } else if to + width + 0.6 <= 100.0 {
        Label {
            from,
            to: to + width + 0.6,
            at: to + 0.5,
            anchor: "start",
        }
    } else {
        Label {
            from: (from - width - 0.6).max(0.0),
            to,
            at: from - 0.5,
            anchor: "end",
        }
    }
}

/// Returns the width of a label in per cent of the axis on an ordinary screen.
fn wide(label: &str) -> f64 {
    label.chars().count() as f64 * LETTER * 100.0 / SCREEN
}

fn per_cent(part: f64) -> String {
    format!("{part:.2}%")
}

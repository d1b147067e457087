//! A boot report as one HTML file: no script, no request, no clock; light and dark, for a screen, a
//! phone and paper.
//!
//! This folder's files compute what is shown. The templates beside them lay it out and escape every
//! value. A policy in the head of the file forbids scripts and requests in case something gets past
//! that.

mod layout;
mod picture;
mod shown;
mod tables;
mod timeline;

use serde::Serialize;
use tera::Tera;

use super::super::{BootReport, Outcome};
use super::words::{State, count, seconds, verdict, with};
use kraken_foundation::text;
use kraken_foundation::{Error, Kind, Result};
use picture::Picture;
use shown::{Fact, Shown};
use tables::{Failure, NodeTable, Row};
use timeline::Timeline;

const TEMPLATES: [(&str, &str); 4] = [
    ("report.html", include_str!("report.html")),
    ("picture.html", include_str!("picture.html")),
    ("timeline.html", include_str!("timeline.html")),
    ("checks.html", include_str!("checks.html")),
];
const STYLE: &str = include_str!("report.css");

/// All values of the page.
#[derive(Serialize)]
struct Page {
    style: &'static str,
    cluster: String,
    state: Shown,
    verdict: String,
    facts: Vec<Fact>,
    tallies: Vec<Tally>,
    failures: Vec<Failure>,
    wide: Picture,
    tall: Picture,
    timeline: Timeline,
    together: Vec<Row>,
    nodes: Vec<NodeTable>,
}

/// How many checks ended in one way.
#[derive(Serialize)]
struct Tally {
    shown: Shown,
    text: String,
}

/// Returns the report as a complete page.
///
/// # Errors
/// [`Kind::Internal`] if an embedded template has a fault, which no report should cause.
pub fn html(report: &BootReport) -> Result<String> {
    let page = Page::new(report);
    let render = || -> tera::Result<String> {
        let mut tera = Tera::default();
        tera.add_raw_templates(TEMPLATES)?;
        tera.render("report.html", &tera::Context::from_serialize(&page)?)
    };
    render().map_err(|error| {
        let text = format!(
            "making the HTML report: {error:?}; this is a fault of the program, the other reports have the same findings"
        );
        Error::new(Kind::Internal, text)
    })
}

impl Page {
    fn new(report: &BootReport) -> Self {
        let state = if report.is_good() {
            State::Right
        } else if report.checks().any(|check| check.outcome == Outcome::Failed) {
            State::Wrong
        } else {
            State::Unproven
        };
        Self {
            style: STYLE,
            cluster: text::line(&report.cluster),
            state: state.into(),
            verdict: verdict(report),
            facts: facts(report),
            tallies: tallies(report),
            failures: tables::failures(report),
            wide: Picture::wide(report),
            tall: Picture::tall(report),
            timeline: Timeline::new(report),
            together: tables::rows(&report.cluster_checks),
            nodes: report.nodes.iter().map(NodeTable::new).collect(),
        }
    }
}

fn facts(report: &BootReport) -> Vec<Fact> {
    let fact = |name, value: String| Fact {
        name,
        value: text::line(&value),
    };
    vec![
        fact(
            "cluster",
            format!("{}, {}", report.cluster, count(report.nodes.len(), "node")),
        ),
        fact("machine", report.machine.clone()),
        fact("emulator", report.emulator.clone()),
        fact("began", when(&report.started)),
        fact("took", seconds(report.took_ms)),
        fact("this computer", pace(report.slowness)),
    ]
}

/// Formats an RFC 3339 time for people. Other text is returned unchanged.
fn when(started: &str) -> String {
    match started.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => started.to_owned(),
    }
}

fn pace(slowness: f64) -> String {
    match slowness {
        slow if !slow.is_finite() || slow <= 0.0 => "not measured".into(),
        slow if slow < 0.95 => format!("{:.1} times as fast as the reference", 1.0 / slow),
        slow if slow > 1.05 => format!("{slow:.1} times slower than the reference"),
        _ => "as fast as the reference".into(),
    }
}

fn tallies(report: &BootReport) -> Vec<Tally> {
    let all: Vec<_> = report.checks().cloned().collect();
    [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::NotReached,
        Outcome::NotApplicable,
    ]
    .into_iter()
    .map(|outcome| (outcome, with(&all, outcome).count()))
    .filter(|(outcome, number)| *number > 0 || *outcome == Outcome::Passed)
    .map(|(outcome, number)| {
        let shown = Shown::from(outcome);
        let text = match outcome {
            Outcome::NotApplicable => format!("{number} that do not apply"),
            _ => format!("{} {}", count(number, "check"), shown.word),
        };
        Tally { shown, text }
    })
    .collect()
}

//! A boot report as text, in the style of `verify`'s other reports: one line for what is right, all
//! details for what is wrong.

use std::fmt::Write as _;

use super::super::{BootReport, Check, NodeReport, Outcome};
use super::words::{QUOTED, State, count, names, seconds, up_ms, verdict, with};
use kraken_foundation::text;

/// The indentation of the fields of a failed check.
const NAME: &str = "         ";
const MORE: &str = "           ";

/// Returns the report for people. It ends with a line feed.
pub fn text(report: &BootReport) -> String {
    let widths = Widths::of(report);
    let mut shown = String::new();
    for node in &report.nodes {
        show_node(node, &widths, &mut shown);
    }
    show_cluster(report, &widths, &mut shown);
    let (machine, emulator) = (text::line(&report.machine), text::line(&report.emulator));
    let verdict = verdict(report);
    let _ = writeln!(shown, "{verdict} ({machine}, {emulator}, {})", seconds(report.took_ms));
    shown
}

/// The widths of the columns of the nodes.
struct Widths {
    name: usize,
    role: usize,
    address: usize,
}

impl Widths {
    fn of(report: &BootReport) -> Self {
        let widest = |text: &dyn Fn(&NodeReport) -> String| {
            report
                .nodes
                .iter()
                .map(|node| text(node).chars().count())
                .max()
                .unwrap_or(0)
        };
        Self {
            name: widest(&|node| text::line(&node.hostname)).max("cluster".len()),
            role: widest(&|node| role(node)),
            address: widest(&|node| node.address.to_string()),
        }
    }
}

/// Returns the role; empty without a swarm.
fn role(node: &NodeReport) -> String {
    match node.role.as_str() {
        "none" => String::new(),
        role => text::line(role),
    }
}

fn mark(state: State) -> &'static str {
    match state {
        State::Right => "ok",
        State::Wrong => "WRONG",
        State::Unproven => "?",
    }
}

fn show_node(node: &NodeReport, widths: &Widths, shown: &mut String) {
    let state = State::of(&node.checks);
    let mut line = format!(
        "{:<5}  {:<name$}",
        mark(state),
        text::line(&node.hostname),
        name = widths.name
    );
    if widths.role > 0 {
        let _ = write!(line, "  {:<role$}", role(node), role = widths.role);
    }
    let _ = write!(line, "  {:<address$}", node.address, address = widths.address);
    let _ = match (state, up_ms(node), node.stages.last()) {
        (State::Right, Some(up), _) => write!(
            line,
            "  up in {}; checked {}",
            seconds(up),
            names(with(&node.checks, Outcome::Passed))
        ),
        (State::Right, None, _) => write!(line, "  checked {}", names(with(&node.checks, Outcome::Passed))),
        (_, Some(up), Some(last)) => write!(line, "  came as far as {}, in {}", text::line(&last.name), seconds(up)),
        _ => write!(line, "  reached no stage"),
    };
    let _ = writeln!(shown, "{}", line.trim_end());
    if state == State::Right {
        return;
    }
    show_checks(&node.checks, shown);
    show_console(node, shown);
}

fn show_cluster(report: &BootReport, widths: &Widths, shown: &mut String) {
    let checks = &report.cluster_checks;
    let state = State::of_cluster(report);
    if checks.iter().all(|check| check.outcome == Outcome::NotApplicable) {
        return;
    }
    let _ = write!(shown, "{:<5}  {:<name$}", mark(state), "cluster", name = widths.name);
    let passed = with(checks, Outcome::Passed).count();
    let _ = match (state, passed) {
        (State::Right, _) => writeln!(shown, "  checked {}", names(with(checks, Outcome::Passed))),
        (_, passed) => writeln!(shown, "  {passed} of {} passed", count(checks.len(), "check")),
    };
    if state != State::Right {
        show_checks(checks, shown);
    }
}

/// Adds every failed check with all that is known of it, and the names of the checks that were not
/// reached.
fn show_checks(checks: &[Check], shown: &mut String) {
    for check in with(checks, Outcome::Failed) {
        let took = seconds(check.ended_ms.saturating_sub(check.began_ms));
        let _ = writeln!(
            shown,
            "{NAME}{} failed after {took}: {}",
            check.name,
            text::line(&check.title)
        );
        show_field("expected", check.expected.as_deref(), shown);
        show_field("seen", Some(&check.seen), shown);
        show_field("cause", check.cause.as_deref(), shown);
    }
    let missed = names(with(checks, Outcome::NotReached));
    if !missed.is_empty() {
        let _ = writeln!(shown, "{NAME}not reached: {missed}");
    }
}

/// Adds `expected  text`, with the further lines of the text aligned below the first.
fn show_field(name: &str, text: Option<&str>, shown: &mut String) {
    let mut name = name;
    for line in text.into_iter().flat_map(text::lines).filter(|line| !line.is_empty()) {
        let _ = writeln!(shown, "{MORE}{name:<9} {line}");
        name = "";
    }
}

fn show_console(node: &NodeReport, shown: &mut String) {
    let tail = &node.console_tail[node.console_tail.len().saturating_sub(QUOTED)..];
    let kept = node
        .console
        .as_ref()
        .map(|path| text::line(&path.display().to_string()));
    let _ = match (tail.len(), kept) {
        (0, None) => writeln!(shown, "{NAME}console: nothing was written to it"),
        (0, Some(kept)) => writeln!(shown, "{NAME}console: nothing was written to it ({kept})"),
        (lines, None) => writeln!(shown, "{NAME}console, its last {}:", count(lines, "line")),
        (lines, Some(kept)) => writeln!(
            shown,
            "{NAME}console, its last {}; all of it is in {kept}:",
            count(lines, "line")
        ),
    };
    for line in tail {
        let _ = writeln!(shown, "{}", format!("{MORE}| {}", text::line(line)).trim_end());
    }
}

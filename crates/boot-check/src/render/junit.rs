//! A boot report as JUnit XML, as Jenkins, GitLab and Maven Surefire read it.
//!
//! The format has no owner; this is what is common to the schemas of Jenkins's xUnit plugin
//! (`junit-10.xsd`) and of Surefire (`surefire-test-report.xsd`): `testsuites` of `testsuite` of
//! `testcase`, each with at most one of `skipped`, `error`, `failure`.

use std::fmt::Write as _;

use super::super::{BootReport, Check, NodeReport, Outcome};
use super::words::{QUOTED, began_ms, happened, verdict};
use kraken_foundation::text;

/// How a check is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Passed,
    Failure,
    Error,
    Skipped,
}

/// One `testcase`.
struct Case {
    name: String,
    ms: u64,
    kind: Kind,
    /// One line, if the check did not pass.
    message: String,
    /// All that is known, if the check did not pass.
    text: String,
    /// The evidence, if the check passed.
    seen: String,
}

/// One `testsuite`.
struct Suite {
    name: String,
    ms: u64,
    properties: Vec<(&'static str, String)>,
    cases: Vec<Case>,
    console: Vec<String>,
}

/// Returns the report for a CI server: a suite for each node, and the suite `cluster` for all of
/// them. It contains a failure or an error exactly if [`BootReport::is_good`] is false.
pub fn junit(report: &BootReport) -> String {
    let mut suites: Vec<Suite> = report.nodes.iter().map(|node| node_suite(report, node)).collect();
    suites.push(cluster_suite(report));
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        escape(&report.cluster),
        cases().count(),
        counted(cases(), Kind::Failure),
        counted(cases(), Kind::Error),
        time(report.took_ms)
    );
    for suite in &suites {
        write_suite(report, suite, &mut xml);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn node_suite(report: &BootReport, node: &NodeReport) -> Suite {
    let mut properties = vec![
        ("node", node.node.to_string()),
        ("address", node.address.to_string()),
        ("role", node.role.clone()),
    ];
    let paths = [("image", &node.image), ("console", &node.console)];
    properties.extend(
        paths
            .into_iter()
            .filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string()))),
    );
    let ended = node
        .checks
        .iter()
        .filter(|check| happened(check))
        .map(|check| check.ended_ms)
        .max();
    let mut cases: Vec<Case> = node.checks.iter().map(|check| case(report, check)).collect();
    if node.checks.iter().all(|check| check.outcome == Outcome::NotApplicable) {
        cases.push(unproven("boot", "nothing was checked on this node"));
    }
    Suite {
        name: node.hostname.clone(),
        ms: ended.unwrap_or(0).saturating_sub(began_ms(node)),
        properties,
        cases,
        console: node.console_tail[node.console_tail.len().saturating_sub(QUOTED)..].to_vec(),
    }
}

/// Returns the suite with the cluster's checks and the run itself. A run that was stopped is an
/// error even if all checks that it made have passed.
fn cluster_suite(report: &BootReport) -> Suite {
    let mut cases: Vec<Case> = report.cluster_checks.iter().map(|check| case(report, check)).collect();
    cases.push(match (report.interrupted, report.nodes.is_empty()) {
        (true, _) => unproven("run", &verdict(report)),
        (false, true) => unproven("run", "no node was booted"),
        (false, false) => Case {
            name: "run".into(),
            ms: report.took_ms,
            kind: Kind::Passed,
            message: String::new(),
            text: String::new(),
            seen: verdict(report),
        },
    });
    Suite {
        name: "cluster".into(),
        ms: report.took_ms,
        properties: vec![
            ("machine", report.machine.clone()),
            ("emulator", report.emulator.clone()),
            ("slowness", format!("{:.2}", report.slowness)),
        ],
        cases,
        console: Vec::new(),
    }
}

fn unproven(name: &str, message: &str) -> Case {
    Case {
        name: name.into(),
        ms: 0,
        kind: Kind::Error,
        message: message.into(),
        text: message.into(),
        seen: String::new(),
    }
}

fn case(report: &BootReport, check: &Check) -> Case {
    let after_failure = !report.interrupted && report.checks().any(|check| check.outcome == Outcome::Failed);
    let (kind, message) = match check.outcome {
        Outcome::Passed => (Kind::Passed, String::new()),
        Outcome::Failed => (Kind::Failure, failure_line(check)),
        Outcome::NotApplicable => (Kind::Skipped, "does not apply to this image".into()),
        Outcome::NotReached if after_failure => (Kind::Skipped, "not reached: something before it failed".into()),
        Outcome::NotReached if report.interrupted => (Kind::Error, "not reached: the run was interrupted".into()),
        Outcome::NotReached => (Kind::Error, "not reached".into()),
    };
    let mut text = String::new();
    if kind == Kind::Failure || kind == Kind::Error {
        for (name, said) in [
            ("check", Some(&check.title)),
            ("expected", check.expected.as_ref()),
            ("seen", Some(&check.seen)),
            ("cause", check.cause.as_ref()),
        ] {
            if let Some(said) = said.filter(|said| !said.is_empty()) {
                let _ = writeln!(text, "{name}: {said}");
            }
        }
    }
    Case {
        name: check.name.into(),
        ms: if happened(check) {
            check.ended_ms.saturating_sub(check.began_ms)
        } else {
            0
        },
        kind,
        message,
        text,
        seen: if kind == Kind::Passed {
            check.seen.clone()
        } else {
            String::new()
        },
    }
}

/// Returns a failure in one line, as lists of failures show it.
fn failure_line(check: &Check) -> String {
    let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match &check.expected {
        Some(expected) => format!("expected {}; seen {}", first(expected), first(&check.seen)),
        None => first(&check.seen),
    }
}

fn write_suite(report: &BootReport, suite: &Suite, xml: &mut String) {
    let _ = write!(
        xml,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
        escape(&suite.name),
        suite.cases.len(),
        counted(suite.cases.iter(), Kind::Failure),
        counted(suite.cases.iter(), Kind::Error),
        counted(suite.cases.iter(), Kind::Skipped),
        time(suite.ms)
    );
    if let Some(started) = timestamp(&report.started) {
        let _ = write!(xml, " timestamp=\"{started}\"");
    }
    xml.push_str(">\n    <properties>\n");
    for (name, value) in &suite.properties {
        let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", escape(value));
    }
    xml.push_str("    </properties>\n");
    let class = format!("{}.{}", report.cluster, suite.name);
    for case in &suite.cases {
        write_case(&class, case, xml);
    }
    if !suite.console.is_empty() {
        let _ = writeln!(
            xml,
            "    <system-out>{}</system-out>",
            escape(&suite.console.join("\n"))
        );
    }
    xml.push_str("  </testsuite>\n");
}

fn write_case(class: &str, case: &Case, xml: &mut String) {
    let _ = write!(
        xml,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escape(class),
        escape(&case.name),
        time(case.ms)
    );
    let (message, text) = (escape(&case.message), escape(case.text.trim_end()));
    let inside = match case.kind {
        Kind::Passed if case.seen.is_empty() => String::new(),
        Kind::Passed => format!("<system-out>{}</system-out>", escape(&case.seen)),
        Kind::Skipped => format!("<skipped message=\"{message}\"/>"),
        Kind::Failure => format!(
            "<failure type=\"{}\" message=\"{message}\">{text}</failure>",
            escape(&case.name)
        ),
        Kind::Error => format!("<error type=\"not-proven\" message=\"{message}\">{text}</error>"),
    };
    let _ = match inside.is_empty() {
        true => writeln!(xml, "/>"),
        false => writeln!(xml, ">\n      {inside}\n    </testcase>"),
    };
}

fn counted<'a>(cases: impl Iterator<Item = &'a Case>, kind: Kind) -> usize {
    cases.filter(|case| case.kind == kind).count()
}

/// Formats seconds as `xs:decimal`.
fn time(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Formats a time as `xs:dateTime` in UTC without a zone, the only form that every schema accepts;
/// `None` if it is not a time.
fn timestamp(started: &str) -> Option<String> {
    let time: jiff::Timestamp = started.parse().ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// Escapes text for an element or an attribute in double quotes. Each line is cleaned first, so
/// that no character remains that XML 1.0 forbids (§2.2); such characters become U+FFFD.
fn escape(text: &str) -> String {
    let cleaned: Vec<String> = text::lines(text).collect();
    let mut escaped = String::with_capacity(text.len());
    for c in cleaned.join("\n").chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            // Only `]]>` must be escaped, but not every reader knows that.
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

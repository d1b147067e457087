//! The JUnit XML: it follows the schemas of Jenkins and Surefire, and CI comes to the same verdict
//! as the program.

use kraken_flash::boot_check::{BootReport, Outcome, render};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::boot_report::{golden, reports};

#[test]
fn the_xml_of_a_good_a_failing_and_an_interrupted_run() {
    for (name, report) in [
        ("good.xml", reports::good(2, 1)),
        ("failing.xml", reports::failing()),
        ("interrupted.xml", reports::interrupted()),
    ] {
        let xml = render::junit(&report);
        obeys_the_schemas(&xml);
        golden(name, &xml);
    }
}

#[test]
fn hostile_text_stays_text() {
    let (hostile, plain) = (render::junit(&reports::hostile()), render::junit(&reports::failing()));
    obeys_the_schemas(&hostile);
    let shape = |xml: &str| -> Vec<String> {
        let document = Document::parse(xml).unwrap();
        // Every hostile node has an image and a console.
        let elements = document
            .descendants()
            .filter(|node| node.is_element() && node.tag_name().name() != "property");
        elements.map(|node| node.tag_name().name().to_owned()).collect()
    };
    assert_eq!(shape(&hostile), shape(&plain));
    assert!(hostile.contains("]]&gt;&lt;/system-out&gt;"), "{hostile}");
}

#[test]
fn what_was_not_reached_is_skipped_after_a_failure_and_an_error_when_the_run_was_stopped() {
    let outcome = |report: &BootReport, suite: &str, case: &str| -> String {
        let xml = render::junit(report);
        let document = Document::parse(&xml).unwrap();
        let suite = document
            .descendants()
            .find(|node| node.attribute("name") == Some(suite))
            .unwrap();
        let case = suite
            .children()
            .find(|node| node.has_tag_name("testcase") && node.attribute("name") == Some(case))
            .unwrap();
        let ended = case
            .first_element_child()
            .map_or("passed", |child| child.tag_name().name());
        ended.to_owned()
    };
    let (failing, interrupted) = (reports::failing(), reports::interrupted());
    let mut gave_up = reports::good(2, 1);
    gave_up.nodes[1].checks[8].outcome = Outcome::NotReached;
    for (report, suite, case, ended) in [
        (&failing, "kraken-3", "ssh-login", "failure"),
        (&failing, "kraken-3", "docker", "skipped"),
        (&failing, "kraken-7", "swarm-manager", "skipped"),
        (&failing, "kraken-1", "docker", "system-out"),
        (&failing, "cluster", "swarm-nodes", "failure"),
        (&failing, "cluster", "run", "system-out"),
        (&interrupted, "kraken-2", "docker", "error"),
        (&interrupted, "kraken-2", "swarm-manager", "error"),
        (&interrupted, "cluster", "run", "error"),
        (&gave_up, "kraken-2", "swarm-node", "error"),
    ] {
        assert_eq!(outcome(report, suite, case), ended, "{suite} {case}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ci_and_the_program_come_to_the_same_verdict(
        nodes in 0u8..4,
        interrupted in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..4), 0..6),
        emptied in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut report = reports::good(nodes, 1);
        report.interrupted = interrupted;
        for (place, outcome) in changes {
            let mut checks: Vec<_> = report.nodes.iter_mut().flat_map(|node| &mut node.checks).chain(&mut report.cluster_checks).collect();
            let count = checks.len();
            checks[place.index(count)].outcome =
                [Outcome::Passed, Outcome::Failed, Outcome::NotReached, Outcome::NotApplicable][outcome];
        }
        if let (Some(place), false) = (emptied, report.nodes.is_empty()) {
            let count = report.nodes.len();
            report.nodes[place.index(count)].checks.clear();
        }
        let xml = render::junit(&report);
        obeys_the_schemas(&xml);
        let document = Document::parse(&xml).unwrap();
        let root = document.root_element();
        let bad: u32 = ["failures", "errors"].iter().map(|name| root.attribute(*name).unwrap().parse::<u32>().unwrap()).sum();
        prop_assert_eq!(bad == 0, report.is_good(), "{}", xml);
        render::html(&report).unwrap();
    }
}

/// The rules that `junit-10.xsd` of Jenkins's xUnit plugin and `surefire-test-report.xsd` share:
/// the elements, their order, their required and optional attributes with types; and that the
/// counts are those of the cases.
fn obeys_the_schemas(xml: &str) {
    let document = Document::parse(xml).unwrap_or_else(|error| panic!("{error}:\n{xml}"));
    let root = document.root_element();
    assert!(root.has_tag_name("testsuites"));
    attributes(root, &["tests", "failures", "errors", "time"], &["name"]);
    let mut sums = [0, 0, 0];
    for suite in root.children().filter(Node::is_element) {
        assert!(suite.has_tag_name("testsuite"), "{suite:?}");
        attributes(
            suite,
            &["name", "tests", "failures", "errors", "skipped", "time"],
            &["timestamp"],
        );
        in_order(suite, &["properties", "testcase", "system-out"]);
        let cases: Vec<Node> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
        cases.iter().copied().for_each(case_obeys);
        let with = |name: &str| {
            cases
                .iter()
                .filter(|case| case.children().any(|node| node.has_tag_name(name)))
                .count()
        };
        assert_eq!(count(suite, "tests"), cases.len());
        assert_eq!(count(suite, "skipped"), with("skipped"));
        for (sum, number) in sums.iter_mut().zip([cases.len(), with("failure"), with("error")]) {
            *sum += number;
        }
        assert_eq!(
            [count(suite, "failures"), count(suite, "errors")],
            [with("failure"), with("error")]
        );
    }
    assert_eq!(["tests", "failures", "errors"].map(|name| count(root, name)), sums);
}

fn case_obeys(case: Node) {
    attributes(case, &["name", "classname", "time"], &[]);
    in_order(case, &["skipped", "error", "failure", "system-out"]);
    let ended: Vec<Node> = case
        .children()
        .filter(|node| {
            ["skipped", "error", "failure"]
                .iter()
                .any(|name| node.has_tag_name(*name))
        })
        .collect();
    assert!(ended.len() <= 1, "{case:?} ended in several ways");
    for node in ended {
        match node.has_tag_name("skipped") {
            true => attributes(node, &["message"], &[]),
            false => attributes(node, &["type", "message"], &[]),
        }
    }
}

fn count(node: Node, name: &str) -> usize {
    node.attribute(name).unwrap().parse().unwrap()
}

/// Checks that there are no attributes but these, with these types.
fn attributes(node: Node, needed: &[&str], allowed: &[&str]) {
    for name in needed {
        assert!(node.has_attribute(*name), "{node:?} has no {name}");
    }
    for attribute in node.attributes() {
        let (name, value) = (attribute.name(), attribute.value());
        assert!(needed.contains(&name) || allowed.contains(&name), "{node:?} has {name}");
        let fits = match name {
            "tests" | "failures" | "errors" | "skipped" => value.parse::<u32>().is_ok(),
            "time" => {
                value.parse::<f64>().is_ok_and(|time| time >= 0.0)
                    && value.chars().all(|c| c.is_ascii_digit() || c == '.')
            }
            "timestamp" => value.len() == 19 && format!("{value}Z").parse::<jiff::Timestamp>().is_ok(),
            _ => true,
        };
        assert!(fits, "{node:?}: {name} is {value:?}");
    }
}

/// Checks that there are these elements in this order, and no others.
fn in_order(node: Node, order: &[&str]) {
    let places: Vec<usize> = node
        .children()
        .filter(Node::is_element)
        .map(|child| {
            let name = child.tag_name().name();
            order
                .iter()
                .position(|known| *known == name)
                .unwrap_or_else(|| panic!("{node:?} has a {name}"))
        })
        .collect();
    assert!(
        places.is_sorted(),
        "{node:?}: its elements are not in the order {order:?}"
    );
}

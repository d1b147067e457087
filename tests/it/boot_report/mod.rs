//! A boot report as text, JSON, JUnit XML and HTML: what a user, a CI server and a browser receive.

mod html;
mod junit;
pub(crate) mod reports;

use kraken_flash::boot_check::{BootReport, Outcome, render};

/// Compares with `tests/golden/boot-report/NAME`.
fn golden(name: &str, got: &str) {
    testkit::golden::golden(&format!("tests/golden/boot-report/{name}"), got);
}

#[test]
fn the_text_says_what_is_right_in_a_line_and_all_of_what_is_not() {
    for (name, report) in [
        ("good.txt", reports::good(7, 3)),
        ("one-node.txt", single()),
        ("failing.txt", reports::failing()),
        ("interrupted.txt", reports::interrupted()),
        ("hostile.txt", reports::hostile()),
    ] {
        golden(name, &render::text(&report));
    }
}

/// A single node without a swarm: there is nothing to check between nodes.
fn single() -> BootReport {
    let mut report = reports::good(1, 0);
    report.nodes[0].role = "none".into();
    report
        .cluster_checks
        .iter_mut()
        .for_each(|check| check.outcome = Outcome::NotApplicable);
    report
}

#[test]
fn nothing_of_a_guest_moves_colours_or_hides_text() {
    let report = reports::hostile();
    for (name, shown) in [
        ("text", render::text(&report)),
        ("JUnit", render::junit(&report)),
        ("HTML", render::html(&report).unwrap()),
    ] {
        let bad: Vec<char> = shown
            .chars()
            .filter(|c| {
                (c.is_control() && *c != '\n') || (*c != '\u{fffd}' && kraken_foundation::text::is_deceptive(*c))
            })
            .collect();
        assert!(bad.is_empty(), "{name}: {bad:?}");
        assert!(shown.contains("gnp.exe"), "{name}: the evidence is gone");
    }
}

#[test]
fn the_json_is_the_report_and_whether_it_is_good() {
    for (report, good) in [
        (reports::good(7, 3), true),
        (reports::failing(), false),
        (reports::interrupted(), false),
    ] {
        let json = serde_json::to_value(render::json(&report)).unwrap();
        assert_eq!(json["good"], good);
        let mut plain = serde_json::to_value(&report).unwrap();
        plain["good"] = good.into();
        assert_eq!(json, plain);
    }
    let json = serde_json::to_string_pretty(&render::json(&single())).unwrap();
    golden("one-node.json", &format!("{json}\n"));
}

#[test]
fn a_report_is_good_only_when_something_was_proven_of_every_node() {
    let mut nothing = reports::good(2, 1);
    nothing.nodes[1].checks.clear();
    let mut idle = reports::good(2, 1);
    idle.nodes[1]
        .checks
        .iter_mut()
        .for_each(|check| check.outcome = Outcome::NotApplicable);
    for (name, report, said) in [
        ("no node", reports::good(0, 0), "no node was booted"),
        ("no check", nothing, "not proven: kraken-2"),
        ("none that applies", idle, "not proven: kraken-2"),
    ] {
        assert!(!report.is_good(), "{name}");
        assert!(
            render::text(&report).contains(said),
            "{name}: {}",
            render::text(&report)
        );
    }
}

#[test]
fn an_image_that_is_none_of_the_set_is_in_every_report_and_none_of_them_is_good() {
    let report = reports::with_a_stranger();
    assert!(!report.is_good());
    let said = "images/kraken-3.img is not an image of this set";
    let text = render::text(&report);
    golden("stranger.txt", &text);
    assert!(text.contains(said) && !text.contains("not right together"), "{text}");
    let xml = render::junit(&report);
    assert!(
        xml.contains("failures=\"1\" errors=\"0\"") && xml.contains("<failure type=\"set\"") && xml.contains(said),
        "{xml}"
    );
    let page = render::html(&report).unwrap();
    assert!(
        // The page escapes slashes.
        page.contains("kraken-3.img is not an image of this set")
            && page.contains("the folder has images that do not belong to this set"),
        "{page}"
    );
    let json = serde_json::to_value(render::json(&report)).unwrap();
    assert_eq!(
        (&json["good"], &json["cluster-checks"][0]["name"]),
        (&false.into(), &"set".into())
    );
    // The faults between nodes are reported beside it.
    let mut both = report;
    both.cluster_checks[2].outcome = Outcome::Failed;
    let text = render::text(&both);
    assert!(
        text.contains(
            "the nodes are not right together: swarm-nodes; the folder has images that do not belong to this set"
        ),
        "{text}"
    );
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let (one, other) = (reports::failing(), reports::failing());
    assert_eq!(render::html(&one).unwrap(), render::html(&other).unwrap());
    assert_eq!(render::junit(&one), render::junit(&other));
    assert_eq!(render::text(&one), render::text(&other));
}

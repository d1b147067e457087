//! The HTML report, read as XHTML: its content, and that no hostile text becomes part of the page.

use std::collections::BTreeSet;

use kraken_flash::boot_check::{BootReport, render};
use roxmltree::{Document, Node, ParsingOptions};

use crate::boot_report::reports;

fn page(report: &BootReport, look: impl FnOnce(&Document)) {
    let html = render::html(report).unwrap();
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    look(&Document::parse_with_options(&html, options).unwrap_or_else(|error| panic!("{error}:\n{html}")));
}

fn all_text(node: Node) -> String {
    let text: String = node
        .descendants()
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .collect::<Vec<_>>()
        .join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_says_verdict_facts_and_every_failure_with_its_cause() {
    page(&reports::failing(), |page| {
        let text = all_text(page.root());
        for said in [
            "2 of 7 nodes are wrong: kraken-3, kraken-5; the nodes are not right together: swarm-nodes",
            "QEMU 10.0.2",
            "2026-11-25 04:41:00 UTC",
            "1.8 times slower than the reference",
            "a shell within 120 s",
            "Permission denied (publickey).",
            "none of the keys on the card is the one of kraken.toml",
            "Kernel panic - not syncing: VFS: Unable to mount root fs",
            "images/boot/kraken-5.console.log",
            "a key of the emulator's own",
        ] {
            assert!(text.contains(said), "{said:?} is not in the page:\n{text}");
        }
    });
}

#[test]
fn every_node_is_in_picture_timeline_and_tables_and_links_lead_somewhere() {
    for nodes in [1, 2, 3, 7, 10, 11, 20, 45] {
        page(&reports::good(nodes, 3), |page| {
            let count = |class: &str| {
                page.descendants()
                    .filter(|node| node.attribute("class").is_some_and(|of| of.starts_with(class)))
                    .count()
            };
            let nodes = usize::from(nodes);
            assert_eq!(count("card "), 2 * nodes, "in the pictures");
            assert_eq!(count("panel node"), nodes, "in the tables");
            assert_eq!(count("track right"), nodes + 1, "in the timeline, and all together");
            let ids: Vec<&str> = page.descendants().filter_map(|node| node.attribute("id")).collect();
            assert_eq!(
                ids.iter().collect::<BTreeSet<_>>().len(),
                ids.len(),
                "an id is there twice: {ids:?}"
            );
            let links = page
                .descendants()
                .filter_map(|node| node.attribute("href"))
                .filter_map(|link| link.strip_prefix('#'));
            for link in links {
                assert!(ids.contains(&link), "#{link} leads nowhere");
            }
        });
    }
}

/// Checks that cards are inside the picture, that none overlaps another or the switch, and that no
/// cable crosses a card.
#[test]
fn pictures_of_one_to_forty_nodes_have_room_for_all() {
    for nodes in 1..=40 {
        page(&reports::good(nodes, 1), |page| {
            for picture in page
                .descendants()
                .filter(|node| node.attribute("class").is_some_and(|of| of.starts_with("picture")))
            {
                let number = |node: Node, name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
                let size = (number(picture, "width"), number(picture, "height"));
                let boxes: Vec<[f64; 4]> = picture
                    .descendants()
                    .filter(|node| {
                        node.attribute("class")
                            .is_some_and(|of| of.starts_with("card") || of == "switch")
                    })
                    .map(|node| {
                        let (x, y) = (number(node, "x"), number(node, "y"));
                        [x, y, x + number(node, "width"), y + number(node, "height")]
                    })
                    .collect();
                for (index, one) in boxes.iter().enumerate() {
                    assert!(
                        one[0] >= 0.0 && one[1] >= 0.0 && one[2] <= size.0 && one[3] <= size.1,
                        "{nodes}: {one:?} of {size:?}"
                    );
                    for other in &boxes[index + 1..] {
                        let apart =
                            one[2] <= other[0] || other[2] <= one[0] || one[3] <= other[1] || other[3] <= one[1];
                        assert!(apart, "{nodes}: {one:?} lies on {other:?}");
                    }
                }
                for cable in picture
                    .descendants()
                    .filter(|node| node.attribute("class").is_some_and(|of| of.starts_with("cable")))
                {
                    for (x, y) in points(cable.attribute("d").unwrap()) {
                        let inside = boxes.iter().find(|of| of[0] < x && x < of[2] && of[1] < y && y < of[3]);
                        assert!(inside.is_none(), "{nodes}: a cable is at {x} {y}, in {inside:?}");
                    }
                }
            }
        });
    }
}

/// Returns points along a path of `M x y`, `V y`, `H x` and `Q x y x y`, close enough to each other
/// to hit every card on the way.
fn points(path: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let starts: Vec<usize> = path
        .match_indices(|c: char| c.is_ascii_uppercase())
        .map(|(at, _)| at)
        .collect();
    for (index, at) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(path.len());
        let numbers: Vec<f64> = path[at + 1..end]
            .split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect();
        let last = points.last().copied();
        let to = match (&path[*at..=*at], last) {
            ("M", None) => (numbers[0], numbers[1]),
            ("V", Some((x, _))) => (x, numbers[0]),
            ("H", Some((_, y))) => (numbers[0], y),
            ("Q", Some(_)) => (numbers[2], numbers[3]),
            (other, _) => panic!("{other} in {path}"),
        };
        let from = last.unwrap_or(to);
        points.extend(
            (0..=50)
                .map(|step| f64::from(step) / 50.0)
                .map(|part| (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part)),
        );
    }
    points
}

#[test]
fn hostile_text_becomes_no_part_of_the_page() {
    let shape = |report: &BootReport| {
        let (mut elements, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        page(report, |page| {
            for node in page.descendants().filter(Node::is_element) {
                elements.insert(node.tag_name().name().to_owned());
                attributes.extend(node.attributes().map(|attribute| attribute.name().to_owned()));
                for attribute in node
                    .attributes()
                    .filter(|attribute| ["href", "src"].contains(&attribute.name()))
                {
                    let value = attribute.value();
                    assert!(value.starts_with('#') || value == "data:,", "a link to {value}");
                }
            }
        });
        (elements, attributes)
    };
    assert_eq!(shape(&reports::hostile()), shape(&reports::failing()));
    let html = render::html(&reports::hostile()).unwrap();
    assert!(
        html.contains("{{ 7 * 7 }}") && !html.contains("<script"),
        "the text of a guest was worked on"
    );
}

#[test]
fn the_page_asks_for_nothing_and_forbids_asking() {
    let html = render::html(&reports::failing()).unwrap();
    assert!(html.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""));
    let addresses: BTreeSet<&str> = html.split('"').filter(|part| part.contains("://")).collect();
    assert_eq!(
        addresses.into_iter().collect::<Vec<_>>(),
        ["http://www.w3.org/2000/svg"]
    );
    assert!(!html.contains("@import") && !html.contains("<script"));
}

//! Hostile texts: no panic, no hang.

use proptest::prelude::*;

use crate::keys::SECTIONS;
use crate::tests::{EVERYTHING, read};

/// Pieces of which hostile texts are made.
fn piece() -> impl Strategy<Value = String> {
    let keys = SECTIONS.iter().flat_map(|section| section.keys).map(|key| key.name);
    let mut pieces: Vec<String> = keys.map(|key| format!("{key}:")).collect();
    let others = [
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        " ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a ",
        "<<: ",
        "\"",
        "'",
        "#",
        "web:",
        "${A}",
        "$",
        "80:80",
        "1-65535",
        "/a:/b",
        "a:b:c",
        "true",
        "0",
        "-1",
        "1e99",
        "0x",
        "ü",
        "\u{feff}",
        "\r",
        "\t",
        "|",
        ">",
        "? ",
        "!!str ",
        "--- ",
        "...",
        "%YAML",
        "x-a:",
        "1s",
        "9999999999999999999h",
    ];
    pieces.extend(others.map(str::to_owned));
    proptest::sample::select(pieces)
}

proptest! {
    #[test]
    fn no_text_panics_or_hangs(pieces in proptest::collection::vec(piece(), 0..60)) {
        let text = pieces.concat();
        let _ = read(&text);
        let _ = read(&format!("services:\n  web:\n    image: x\n    {text}"));
    }

    #[test]
    fn no_value_of_a_service_panics(key in piece(), value in "\\PC{0,40}") {
        let _ = read(&format!("services:\n  web:\n    image: x\n    {key} {value}\n"));
        let _ = read(&format!("services: {{web: {{image: x, deploy: {{{key} {value}}}}}}}\n"));
    }

    #[test]
    fn a_change_of_a_good_file_panics_nowhere(at in 0..EVERYTHING.len(), length in 0..40usize, piece in piece()) {
        let mut text = EVERYTHING.as_bytes().to_vec();
        let end = (at + length).min(text.len());
        text.splice(at..end, piece.bytes());
        let _ = read(&String::from_utf8_lossy(&text));
    }
}

#[test]
fn large_hostile_texts_end_soon() {
    let begun = std::time::Instant::now();
    let mib = 1 << 18;
    for text in [
        "[".repeat(mib),
        "{a: ".repeat(mib / 4),
        "- ".repeat(mib / 2),
        "a: ".repeat(mib / 3),
        format!("services: [{}]", "x, ".repeat(mib / 3 - 10)),
        format!("services:\n{}", "  a: {image: x}\n".repeat(mib / 16 - 10)),
        (0..60_000).map(|number| format!("k{number}: x\n")).collect(),
        "\"".repeat(mib),
        "a\n".repeat(mib / 2),
        "&a ".repeat(mib / 3),
        "#".repeat(mib),
        format!("services: {{web: {{image: \"{}\"}}}}", "$A".repeat(mib / 2 - 50)),
        format!(
            "services: {{web: {{image: x, ports: [{}]}}}}",
            "1-1024, ".repeat(mib / 8 - 10)
        ),
        format!(
            "services: {{web: {{image: x, environment: [{}]}}}}",
            "A, ".repeat(mib / 3 - 50)
        ),
    ] {
        let start: String = text.chars().take(30).collect();
        let began = std::time::Instant::now();
        assert!(read(&text).is_err(), "{start}");
        eprintln!("{start}: {:?}", began.elapsed());
    }
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

//! From text to cluster: the defaults, numbers that are counted up, the largest clusters, and
//! arbitrary text.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kraken_spec::keys;
use kraken_spec::{BaseRef, Cluster, DefaultKeys, Files, Role, Sudo};
use proptest::prelude::*;

/// A user without keys.
struct Nothing;

impl Files for Nothing {
    fn locate(&self, written: &str) -> PathBuf {
        Path::new("/spec").join(written)
    }
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::other("no such file"))
    }
    fn read_secret(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path)
    }
    fn is_file(&self, _: &Path) -> bool {
        true
    }
    fn is_folder(&self, _: &Path) -> bool {
        true
    }
    fn default_ssh_keys(&self) -> DefaultKeys {
        DefaultKeys::ToBeMade
    }
}

fn cluster(text: &str) -> Cluster {
    kraken_spec::load("x", text, &Nothing).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"))
}

fn json(cluster: &Cluster) -> serde_json::Value {
    serde_json::to_value(cluster).unwrap()
}

#[test]
fn the_empty_spec_is_the_kraken_of_seven() {
    let kraken = cluster("");
    assert_eq!(kraken.name, "kraken");
    assert_eq!(kraken.network.subnet.to_string(), "192.168.3.0/24");
    assert_eq!(kraken.network.gateway, Ipv4Addr::new(192, 168, 3, 1));
    assert_eq!(kraken.network.dns, [Ipv4Addr::new(192, 168, 3, 1)]);
    assert_eq!(kraken.image.base, BaseRef::Catalogue("raspios-lite-arm64".into()));
    assert_eq!(
        (kraken.user.name.as_str(), kraken.user.sudo),
        ("kraken", Sudo::Nopasswd)
    );
    assert_eq!(
        (kraken.system.timezone.as_str(), kraken.system.locale.as_str()),
        ("Etc/UTC", "C.UTF-8")
    );
    assert_eq!(kraken.nodes.len(), 7);
    for (index, node) in (1_u8..).zip(&kraken.nodes) {
        assert_eq!(node.number, u32::from(index));
        assert_eq!(node.hostname, format!("kraken-{index}"));
        assert_eq!(node.address, Ipv4Addr::new(192, 168, 3, 10 + index));
        assert_eq!(node.role, if index == 1 { Role::Manager } else { Role::Worker });
    }
}

/// Returns the text of `init` with its `#key = value` lines made active.
fn uncommented(text: &str) -> String {
    let alive = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(alive).collect()
}

#[test]
fn the_commented_file_shows_exactly_the_defaults() {
    let text = keys::template("2026-11-23");
    for text in [text.clone(), uncommented(&text)] {
        let mut written = cluster(&text);
        assert_eq!(written.system.clock_floor.take(), Some(1_795_392_000));
        assert_eq!(json(&written), json(&cluster("")), "{text}");
    }
    assert_eq!(uncommented(&text).matches("\nnodes = 7\n").count(), 1);
}

#[test]
fn the_example_node_of_the_commented_file_is_a_good_one() {
    let text = keys::template("2026-11-23");
    let (_, example) = text.split_once("# [[node]]\n").unwrap();
    let example: Vec<&str> = example.lines().map(|line| line.strip_prefix("# ").unwrap()).collect();
    let made = cluster(&format!("[[node]]\n{}", example.join("\n")));
    assert_eq!(made.nodes[2].hostname, "storage");
    assert_eq!(made.nodes[2].labels["disk"], "ssd");
}

#[test]
fn numbers_beyond_seven_make_the_cluster_larger_and_others_do_not() {
    for (text, count) in [
        ("[[node]]\nnumber = 3\nhostname = \"c\"\n", 7),
        ("[[node]]\nnumber = 9\n[[node]]\nnumber = 8\n", 9),
        ("[cluster]\nnodes = 2\n[[node]]\nnumber = 2\n", 2),
        ("[cluster]\nnodes = 1\n", 1),
    ] {
        assert_eq!(cluster(text).nodes.len(), count, "{text}");
    }
}

#[test]
fn the_kind_of_a_base_follows_from_its_form() {
    for (text, want) in [
        ("debian", BaseRef::Debian),
        ("raspios-lite-armhf", BaseRef::Catalogue("raspios-lite-armhf".into())),
        (
            "Raspberry Pi OS Lite (64-bit)",
            BaseRef::Catalogue("Raspberry Pi OS Lite (64-bit)".into()),
        ),
        ("os.img.xz", BaseRef::Path("/spec/os.img.xz".into())),
        ("./os", BaseRef::Path("/spec/./os".into())),
        ("/os", BaseRef::Path("/os".into())),
        ("https://example.org/x", BaseRef::Url("https://example.org/x".into())),
    ] {
        assert_eq!(
            cluster(&format!("[image]\nbase = \"{text}\"\n")).image.base,
            want,
            "{text}"
        );
    }
}

#[test]
fn the_clock_floor_is_a_date_or_a_time() {
    for text in [
        "\"2026-11-23\"",
        "2026-11-23",
        "\"2026-11-23T01:00:00+01:00\"",
        "2026-11-23T00:00:00Z",
    ] {
        let made = cluster(&format!("[system]\nclock-floor = {text}\n"));
        assert_eq!(made.system.clock_floor, Some(1_795_392_000), "{text}");
    }
    for text in [
        "2026-11-23T00:00:00",
        "\"1970-01-01\"",
        "\"2038-01-20\"",
        "\"2026-02-30\"",
        "12:00:00",
    ] {
        assert!(
            kraken_spec::load("x", &format!("[system]\nclock-floor = {text}\n"), &Nothing).is_err(),
            "{text}"
        );
    }
}

#[test]
fn nodes_show_their_stages_unless_one_line_says_no() {
    for (text, status) in [
        ("", true),
        ("[system]\nstatus = true\n", true),
        ("[system]\nstatus = false\n", false),
    ] {
        assert_eq!(cluster(text).system.status, status, "{text}");
    }
    for wrong in ["[system]\nstatus = \"no\"\n", "[system]\nstatus = 0\n"] {
        let errors = kraken_spec::load("x", wrong, &Nothing).unwrap_err();
        assert!(
            errors.problems()[0].hint().unwrap().contains("status = true"),
            "{errors:?}"
        );
    }
    let elsewhere = kraken_spec::load("x", "status = false\n", &Nothing).unwrap_err();
    assert_eq!(elsewhere.problems()[0].hint(), Some("`status` belongs in [system]"));
    // Its name before 0.1.0.
    let old = kraken_spec::load("x", "[system]\ntell = false\n", &Nothing).unwrap_err();
    assert_eq!(
        old.problems()[0].hint(),
        Some("`tell` is called `status` now, in [system]")
    );
}

#[test]
fn large_clusters_are_resolved_at_once() {
    let mut text = String::from("[cluster]\nnodes = 10000\n[network]\nsubnet = \"10.9.0.0/16\"\n");
    for number in 1..=10_000 {
        text.push_str(&format!(
            "[[node]]\nnumber = {number}\nlabels = {{ rack = \"r{}\" }}\n",
            number % 40
        ));
    }
    let start = Instant::now();
    assert_eq!(cluster(&text).nodes.len(), 10_000);
    // Generous for a busy machine and an unoptimised build; comparing each node with each other
    // would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        render(&text);
    }

    #[test]
    fn mutated_specs_never_panic(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), ".{0,8}"), 1..6)
    ) {
        let mut text = uncommented(&keys::template("2026-11-23"));
        text.push_str("[[node]]\nnumber = 3\nmac = \"b8:27:eb:12:34:56\"\nlabels = { disk = \"ssd\" }\n");
        for (at, with) in cuts {
            let mut from = at.index(text.len());
            while !text.is_char_boundary(from) { from -= 1; }
            let to = text.char_indices().map(|(i, _)| i).find(|i| *i > from + 3).unwrap_or(text.len());
            text.replace_range(from..to, &with);
        }
        render(&text);
    }

    #[test]
    fn arbitrary_values_never_panic(value in any::<String>()) {
        let value = toml_string(&value);
        for key in [
            "[cluster]\nname", "[network]\nsubnet", "[network]\ngateway", "[image]\nbase", "[image]\nmirror", "[user]\nname",
            "[system]\nclock-floor", "[system]\nlocale", "[[node]]\nnumber = 1\nmac", "[[node]]\nnumber = 1\nhostname",
        ] {
            render(&format!("{key} = {value}\n"));
        }
        render(&format!("[user]\nssh-keys = [{value}]\npassword-hash-file = {value}\n"));
    }
}

/// Loads a spec, and shows why when it is wrong.
fn render(text: &str) {
    if let Err(errors) = kraken_spec::load("x", text, &Nothing) {
        let mut shown = String::new();
        miette::GraphicalReportHandler::new()
            .render_report(&mut shown, &errors)
            .unwrap();
        assert!(!errors.problems().is_empty());
    }
}

/// Returns a TOML basic string.
fn toml_string(text: &str) -> String {
    let escaped: String = text.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect();
    format!("\"{escaped}\"")
}

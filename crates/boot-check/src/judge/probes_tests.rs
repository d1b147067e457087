//! Tests the judges with recorded output of real guests (`tests/fixtures/probes/`; each file names
//! the command that recorded it).

use super::tests::cluster;
use super::*;
use kraken_guest::limits::Limits;

macro_rules! probes {
    ($($name:literal),* $(,)?) => {
        [$((
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/probes/", $name, ".txt")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/probes/", $name, ".says")),
        )),*]
    };
}

/// The name of each recording, the recording, and the expected verdicts, a line for each check.
const PROBES: [(&str, &str, &str); 9] = probes![
    "manager-right",
    "worker-right",
    "worker-configuring",
    "worker-docker-starting",
    "worker-cloud-init-running",
    "worker-runcmd-empty",
    "other-key",
    "manager-key-gone-trying",
    "manager-key-gone",
];

/// Returns the value of a line at the head of a recording.
fn head<'a>(probe: &'a str, name: &str) -> &'a str {
    let start = format!("# {name}: ");
    let line = probe.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("the probe does not say its {name}"))
}

/// Returns a line for each check: the kind of its verdict (`good`, `bad`, `not yet`, `nothing`) and
/// what was seen. Each check is shown the whole probe, or the parts that it `reads` only.
fn verdicts(probe: &str, reads_only: bool) -> Vec<String> {
    let mut cluster = cluster();
    cluster.user.ssh_keys = vec![head(probe, "key").to_owned()];
    let number: usize = head(probe, "node").parse().unwrap();
    let mac = format!("52:54:00:6b:00:0{number}");
    let view = NodeView {
        cluster: &cluster,
        node: &cluster.nodes[number - 1],
        mac: &mac,
        managers_are_there: true,
        limits: Limits::of(1.0),
    };
    let whole = ProbeOutput::parse(probe);
    let line = |rule: &Rule| {
        let probe = match reads_only {
            true => whole.only(rule.reads),
            false => whole.clone(),
        };
        let (what, seen) = match (rule.judge)(&probe, &view) {
            Verdict::Good(seen) => ("good", seen),
            Verdict::Bad { seen, cause, .. } => ("bad", format!("{seen} <- {}", cause.unwrap_or_default())),
            Verdict::NotYet { seen, .. } => ("not yet", seen),
            Verdict::Nothing(seen) => ("nothing", seen),
        };
        let first = seen.lines().next().unwrap_or_default().trim_end();
        format!("{}: {what}: {first}", rule.name)
    };
    RULES.iter().map(line).collect()
}

#[test]
fn every_check_says_of_each_what_it_shows() {
    for (name, probe, wanted) in PROBES {
        let said = verdicts(probe, false).join("\n") + "\n";
        assert_eq!(said, wanted, "{name}:\n{said}");
    }
}

#[test]
fn a_check_reads_no_parts_but_those_that_it_declares() {
    for (name, probe, _) in PROBES {
        assert_eq!(verdicts(probe, true), verdicts(probe, false), "{name}");
    }
}

#[test]
fn every_recorded_probe_is_judged() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/probes");
    let files = std::fs::read_dir(folder).unwrap();
    assert_eq!(files.count(), 2 * PROBES.len());
}

//! What `docker stack deploy` sends for the compose files of `tests/fixtures/stacks`, and what a
//! dockerd makes of it, is as the recordings beside them say. `kraken-stack` is compared with the
//! recordings in its own tests.
//!
//! `SNAPSHOTS=overwrite` records again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value, json};
use testkit::golden::golden;
use testkit::said;
use testkit::swarm::{Bench, Engine, Node};

const FOLDER: &str = "tests/fixtures/stacks";
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the recorder listens.
const RECORDER: &str = "unix:///run/record.sock";

/// The variables of every deployment: those of `crates/stack/src/recorded.rs`.
const VARIABLES: [&str; 7] = [
    "TAG=1.27",
    "SET=set",
    "EMPTY=",
    "REPLICAS=2",
    "YES=true",
    "PORT=8000",
    "PORT2=9000",
];

/// A release of Debian whose client and dockerd are recorded.
struct Release {
    suite: &'static str,
    /// What is written before each compose file: no client before 25 does without a version.
    before: &'static str,
    /// What it does not know.
    without: &'static [&'static str],
}

#[test]
fn swarm_stacks_of_bookworm_are_as_recorded() {
    record(&Release {
        suite: "bookworm",
        before: "version: \"3.9\"\n",
        without: &["jobs", "start_interval"],
    });
}

#[test]
fn swarm_stacks_of_trixie_are_as_recorded() {
    record(&Release {
        suite: "trixie",
        before: "",
        without: &[],
    });
}

#[test]
fn swarm_stacks_of_sid_are_as_recorded() {
    record(&Release {
        suite: "sid",
        before: "",
        without: &[],
    });
}

fn record(release: &Release) {
    let bench = Bench::new(&Engine::suite(release.suite));
    let node = bench.node("m1", "10.71.0.1", None);
    node.start();
    node.wait_api(TIMEOUT);
    // A drained node runs no tasks: only what is asked for matters.
    node.docker(&[
        "swarm",
        "init",
        "--advertise-addr",
        "10.71.0.1",
        "--availability",
        "drain",
    ]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    node.put("/srv/record.py", fs::read(root.join("record.py")).unwrap(), 0o644);
    let mut recorder = node
        .command("python3")
        .args([
            "/srv/record.py",
            "/run/record.sock",
            "/run/docker.sock",
            "/srv/requests",
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    bench.wait_for("the recorder", TIMEOUT, || {
        let mut version = node.command("docker");
        let version = version.args(["-H", RECORDER, "version"]).output().unwrap();
        version.status.success().then_some(())
    });
    for case in cases(&root) {
        let name = case.file_name().unwrap().to_str().unwrap();
        if !release.without.contains(&name) {
            let recording = deploy(&bench, &node, &case, name, release.before);
            let text = serde_json::to_string_pretty(&recording).unwrap() + "\n";
            golden(&format!("{FOLDER}/{name}/{}.json", release.suite), &text);
        }
    }
    recorder.kill().unwrap();
    recorder.wait().unwrap();
}

/// The folders with compose files.
fn cases(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("compose.yaml").is_file()).collect();
    cases.sort();
    assert!(cases.len() >= 12, "{cases:?}");
    cases
}

/// Deploys a compose file; returns what the client sent, and what dockerd has then.
fn deploy(bench: &Bench, node: &Node, case: &Path, name: &str, before: &str) -> Value {
    for entry in fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        if file == "compose.yaml" {
            bytes.splice(..0, before.bytes());
        }
        if !file.ends_with(".json") {
            node.put(&format!("/srv/{name}/{file}"), bytes, 0o644);
        }
    }
    node.put("/srv/requests", "", 0o644);
    let compose = format!("/srv/{name}/compose.yaml");
    let output = node
        .command("env")
        .args(VARIABLES)
        .args([
            "timeout",
            "60",
            "docker",
            "-H",
            "unix:///run/record.sock",
            "stack",
            "deploy",
        ])
        .args(["--resolve-image", "never", "--compose-file", &compose, name])
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", said(&output));
    let sent = node.command("cat").arg("/srv/requests").output().unwrap();
    let sent = requests(&String::from_utf8(sent.stdout).unwrap());
    let objects = bench.wait_for("the objects", TIMEOUT, || objects(node, name, &sent));
    // A network goes when the last task is gone, which takes a moment.
    bench.wait_for("the end of the stack", TIMEOUT, || {
        let removed = node.try_docker(&["stack", "rm", name]);
        removed.status.success().then_some(())
    });
    json!({ "requests": without_ids(json!(sent), &ids(&objects)), "objects": without_ids(specs(&objects), &ids(&objects)) })
}

/// What was created, by kind and name.
type Sent = BTreeMap<String, BTreeMap<String, Value>>;

fn requests(lines: &str) -> Sent {
    let mut sent = Sent::new();
    for line in lines.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        let kind = request["kind"].as_str().unwrap().to_owned();
        let name = request["body"]["Name"].as_str().unwrap().to_owned();
        let twice = sent.entry(kind).or_default().insert(name, request["body"].clone());
        assert!(twice.is_none(), "{line} was sent twice");
    }
    sent
}

/// The objects of a stack, by kind and name, as the API shows them.
fn objects(node: &Node, stack: &str, sent: &Sent) -> Option<Sent> {
    let mut objects = Sent::new();
    for (kind, named) in sent {
        let all = node.api(&format!("/{kind}")).ok()?;
        for object in all.as_array()? {
            let spec = object.get("Spec").unwrap_or(object);
            if spec["Labels"]["com.docker.stack.namespace"] == *stack {
                let name = spec["Name"].as_str()?.to_owned();
                objects.entry(kind.clone()).or_default().insert(name, object.clone());
            }
        }
        assert_eq!(
            objects.get(kind).map(BTreeMap::len),
            Some(named.len()),
            "{kind} of {stack}"
        );
    }
    Some(objects)
}

/// The names of objects by their ids.
fn ids(objects: &Sent) -> BTreeMap<String, String> {
    let objects = objects.values().flatten();
    let ids = objects.map(|(name, object)| {
        let id = object.get("ID").or_else(|| object.get("Id")).unwrap();
        (id.as_str().unwrap().to_owned(), format!("id of {name}"))
    });
    ids.collect()
}

/// What was asked for of each object. A network has no `Spec`; what the leader adds to it (subnet,
/// VXLAN id) differs from time to time.
fn specs(objects: &Sent) -> Value {
    let mut specs = Map::new();
    for (kind, named) in objects {
        let named = named.iter().map(|(name, object)| {
            let spec = match object.get("Spec") {
                Some(spec) => spec.clone(),
                None => {
                    let kept = ["Name", "Driver", "Scope", "Internal", "Attachable", "Ingress", "Labels"];
                    kept.iter()
                        .map(|key| ((*key).to_owned(), object[*key].clone()))
                        .collect()
                }
            };
            (name.clone(), spec)
        });
        specs.insert(kind.clone(), named.collect());
    }
    Value::Object(specs)
}

fn without_ids(value: Value, ids: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => ids.get(&text).cloned().unwrap_or(text).into(),
        Value::Array(list) => list.into_iter().map(|value| without_ids(value, ids)).collect(),
        Value::Object(map) => {
            let map = map.into_iter();
            map.map(|(key, value)| (key, without_ids(value, ids))).collect()
        }
        other => other,
    }
}

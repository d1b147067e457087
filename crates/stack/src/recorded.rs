//! The translation is what `docker stack deploy` of three releases sends: compared with the
//! recordings of `tests/fixtures/stacks`, field by field.

mod differences;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use differences::{ALL, Difference, SENT, SHOWN};

use crate::keys::{SECTIONS, Support};
use crate::reader::taken;
use crate::{FileKind, Files, Sources, Stack, parse};

/// The folder of a case.
struct Folder(PathBuf);

impl Files for Folder {
    fn read(&self, path: &str, _: FileKind, _: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        fs::read(self.0.join(path)).map(Zeroizing::new)
    }
}

/// The variables of every recording: those of `tests/it/swarm_stacks.rs`.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "TAG" => "1.27",
        "SET" => "set",
        "EMPTY" => "",
        "REPLICAS" => "2",
        "YES" => "true",
        "PORT" => "8000",
        "PORT2" => "9000",
        _ => return None,
    };
    Some(value.to_owned())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/stacks")
}

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("compose.yaml").is_file()).collect();
    cases.sort();
    cases
}

fn stack(case: &Path) -> Stack {
    let text = fs::read_to_string(case.join("compose.yaml")).unwrap();
    let name = case.file_name().unwrap().to_str().unwrap();
    let sources = Sources {
        variables: &variable,
        files: &Folder(case.to_owned()),
        passwords: &|_| panic!("no case has one"),
    };
    parse("compose.yaml", &text, name, &sources).unwrap_or_else(|errors| panic!("{name}: {:?}", errors.problems()))
}

/// The objects of a stack as the recordings have them, by kind and name.
fn translated(stack: &Stack) -> BTreeMap<&'static str, BTreeMap<String, Value>> {
    let secrets = stack.secrets.iter().map(|secret| {
        let mut value = json!(secret);
        value["Data"] = STANDARD.encode(secret.data.reveal()).into();
        (secret.name.clone(), value)
    });
    let networks = stack
        .networks
        .iter()
        .map(|network| (network.name.clone(), json!(network)));
    let configs = stack.configs.iter().map(|config| (config.name.clone(), json!(config)));
    let services = stack
        .services
        .iter()
        .map(|service| (service.spec.name.clone(), json!(service.spec)));
    let all: [(_, BTreeMap<_, _>); 4] = [
        ("networks", networks.collect()),
        ("secrets", secrets.collect()),
        ("configs", configs.collect()),
        ("services", services.collect()),
    ];
    all.into_iter().filter(|(_, named)| !named.is_empty()).collect()
}

/// Takes the known differences out of a recorded object, after checking that they are what the
/// table says.
fn without(mut value: Value, suite: &str, kind: &str, differences: &[Difference]) -> Value {
    for difference in differences {
        if difference.suites.contains(&suite) && difference.kind == kind {
            let expected: Value = serde_json::from_str(difference.value).unwrap();
            remove(&mut value, difference.path, &expected);
        }
    }
    value
}

/// Removes a field that has this value; `[]` in the path is every item of a list.
fn remove(value: &mut Value, path: &[&str], expected: &Value) {
    match (path, value) {
        (["[]", rest @ ..], Value::Array(list)) => list.iter_mut().for_each(|item| remove(item, rest, expected)),
        ([last], Value::Object(map)) if map.get(*last) == Some(expected) => {
            map.remove(*last);
        }
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                remove(inner, rest, expected);
            }
        }
        _ => {}
    }
}

/// Removes ids, which a translation does not have.
fn without_ids(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(without_ids).collect(),
        Value::Object(map) => {
            let map = map
                .into_iter()
                .filter(|(key, _)| key != "SecretID" && key != "ConfigID");
            Value::Object(map.map(|(key, value)| (key, without_ids(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Every path at which two values differ.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
            for key in keys {
                let none = Value::String("(absent)".to_owned());
                let (ours, theirs) = (ours.get(key).unwrap_or(&none), theirs.get(key).unwrap_or(&none));
                differences(&format!("{path}.{key}"), ours, theirs, found);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                differences(&format!("{path}[{index}]"), ours, theirs, found);
            }
        }
        (Value::Number(ours), Value::Number(theirs)) if close(ours, theirs) => {}
        _ if ours == theirs => {}
        _ => found.push(format!("{path}: {ours} here, {theirs} there")),
    }
}

/// Ratios are of 32 bits, and JSON writes them in 64.
fn close(ours: &serde_json::Number, theirs: &serde_json::Number) -> bool {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(a), Some(b)) if ours.is_f64() || theirs.is_f64() => (a - b).abs() < 1e-6,
        _ => ours == theirs,
    }
}

/// Puts a value where a field is absent or empty, if what it is in is there.
fn fill(value: &mut Value, path: &[&str], default: &Value) {
    match (path, value) {
        (["[]", rest @ ..], Value::Array(list)) => list.iter_mut().for_each(|item| fill(item, rest, default)),
        ([last], Value::Object(map)) => {
            let field = map.entry(*last).or_insert(Value::Null);
            if field.is_null() || field == "" {
                *field = default.clone();
            }
        }
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                fill(inner, rest, default);
            }
        }
        _ => {}
    }
}

/// A recording.
struct Recording {
    suite: &'static str,
    /// How a message names it.
    name: String,
    requests: Value,
    objects: Value,
}

fn recordings(case: &Path) -> Vec<Recording> {
    let read = |suite: &&'static str| {
        let text = fs::read_to_string(case.join(format!("{suite}.json"))).ok()?;
        let recorded: Value = serde_json::from_str(&text).unwrap();
        Some(Recording {
            suite,
            name: format!("{suite}: {}", case.file_name().unwrap().to_str().unwrap()),
            requests: recorded["requests"].clone(),
            objects: recorded["objects"].clone(),
        })
    };
    ALL.iter().filter_map(read).collect()
}

/// Applies a function to every object of a recording.
fn each(kinds: Value, change: impl Fn(&str, Value) -> Value) -> Value {
    let Value::Object(kinds) = kinds else {
        panic!("no kinds")
    };
    let kinds = kinds.into_iter().map(|(kind, named)| {
        let Value::Object(named) = named else {
            panic!("no objects")
        };
        let named = named.into_iter().map(|(name, value)| (name, change(&kind, value)));
        let named = Value::Object(named.collect());
        (kind, named)
    });
    Value::Object(kinds.collect())
}

#[test]
fn what_is_translated_is_what_three_releases_send() {
    let (mut found, mut compared) = (Vec::new(), 0);
    for case in cases() {
        let ours = json!(translated(&stack(&case)));
        for recording in recordings(&case) {
            let suite = recording.suite;
            let change = |kind: &str, value| without(without_ids(value), suite, kind, SENT);
            let theirs = each(recording.requests, change);
            differences(&recording.name, &ours, &theirs, &mut found);
            compared += 1;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(compared, 34, "recordings");
}

/// What the API shows of an object that was translated.
fn shown(kind: &str, mut value: Value) -> Value {
    let mut forget = |key: &str| value.as_object_mut().unwrap().remove(key);
    match kind {
        // Of a network there is only what the recorder keeps.
        "networks" => {
            forget("Options");
            forget("IPAM");
        }
        "secrets" => {
            forget("Data");
        }
        "services" => {
            for (path, default) in SHOWN {
                fill(&mut value, path, &serde_json::from_str(default).unwrap());
            }
            for network in value["TaskTemplate"]["Networks"].as_array_mut().unwrap() {
                network["Target"] = format!("id of {}", network["Target"].as_str().unwrap()).into();
            }
        }
        _ => {}
    }
    value
}

#[test]
fn what_is_translated_is_what_three_dockerds_show() {
    let (mut found, mut compared) = (Vec::new(), 0);
    for case in cases() {
        let ours = each(json!(translated(&stack(&case))), shown);
        for recording in recordings(&case) {
            let suite = recording.suite;
            let change = |kind: &str, mut value: Value| {
                if kind == "networks" {
                    assert_eq!(value["Scope"], "swarm");
                    remove(&mut value, &["Scope"], &json!("swarm"));
                }
                without(without_ids(value), suite, kind, SENT)
            };
            let theirs = each(recording.objects, change);
            differences(&recording.name, &ours, &theirs, &mut found);
            compared += 1;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(compared, 34, "recordings");
}

#[test]
fn every_translated_key_is_in_a_recording() {
    for case in cases() {
        stack(&case);
    }
    for section in SECTIONS {
        for key in section.keys.iter().filter(|key| key.support == Support::Translated) {
            // No client can deploy what only kraken-flash knows.
            let is_ours = key.name.starts_with("x-kraken-");
            assert!(
                is_ours || taken::contains(section.path, key.name),
                "{} of {}",
                key.name,
                section.path
            );
        }
    }
}

#[test]
fn every_difference_of_the_table_is_in_a_recording() {
    let recorded: Vec<Recording> = cases().iter().flat_map(|case| recordings(case)).collect();
    for difference in SENT {
        let expected: Value = serde_json::from_str(difference.value).unwrap();
        for suite in difference.suites {
            let of_suite = recorded.iter().filter(|recording| recording.suite == *suite);
            let mut objects = of_suite
                .filter_map(|recording| recording.requests[difference.kind].as_object())
                .flat_map(|named| named.values());
            let is_there = objects.any(|value| {
                let mut less = value.clone();
                remove(&mut less, difference.path, &expected);
                less != *value
            });
            assert!(
                is_there,
                "{suite} does not send {:?}: {}",
                difference.path, difference.why
            );
        }
    }
}

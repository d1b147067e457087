//! The published JSON schema is that of the program, and knows the same keys as the reader.
//!
//! `SNAPSHOTS=overwrite` writes `schema/kraken.schema.json` anew.

use std::collections::BTreeSet;

use serde_json::Value;

#[test]
fn the_published_schema_is_current() {
    testkit::golden::golden("schema/kraken.schema.json", &kraken_spec::schema());
}

/// The keys of each section in the schema: `("[network]", {"subnet", …})`.
fn sections() -> Vec<(String, BTreeSet<String>)> {
    let schema: Value = serde_json::from_str(&kraken_spec::schema()).unwrap();
    let keys = |at: &Value| -> BTreeSet<String> { at["properties"].as_object().unwrap().keys().cloned().collect() };
    let definition = |name: &str| &schema["$defs"][name];
    let mut list = vec![(String::new(), keys(&schema))];
    for (header, name) in [
        ("[cluster]", "RawCluster"),
        ("[network]", "RawNetwork"),
        ("[image]", "RawImage"),
        ("[user]", "RawUser"),
        ("[system]", "RawSystem"),
        ("[system.keyboard]", "RawKeyboard"),
        ("[[node]]", "RawNode"),
    ] {
        assert_eq!(definition(name)["additionalProperties"], Value::Bool(false), "{name}");
        list.push((header.to_owned(), keys(definition(name))));
    }
    list
}

#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    for (header, keys) in sections() {
        let errors = kraken_spec::parse("x", &format!("{header}\nqqqqqq = 1\n")).unwrap_err();
        let help = errors.problems()[0].mend().unwrap().to_owned();
        let known = help
            .strip_prefix("known here: ")
            .unwrap_or_else(|| panic!("{header}: {help}"));
        let known: BTreeSet<String> = known.split(", ").map(str::to_owned).collect();
        assert_eq!(known, keys, "{header}");
    }
}

#[test]
fn only_the_number_of_a_node_is_required() {
    let schema: Value = serde_json::from_str(&kraken_spec::schema()).unwrap();
    assert_eq!(schema["$defs"]["RawNode"]["required"], serde_json::json!(["number"]));
    for name in [
        "RawCluster",
        "RawNetwork",
        "RawImage",
        "RawUser",
        "RawSystem",
        "RawKeyboard",
    ] {
        assert_eq!(schema["$defs"][name].get("required"), None, "{name}");
    }
}

//! Everything that is made from the declaration of `kraken.toml`'s keys matches the program: the
//! published schema, the commented file, the reference page.
//!
//! `SNAPSHOTS=overwrite` writes all three.

use std::fs;
use std::path::Path;

use kraken_spec::keys;
use serde_json::Value;
use testkit::golden::golden;

#[test]
fn the_published_schema_is_current() {
    golden("schema/kraken.schema.json", &kraken_spec::schema());
}

#[test]
fn the_commented_file_is_as_its_golden_file_says() {
    golden("tests/golden/kraken.toml", &keys::template("2026-11-23"));
}

#[test]
fn the_reference_page_is_current() {
    let path = "docs/kraken-toml.md";
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    golden(path, &keys::page(&page));
}

#[test]
fn only_the_number_of_a_node_is_required() {
    let schema: Value = serde_json::from_str(&kraken_spec::schema()).unwrap();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let want = (name == "RawNode").then(|| serde_json::json!(["number"]));
        assert_eq!(definition.get("required"), want.as_ref(), "{name}");
    }
}

//! The keys of `daemon.json` as a part of the JSON schema of `kraken.toml`, for editors.

use serde_json::{Map, Value, json};

use super::key::{Key, Kind};
use super::keys::all;

/// Returns the schema of the whole table.
pub fn schema() -> Value {
    fields(&mut all())
}

fn fields(keys: &mut dyn Iterator<Item = &'static Key>) -> Value {
    let properties: Map<String, Value> = keys.map(|key| (key.name.to_owned(), value(&key.kind))).collect();
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Whole(from, i64::MAX) => json!({"type": "integer", "minimum": from}),
        Kind::Whole(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
        Kind::OneOf(choices) => json!({"type": "string", "enum": choices}),
        Kind::List(inner) => json!({"type": "array", "items": value(inner)}),
        Kind::Map(inner) => json!({"type": "object", "additionalProperties": value(inner)}),
        Kind::Fields(keys) => fields(&mut keys.iter()),
        Kind::Any => json!(true),
        _ => json!({"type": "string"}),
    }
}

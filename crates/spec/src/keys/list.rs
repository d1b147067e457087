//! The list of all keys with their declarations: names and order come from the declaration's tree
//! of names, everything else from its JSON schema.

use serde_json::Value;

use crate::declare::Keyed;
use crate::raw::{RawConfig, declared};
use crate::tree;

/// A section of `kraken.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its headline: `[network]`, `[system.keyboard]`, `[[node]]`.
    pub header: String,
    /// Whether there may be any number of it, such as one for each node.
    pub is_list: bool,
    /// What it is for.
    pub about: String,
    /// Its keys, in the order of the declaration, without those of sections below it.
    pub keys: Vec<Key>,
}

/// A key of a section.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// As it is written: `first-address`.
    pub name: &'static str,
    /// What it is, in sentences, without its default.
    pub about: String,
    /// What values it takes: `list of strings`.
    pub kind: String,
    /// The possible values, when only these are possible.
    pub choices: Vec<Choice>,
    /// Whether it is an error to leave it out of the section.
    pub is_required: bool,
    /// Its value in a cluster without a `kraken.toml`.
    pub default: Option<Value>,
    /// In words, when the default depends on other keys.
    pub default_rule: Option<String>,
    /// A value that shows its form.
    pub example: Option<Value>,
}

/// One of the values of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As it is written.
    pub value: String,
    /// What it means.
    pub about: String,
}

impl Key {
    /// Returns the value to show in the commented file, as TOML: the default, or else the example.
    pub fn shown(&self) -> Option<String> {
        self.default.as_ref().or(self.example.as_ref()).and_then(toml_text)
    }
}

/// Returns a value as TOML, on one line; `None` for what TOML cannot express.
pub(super) fn toml_text(value: &Value) -> Option<String> {
    Some(toml::Value::try_from(value).ok()?.to_string())
}

/// Returns all sections with their keys, each section before those below it.
pub fn sections() -> Vec<Section> {
    let schema = Schema(declared().to_value());
    tree::sections(RawConfig::NAMES)
        .into_iter()
        .filter(|section| !section.path.is_empty())
        .map(|section| schema.section(&section))
        .collect()
}

/// The schema of `kraken.toml`, from which the rest of a declaration is read.
struct Schema(Value);

impl Schema {
    fn section(&self, names: &tree::SectionNames) -> Section {
        let mut place = &self.0;
        let mut property = place;
        for key in &names.path {
            property = &place["properties"][*key];
            place = match names.is_list {
                true => self.follow(&property["items"]),
                false => self.follow(property),
            };
        }
        let is_value = |name: &&tree::Name| name.holds == tree::Holds::Value;
        Section {
            header: names.header(),
            is_list: names.is_list,
            about: text(&property["description"]),
            keys: names
                .names
                .iter()
                .filter(is_value)
                .map(|name| self.key(place, name.key))
                .collect(),
        }
    }

    fn key(&self, section: &Value, name: &'static str) -> Key {
        let property = &section["properties"][name];
        let content = self.follow(property);
        let Description { about, default_rule } = without_default(&text(&property["description"]));
        let choices = content["oneOf"].as_array().into_iter().flatten().map(|choice| Choice {
            value: text(&choice["const"]),
            about: text(&choice["description"]),
        });
        Key {
            name,
            about,
            kind: kind(content),
            choices: choices.collect(),
            is_required: section["required"]
                .as_array()
                .is_some_and(|required| required.iter().any(|key| key == name)),
            default: property.get("default").cloned(),
            default_rule,
            example: property["examples"].get(0).cloned(),
        }
    }

    /// Returns what a part of the schema refers to, or the part itself.
    fn follow<'a>(&'a self, part: &'a Value) -> &'a Value {
        let place = part["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
        place.and_then(|place| self.0.pointer(place)).unwrap_or(part)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the type of a key in words; `kraken.toml` has few types.
fn kind(content: &Value) -> String {
    if content["oneOf"].is_array() {
        return "one of".to_owned();
    }
    let kind = match content["type"].as_str().unwrap_or_default() {
        "string" => "string",
        "boolean" => "`true` or `false`",
        "array" => "list of strings",
        "object" if content["properties"].is_object() => "table",
        "object" => "table of strings",
        "integer" => "whole number",
        other => other,
    };
    match (&content["minimum"], &content["maximum"]) {
        (Value::Number(from), Value::Number(to)) => format!("{kind}, {from} to {to}"),
        _ => kind.to_owned(),
    }
}

/// The description of a key, in two parts.
struct Description {
    about: String,
    default_rule: Option<String>,
}

/// Splits a description into its text and the words after `Default:` in its last paragraph.
fn without_default(description: &str) -> Description {
    let (about, last) = description.rsplit_once("\n\n").unwrap_or(("", description));
    match last.strip_prefix("Default: ") {
        Some(rule) => Description {
            about: about.to_owned(),
            default_rule: Some(rule.to_owned()),
        },
        None => Description {
            about: description.to_owned(),
            default_rule: None,
        },
    }
}

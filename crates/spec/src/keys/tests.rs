//! Tests that take their list of keys from the declaration.

use serde_json::Value;

use super::list::toml_text;
use super::{Key, Section, page, sections, template};
use crate::raw::declared;

/// Returns all keys, each with the section that it is in.
fn keys() -> Vec<(Section, Key)> {
    let keys = sections()
        .into_iter()
        .flat_map(|section| section.keys.clone().into_iter().map(move |key| (section.clone(), key)));
    keys.collect()
}

/// Returns a spec with one key.
fn spec(section: &Section, line: &str) -> String {
    format!("{}\n{line}\n", section.header)
}

#[test]
fn the_reader_takes_each_key_with_the_values_that_are_shown() {
    assert!(keys().len() > 50, "the declaration was not found");
    for (section, key) in keys() {
        let shown = [&key.default, &key.example];
        for value in shown.into_iter().flatten().map(|value| toml_text(value).unwrap()) {
            let text = spec(&section, &format!("{} = {value}", key.name));
            assert!(crate::parse("x", &text).is_ok(), "{text}");
        }
        for choice in &key.choices {
            let text = spec(&section, &format!("{} = \"{}\"", key.name, choice.value));
            assert!(crate::parse("x", &text).is_ok(), "{text}");
        }
        // No key has this type of value: the reader knows the key, and checks its type.
        let text = spec(&section, &format!("{} = 0.5", key.name));
        let errors = crate::parse("x", &text).unwrap_err();
        let want = format!("`{}` must be ", key.name);
        assert_eq!(errors.problems().len(), 1, "{text}");
        assert!(errors.problems()[0].to_string().starts_with(&want), "{text}{errors:?}");
    }
}

#[test]
fn a_section_of_the_schema_has_the_keys_that_the_reader_knows_and_no_others() {
    let schema = declared().to_value();
    let definitions = schema["$defs"].as_object().unwrap();
    let mut named = 0;
    for section in sections() {
        let text = spec(&section, "qqqqqq = 1");
        let errors = crate::parse("x", &text).unwrap_err();
        let help = errors.problems()[0].hint().unwrap();
        let mut known: Vec<&str> = help.strip_prefix("known here: ").unwrap().split(", ").collect();
        known.sort_unstable();
        let is_it = |definition: &&Value| {
            let properties = definition["properties"].as_object();
            properties.is_some_and(|properties| properties.keys().eq(known.iter()))
        };
        let definition = definitions.values().find(is_it);
        let definition = definition.unwrap_or_else(|| panic!("the schema has no {}", section.header));
        assert_eq!(
            definition["additionalProperties"],
            Value::Bool(false),
            "{}",
            section.header
        );
        let required: Vec<&Key> = section.keys.iter().filter(|key| key.is_required).collect();
        match definition.get("required") {
            None => assert!(required.is_empty(), "{}", section.header),
            Some(names) => assert_eq!(*names, Value::from_iter(required.iter().map(|key| key.name))),
        }
        named += 1;
    }
    let tables = definitions
        .values()
        .filter(|definition| definition["properties"].is_object());
    assert_eq!(tables.count(), named);
}

#[test]
fn the_error_of_a_key_in_the_wrong_section_names_the_right_one() {
    let mut checked = 0;
    for (home, key) in keys() {
        let has = |section: &&Section| section.keys.iter().any(|other| other.name == key.name);
        if sections().iter().filter(has).count() > 1 {
            continue;
        }
        let article = if home.is_list { "a " } else { "" };
        let want = format!("`{}` belongs in {article}{}", key.name, home.header);
        for other in sections().iter().filter(|section| section.header != home.header) {
            let text = spec(other, &format!("{} = 1", key.name));
            let errors = crate::parse("x", &text).unwrap_err();
            let help = errors.problems()[0].hint().unwrap();
            assert!(help.contains(&want), "{text}{help}");
            checked += 1;
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn each_key_says_what_it_is_and_what_holds_without_it() {
    for (section, key) in keys() {
        let name = format!("{} {}", section.header, key.name);
        assert!(!section.about.is_empty() && !key.about.is_empty(), "{name}");
        assert!(key.about.ends_with(['.', '…']), "{name}: {}", key.about);
        assert!(!key.about.contains("Default"), "{name}: {}", key.about);
        assert!(!key.kind.is_empty(), "{name}");
        assert_ne!(
            key.default.is_some() || key.default_rule.is_some(),
            key.is_required,
            "{name}"
        );
        assert!(key.shown().is_some(), "{name} has no default and no example");
        assert!(key.choices.iter().all(|choice| !choice.about.is_empty()), "{name}");
    }
}

#[test]
fn the_commented_file_and_the_page_show_each_key_once() {
    let (file, page) = (template("2026-11-23"), page(""));
    for section in sections() {
        let (header, lines) = file
            .split_once(&format!("{}\n", section.header))
            .map(|(_, rest)| (true, rest.split("\n\n").next().unwrap_or_default()))
            .unwrap_or_default();
        assert!(header, "{} is not in the file", section.header);
        let rows = page.split_once(&format!("### `{}`\n", section.header)).unwrap().1;
        let rows = rows.split("\n###").next().unwrap();
        for key in section.keys {
            let begins = |line: &str| {
                line.trim_start_matches(['#', ' '])
                    .starts_with(&format!("{} = ", key.name))
            };
            assert_eq!(
                lines.lines().filter(|line| begins(line)).count(),
                1,
                "{} {}",
                section.header,
                key.name
            );
            assert_eq!(
                rows.matches(&format!("\n| `{}` | ", key.name)).count(),
                1,
                "{} {}",
                section.header,
                key.name
            );
        }
    }
}

#[test]
fn comments_are_no_wider_than_a_hundred_columns() {
    let file = template("2026-11-23");
    let is_comment = |line: &&str| line.starts_with("# ") && !line.contains(" = ");
    for line in file.lines().filter(is_comment) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_page_keeps_what_is_written_by_hand() {
    let made = page("# kraken.toml\n\nBy hand.\n");
    assert!(made.starts_with("# kraken.toml\n\nBy hand.\n\n## All keys\n"), "{made}");
    assert_eq!(page(&made), made);
    assert!(made.ends_with(" |\n") && !made.ends_with("\n\n"));
}

//! The reference of all keys in `docs/kraken-toml.md`.

use super::list::{Key, Section, sections, toml_text};

/// The headline of the part that is made from the declaration; everything before it is written by
/// hand.
const HEADLINE: &str = "\n## All keys\n";

/// The note below the headline.
const NOTE: &str = "This part of the page is made from `crates/spec/src/raw.rs` (CONTRIBUTING.md, \"Add a key\").\n";

/// Returns the page with its reference brought up to date. `page` is the page as it is; the part
/// that is written by hand is kept.
pub fn page(page: &str) -> String {
    let by_hand = page.split_once(HEADLINE).map_or(page, |(by_hand, _)| by_hand);
    let mut text = format!("{}\n{HEADLINE}\n{NOTE}", by_hand.trim_end());
    for section in sections() {
        text.push_str(&table(&section));
    }
    text
}

/// Returns a section as Markdown.
fn table(section: &Section) -> String {
    let mut text = format!(
        "\n### `{}`\n\n{}\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n",
        section.header, section.about
    );
    for key in &section.keys {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            cell(&kind(key)),
            cell(&default(key)),
            cell(&meaning(key))
        ));
    }
    text
}

/// Returns the type of a key, or its values when only some are possible.
fn kind(key: &Key) -> String {
    if key.choices.is_empty() {
        return key.kind.clone();
    }
    let choices: Vec<String> = key
        .choices
        .iter()
        .map(|choice| format!("`\"{}\"`", choice.value))
        .collect();
    format!("{} {}", key.kind, choices.join(", "))
}

fn default(key: &Key) -> String {
    if key.is_required {
        return "must be given".to_owned();
    }
    let value = || Some(format!("`{}`", toml_text(key.default.as_ref()?)?));
    let rule = key
        .default_rule
        .as_deref()
        .map(|rule| rule.trim_end_matches('.').to_owned());
    rule.or_else(value).unwrap_or_default()
}

/// Returns what the key is, and below that the meaning of each of its values, or an example.
fn meaning(key: &Key) -> String {
    let mut lines = vec![key.about.clone()];
    lines.extend(
        key.choices
            .iter()
            .map(|choice| format!("`\"{}\"`: {}", choice.value, choice.about)),
    );
    if let Some(example) = key.example.as_ref().and_then(toml_text) {
        lines.push(format!("Example: `{} = {example}`", key.name));
    }
    lines.join("\n\n")
}

/// Returns the text in a form that fits into a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>")
}

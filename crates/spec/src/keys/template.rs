//! The commented `kraken.toml` that `kraken-flash init` writes.

use textwrap::Options;

use super::list::{Key, Section, sections, toml_text};

/// The text that the file begins with.
const HEAD: &str = "\
# A cluster of Raspberry Pis, for kraken-flash.
#
# Every key has a default. A line `#key = value` shows it, and says nothing new until you remove the
# `#`; a line `# key = value` is an example. `kraken-flash plan` shows what each node will be, and
# changes nothing.
";

/// The key that the file sets. Only `init` reads a clock, so that the images depend on this file
/// alone.
const SET_BY_INIT: &str = "clock-floor";

/// The default of a key that has none; the example explains enough.
const NO_DEFAULT: &str = "none.";

/// Comments are wrapped at this column.
const WIDTH: usize = 100;

/// Returns the commented file for a day (`2026-11-23`): every section, and every key with its
/// default or an example.
pub fn template(today: &str) -> String {
    let mut file = HEAD.to_owned();
    for section in sections() {
        file.push('\n');
        match section.is_list {
            true => push_example(&section, &mut file),
            false => push_section(&section, today, &mut file),
        }
    }
    file
}

/// Writes a section that can be there once.
fn push_section(section: &Section, today: &str, file: &mut String) {
    push_comment(&section.about, "# ", "# ", file);
    push_line(&section.header, file);
    for key in &section.keys {
        push_about(key, "", file);
        if key.name == SET_BY_INIT {
            push_line(&format!("{} = \"{today}\"", key.name), file);
            continue;
        }
        let shown = key.shown().unwrap_or_default();
        let mark = match key.default {
            Some(_) => "#",
            None => "# ",
        };
        push_line(&format!("{mark}{} = {shown}", key.name), file);
    }
}

/// Writes a section of which there may be any number: an example, all of it in comments, so that an
/// editor can remove the `# `.
fn push_example(section: &Section, file: &mut String) {
    push_comment(&section.about, "# ", "# ", file);
    push_line("#", file);
    push_line(&format!("# {}", section.header), file);
    for key in &section.keys {
        push_about(key, "# ", file);
        let default = key.default.as_ref().and_then(toml_text);
        let example = key.example.as_ref().and_then(toml_text);
        if let (Some(default), Some(_), None) = (&default, &example, &key.default_rule) {
            push_line(&format!("# # Default: {default}."), file);
        }
        let shown = example.or(default).unwrap_or_default();
        push_line(&format!("# {} = {shown}", key.name), file);
    }
}

/// Writes what a key is, what its values mean, and its default when that is not one value.
fn push_about(key: &Key, margin: &str, file: &mut String) {
    let comment = format!("{margin}# ");
    push_comment(&key.about, &comment, &comment, file);
    let quoted = |value: &str| format!("\"{value}\"");
    let longest = key.choices.iter().map(|choice| quoted(&choice.value).len()).max();
    for choice in &key.choices {
        let width = longest.unwrap_or_default();
        let first = format!("{comment}  {:width$}  ", quoted(&choice.value));
        let next = format!("{comment}  {:width$}  ", "");
        push_comment(&choice.about, &first, &next, file);
    }
    if let Some(rule) = key.default_rule.as_deref().filter(|rule| *rule != NO_DEFAULT) {
        push_comment(&format!("Default: {rule}"), &comment, &comment, file);
    }
}

/// Writes paragraphs, wrapped; the first line of each begins with `first`, the others with `next`.
fn push_comment(text: &str, first: &str, next: &str, file: &mut String) {
    let options = Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(next)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    for paragraph in text.split("\n\n") {
        for line in textwrap::wrap(paragraph, &options) {
            push_line(line.trim_end(), file);
        }
    }
}

fn push_line(line: &str, file: &mut String) {
    file.push_str(line);
    file.push('\n');
}

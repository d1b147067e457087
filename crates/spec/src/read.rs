//! Reads the text of `kraken.toml`. It notes everything that is wrong instead of stopping at the
//! first mistake.

use toml::de::DeTable;

use super::declare::Keyed;
use super::problem::{Problem, Problems};
use super::raw::RawConfig;
use super::section::Section;

/// Reads a whole spec.
pub(super) fn config(text: &str, problems: &mut Problems) -> RawConfig {
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        // After a syntax error the parser guesses how to continue; mistakes found in that part
        // would mislead.
        for error in syntax {
            let span = error.span().unwrap_or(text.len()..text.len());
            let problem = Problem::new(format!("this is not TOML: {}", error.message()));
            problems.push(
                problem
                    .at(span, "here")
                    .help("strings stand in quotes, each key on a line of its own: https://toml.io/en/v1.0.0"),
            );
        }
        return RawConfig::default();
    }
    Section::document(document.get_ref(), RawConfig::NAMES, problems).whole(RawConfig::read)
}

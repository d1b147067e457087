//! Parses JSON that others may have written or damaged; an error names the field.

use std::fmt;

use serde::de::DeserializeOwned;

use kraken_foundation::text;

/// The longest name of a field that is shown, in bytes.
const LONGEST: usize = 60;

/// Why a text is not what it should be.
#[derive(Debug)]
pub struct JsonError {
    field: Option<String>,
    source: serde_json::Error,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        self.source.fmt(f)
    }
}

impl std::error::Error for JsonError {}

/// Parses a JSON text.
///
/// # Errors
/// [`JsonError`], which names the field with a value that cannot be, and its place.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    serde_json::from_slice(bytes).map_err(|source| JsonError {
        field: source.is_data().then(|| field_at(bytes, &source)).flatten(),
        source,
    })
}

/// Returns the name of the field whose value was just read when the error was noticed: the last
/// name before that place, where the value is a text.
fn field_at(bytes: &[u8], error: &serde_json::Error) -> Option<String> {
    let line = bytes.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let read = std::str::from_utf8(line.get(..error.column())?).ok()?;
    let (before, _value) = read.trim_end().strip_suffix('"')?.rsplit_once('"')?;
    let name = before.trim_end().strip_suffix(':')?.trim_end().strip_suffix('"')?;
    let (_, name) = name.rsplit_once('"')?;
    (name.len() <= LONGEST).then(|| text::line(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraken_foundation::Sha256Hash;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only errors are read")]
    struct File {
        count: u32,
        base_sha256: Sha256Hash,
    }

    fn said(text: &str) -> String {
        parse::<File>(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_field_with_a_bad_hash_is_named() {
        for text in [
            "{\"count\": 1, \"base-sha256\": \"12\"}",
            "{\n  \"base-sha256\" : \"12\",\n  \"count\": 1\n}",
            "{\"base-sha256\":\"12\",\"count\":1}",
        ] {
            let said = said(text);
            let wanted = "base-sha256: \"12\" is not a SHA-256 (64 lower-case hexadecimal digits) at line ";
            assert!(said.starts_with(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn without_a_text_for_a_value_only_the_place_is_named() {
        for text in ["{\"count\": -1}", "{}", "", "{\"count\"", "7", "{\"\u{e9}\": \"\u{e9}"] {
            let said = said(text);
            assert!(said.contains(" at line 1 column "), "{text}: {said}");
        }
    }
}

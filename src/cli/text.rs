//! Words and tables that several commands print.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use comfy_table::{ContentArrangement, Table, presets};

use super::Failure;

/// A size for people, in binary units: `1.9 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

/// A table without frames: a header and rows, columns two spaces apart.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    let mut text = String::new();
    for line in table.to_string().lines() {
        let _ = writeln!(text, "{}", line.trim_end().strip_prefix(' ').unwrap_or(line.trim_end()));
    }
    text
}

/// Writes data to stdout. A reader that went away (`| head`) is no failure.
pub(crate) fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::message(format!("writing to stdout: {error}"))),
        _ => Ok(()),
    }
}

/// Writes a value to stdout as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::message(format!("writing JSON: {error}")))?;
    out(&format!("{text}\n"))
}

/// A name from an image, fit to be printed: no control characters, no marks that change the direction of text.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !matches!(*c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_write_to_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c\n"), "a[31mbc");
    }
}

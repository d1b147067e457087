//! The tables that commands print: without lines, and as wide as the terminal.

use std::io;

use comfy_table::{ContentArrangement, Table, presets};

/// Returns a table of these rows as wide as the terminal that stdout is.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = new_table(stdout_width());
    table.set_header(header.to_vec());
    table.add_rows(rows);
    trimmed(&table)
}

/// Returns a table without lines, as wide as the terminal, or as wide as it needs when stdout is a
/// file or a pipe.
pub(super) fn new_table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(width) = width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table
}

/// Returns the text of a table, without the blanks at the ends of its lines and before its first
/// column.
pub(super) fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// Returns the width of stdout in columns, when it is a terminal.
pub(super) fn stdout_width() -> Option<u16> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0)
}

//! The end of a log, for the message of a failed test.

use std::fs;
use std::path::Path;

/// Returns the last `count` lines of a log; nothing when there is none.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

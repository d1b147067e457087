//! `SHA256SUMS`, as sha256sum(1) writes and checks it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use sha2::{Digest, Sha256};

use crate::disk::ReadAt;
use crate::interrupt::Interrupt;
use crate::progress::Task;

/// The file's name.
pub const SUMS: &str = "SHA256SUMS";

/// SHA-256 of a whole image, in hexadecimal.
///
/// # Errors
/// What reading reports; `Interrupted` when asked to stop.
pub fn hash_image(image: &dyn ReadAt, task: &dyn Task, interrupt: &Interrupt) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < image.size() {
        if interrupt.is_set() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        let step = usize::try_from(image.size() - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        image.read_at(at, &mut buffer[..step])?;
        hash.update(&buffer[..step]);
        at += step as u64;
        task.advance(step as u64);
    }
    Ok(hex::encode(hash.finalize()))
}

/// The file's text: one line for each file, sorted by name.
pub fn render(sums: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, sum) in sums {
        let _ = writeln!(text, "{sum}  {name}");
    }
    text
}

/// Reads such a text; lines of another form (comments, escaped names) are passed over.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once("  ").or_else(|| line.split_once(" *")))
        .filter(|(sum, name)| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()) && !name.is_empty())
        .map(|(sum, name)| (name.to_owned(), sum.to_ascii_lowercase()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let sums = BTreeMap::from([
            ("kraken-1.img".to_owned(), "ab".repeat(32)),
            ("b c.img".to_owned(), "0f".repeat(32)),
        ]);
        assert_eq!(parse(&render(&sums)), sums);
    }

    #[test]
    fn other_lines_are_passed_over() {
        assert!(parse("# a comment\n\\escaped  x\nshort  name\n").is_empty());
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_form_of_sha256sum() {
        let sums = BTreeMap::from([
            ("b c.img".to_owned(), "0f".repeat(32)),
            ("a.img".to_owned(), "ab".repeat(32)),
        ]);
        assert_eq!(
            render(&sums),
            format!("{}  a.img\n{}  b c.img\n", "ab".repeat(32), "0f".repeat(32))
        );
    }
}

//! PEM with headers (RFC 1421 as Go's `encoding/pem` writes it): a header of the node's key
//! contains the raft key.
//!
//! We have our own reader, since the available PEM libraries follow RFC 7468, which has no headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The maximum number of blocks in a file.
const MOST: usize = 16;

/// A block: its label, headers and bytes.
pub(super) struct Block {
    pub label: String,
    pub headers: Vec<(String, Zeroizing<String>)>,
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Block {
    /// Returns a header's value. Its name is written in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

/// Returns all blocks of a text that contains nothing else.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Block>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let mut lines = text.lines().map(str::trim_end);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let label = line
            .strip_prefix("-----BEGIN ")
            .and_then(|line| line.strip_suffix("-----"))
            .ok_or("it has a line that belongs to no PEM block")?;
        if found.len() == MOST {
            return Err("it has too many PEM blocks");
        }
        found.push(block(label, &mut lines)?);
    }
    match found.is_empty() {
        true => Err("it has no PEM block"),
        false => Ok(found),
    }
}

fn block<'a>(label: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<Block, &'static str> {
    let mut headers: Vec<(String, Zeroizing<String>)> = Vec::new();
    let mut packed = Zeroizing::new(String::new());
    let mut ended = false;
    for line in lines {
        if let Some(end) = line.strip_prefix("-----END ") {
            if end.strip_suffix("-----") != Some(label) {
                return Err("a PEM block ends with another label than it began with");
            }
            ended = true;
            break;
        }
        match line.split_once(':') {
            Some((name, value)) if packed.is_empty() => {
                let name = name.trim().to_ascii_lowercase();
                if headers.iter().any(|(known, _)| *known == name) {
                    return Err("a PEM block has the same header twice");
                }
                headers.push((name, Zeroizing::new(value.trim().to_owned())));
            }
            Some(_) => return Err("a PEM block has a header behind its bytes"),
            None => packed.push_str(line),
        }
    }
    if !ended {
        return Err("a PEM block does not end");
    }
    let bytes = STANDARD
        .decode(packed.as_bytes())
        .map_err(|_| "a PEM block is not base64")?;
    Ok(Block {
        label: label.to_owned(),
        headers,
        bytes: Zeroizing::new(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_with_and_without_headers() {
        let text = "-----BEGIN PRIVATE KEY-----\nkek-version: 0\nraft-dek: EiAB\n\naGVs\nbG8=\n-----END PRIVATE KEY-----\n\
                    \n-----BEGIN CERTIFICATE-----\nAQI=\n-----END CERTIFICATE-----\n";
        let blocks = blocks(text.as_bytes()).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].label, "PRIVATE KEY");
        assert_eq!(blocks[0].header("raft-dek"), Some("EiAB"));
        assert_eq!(blocks[0].header("proc-type"), None);
        assert_eq!(blocks[0].bytes.as_slice(), b"hello");
        assert_eq!(blocks[1].bytes.as_slice(), b"\x01\x02");
    }

    #[test]
    fn what_is_no_pem_is_an_error() {
        for text in [
            "",
            "x",
            "-----BEGIN A-----\nAQI=\n",
            "-----BEGIN A-----\nAQI=\n-----END B-----\n",
            "-----BEGIN A-----\nAQI\n-----END A-----\n",
            "-----BEGIN A-----\nAQI=\nx: y\n-----END A-----\n",
            "-----BEGIN A-----\nx: y\nx: z\n\nAQI=\n-----END A-----\n",
            "-----BEGIN A-----\n-----BEGIN A-----\nAQI=\n-----END A-----\n",
            "-----BEGIN A-----\nAQI=\n-----END A-----\nx\n",
            &"-----BEGIN A-----\nAQI=\n-----END A-----\n".repeat(17),
        ] {
            assert!(blocks(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(blocks(b"\xff").is_err());
    }
}

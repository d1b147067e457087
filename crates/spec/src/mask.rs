//! Masks secrets before a part of the spec is shown: private keys, password hashes, passwords in
//! addresses.

use std::ops::Range;

use kraken_foundation::text;

/// The text that begins a private key in PEM or OpenSSH form (RFC 7468; `PROTOCOL.key` of OpenSSH).
const PEM_BEGIN: &str = "-----BEGIN ";
/// The end of the PEM label of a private key.
const PEM_PRIVATE: &str = "PRIVATE KEY";
/// The text that begins a private key of PuTTY.
const PUTTY_BEGIN: &str = "PuTTY-User-Key-File";

/// Returns whether a text holds a private key, in any of the forms that SSH tools write.
pub(super) fn has_private_key(text: &str) -> bool {
    text.contains(PUTTY_BEGIN) || private_pem(text, 0).is_some()
}

/// Returns the characters that would control the terminal, or hide something on it, except a UTF-8
/// byte order mark at the beginning.
fn steering(text: &str) -> Vec<Range<usize>> {
    let deceiving = text
        .char_indices()
        .filter(|(at, c)| text::is_deceptive(*c) && (*at, *c) != (0, '\u{feff}'));
    deceiving.map(|(at, c)| at..at + c.len_utf8()).collect()
}

/// Returns the text with its secrets and the `hidden` parts replaced by asterisks. The length in
/// bytes and the line breaks stay the same, so that places in the text stay right.
pub(super) fn paint_over(text: &str, hidden: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let spans = private_keys(text)
        .into_iter()
        .chain(crypt_hashes(text))
        .chain(url_passwords(text))
        .chain(steering(text))
        .chain(hidden.iter().cloned());
    for span in spans {
        for byte in bytes.get_mut(span).unwrap_or_default() {
            if *byte != b'\n' && *byte != b'\r' {
                *byte = b'*';
            }
        }
    }
    // Whole characters are replaced, byte by byte. A span that cuts through a character leaves a
    // stray byte, which is replaced here.
    match String::from_utf8(bytes) {
        Ok(shown) => shown,
        Err(error) => error
            .into_bytes()
            .into_iter()
            .map(|byte| if byte.is_ascii() { char::from(byte) } else { '*' })
            .collect(),
    }
}

/// Returns the begin line of the first PEM private key at or after `from`, without its final
/// hyphens.
fn private_pem(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    while let Some(found) = text.get(at..)?.find(PEM_BEGIN) {
        let start = at + found;
        let label = start + PEM_BEGIN.len();
        let line_end = text[label..].find(['\n', '-']).map_or(text.len(), |end| label + end);
        if text[label..line_end].contains(PEM_PRIVATE) {
            return Some(start..line_end);
        }
        at = label;
    }
    None
}

fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(line) = private_pem(text, at) {
        // Without an end line, everything that follows may be the key.
        let end = text[line.end..]
            .find("-----END ")
            .map_or(text.len(), |end| line.end + end);
        spans.push(line.start..end);
        at = end;
    }
    if let Some(start) = text.find(PUTTY_BEGIN) {
        spans.push(start..text.len());
    }
    spans
}

/// Returns the places of everything that has the form `$id$…` of crypt(5).
fn crypt_hashes(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find('$').map(|found| at + found) {
        let length = text[start..]
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ':'))
            .unwrap_or(text.len() - start);
        let word = &text[start..start + length];
        let id = word[1..].split('$').next().unwrap_or_default();
        if word[1..].contains('$') && (1..=4).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric()) {
            spans.push(start..start + length);
        }
        at = start + length.max(1);
    }
    spans
}

/// Returns the places of `user:password` in addresses.
fn url_passwords(text: &str) -> Vec<Range<usize>> {
    text.match_indices("://")
        .filter_map(|(found, _)| {
            let start = found + 3;
            let end = text[start..]
                .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\''))
                .map_or(text.len(), |end| start + end);
            let at = text[start..end].rfind('@')?;
            Some(start..start + at)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_painted_over_and_lengths_stay() {
        for (text, shown) in [
            ("a\u{1b}[2Jb\tc\r\nd", "a*[2Jb\tc\r\nd"),
            ("a\u{202e}b", "a***b"),
            ("\u{feff}a = 1", "\u{feff}a = 1"),
        ] {
            assert_eq!(paint_over(text, &[]), shown);
        }
    }

    #[test]
    fn secrets_are_painted_over_and_places_stay() {
        for (given, want) in [
            ("a = 1\n", "a = 1\n"),
            ("key = \"ssh-ed25519 AAAA me\"", "key = \"ssh-ed25519 AAAA me\""),
            ("x = \"$6$salt$hash\" # y", "x = \"************\" # y"),
            ("costs $5 and $6", "costs $5 and $6"),
            ("u = \"https://me:pw@host/x\"", "u = \"https://*****@host/x\""),
            ("u = \"https://host/x@y\"", "u = \"https://host/x@y\""),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----\nb = 2",
                "*******************************\n**\n-----END RSA PRIVATE KEY-----\nb = 2",
            ),
            ("-----BEGIN PRIVATE KEY-----\nä", "***************************\n**"),
            ("PuTTY-User-Key-File-3: x\ny", "************************\n*"),
        ] {
            let shown = paint_over(given, &[]);
            assert_eq!(shown, want);
            assert_eq!(shown.len(), given.len());
        }
        assert_eq!(
            paint_over("password = \"pw\"", std::slice::from_ref(&(12..14))),
            "password = \"**\""
        );
        assert_eq!(paint_over("ä", std::slice::from_ref(&(0..1))), "**");
    }

    #[test]
    fn private_keys_are_recognised() {
        for text in [
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
            "-----BEGIN PUBLIC KEY-----\n-----BEGIN EC PRIVATE KEY-----",
            "PuTTY-User-Key-File-2: ssh-rsa",
        ] {
            assert!(has_private_key(text), "{text}");
        }
        for text in ["", "ssh-ed25519 AAAA", "-----BEGIN PUBLIC KEY-----", "PRIVATE KEY"] {
            assert!(!has_private_key(text), "{text}");
        }
    }
}

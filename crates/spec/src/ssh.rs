//! SSH public keys: reads the one-line format of OpenSSH, several to a file, and refuses keys with
//! which no user could log in.

use std::borrow::Cow;

use kraken_foundation::{Error, Kind, Result};
use ssh_key::{HashAlg, PublicKey};

use super::mask;

/// The shortest RSA key that OpenSSH's sshd accepts (`RequiredRSASize` of sshd_config(5)), in bits.
const SHORTEST_RSA: usize = 1024;
/// A file with more keys than this is not a key file.
const MOST_KEYS: usize = 256;

/// The text is a private key: in the chain of the error, since a file of that name needs other
/// help.
#[derive(Debug, thiserror::Error)]
#[error("this is a PRIVATE key: it must never leave the machine it was made on, and nothing of it was used")]
pub(super) struct PrivateKey;

/// What to do with a text that is not a key.
pub(super) const NO_KEY: &str =
    "a public key is one line: \"ssh-ed25519 AAAA… name\"; `ssh-keygen -y -f KEY` prints that of a private key";

/// Says why a text is not a usable public key, and what to do. No sentence quotes the text, because
/// that may be a private key.
fn bad(why: impl Into<Cow<'static, str>>, help: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Kind::Usage, why).with_help(help)
}

fn not_a_key() -> Error {
    bad("this is not a public SSH key", NO_KEY)
}

/// The key is of a kind or size that sshd refuses.
fn too_weak(kind: &str) -> Error {
    bad(
        format!("sshd no longer accepts this kind of key ({kind})"),
        "make a new key: ssh-keygen -t ed25519",
    )
}

/// Marks of other forms of public keys, the names of these forms, and the options of `ssh-keygen
/// -i` for them.
const OTHER_FORMS: &[(&str, &str, &str)] = &[
    ("---- BEGIN SSH2 PUBLIC KEY ----", "the form of PuTTY (RFC 4716)", ""),
    ("-----BEGIN PUBLIC KEY-----", "the form of OpenSSL (PEM)", " -m PKCS8"),
    (
        "-----BEGIN RSA PUBLIC KEY-----",
        "the old form of OpenSSL (PEM)",
        " -m PEM",
    ),
];

/// Returns whether a text of `ssh-keys` is meant as a key and not as the name of a file.
pub(super) fn is_literal(text: &str) -> bool {
    let text = text.trim_start();
    let mut words = text.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let is_kind = |word: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix));
    let named = is_kind(kind);
    // There are options of authorized_keys(5) before the key: the key's base64 begins with its
    // kind's length, three zero bytes.
    let pairs = text.split_whitespace().zip(text.split_whitespace().skip(1));
    let later = pairs
        .into_iter()
        .any(|(kind, key)| is_kind(kind) && key.starts_with("AAAA"));
    (named && words.next().is_some()) || later || text.contains('\n') || mask::has_private_key(text)
}

/// Returns the public keys of a file or of a literal: one on each line, with empty lines and `#`
/// comments between them (the format of `authorized_keys`, sshd(8), without options). Each is
/// returned in its canonical one-line form, comment included.
///
/// # Errors
/// [`Kind::Usage`], with what to do as its help: with one bad line the whole text is refused.
pub fn public_keys(bytes: &[u8]) -> Result<Vec<String>> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(bad(
            "this is text in UTF-16, and sshd reads UTF-8",
            "save the file as UTF-8 (Windows' Notepad: \"Save as\"; PowerShell's `>` writes UTF-16), or give the key itself here",
        ));
    }
    // Editors on Windows put a byte order mark before UTF-8, too; sshd would read it as a part of
    // the key.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| not_a_key())?;
    if mask::has_private_key(text) {
        return Err(Error::typed(Kind::Usage, PrivateKey)
            .with_help("name the public key instead: the file that ends in .pub, beside the private one"));
    }
    if let Some((_, form, options)) = OTHER_FORMS.iter().find(|(mark, ..)| text.contains(mark)) {
        return Err(bad(
            format!("this is a public key in {form}, and sshd reads only that of OpenSSH"),
            format!("`ssh-keygen -i{options} -f FILE > FILE.pub` writes it in the other form; name FILE.pub here"),
        ));
    }
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for line in lines {
        if keys.len() == MOST_KEYS {
            return Err(bad(
                format!("there are more than {MOST_KEYS} keys in it"),
                "name a file with the keys of those who may log in",
            ));
        }
        keys.push(public_key(line)?);
    }
    if keys.is_empty() {
        Err(bad("there is no key in it", NO_KEY))
    } else {
        Ok(keys)
    }
}

fn public_key(line: &str) -> Result<String> {
    let key = match PublicKey::from_openssh(line) {
        Ok(key) => key,
        Err(_) if [" ssh-", " ecdsa-", " sk-"].iter().any(|kind| line.contains(kind)) => {
            return Err(bad(
                "options before a key are not supported",
                "give the key alone, from \"ssh-\" on",
            ));
        }
        Err(_) => return Err(not_a_key()),
    };
    if key.comment().chars().any(char::is_control) || key.key_data().is_other() {
        return Err(not_a_key());
    }
    if key.key_data().is_dsa() {
        return Err(too_weak("DSA"));
    }
    if let Some(rsa) = key.key_data().rsa() {
        let modulus = rsa.n.as_positive_bytes().ok_or_else(not_a_key)?;
        if modulus.len() * 8 < SHORTEST_RSA {
            return Err(too_weak("RSA of less than 1024 bits"));
        }
    }
    key.to_openssh().map_err(|_| not_a_key())
}

/// Returns the fingerprint of a key in OpenSSH's one-line format, as `ssh-keygen -l` prints it
/// (`SHA256:…`); `None` if the text is not a key.
pub fn fingerprint(key: &str) -> Option<String> {
    let key = PublicKey::from_openssh(key).ok()?;
    Some(key.fingerprint(HashAlg::Sha256).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIILJtOT2IkvLhtZGAtx8CVJvHPRJTQPRjQ4SLmcBWYME me@home";

    #[test]
    fn public_keys_are_read_with_their_comments() {
        assert_eq!(public_keys(ED25519.as_bytes()).unwrap(), [ED25519]);
        let file = format!("# mine\n\n  {ED25519}  \r\n{ED25519}\n");
        assert_eq!(public_keys(file.as_bytes()).unwrap(), [ED25519, ED25519]);
        let marked = format!("\u{feff}{ED25519}\r\n");
        assert_eq!(public_keys(marked.as_bytes()).unwrap(), [ED25519]);
    }

    #[test]
    fn what_is_not_a_public_key_is_refused() {
        let options = format!("command=\"x\" {ED25519}");
        let many = format!("{ED25519}\n").repeat(MOST_KEYS + 1);
        let cases: &[(&[u8], &str)] = &[
            (b"", "there is no key in it"),
            (b"# nothing\n", "there is no key in it"),
            (b"\xff\x00", "this is not a public SSH key"),
            (b"\xff\xfes\0s\0h\0", "this is text in UTF-16, and sshd reads UTF-8"),
            (b"\xfe\xff\0s\0s\0h", "this is text in UTF-16, and sshd reads UTF-8"),
            (
                b"---- BEGIN SSH2 PUBLIC KEY ----\r\nComment: \"me\"\r\nAAAAC3\r\n---- END SSH2 PUBLIC KEY ----\r\n",
                "this is a public key in the form of PuTTY (RFC 4716), and sshd reads only that of OpenSSH",
            ),
            (
                b"-----BEGIN PUBLIC KEY-----\nMIIB\n",
                "this is a public key in the form of OpenSSL (PEM), and sshd reads only that of OpenSSH",
            ),
            (b"ssh-ed25519 AAAA me", "this is not a public SSH key"),
            (b"hello", "this is not a public SSH key"),
            (
                b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n",
                "this is a PRIVATE key: it must never leave the machine it was made on, and nothing of it was used",
            ),
            (
                b"PuTTY-User-Key-File-3: ssh-ed25519\n",
                "this is a PRIVATE key: it must never leave the machine it was made on, and nothing of it was used",
            ),
            (options.as_bytes(), "options before a key are not supported"),
            (many.as_bytes(), "there are more than 256 keys in it"),
        ];
        for (given, want) in cases {
            let error = public_keys(given).unwrap_err();
            assert_eq!(error.to_string(), *want, "{:?}", String::from_utf8_lossy(given));
            assert!(error.help().is_some(), "{want}");
        }
    }

    #[test]
    fn other_forms_are_named_with_the_options_that_read_them() {
        for (key, options) in [
            ("---- BEGIN SSH2 PUBLIC KEY ----", "`ssh-keygen -i -f FILE"),
            ("-----BEGIN PUBLIC KEY-----", "`ssh-keygen -i -m PKCS8 -f FILE"),
        ] {
            let error = public_keys(key.as_bytes()).unwrap_err();
            assert!(error.help().unwrap().starts_with(options), "{error:?}");
        }
        let private = public_keys(b"-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap_err();
        assert!(private.downcast_ref::<PrivateKey>().is_some());
    }

    #[test]
    fn keys_and_file_names_are_distinguished() {
        for text in [ED25519, "ssh-rsa x", "-----BEGIN RSA PRIVATE KEY-----", "a\nb"] {
            assert!(is_literal(text), "{text}");
        }
        let options = [
            format!("from=\"192.168.3.0/24\" {ED25519}"),
            format!("command=\"/bin/ls -l\",no-pty {ED25519}"),
            format!("restrict {}", ED25519.replace("me@home", "")),
        ];
        for text in &options {
            assert!(is_literal(text), "{text}");
            let error = public_keys(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "options before a key are not supported", "{text}");
        }
        for text in [
            "~/.ssh/id_ed25519.pub",
            "ssh-keys.pub",
            "my key.pub",
            "my ssh-keys AA.pub",
            "",
        ] {
            assert!(!is_literal(text), "{text}");
        }
    }
}

//! SSH public keys: reads the one-line format of OpenSSH, several to a file, and refuses keys with
//! which no user could log in.

use ssh_key::{HashAlg, PublicKey};

use super::mask;

/// The shortest RSA key that OpenSSH's sshd accepts (`RequiredRSASize` of sshd_config(5)), in bits.
const SHORTEST_RSA: usize = 1024;
/// A file with more keys than this is not a key file.
const MOST_KEYS: usize = 256;

/// Why a text is not a usable public key. It never quotes the text, because that may be a private
/// key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is a private key.
    #[error("this is a PRIVATE key: it must never leave the machine it was made on, and nothing of it was used")]
    Private,
    /// The text is not a public key.
    #[error("this is not a public SSH key")]
    NotAKey,
    /// It is a public key in a form that sshd does not read. The error has the options with which
    /// `ssh-keygen -i` reads this form.
    #[error("this is a public key in {0}, and sshd reads only that of OpenSSH")]
    OtherForm(&'static str, &'static str),
    /// The text has two bytes for each character.
    #[error("this is text in UTF-16, and sshd reads UTF-8")]
    Utf16,
    /// There is an `authorized_keys` option before the key.
    #[error("options before a key are not supported")]
    Options,
    /// The key is of a kind or size that sshd refuses.
    #[error("sshd no longer accepts this kind of key ({0})")]
    TooWeak(&'static str),
    /// There is no key in the file.
    #[error("there is no key in it")]
    Empty,
    /// The file has too many keys.
    #[error("there are more than {MOST_KEYS} keys in it")]
    TooMany,
}

impl KeyError {
    /// Returns what to do.
    pub fn help(&self) -> String {
        let help = match self {
            KeyError::OtherForm(_, options) => {
                return format!(
                    "`ssh-keygen -i{options} -f FILE > FILE.pub` writes it in the other form; name FILE.pub here"
                );
            }
            KeyError::Utf16 => {
                "save the file as UTF-8 (Windows' Notepad: \"Save as\"; PowerShell's `>` writes UTF-16), or give the key itself here"
            }
            KeyError::Private => "name the public key instead: the file that ends in .pub, beside the private one",
            KeyError::NotAKey | KeyError::Empty => {
                "a public key is one line: \"ssh-ed25519 AAAA… name\"; `ssh-keygen -y -f KEY` prints that of a private key"
            }
            KeyError::Options => "give the key alone, from \"ssh-\" on",
            KeyError::TooWeak(_) => "make a new key: ssh-keygen -t ed25519",
            KeyError::TooMany => "name a file with the keys of those who may log in",
        };
        help.to_owned()
    }
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
/// [`KeyError`]: with one bad line the whole text is refused.
pub fn public_keys(bytes: &[u8]) -> Result<Vec<String>, KeyError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(KeyError::Utf16);
    }
    // Editors on Windows put a byte order mark before UTF-8, too; sshd would read it as a part of
    // the key.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| KeyError::NotAKey)?;
    if mask::has_private_key(text) {
        return Err(KeyError::Private);
    }
    if let Some((_, form, options)) = OTHER_FORMS.iter().find(|(mark, ..)| text.contains(mark)) {
        return Err(KeyError::OtherForm(form, options));
    }
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut keys = Vec::new();
    for line in lines {
        if keys.len() == MOST_KEYS {
            return Err(KeyError::TooMany);
        }
        keys.push(public_key(line)?);
    }
    if keys.is_empty() {
        Err(KeyError::Empty)
    } else {
        Ok(keys)
    }
}

fn public_key(line: &str) -> Result<String, KeyError> {
    let key = match PublicKey::from_openssh(line) {
        Ok(key) => key,
        Err(_) if [" ssh-", " ecdsa-", " sk-"].iter().any(|kind| line.contains(kind)) => return Err(KeyError::Options),
        Err(_) => return Err(KeyError::NotAKey),
    };
    if key.comment().chars().any(char::is_control) || key.key_data().is_other() {
        return Err(KeyError::NotAKey);
    }
    if key.key_data().is_dsa() {
        return Err(KeyError::TooWeak("DSA"));
    }
    if let Some(rsa) = key.key_data().rsa() {
        let modulus = rsa.n.as_positive_bytes().ok_or(KeyError::NotAKey)?;
        if modulus.len() * 8 < SHORTEST_RSA {
            return Err(KeyError::TooWeak("RSA of less than 1024 bits"));
        }
    }
    key.to_openssh().map_err(|_| KeyError::NotAKey)
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
        let cases: &[(&[u8], KeyError)] = &[
            (b"", KeyError::Empty),
            (b"# nothing\n", KeyError::Empty),
            (b"\xff\x00", KeyError::NotAKey),
            (b"\xff\xfes\0s\0h\0", KeyError::Utf16),
            (b"\xfe\xff\0s\0s\0h", KeyError::Utf16),
            (
                b"---- BEGIN SSH2 PUBLIC KEY ----\r\nComment: \"me\"\r\nAAAAC3\r\n---- END SSH2 PUBLIC KEY ----\r\n",
                KeyError::OtherForm("the form of PuTTY (RFC 4716)", ""),
            ),
            (
                b"-----BEGIN PUBLIC KEY-----\nMIIB\n",
                KeyError::OtherForm("the form of OpenSSL (PEM)", " -m PKCS8"),
            ),
            (b"ssh-ed25519 AAAA me", KeyError::NotAKey),
            (b"hello", KeyError::NotAKey),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n", KeyError::Private),
            (b"PuTTY-User-Key-File-3: ssh-ed25519\n", KeyError::Private),
            (options.as_bytes(), KeyError::Options),
            (many.as_bytes(), KeyError::TooMany),
        ];
        for (given, want) in cases {
            assert_eq!(
                public_keys(given).as_ref(),
                Err(want),
                "{:?}",
                String::from_utf8_lossy(given)
            );
        }
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
            assert_eq!(public_keys(text.as_bytes()), Err(KeyError::Options), "{text}");
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

//! Digests as the documents of an image name them: `sha256:` and 64 hexadecimal digits.
//!
//! Source: OCI image specification 1.1, `descriptor.md`, "Digests". Other algorithms than SHA-256
//! exist there, and no registry that we know of uses one.

use std::fmt;
use std::str::FromStr;

use kraken_foundation::{Sha256Hash, text};
use serde::{Deserialize, Serialize};

/// The prefix of every digest.
const SHA256: &str = "sha256:";

/// The SHA-256 of a document or a blob.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub Sha256Hash);

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a digest (sha256: and 64 lower-case hexadecimal digits)")]
pub struct NotADigest {
    shown: String,
}

impl Digest {
    /// Returns the digest of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256Hash::of(bytes))
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hash = text.strip_prefix(SHA256).and_then(|hash| hash.parse().ok());
        hash.map(Self).ok_or_else(|| NotADigest {
            shown: text::line(&text.chars().take(SHA256.len() + 65).collect::<String>()),
        })
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SHA256}{}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sha256_in_lower_case_is_a_digest() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in [
            "",
            "sha256:",
            "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            &digest.to_string().to_uppercase(),
            &digest.0.to_string(),
            &format!("{digest}0"),
        ] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains("is not a digest"), "{text}: {error}");
        }
    }
}

//! A SHA-256 hash: 32 bytes, written as 64 lower-case hexadecimal digits in every format.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256, digest::Output};

use crate::text;

/// How many characters of a text that is not a hash are shown.
const SHOWN: usize = 70;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash(pub [u8; 32]);

/// A text that is not a SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a SHA-256 (64 lower-case hexadecimal digits)")]
pub struct NotASha256 {
    shown: String,
}

impl Sha256Hash {
    /// Returns the hash of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Sha256::digest(bytes).into()
    }

    /// Parses 64 hexadecimal digits, upper-case ones too: what other programs and people wrote.
    ///
    /// # Errors
    /// [`NotASha256`] for any other text.
    pub fn parse_any_case(text: &str) -> Result<Self, NotASha256> {
        text.to_ascii_lowercase()
            .parse()
            .map_err(|_| NotASha256 { shown: shown(text) })
    }
}

impl FromStr for Sha256Hash {
    type Err = NotASha256;

    fn from_str(text: &str) -> Result<Self, NotASha256> {
        let mut hash = [0; 32];
        let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut hash) {
            Ok(()) if is_lower_case => Ok(Self(hash)),
            _ => Err(NotASha256 { shown: shown(text) }),
        }
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text::line(&text.chars().take(SHOWN).collect::<String>());
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for Sha256Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Output<Sha256>> for Sha256Hash {
    fn from(output: Output<Sha256>) -> Self {
        Self(output.into())
    }
}

impl Serialize for Sha256Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Sha256Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Sha256Hash;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SHA-256 (64 lower-case hexadecimal digits)")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sha256Hash, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The hash of no bytes (FIPS 180-4).
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_hash_of_nothing_is_the_known_one() {
        assert_eq!(Sha256Hash::of(b"").to_string(), EMPTY);
        assert_eq!(Sha256Hash::from(Sha256::new().finalize()), Sha256Hash::of(""));
        assert_eq!(EMPTY.parse(), Ok(Sha256Hash::of("")));
    }

    #[test]
    fn what_is_not_64_lower_case_digits_is_refused() {
        let upper = EMPTY.to_uppercase();
        for text in [
            "",
            &EMPTY[1..],
            &format!("{EMPTY}0"),
            &format!(" {}", &EMPTY[1..]),
            &EMPTY.replace('0', "g"),
            &"é".repeat(32),
            &upper,
        ] {
            let error = text.parse::<Sha256Hash>().unwrap_err().to_string();
            let wanted = format!("{text:?} is not a SHA-256 (64 lower-case hexadecimal digits)");
            assert_eq!(error, wanted);
        }
        assert_eq!(Sha256Hash::parse_any_case(&upper), EMPTY.parse());
    }

    #[test]
    fn a_hostile_text_is_shown_short_and_on_one_line() {
        let error = format!("\u{1b}[31m\n{}", "x".repeat(10_000));
        let error = Sha256Hash::parse_any_case(&error).unwrap_err().to_string();
        assert!(
            error.len() < 160 && error.contains('…') && !error.contains(['\u{1b}', '\n']),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn any_hash_survives_its_text(bytes: [u8; 32]) {
            let hash = Sha256Hash(bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,70}") {
            if let Ok(hash) = text.parse::<Sha256Hash>() {
                prop_assert_eq!(hash.to_string(), text);
            }
        }
    }
}

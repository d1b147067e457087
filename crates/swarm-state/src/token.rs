//! Join tokens: `SWMTKN-1-<digest>-<secret>` (swarmkit, `ca/config.go`): SHA-256 of the root
//! certificate's PEM text, 50 digits of base 36; 16 secret bytes, 25 digits.

use std::fmt;

use kraken_foundation::{Error, Kind, Result};
use num_bigint::BigUint;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::id::base36;

/// Digits of the digest and of the secret, in base 36.
const DIGEST: usize = 50;
const SECRET: usize = 25;

/// A token that lets a node into the swarm. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn new(root_certificate: &str, secret: &[u8; 16]) -> Self {
        let digest = base36(&Sha256::digest(root_certificate), DIGEST);
        let secret = Zeroizing::new(base36(secret, SECRET));
        Self(Zeroizing::new(format!("SWMTKN-1-{digest}-{}", secret.as_str())))
    }

    /// Reads a token of a swarm, as `docker swarm join-token` prints it; white space around it is
    /// removed.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not one; the error does not repeat the text.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why| Error::new(Kind::Damaged, why);
        let text = text.trim_ascii();
        let form = || bad("it is not of the form SWMTKN-1-DIGEST-SECRET");
        let rest = text.strip_prefix("SWMTKN-1-").ok_or_else(form)?;
        let (digest, secret) = rest.split_once('-').ok_or_else(form)?;
        if !is_number(digest, DIGEST, 256) {
            return Err(bad("its digest is not a SHA-256 in 50 letters of base 36"));
        }
        if !is_number(secret, SECRET, 128) {
            return Err(bad("its secret is not 16 bytes in 25 letters of base 36"));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Returns the token's text: a secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Whether a text is a number of `digits` digits in base 36, with small letters, that fits into
/// `bits` bits.
fn is_number(text: &str, digits: usize, bits: u64) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    text.len() == digits
        && text.bytes().all(is_digit)
        && BigUint::parse_bytes(text.as_bytes(), 36).is_some_and(|number| number.bits() <= bits)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_fixed_lengths_and_is_not_shown() {
        let token = Token::new("x", &[0; 16]);
        let parts: Vec<&str> = token.reveal().split('-').collect();
        assert_eq!(parts[..2], ["SWMTKN", "1"]);
        assert_eq!((parts[2].len(), parts[3]), (50, "0000000000000000000000000"));
        assert!(!format!("{token:?}").contains("SWMTKN"));
    }

    #[test]
    fn a_text_of_another_form_is_refused() {
        // 2^256 - 1 and 2^128 - 1 are the largest that fit.
        let (digest, secret) = (
            "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof",
            "f5lxx1zz5pnorynqglhzmsp33",
        );
        assert!(Token::parse(&format!(" SWMTKN-1-{digest}-{secret}\n")).is_ok());
        for (text, wanted) in [
            (String::new(), "it is not of the form SWMTKN-1-DIGEST-SECRET"),
            (
                format!("SWMTKN-2-{digest}-{secret}"),
                "it is not of the form SWMTKN-1-DIGEST-SECRET",
            ),
            (
                format!("SWMTKN-1-{digest}"),
                "it is not of the form SWMTKN-1-DIGEST-SECRET",
            ),
            (
                format!("SWMTKN-1-{digest}0-{secret}"),
                "its digest is not a SHA-256 in 50 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{}-{secret}", "z".repeat(50)),
                "its digest is not a SHA-256 in 50 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{}-{secret}", digest.to_uppercase()),
                "its digest is not a SHA-256 in 50 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-{secret}-"),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-+{}", &secret[1..]),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-f5lxx1zz5pnorynqglhzmsp34"),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
        ] {
            assert_eq!(Token::parse(&text).unwrap_err().to_string(), wanted, "{text}");
        }
    }
}

//! Join tokens: `SWMTKN-1-<digest of the root CA>-<secret>` (swarmkit, `ca/config.go`,
//! `GenerateJoinToken` and `ParseJoinToken`).

use kraken_foundation::{Error, Kind, Result};
use num_bigint::BigUint;

/// Letters of the digest: SHA-256 in base 36.
const DIGEST: usize = 50;
/// Letters of the secret: 16 bytes in base 36.
const SECRET: usize = 25;

/// The contents of a join token; its secret is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the bytes of the root CA's PEM file.
    pub ca_digest: [u8; 32],
}

impl JoinToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not one; the error does not repeat the text.
    pub fn parse(token: &str) -> Result<Self> {
        let bad = |why| Error::new(Kind::Damaged, why);
        let form = || bad("it is not of the form SWMTKN-1-DIGEST-SECRET");
        let digest_is_wrong = || bad("its digest is not a SHA-256 in 50 letters of base 36");
        let secret_is_wrong = || bad("its secret is not 16 bytes in 25 letters of base 36");
        let rest = token.strip_prefix("SWMTKN-1-").ok_or_else(form)?;
        let (digest, secret) = rest.split_once('-').ok_or_else(form)?;
        if digest.len() != DIGEST {
            return Err(digest_is_wrong());
        }
        if secret.len() != SECRET {
            return Err(secret_is_wrong());
        }
        let digest = base36(digest).ok_or_else(digest_is_wrong)?.to_bytes_be();
        let bits = base36(secret).ok_or_else(secret_is_wrong)?.bits();
        if bits > 128 {
            return Err(secret_is_wrong());
        }
        let mut ca_digest = [0; 32];
        let from = ca_digest.len().checked_sub(digest.len()).ok_or_else(digest_is_wrong)?;
        ca_digest[from..].copy_from_slice(&digest);
        Ok(Self { ca_digest })
    }
}

/// Parses a number in base 36, with the small letters that Docker writes.
fn base36(text: &str) -> Option<BigUint> {
    let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if !text.bytes().all(fits) {
        return None;
    }
    BigUint::parse_bytes(text.as_bytes(), 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_gives_the_digest() {
        let zeros = format!("SWMTKN-1-{}-{}", "0".repeat(50), "0".repeat(25));
        assert_eq!(JoinToken::parse(&zeros).unwrap().ca_digest, [0; 32]);
        let small = format!("SWMTKN-1-{}72-{}", "0".repeat(48), "f5lxx1zz5pnorynqglhzmsp33");
        let mut digest = [0; 32];
        digest[31] = 254;
        assert_eq!(JoinToken::parse(&small).unwrap().ca_digest, digest);
        // 2^256 - 1 and 2^128 - 1.
        let largest = "6dp5qcb22im238nr3wvp0ic7q99w035jmy2iw7i6n43d37jtof";
        let most = format!("SWMTKN-1-{largest}-f5lxx1zz5pnorynqglhzmsp33");
        assert_eq!(JoinToken::parse(&most).unwrap().ca_digest, [255; 32]);
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        let (digest, secret) = ("0".repeat(50), "0".repeat(25));
        for (token, wanted) in [
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
                format!("SWMTKN-1-{}-{secret}", "A".repeat(50)),
                "its digest is not a SHA-256 in 50 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{}-{secret}", "_".repeat(50)),
                "its digest is not a SHA-256 in 50 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-{secret}0"),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-{}", "z".repeat(25)),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-+{}", "0".repeat(24)),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-{secret}-"),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
            (
                format!("SWMTKN-1-{digest}-f5lxx1zz5pnorynqglhzmsp34"),
                "its secret is not 16 bytes in 25 letters of base 36",
            ),
        ] {
            assert_eq!(JoinToken::parse(&token).unwrap_err().to_string(), wanted, "{token}");
        }
    }
}

//! Join tokens: `SWMTKN-1-<digest of the root CA>-<secret>` (swarmkit, `ca/config.go`,
//! `GenerateJoinToken` and `ParseJoinToken`).

use num_bigint::BigUint;

/// Letters of the digest: SHA-256 in base 36.
const DIGEST: usize = 50;
/// Letters of the secret: 16 bytes in base 36.
const SECRET: usize = 25;

/// Why a text is not a join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of the form `SWMTKN-1-…-…`.
    #[error("it is not of the form SWMTKN-1-DIGEST-SECRET")]
    Form,
    /// The digest is not 50 letters of base 36, or larger than a SHA-256.
    #[error("its digest is not a SHA-256 in 50 letters of base 36")]
    Digest,
    /// The secret is not 25 letters of base 36, or larger than 16 bytes.
    #[error("its secret is not 16 bytes in 25 letters of base 36")]
    Secret,
    /// The digest is of another root CA.
    #[error("its digest is not that of the cluster's root CA")]
    OtherCa,
}

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
    /// [`TokenError`].
    pub fn parse(token: &str) -> Result<Self, TokenError> {
        let rest = token.strip_prefix("SWMTKN-1-").ok_or(TokenError::Form)?;
        let (digest, secret) = rest.split_once('-').ok_or(TokenError::Form)?;
        if digest.len() != DIGEST {
            return Err(TokenError::Digest);
        }
        if secret.len() != SECRET {
            return Err(TokenError::Secret);
        }
        let digest = base36(digest).ok_or(TokenError::Digest)?.to_bytes_be();
        let bits = base36(secret).ok_or(TokenError::Secret)?.bits();
        if bits > 128 {
            return Err(TokenError::Secret);
        }
        let mut ca_digest = [0; 32];
        let from = ca_digest.len().checked_sub(digest.len()).ok_or(TokenError::Digest)?;
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
            (String::new(), TokenError::Form),
            (format!("SWMTKN-2-{digest}-{secret}"), TokenError::Form),
            (format!("SWMTKN-1-{digest}"), TokenError::Form),
            (format!("SWMTKN-1-{digest}0-{secret}"), TokenError::Digest),
            (format!("SWMTKN-1-{}-{secret}", "z".repeat(50)), TokenError::Digest),
            (format!("SWMTKN-1-{}-{secret}", "A".repeat(50)), TokenError::Digest),
            (format!("SWMTKN-1-{}-{secret}", "_".repeat(50)), TokenError::Digest),
            (format!("SWMTKN-1-{digest}-{secret}0"), TokenError::Secret),
            (format!("SWMTKN-1-{digest}-{}", "z".repeat(25)), TokenError::Secret),
            (format!("SWMTKN-1-{digest}-+{}", "0".repeat(24)), TokenError::Secret),
            (format!("SWMTKN-1-{digest}-{secret}-"), TokenError::Secret),
            (
                format!("SWMTKN-1-{digest}-f5lxx1zz5pnorynqglhzmsp34"),
                TokenError::Secret,
            ),
        ] {
            assert_eq!(JoinToken::parse(&token), Err(wanted), "{token}");
        }
    }
}

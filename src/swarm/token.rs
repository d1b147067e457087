//! Join tokens: `SWMTKN-1-<digest>-<secret>` (swarmkit, `ca/config.go`): SHA-256 of the root certificate's PEM text, 50 digits of
//! base 36; 16 secret bytes, 25 digits.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::id::base36;
use super::read::{JoinToken, TokenError};

/// What lets a node into the swarm. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn new(root_certificate: &str, secret: &[u8; 16]) -> Self {
        let digest = base36(&Sha256::digest(root_certificate), 50);
        let secret = Zeroizing::new(base36(secret, 25));
        Self(Zeroizing::new(format!("SWMTKN-1-{digest}-{}", secret.as_str())))
    }

    /// A token that a swarm gave out, as `docker swarm join-token` prints it; white space around it is left off.
    ///
    /// # Errors
    /// [`TokenError`] when it is none; it does not repeat the text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim_ascii();
        JoinToken::parse(text)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token's text: a secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
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
}

//! The cluster's keys: one seed, from which every key, id and token of its swarm is derived.
//!
//! Derivation is HKDF-SHA256 (RFC 5869) with the seed as its input key and the secret's name as
//! `info`: one secret reveals nothing about another, and an eighth node does not change the other
//! seven.

use std::fmt;

use hkdf::Hkdf;
use kraken_foundation::{Error, Kind, Result};
use p256::SecretKey;
use serde::Deserialize;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The only version of the key file so far.
const VERSION: u32 = 1;
const SEED: usize = 32;
/// Separates these derivations from any other use of the same seed.
const SALT: &[u8] = b"kraken-flash swarm 1";

/// The cluster's keys. They are wiped from memory when dropped, and never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ClusterKeys {
    seed: [u8; SEED],
}

/// What is said of a text that is not a key file. It never contains any of the text.
fn no_keys(why: &str) -> Error {
    Error::new(Kind::Damaged, format!("it is not a key file of kraken-flash: {why}"))
}

/// The key file: TOML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    seed: Zeroizing<String>,
}

impl ClusterKeys {
    /// Makes new keys from the system's random source.
    ///
    /// # Errors
    /// When the source fails.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; SEED];
        getrandom::fill(&mut seed)
            .map_err(|error| Error::new(Kind::Io, format!("asking the system for random numbers: {error}")))?;
        Ok(Self { seed })
    }

    /// Returns the keys that are derived from this seed.
    pub fn from_seed(seed: [u8; SEED]) -> Self {
        Self { seed }
    }

    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not one, [`Kind::Unsupported`] when it is of another version;
    /// the error never contains any of the text.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|_| no_keys("it must say `version` and `seed`"))?;
        if file.version != VERSION {
            let text = format!(
                "it has version {}, and this kraken-flash knows version {VERSION} only; use a newer one",
                file.version
            );
            return Err(Error::new(Kind::Unsupported, text));
        }
        let mut keys = Self { seed: [0; SEED] };
        hex::decode_to_slice(file.seed.as_bytes(), &mut keys.seed)
            .map_err(|_| no_keys("its seed is not 64 hexadecimal digits"))?;
        Ok(keys)
    }

    /// Returns the text of the key file, for the cluster with this name.
    pub fn to_text(&self, cluster: &str) -> Zeroizing<String> {
        let seed = Zeroizing::new(hex::encode(self.seed));
        Zeroizing::new(format!(
            "# The keys of the cluster \"{cluster}\". With this file every node can be taken over: keep it secret, and keep a copy.\n\
             # Without it no card of this cluster can be made again. Only kraken-flash writes it, and only once.\n\
             version = {VERSION}\nseed = \"{}\"\n",
            seed.as_str()
        ))
    }

    /// Fills `out` with the secret of this name.
    pub(super) fn derive(&self, name: &str, out: &mut [u8]) {
        // expand() fails only for more than 255 hashes of output (RFC 5869, 2.3); the calls here
        // request 64 bytes at most.
        let filled = Hkdf::<Sha256>::new(Some(SALT), &self.seed).expand(name.as_bytes(), out);
        debug_assert!(filled.is_ok(), "too much was asked of HKDF");
    }

    /// Returns the secret bytes of this name.
    pub(super) fn bytes<const N: usize>(&self, name: &str) -> Zeroizing<[u8; N]> {
        let mut out = Zeroizing::new([0; N]);
        self.derive(name, &mut out[..]);
        out
    }

    /// Returns the ECDSA P-256 key of this name: the first candidate that is a scalar of the curve
    /// (FIPS 186-5, A.2.2). A candidate fails once in 2^32.
    pub(super) fn ecdsa(&self, name: &str) -> SecretKey {
        let mut attempt = 0_u32;
        loop {
            let candidate = self.bytes::<32>(&format!("{name} {attempt}"));
            if let Ok(key) = SecretKey::from_slice(&candidate[..]) {
                return key;
            }
            attempt += 1;
        }
    }
}

impl fmt::Debug for ClusterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKeys(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_back() {
        let keys = ClusterKeys::from_seed([7; SEED]);
        let text = keys.to_text("kraken");
        assert_eq!(ClusterKeys::parse(&text).unwrap().seed, keys.seed);
        assert!(!format!("{keys:?}").contains("07"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let secret = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4";
        for text in [
            format!("version = 1\nseed = \"{secret}\"\nmore = 1\n"),
            format!("version = 1\nseed = \"{secret}00\"\n"),
            format!("version = 2\nseed = \"{secret}\"\n"),
            format!("version = 1\nseed = {secret}\n"),
            String::new(),
        ] {
            let error = ClusterKeys::parse(&text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("5ec4"), "{error:?}");
        }
    }

    #[test]
    fn names_give_secrets_that_have_nothing_in_common() {
        let keys = ClusterKeys::from_seed([1; SEED]);
        assert_eq!(keys.bytes::<16>("a"), keys.bytes::<16>("a"));
        assert_ne!(keys.bytes::<16>("a"), keys.bytes::<16>("b"));
        assert_ne!(
            keys.bytes::<16>("a"),
            ClusterKeys::from_seed([2; SEED]).bytes::<16>("a")
        );
    }
}

//! The names of layers in the store, which depend on all layers below them.

use std::fmt;

use kraken_foundation::Sha256Hash;
use kraken_oci::Digest;
use sha2::{Digest as _, Sha256};

/// The alphabet of the short names (RFC 4648, base 32).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The length of a short name.
const SHORT: usize = 26;

/// A layer together with all layers below it (OCI image specification 1.1, `config.md`, "Layer
/// ChainID").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub Digest);

/// Returns the chain ids of an image's layers, the lowest one first.
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<ChainId> {
    let mut chain: Vec<ChainId> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        chain.push(ChainId(match chain.last() {
            None => *diff_id,
            Some(parent) => Digest::of(format!("{parent} {diff_id}")),
        }));
    }
    chain
}

impl ChainId {
    /// Returns the name of the layer's folder (`cache-id`), which Docker draws at random.
    pub(crate) fn cache_id(self) -> String {
        self.derived("cache-id").to_string()
    }

    /// Returns the short name for mount options (`link`), which Docker draws at random, too.
    pub(crate) fn link(self) -> String {
        let hash = self.derived("link").0;
        let bits = |at: usize| -> usize {
            let pair = usize::from(hash[at / 8]) << 8 | usize::from(hash[at / 8 + 1]);
            pair >> (11 - at % 8) & 31
        };
        (0..SHORT).map(|letter| char::from(BASE32[bits(5 * letter)])).collect()
    }

    /// Returns the digits of the hash alone, which are the name of the layer's record.
    pub(crate) fn hash(self) -> Sha256Hash {
        self.0.0
    }

    fn derived(self, what: &str) -> Sha256Hash {
        let mut hash = Sha256::new();
        hash.update(format!("kraken-flash docker-store {what} {self}"));
        hash.finalize().into()
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_follow_the_specification() {
        let one = Digest::of("one");
        let two = Digest::of("two");
        let chain = chain_ids(&[one, two, one]);
        assert_eq!(chain[0], ChainId(one));
        assert_eq!(chain[1], ChainId(Digest::of(format!("{one} {two}"))));
        assert_eq!(chain[2], ChainId(Digest::of(format!("{} {one}", chain[1]))));
        assert_eq!(chain_ids(&[]), []);
    }

    #[test]
    fn derived_names_have_dockers_form_and_are_the_same_each_time() {
        let chain = ChainId(Digest::of("one"));
        let (cache, link) = (chain.cache_id(), chain.link());
        assert_eq!((cache.len(), link.len()), (64, 26));
        assert!(link.bytes().all(|letter| BASE32.contains(&letter)), "{link}");
        assert_eq!((cache, link.clone()), (chain.cache_id(), chain.link()));
        assert_ne!(ChainId(Digest::of("two")).link(), link);
    }
}

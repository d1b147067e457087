//! What stands in the name of everything that is baked, so that an image of another version or of other code is never taken from a cache.

/// Changes whenever this program would bake other bytes from the same inputs.
pub(super) const FORMAT: &str = "kraken-flash golden image 2";

/// Which code writes images; build.rs hashes it. A development build never takes an image that other code baked.
pub(super) const WRITERS: &str = env!("KRAKEN_FLASH_WRITERS");

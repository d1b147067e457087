//! The account `pi`.

/// The account that Raspberry Pi OS comes with.
pub(super) const PI: &str = "pi";

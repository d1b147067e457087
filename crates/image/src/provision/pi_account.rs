//! The account `pi` of Raspberry Pi OS.

/// The account that Raspberry Pi OS comes with.
pub(super) const PI: &str = "pi";

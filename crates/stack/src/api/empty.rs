//! Which fields JSON leaves out.

/// Whether a field has the value that Go leaves out of JSON.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

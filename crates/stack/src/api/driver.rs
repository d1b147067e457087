//! A driver, of whatever kind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::empty::is_default;

/// A driver with its options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Driver {
    /// Its name; Docker takes none for its default.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

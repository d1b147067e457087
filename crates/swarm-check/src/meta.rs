//! The fields that all objects of the store have: a version, a name, labels (swarmkit,
//! `api/objects.proto`, `Meta`; `api/types.proto`, `Annotations`).

use std::collections::BTreeMap;

use kraken_foundation::Result;

use super::proto::{fields, map_entry};

/// Reads `Meta`: the version's index.
pub(super) fn version(bytes: &[u8]) -> Result<u64> {
    let mut index = 0;
    for field in fields(bytes) {
        let field = field?;
        if field.number == 1 {
            for field in fields(field.bytes()?) {
                let field = field?;
                if field.number == 1 {
                    index = field.uint()?;
                }
            }
        }
    }
    Ok(index)
}

/// `Annotations`
#[derive(Default)]
pub(super) struct Annotations {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

/// Reads `Annotations`.
pub(super) fn annotations(bytes: &[u8]) -> Result<Annotations> {
    let mut read = Annotations::default();
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => read.name = field.text()?,
            2 => {
                let (key, value) = map_entry(field.bytes()?)?;
                read.labels.insert(key, value);
            }
            _ => {}
        }
    }
    Ok(read)
}

/// Reads the name in a spec, whose annotations are field 1.
pub(super) fn spec_name(bytes: &[u8]) -> Result<String> {
    let mut name = String::new();
    for field in fields(bytes) {
        let field = field?;
        if field.number == 1 {
            name = annotations(field.bytes()?)?.name;
        }
    }
    Ok(name)
}

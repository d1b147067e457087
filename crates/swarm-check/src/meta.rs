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

/// Reads `Annotations`: a name and labels.
pub(super) fn annotations(bytes: &[u8]) -> Result<(String, BTreeMap<String, String>)> {
    let (mut name, mut labels) = (String::new(), BTreeMap::new());
    for field in fields(bytes) {
        let field = field?;
        match field.number {
            1 => name = field.text()?,
            2 => {
                let (key, value) = map_entry(field.bytes()?)?;
                labels.insert(key, value);
            }
            _ => {}
        }
    }
    Ok((name, labels))
}

/// Reads the name in a spec, whose annotations are field 1.
pub(super) fn spec_name(bytes: &[u8]) -> Result<String> {
    let mut name = String::new();
    for field in fields(bytes) {
        let field = field?;
        if field.number == 1 {
            name = annotations(field.bytes()?)?.0;
        }
    }
    Ok(name)
}

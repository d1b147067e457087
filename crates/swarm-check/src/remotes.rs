//! `state.json`: the managers that a node knows (swarmkit, `node/node.go`, `persistentRemotes`).

use serde::Deserialize;
use serde_json::{Map, Value};

use kraken_foundation::Result;

use super::error;

pub(super) const PATH: &str = "state.json";

/// A manager that a node knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Remote {
    /// Its node ID.
    #[serde(default)]
    pub node_id: String,
    /// Where it is reached, `address:port`.
    #[serde(default)]
    pub addr: String,
}

/// Returns the managers of `state.json`, sorted.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Remote>> {
    let bad = |why: &str| error::json(PATH, why);
    // They are parsed as maps first, since serde would also accept lists.
    let list: Option<Vec<Map<String, Value>>> =
        serde_json::from_slice(bytes).map_err(|error| bad(&error.to_string()))?;
    let mut list = list
        .unwrap_or_default()
        .into_iter()
        .map(|map| serde_json::from_value::<Remote>(map.into()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(&error.to_string()))?;
    if list
        .iter()
        .any(|remote| remote.node_id.is_empty() || remote.addr.is_empty())
    {
        return Err(bad("it has a manager without an ID or without an address"));
    }
    list.sort();
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_sorted() {
        let text = r#"[{"node_id":"b","addr":"10.0.0.2:2377"},{"node_id":"a","addr":"10.0.0.1:2377"}]"#;
        let ids: Vec<_> = read(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|remote| remote.node_id)
            .collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(read(b"null").unwrap().is_empty());
        assert!(read(b"[]").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_its_json_is_an_error() {
        for text in [
            "",
            "{}",
            "[1]",
            r#"[["a","b"]]"#,
            r#"[{"node_id":"a"}]"#,
            r#"[{"addr":"a"}]"#,
        ] {
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("state.json"), "{error}");
        }
    }
}

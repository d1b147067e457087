//! `docker-state.json`: how the daemon takes part in the swarm (moby,
//! `daemon/cluster/noderunner.go`, `nodeStartConfig`).

use serde::Deserialize;
use serde_json::{Map, Value};

use kraken_foundation::Result;

use super::error;

pub(super) const PATH: &str = "docker-state.json";

/// The contents of `docker-state.json`. A name that is missing there is empty here, as for Docker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DockerState {
    /// The address of the node itself; empty when Docker should find it.
    pub local_addr: String,
    /// The manager through which it joined, `address:port`; empty on the first one.
    pub remote_addr: String,
    /// Where a manager listens, `address:port`.
    pub listen_addr: String,
    /// Where others reach it, `address:port`; empty on a worker that did not set it.
    pub advertise_addr: String,
    /// The address for the overlay networks' data; empty means the advertised one.
    pub data_path_addr: String,
    /// Address pools of overlay networks; none means Docker's own.
    pub default_address_pool: Option<Vec<String>>,
    /// Prefix length of a network taken from them; 0 on a node that joined.
    pub subnet_size: u32,
    /// UDP port of VXLAN; 0 on a node that joined.
    pub data_path_port: u32,
    /// A join that has not ended.
    pub join_in_progress: bool,
}

impl DockerState {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        // It is parsed as a map first, since serde would also accept a list.
        serde_json::from_slice(bytes)
            .and_then(|map: Map<String, Value>| serde_json::from_value(map.into()))
            .map_err(|error| error::json(PATH, &error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields() {
        let text = r#"{"LocalAddr":"a","RemoteAddr":"b","ListenAddr":"c","AdvertiseAddr":"d","DataPathAddr":"e",
            "DefaultAddressPool":["10.0.0.0/8"],"SubnetSize":24,"DataPathPort":4789,"JoinInProgress":true,"Later":1}"#;
        let state = DockerState::read(text.as_bytes()).unwrap();
        let wanted = DockerState {
            local_addr: "a".into(),
            remote_addr: "b".into(),
            listen_addr: "c".into(),
            advertise_addr: "d".into(),
            data_path_addr: "e".into(),
            default_address_pool: Some(vec!["10.0.0.0/8".into()]),
            subnet_size: 24,
            data_path_port: 4789,
            join_in_progress: true,
        };
        assert_eq!(state, wanted);
        assert_eq!(DockerState::read(b"{}").unwrap(), DockerState::default());
        let null = DockerState::read(br#"{"DefaultAddressPool":null}"#).unwrap();
        assert_eq!(null.default_address_pool, None);
    }

    #[test]
    fn what_is_not_its_json_is_an_error() {
        for text in ["", "[]", r#"{"SubnetSize":-1}"#, r#"{"LocalAddr":1}"#, "{}{}"] {
            let error = DockerState::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("docker-state.json"), "{error}");
        }
    }
}

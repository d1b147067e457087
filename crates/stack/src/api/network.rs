//! A network of a stack.

use std::collections::BTreeMap;

use serde::Serialize;

use super::empty::is_default;

/// What a network is to be: the body of the API's `/networks/create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSpec {
    /// `STACK_NETWORK`, or the name that the compose file gives it.
    pub name: String,
    /// Those of the network, and the stack's name.
    pub labels: BTreeMap<String, String>,
    /// `overlay` where the compose file names none.
    pub driver: String,
    /// Options of the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Whether nothing outside can be reached from it.
    pub internal: bool,
    /// Whether containers that are not of a service may join it.
    pub attachable: bool,
    /// Its addresses; Docker chooses where there are none.
    #[serde(rename = "IPAM", skip_serializing_if = "Option::is_none")]
    pub ipam: Option<Ipam>,
}

/// The addresses of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    /// Who hands them out; Docker takes none for `default`.
    #[serde(skip_serializing_if = "is_default")]
    pub driver: String,
    /// The subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<IpamConfig>,
}

/// A subnet of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamConfig {
    /// Such as `10.9.0.0/24`.
    #[serde(skip_serializing_if = "is_default")]
    pub subnet: String,
}

//! The objects of a cluster's store (swarmkit, `api/objects.proto`, `api/specs.proto`,
//! `api/types.proto`), with the fields that a reader needs.

use kraken_foundation::Result;

use super::ca::ClusterObject;
use super::meta::{annotations, spec_name, version};
use super::node_object::NodeObject;
use super::proto::fields;

/// A network in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkObject {
    /// Its ID.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Its name.
    pub name: String,
    /// Whether it is the one for published ports.
    pub ingress: bool,
}

/// An object of which only these fields are read: its content may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherObject {
    /// Its ID.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// Its name; that of a task is usually empty.
    pub name: String,
}

/// An object of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// The cluster.
    Cluster(Box<ClusterObject>),
    /// A node.
    Node(Box<NodeObject>),
    /// A network.
    Network(NetworkObject),
    /// Something else.
    Other(OtherObject),
}

impl Object {
    /// Its ID.
    pub fn id(&self) -> &str {
        match self {
            Self::Cluster(cluster) => &cluster.id,
            Self::Node(node) => &node.id,
            Self::Network(network) => &network.id,
            Self::Other(other) => &other.id,
        }
    }

    /// Its name; empty for a node.
    pub fn name(&self) -> &str {
        match self {
            Self::Cluster(cluster) => &cluster.name,
            Self::Node(_) => "",
            Self::Network(network) => &network.name,
            Self::Other(other) => &other.name,
        }
    }
}

impl NetworkObject {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut network = Self {
            id: String::new(),
            version: 0,
            name: String::new(),
            ingress: false,
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => network.id = field.text()?,
                2 => network.version = version(field.bytes()?)?,
                3 => {
                    network.name = spec_name(field.bytes()?)?;
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        if field.number == 7 {
                            network.ingress = field.uint()? != 0;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(network)
    }
}

/// Where an object keeps its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NameIn {
    /// In field 3, a spec.
    Spec,
    /// In field 3, annotations.
    Annotations,
    /// In field 7, annotations.
    TaskAnnotations,
}

impl OtherObject {
    pub(super) fn read(bytes: &[u8], name_in: NameIn) -> Result<Self> {
        let mut other = Self {
            id: String::new(),
            version: 0,
            name: String::new(),
        };
        for field in fields(bytes) {
            let field = field?;
            match (field.number, name_in) {
                (1, _) => other.id = field.text()?,
                (2, _) => other.version = version(field.bytes()?)?,
                (3, NameIn::Spec) => other.name = spec_name(field.bytes()?)?,
                (3, NameIn::Annotations) | (7, NameIn::TaskAnnotations) => {
                    other.name = annotations(field.bytes()?)?.name;
                }
                _ => {}
            }
        }
        Ok(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_and_other_objects() {
        let network = NetworkObject::read(b"\x0a\x01n\x1a\x07\x0a\x03\x0a\x01i\x38\x01").unwrap();
        assert_eq!((network.name.as_str(), network.ingress), ("i", true));
        let name = |bytes: &[u8], name_in| OtherObject::read(bytes, name_in).unwrap().name;
        assert_eq!(name(b"\x1a\x05\x0a\x03\x0a\x01s", NameIn::Spec), "s");
        assert_eq!(name(b"\x1a\x03\x0a\x01s", NameIn::Annotations), "s");
        assert_eq!(name(b"\x3a\x03\x0a\x01s\x1a\x00", NameIn::TaskAnnotations), "s");
    }
}

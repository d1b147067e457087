//! The kinds of objects in the store, and their numbers in its messages (swarmkit,
//! `api/raft.proto`, `api/snapshot.proto`).

use kraken_foundation::Result;

use super::ca::ClusterObject;
use super::node_object::NodeObject;
use super::objects::{NameIn, NetworkObject, Object, OtherObject};
use super::proto::without;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The cluster itself.
    Cluster,
    /// A node.
    Node,
    /// A network.
    Network,
    /// A service.
    Service,
    /// A task.
    Task,
    /// A secret.
    Secret,
    /// A configuration file.
    Config,
    /// A resource of an extension.
    Resource,
    /// An extension.
    Extension,
    /// A volume of the cluster.
    Volume,
}

impl Kind {
    /// Returns the kind of a field in a `StoreAction`.
    pub(super) fn of_action(number: u32) -> Option<Self> {
        Some(match number {
            2 => Self::Node,
            3 => Self::Service,
            4 => Self::Task,
            5 => Self::Network,
            6 => Self::Cluster,
            7 => Self::Secret,
            8 => Self::Resource,
            9 => Self::Extension,
            10 => Self::Config,
            11 => Self::Volume,
            _ => return None,
        })
    }

    /// Returns the kind of a field in a `StoreSnapshot`.
    pub(super) fn of_snapshot(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Node,
            2 => Self::Service,
            3 => Self::Network,
            4 => Self::Task,
            5 => Self::Cluster,
            6 => Self::Secret,
            7 => Self::Resource,
            8 => Self::Extension,
            9 => Self::Config,
            10 => Self::Volume,
            _ => return None,
        })
    }

    /// Whether two objects of the kind must not have the same name.
    pub(super) fn has_unique_names(self) -> bool {
        !matches!(self, Self::Node | Self::Task)
    }

    pub(super) fn read(self, bytes: &[u8]) -> Result<Object> {
        let object = match self {
            Self::Cluster => Object::Cluster(Box::new(ClusterObject::read(bytes)?)),
            Self::Node => Object::Node(Box::new(NodeObject::read(bytes)?)),
            Self::Network => Object::Network(NetworkObject::read(bytes)?),
            Self::Task => Object::Other(OtherObject::read(bytes, NameIn::TaskAnnotations)?),
            Self::Resource | Self::Extension => Object::Other(OtherObject::read(bytes, NameIn::Annotations)?),
            Self::Service | Self::Secret | Self::Config | Self::Volume => {
                Object::Other(OtherObject::read(bytes, NameIn::Spec)?)
            }
        };
        match object.id().is_empty() {
            true => Err(without("ID")),
            false => Ok(object),
        }
    }
}

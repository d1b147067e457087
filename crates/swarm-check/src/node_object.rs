//! A node in the store (swarmkit, `api/objects.proto`, `Node`; `api/specs.proto`, `NodeSpec`;
//! `api/types.proto`, `Certificate`).

use std::collections::BTreeMap;

use kraken_foundation::Result;

use super::meta::{annotations, version};
use super::proto::{fields, unknown};

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It only runs tasks.
    Worker,
    /// It takes part in the raft.
    Manager,
}

/// Whether a node belongs to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Not yet.
    Pending,
    /// It does.
    Accepted,
}

/// Whether a node gets tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It gets tasks.
    Active,
    /// It keeps the tasks it has.
    Pause,
    /// It gets no tasks, and loses those it has.
    Drain,
}

/// The state of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuanceState {
    /// Not set.
    Unknown,
    /// The node has requested a new one.
    Renew,
    /// It is requested.
    Pending,
    /// The node has it.
    Issued,
    /// It could not be made.
    Failed,
    /// It must be made again, for a new root CA.
    Rotate,
}

/// The fields of a node's certificate in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuance {
    /// The role in the certificate.
    pub role: Role,
    /// Its state.
    pub state: IssuanceState,
    /// Its CN; it is the node's ID.
    pub common_name: String,
}

/// A node in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeObject {
    /// Its ID.
    pub id: String,
    /// Its version.
    pub version: u64,
    /// The name that it reports; empty before it was first seen, unless it was written in advance.
    pub hostname: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its role.
    pub role: Role,
    /// The role that it should have.
    pub desired_role: Role,
    /// Whether it belongs to the cluster.
    pub membership: Membership,
    /// Whether it gets tasks.
    pub availability: Availability,
    /// Its certificate.
    pub certificate: Issuance,
    /// The address from which it was last seen; empty before.
    pub addr: String,
}

fn role(number: u64) -> Result<Role> {
    match number {
        0 => Ok(Role::Worker),
        1 => Ok(Role::Manager),
        _ => Err(unknown("role", number)),
    }
}

impl Issuance {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut issuance = Self {
            role: Role::Worker,
            state: IssuanceState::Unknown,
            common_name: String::new(),
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => issuance.role = role(field.uint()?)?,
                3 => {
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        if field.number == 1 {
                            issuance.state = issuance_state(field.uint()?)?;
                        }
                    }
                }
                5 => issuance.common_name = field.text()?,
                _ => {}
            }
        }
        Ok(issuance)
    }
}

fn issuance_state(number: u64) -> Result<IssuanceState> {
    Ok(match number {
        0 => IssuanceState::Unknown,
        1 => IssuanceState::Renew,
        2 => IssuanceState::Pending,
        3 => IssuanceState::Issued,
        4 => IssuanceState::Failed,
        5 => IssuanceState::Rotate,
        _ => return Err(unknown("state of a certificate", number)),
    })
}

impl NodeObject {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut node = Self {
            id: String::new(),
            version: 0,
            hostname: String::new(),
            labels: BTreeMap::new(),
            role: Role::Worker,
            desired_role: Role::Worker,
            membership: Membership::Pending,
            availability: Availability::Active,
            certificate: Issuance::read(b"")?,
            addr: String::new(),
        };
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => node.id = field.text()?,
                2 => node.version = version(field.bytes()?)?,
                3 => node.spec(field.bytes()?)?,
                4 => {
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        if field.number == 1 {
                            node.hostname = field.text()?;
                        }
                    }
                }
                5 => {
                    for field in fields(field.bytes()?) {
                        let field = field?;
                        if field.number == 3 {
                            node.addr = field.text()?;
                        }
                    }
                }
                8 => node.certificate = Issuance::read(field.bytes()?)?,
                9 => node.role = role(field.uint()?)?,
                _ => {}
            }
        }
        Ok(node)
    }

    fn spec(&mut self, bytes: &[u8]) -> Result<()> {
        for field in fields(bytes) {
            let field = field?;
            match field.number {
                1 => self.labels = annotations(field.bytes()?)?.labels,
                2 => self.desired_role = role(field.uint()?)?,
                3 => {
                    self.membership = match field.uint()? {
                        0 => Membership::Pending,
                        1 => Membership::Accepted,
                        number => return Err(unknown("membership", number)),
                    }
                }
                4 => {
                    self.availability = match field.uint()? {
                        0 => Availability::Active,
                        1 => Availability::Pause,
                        2 => Availability::Drain,
                        number => return Err(unknown("availability", number)),
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node() {
        let bytes =
            b"\x0a\x01n\x12\x04\x0a\x02\x08\x05\x1a\x13\x0a\x0b\x12\x09\x0a\x04rack\x12\x01a\x10\x01\x18\x01\x20\x02\
                      \x22\x03\x0a\x01h\x2a\x03\x1a\x01i\x42\x09\x08\x01\x1a\x02\x08\x03\x2a\x01n\x48\x01";
        let node = NodeObject::read(bytes).unwrap();
        let wanted = NodeObject {
            id: "n".into(),
            version: 5,
            hostname: "h".into(),
            labels: [("rack".into(), "a".into())].into(),
            role: Role::Manager,
            desired_role: Role::Manager,
            membership: Membership::Accepted,
            availability: Availability::Drain,
            certificate: Issuance {
                role: Role::Manager,
                state: IssuanceState::Issued,
                common_name: "n".into(),
            },
            addr: "i".into(),
        };
        assert_eq!(node, wanted);
    }

    #[test]
    fn unknown_numbers_are_errors() {
        for bytes in [
            &b"\x48\x02"[..],
            b"\x1a\x02\x10\x02",
            b"\x1a\x02\x18\x02",
            b"\x1a\x02\x20\x03",
            b"\x42\x04\x1a\x02\x08\x06",
        ] {
            let error = NodeObject::read(bytes).unwrap_err();
            assert_eq!(error.kind(), kraken_foundation::Kind::Unsupported);
            assert!(error.to_string().ends_with("which we do not know"), "{error}");
        }
    }
}
